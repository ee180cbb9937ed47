"""What a message may hold, at its edges: the last value that every peer takes and the first that every peer refuses."""

import json
import unittest

from protocol import messages, topics
from protocol.errors import IdentityError, MessageError
from tests.vm.portable.test_protocol import GATEWAY, TOPIC_OF, changed, example, refused

WITHIN = 2**53
DAY_S = 86400
TIMES = (1420070400, 4102444799)  # 2015 to 2099
HUGE = 1000000000
WHOLE = (  # kind, fields of integers, least, most
    ("command", "duration_s", 1, DAY_S),
    ("command", "epoch", 0, WITHIN),
    ("ack", "epoch held_epoch seq", 0, WITHIN),
    ("ack", "at", TIMES[0], TIMES[1]),
    ("status", "uptime_s heap_free_bytes outbox_depth outbox_dropped", 0, WITHIN),
    ("status", "rssi_dbm", -200, 0),
    ("status", "at", TIMES[0], TIMES[1]),
    ("update", "issued_at", TIMES[0], TIMES[1]),
    ("error", "duration_s", 0, WITHIN),
    ("sample", "seq", 0, WITHIN),
    ("sample", "measured_at", TIMES[0], TIMES[1]),
    ("sample", "leak_s", 1, DAY_S),
)
NUMBERS = (  # kind, fields of integers or floats, least, most
    ("command", "max_volume_l", 0, HUGE),
    ("ack", "volume_l", 0, HUGE),
    ("ack", "duration_s", 0, DAY_S),
    ("error", "volume_l", 0, HUGE),
    ("sample", "vwc", 0, 1),
    ("sample", "soil_temperature_c", -40, 80),
    ("sample", "air_temperature_c", -60, 70),
    ("sample", "relative_humidity_pct", 0, 105),
    ("sample", "wind_speed_m_s", 0, 100),
    ("sample", "solar_radiation_w_m2", -20, 2000),
    ("sample", "rain_mm percolation_mm", 0, 500),
    ("sample", "flow_l_min", 0, 100000),
    ("sample", "volume_l", 0, HUGE),
    ("sample", "pressure_kpa", 0, 2000),
    ("sample", "battery_v", 0, 60),
)
SETTINGS = (("sample_interval_s", 10), ("publish_interval_s", 10), ("status_interval_s", 60))  # name, least
TEXTS = (("command", "reason", 400), ("status", "firmware", 40), ("status", "reset_cause", 40), ("error", "text", 400))
COUNTS = (("status", "epochs"), ("status", "watered_24h_s"), ("status", "last_end_at"), ("diagnostics", "counters"))
REQUIRED = {
    "reading": "gateway_id sensor_id boot_id samples",
    "sample": "seq measured_at clock",
    "command": "command_id device_id action issued_at expires_at epoch",
    "ack": "command_id gateway_id epoch state code volume_source boot_id seq at",
    "status": "gateway_id boot_id state at",
    "update": "update_id device_id issued_at settings",
    "error": "gateway_id boot_id at code text",
    "diagnostics": "gateway_id boot_id at counters",
}


NEEDED_TO_OPEN = ("v", "duration_s", "zone_id")  # and the version, which has an error of its own


def sample_of(message):
    return message["samples"][1]


def with_field(kind, field, value):
    """A good message but for one field: (kind, message, the field's place)."""
    if kind != "sample":
        return kind, changed(kind, **{field: value}), field
    message = example("reading.json")
    sample_of(message)[field] = value
    return "reading", message, "samples[1]." + field


def samples(count):
    return [{"seq": seq, "measured_at": TIMES[0], "clock": "synced"} for seq in range(count)]


class Edges(unittest.TestCase):
    def assert_taken(self, kind, field, value):
        kind, message, _ = with_field(kind, field, value)
        messages.check(kind, message)

    def assert_refused(self, kind, field, value, why):
        """`why` is what the sender's log says of it, or how that begins."""
        kind, message, place = with_field(kind, field, value)
        try:
            messages.check(kind, message)
        except MessageError as error:
            self.assertEqual((error.field, error.why[: len(why)]), (place, why))
            return
        self.fail(f"{place} was accepted: {value!r}")

    def test_whole_numbers(self):
        """A count, a time or a duration passes up to its limits, and neither one beyond nor as a float."""
        for kind, fields, least, most in WHOLE:
            for field in fields.split():
                why = f"want an integer from {least} to {most}, got "
                self.assert_refused(kind, field, least - 1, why + str(least - 1))
                self.assert_refused(kind, field, most + 1, why + str(most + 1))
                self.assert_refused(kind, field, float(most), why)
                self.assert_taken(kind, field, least)
                self.assert_taken(kind, field, most)

    def test_numbers(self):
        """A quantity passes up to its limits, whole or not, and not beyond; a text is no number."""
        for kind, fields, least, most in NUMBERS:
            for field in fields.split():
                for value in (least, float(least), most, float(most), (least + most) / 2):
                    self.assert_taken(kind, field, value)
                for value in (least - 0.5, most + 0.5, "1", [1], float("nan"), float("inf"), True):
                    self.assert_refused(kind, field, value, "want a number from ")

    def test_settings(self):
        """An interval passes from its least to a day; what is no object of settings is refused as that."""
        for name, least in SETTINGS:
            for value in (least, DAY_S):
                self.assert_taken("update", "settings", {name: value})
            for value in (least - 1, DAY_S + 1):
                why = f"{name}: want an integer from {least} to {DAY_S}, got {value}"
                self.assert_refused("update", "settings", {name: value}, why)
        for value in (7, "sample_interval_s", ["sample_interval_s"], {}):
            self.assert_refused("update", "settings", value, "want an object with a setting or more, got ")
        self.assert_refused(
            "update", "settings", {"colour": 3}, "unknown setting 'colour'; known: publish_interval_s, "
        )

    def test_outliers(self):
        """An outlier passes if it lies outside of what can be, and is a number that all can hold."""
        for value in (-0.001, 1.001, -HUGE, HUGE):
            self.assert_taken("sample", "out_of_range", {"vwc": value})
        for value in (0.0, 0.25, 1.0):
            self.assert_refused("sample", "out_of_range", {"vwc": value}, "'vwc': " + str(value))
        for value in (-HUGE - 0.5, HUGE + 0.5, "2", None):
            self.assert_refused("sample", "out_of_range", {"vwc": value}, "'vwc': want a number from ")
        self.assert_refused("sample", "out_of_range", {"colour": 3}, "'colour': 3")
        for value in (7, "vwc", ["vwc"], {}):
            self.assert_refused("sample", "out_of_range", value, "want an object with an outlier or more, got ")

    def test_texts(self):
        """A text passes up to its length, and nothing else does, however long."""
        for kind, field, most in TEXTS:
            why = f"want a text of at most {most} characters, got "
            self.assert_taken(kind, field, "x" * most)
            for value in ("x" * (most + 1), 7, ["x"], ["x"] * 500):
                self.assert_refused(kind, field, value, why)

    def test_words(self):
        """An identifier holds what may stand in a topic; a sensor's has its gateway's before a dot."""
        for kind, fields in (
            ("reading", "gateway_id zone_id boot_id"),
            ("command", "command_id device_id zone_id decision_id"),
            ("ack", "command_id gateway_id zone_id boot_id"),
            ("status", "gateway_id boot_id"),
            ("update", "update_id device_id"),
            ("error", "gateway_id boot_id code zone_id"),
            ("diagnostics", "gateway_id boot_id"),
        ):
            for field in fields.split():
                for value in ("", "a b", "x" * 65, 7, ["a"]):
                    self.assert_refused(kind, field, value, "want letters, digits, '_' and '-', got ")
        for kind in ("reading", "error"):
            for value in ("no-dot", "a.", ".a", "a.b.c", "a b.c", "a.b c", 7):
                self.assert_refused(kind, "sensor_id", value, "want <gateway>.<sensor>, got ")

    def test_lists(self):
        """A board names up to 64 open valves and counts up to 64 things, each by its word."""
        names = [f"valve-{number}" for number in range(65)]
        self.assert_taken("status", "open_valves", names[:64])
        for value in (names, 7, {"valve-1": 1}, dict.fromkeys(names), "valve-1"):
            self.assert_refused("status", "open_valves", value, "want a list of at most 64 entries, got ")
        self.assert_refused("status", "open_valves", ["a", "b c"], "want letters, digits, '_' and '-', got 'b c'")
        for kind, field in COUNTS:
            self.assert_taken(kind, field, dict.fromkeys(names[:64], 0))
            self.assert_taken(kind, field, {"a": WITHIN})
            for value in (dict.fromkeys(names, 1), 7, ["a"], names, "a"):
                self.assert_refused(kind, field, value, "want an object of at most 64 entries, got ")
            self.assert_refused(kind, field, {"b c": 1}, "'b c': want letters, ")
            for value in (-1, WITHIN + 1, 1.0, None):
                self.assert_refused(kind, field, {"a": value}, "'a': want an integer from 0 to ")

    def test_samples(self):
        """A reading holds one sample up to 200, in a list."""
        for count in (1, 200):
            self.assert_taken("reading", "samples", samples(count))
        for value in ([], samples(201), {"a": 1}, "a", 7):
            self.assert_refused("reading", "samples", value, "want a list of 1 to 200 samples, got ")
        with self.assertRaises(MessageError) as caught:
            messages.check("reading", changed("reading", samples=[samples(1)[0], 7]))
        self.assertEqual((caught.exception.field, caught.exception.why), ("samples[1]", "want an object, got 7"))

    def test_choices(self):
        """A word of a fixed list is one of them, and the log names all."""
        for kind, field in (("command", "action"), ("ack", "state"), ("ack", "code"), ("status", "state")):
            self.assert_refused(kind, field, "colour", "want one of ")
        self.assert_refused("sample", "clock", "colour", "want one of synced, estimated, got 'colour'")

    def test_what_is_shown(self):
        """A log line shows what was wrong, up to 60 characters of it, and of what may be deep only its size."""
        for value, text in (
            ("x" * 58 + " ", repr("x" * 58 + " ")[:57] + "..."),
            ("x" * 57 + " ", "'" + "x" * 57 + " '"),
            ([[[1]], 2], "list of 2"),
            ({"a": {"b": 1}}, "dict of 1"),
        ):
            self.assert_refused("status", "boot_id", value, "want letters, digits, '_' and '-', got " + text)


class Rules(unittest.TestCase):
    def test_what_must_be_there(self):
        """A message without what it needs is refused by the field's name, and without anything else it passes."""
        for kind, names in REQUIRED.items():
            whole = sample_of(example("reading.json")) if kind == "sample" else example(kind + ".json")
            for field in set(names.split()) | set(whole) - set(NEEDED_TO_OPEN):
                kind_sent, message, place = with_field(kind, field, None)
                for _ in range(2):
                    error = refused(kind_sent, message)
                    found = error and (error.field, error.why)
                    self.assertEqual((place, found), (place, (place, "missing") if field in names.split() else None))
                    (sample_of(message) if kind == "sample" else message).pop(field, None)

    def test_what_an_order_needs(self):
        """A stop of all needs no zone, a close no duration, and an order may end the second that it begins."""
        for fields in (
            {"action": "stop_all", "zone_id": None, "duration_s": None},
            {"action": "close", "duration_s": None},
            {"expires_at": example("command.json")["issued_at"]},
        ):
            self.assertTrue(refused("command", changed("command", **fields)) is None)

    def test_whose_sensor_an_error_names(self):
        """A gateway tells of its own sensors' faults, and of none that is another's."""
        self.assertTrue(refused("error", changed("error", sensor_id=None)) is None)
        self.assertTrue(refused("error", changed("error", sensor_id=GATEWAY + ".soil-a")) is None)
        error = refused("error", changed("error", sensor_id=GATEWAY + "0.soil-a"))
        self.assertEqual((type(error), error.field), (IdentityError, "sensor_id"))
        self.assertTrue(refused("status", changed("status", sensor_id=GATEWAY + "0.soil-a")) is None)


class Sizes(unittest.TestCase):
    def test_the_most_that_is_read(self):
        """128 KB are read, and not a byte more."""
        for kind in TOPIC_OF:
            payload = json.dumps(example(kind + ".json")).encode()
            whole = payload + b" " * (131072 - len(payload))
            self.assertEqual(messages.decode(TOPIC_OF[kind], whole)[0], kind)
            error = refused(kind, whole + b" ")
            self.assertEqual((error.field, error.why), ("", "131073 bytes, at most 131072 are allowed"))

    def test_the_most_that_is_sent(self):
        """A reading has 5 KB, as the cloud bills it, and all else 128 KB."""
        for kind, most in (("reading", 5120), ("status", 131072)):
            less = len(messages.encode(kind, changed(kind, novelty="")))
            self.assertEqual(len(messages.encode(kind, changed(kind, novelty="x" * (most - less)))), most)
            with self.assertRaises(MessageError) as caught:
                messages.encode(kind, changed(kind, novelty="x" * (most - less + 1)))
            self.assertEqual(caught.exception.why, f"{most + 1} bytes, at most {most} are allowed")


class Identifiers(unittest.TestCase):
    def test_lengths(self):
        """One character is enough for an identifier, and 64 are the most."""
        for word in ("a", "x" * 64):
            self.assertEqual(topics.parse(topics.command(word)), ("command", word))
            self.assertEqual(topics.parse(topics.data(word + "." + word)), ("reading", word + "." + word))

    def test_sensors(self):
        """A sensor's identifier is a gateway's word, one dot and a word."""
        for text in ("a", "a.", ".a", "a.b.c", "a b.c", "a.b c", "x" * 65 + ".a", "a." + "x" * 65, 7, None, ["a.b"]):
            self.assertTrue(not topics.is_sensor_id(text))

    def test_who_subscribes_to_what(self):
        """A gateway hears its own commands, those for all and updates; compute hears all that gateways say."""
        self.assertEqual(
            topics.for_gateway("g1"),
            ("irrigation/control/g1/command", "irrigation/control/all/command", "irrigation/system/updates"),
        )
        self.assertEqual(
            topics.from_gateways(),
            (
                "irrigation/sensors/+/data",
                "irrigation/control/+/ack",
                "irrigation/gateway/+/status",
                "irrigation/errors/+",
                "irrigation/diagnostics/+",
                "irrigation/gateway/status",
                "irrigation/errors",
                "irrigation/diagnostics",
            ),
        )


if __name__ == "__main__":
    unittest.main()
