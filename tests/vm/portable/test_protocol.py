"""The messages, on CPython and on MicroPython: golden documents pass, each kind of garbage is refused by name."""

import json
import unittest

import protocol
from protocol import messages, topics
from protocol.errors import IdentityError, MessageError, ProtocolError, TopicError, VersionError

EXAMPLES = protocol.__file__.rsplit("/", 1)[0] + "/examples/"
GATEWAY = "irrigation-gateway-1"
GOLDEN = (
    ("reading", "reading_lysimeter.json", topics.data(GATEWAY + ".lysimeter-1")),
    ("reading", "reading.json", topics.data(GATEWAY + ".soil-a")),
    ("reading", "reading_weather.json", topics.data(GATEWAY + ".weather")),
    ("command", "command.json", topics.command(GATEWAY)),
    ("command", "command_stop_all.json", topics.command("all")),
    ("command", "command_fallback.json", topics.command(GATEWAY)),
    ("command", "command_clear.json", topics.command(GATEWAY)),
    ("ack", "ack.json", topics.ack(GATEWAY)),
    ("status", "status.json", topics.status(GATEWAY)),
    ("update", "update.json", topics.updates()),
    ("error", "error.json", topics.errors(GATEWAY)),
    ("diagnostics", "diagnostics.json", topics.diagnostics(GATEWAY)),
)
TOPIC_OF = {kind: topic for kind, name, topic in GOLDEN if "_" not in name}


def example(name):
    with open(EXAMPLES + name) as file:  # noqa: PTH123  # MicroPython has no pathlib
        return json.loads(file.read())


def refused(kind, message, topic=None):
    """The error that decoding this message raises."""
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    try:
        messages.decode(TOPIC_OF[kind] if topic is None else topic, payload)
    except ProtocolError as error:
        return error
    return None


def changed(kind, **fields):
    message = example(kind + ".json")
    message.update(fields)
    return message


def without(message, field):
    return {name: message[name] for name in message if name != field}


class AFarmsRoot(unittest.TestCase):
    def tearDown(self):
        topics.use(None)

    def test_a_topic_is_of_one_farm(self):
        """Below another root the same topics are there, and none of another farm is one, of older firmware neither."""
        topics.use("irrigation/sitio1")
        for name in (topics.data("g.a"), topics.command("all"), topics.ack("g"), topics.status("g"), topics.updates()):
            self.assertEqual(name[:18], "irrigation/sitio1/")
            self.assertTrue(topics.parse(name)[0] in TOPIC_OF)
        strange = ["irrigation/sitio10/errors/g", "irrigation/errors/g", "irrigation/sitio1/errors"]
        strange.extend(["irrigation/sitio1", "irrigation/sitio1/control/ack", "irrigation/system/updates"])
        strange.extend(topics.UNPROVEN)
        for name in strange:
            with self.assertRaises(TopicError):
                topics.parse(name)
        self.assertEqual([name for name in topics.from_gateways() if name[:18] != "irrigation/sitio1/"], [])
        topics.use(None)
        self.assertEqual(topics.from_gateways()[-3:], topics.UNPROVEN)
        with self.assertRaises(TopicError):
            topics.parse("irrigation/sitio1/errors/g")


class GoldenDocuments(unittest.TestCase):
    def test_each_decodes_on_its_topic_to_itself(self):
        """A document that a device wrote is read back with every field."""
        for kind, name, topic in GOLDEN:
            document = example(name)
            found, message = messages.decode(topic, json.dumps(document).encode())
            self.assertEqual((found, message), (kind, document))

    def test_each_survives_encode_and_decode(self):
        """What one side encodes the other decodes to the same message."""
        for kind, name, topic in GOLDEN:
            document = example(name)
            self.assertEqual(messages.decode(topic, messages.encode(kind, document)), (kind, document))

    def test_every_kind_has_one(self):
        """No message is defined without a document that shows it."""
        self.assertEqual({row[0] for row in GOLDEN}, set(messages._FIELDS))

    def test_unknown_fields_pass(self):
        """A newer sender may add fields."""
        for kind in TOPIC_OF:
            self.assertTrue(refused(kind, changed(kind, novelty={"deep": [1, 2]})) is None)


class Garbage(unittest.TestCase):
    def assert_refused(self, kind, message, field, error_class=MessageError, topic=None):
        error = refused(kind, message, topic)
        self.assertTrue(error is not None, f"{kind} was accepted, wrong in {field}")
        self.assertEqual((type(error), error.field), (error_class, field))

    def assert_sample_refused(self, field, value):
        message = example("reading.json")
        message["samples"][1][field] = value
        self.assert_refused("reading", message, "samples[1]." + field)

    def test_not_json(self):
        """Bytes that are no JSON object are refused as a whole."""
        deep = b"[" * 50000
        for payload in (b"", b"\xff\xfe", b"{", b"[]", b"null", b'"text"', deep, b'{"v": 1, "samples": ' + deep):
            self.assert_refused("reading", payload, "")

    def test_a_megabyte(self):
        """A payload beyond 128 KB is refused before it is parsed."""
        self.assert_refused("reading", b" " * 2**20, "")

    def test_missing_fields(self):
        """Each required field is missed by its name."""
        for kind in TOPIC_OF:
            for field in messages._FIELDS[kind]:
                message = example(kind + ".json")
                message.pop(field, None)
                if messages._FIELDS[kind][field][1]:
                    self.assert_refused(kind, message, field)

    def test_a_name_that_stands_twice(self):
        """Readers differ in which of two values they take, so neither is taken; texts may hold colons."""
        for kind in TOPIC_OF:
            message = example(kind + ".json")
            text = json.dumps(message)
            for field in message:
                twice = "{" + json.dumps({field: message[field]})[1:-1] + ", " + text[1:]
                self.assert_refused(kind, twice.encode(), "")
        nested = json.dumps(example("reading.json")).replace('"seq"', '"seq": 1, "seq"')
        self.assert_refused("reading", nested.encode(), "")
        for text in ("a: b", '"a": 1', "\\", '\\"', '\\\\": ', "{:}", '": "'):
            self.assertTrue(refused("error", changed("error", text=text)) is None)

    def test_nan_and_infinity(self):
        """A number that is none is refused; a missing value is null."""
        for word in ("NaN", "Infinity", "-Infinity", "nan", "inf"):
            text = json.dumps(example("reading.json")).replace("0.1874", word)
            self.assertTrue(isinstance(refused("reading", text.encode()), MessageError))
        for value in (float("nan"), float("inf")):
            message = example("reading.json")
            message["samples"][0]["vwc"] = value
            self.assertRaises(MessageError, messages.encode, "reading", message)

    def test_percent_for_a_fraction(self):
        """A probe in percent is caught."""
        self.assert_sample_refused("vwc", 18.74)

    def test_an_outlier_that_is_none(self):
        """What is told as an outlier must lie outside of what can be, and be a number."""
        for value in (0.3, "0.3", None):
            self.assert_sample_refused("out_of_range", {"vwc": value})

    def test_impossible_times(self):
        """A clock that stands in 2000 or in 2100, or that has fractions, is refused."""
        for at in (946684800, 4102444800, 1591707600.5, "1591707600"):
            self.assert_sample_refused("measured_at", at)
            self.assert_refused("status", changed("status", at=at), "at")
            self.assert_refused("command", changed("command", issued_at=at), "issued_at")

    def test_bool_for_a_number(self):
        """True is no 1."""
        self.assert_sample_refused("seq", True)
        self.assert_sample_refused("vwc", True)
        self.assert_refused("command", changed("command", epoch=True), "epoch")
        self.assert_refused("status", changed("status", v=True), "v", VersionError)

    def test_unknown_version(self):
        """A version that this code does not know is an error of its own."""
        for version in (0, 2, "1", None):
            self.assert_refused("ack", changed("ack", v=version), "v", VersionError)

    def test_wrong_identity(self):
        """Nobody speaks for another device: not for gateway-10 as gateway-1, nor with a foreign sensor."""
        other = "irrigation-gateway-10"
        self.assert_refused("ack", example("ack.json"), "gateway_id", IdentityError, topics.ack(other))
        self.assert_refused("command", example("command.json"), "device_id", IdentityError, topics.command(other))
        foreign = changed("reading", sensor_id=other + ".soil-a")
        self.assert_refused("reading", foreign, "sensor_id", IdentityError, topics.data(other + ".soil-a"))
        own = example("reading.json")
        self.assert_refused("reading", own, "sensor_id", IdentityError, topics.data(GATEWAY + ".soil-b"))

    def test_unsafe_commands(self):
        """No open without a bound, no valve without a zone, no end before the beginning."""
        self.assert_refused("command", changed("command", duration_s=None), "duration_s")
        self.assert_refused("command", changed("command", duration_s=0), "duration_s")
        self.assert_refused("command", changed("command", duration_s=86401), "duration_s")
        self.assert_refused("command", changed("command", zone_id=None), "zone_id")
        self.assert_refused("command", changed("command", zone_id=None, action="close"), "zone_id")
        self.assert_refused("command", changed("command", expires_at=1591711259), "expires_at")
        self.assert_refused("command", changed("command", action="flood"), "action")

    def test_a_plan_without_a_bound(self):
        """A fallback plan has every bound, a time that it holds for, and one gateway; so has a clear its epochs."""
        plan, clear = example("command_fallback.json"), example("command_clear.json")
        for field in ("zone_id", "duration_s", "max_volume_l", "days", "valid_from", "valid_until", "below_vwc"):
            self.assert_refused("command", without(plan, field), field)
        self.assert_refused("command", dict(plan, valid_until=plan["valid_from"]), "valid_until")
        for field, value in (("days", 0), ("days", 32), ("after_offline_s", 3599), ("below_vwc", 1.01)):
            self.assert_refused("command", dict(plan, **{field: value}), field)
        for epochs in (None, {}, {"plot-1a": -1}, {"plot 1": 1}):
            self.assert_refused("command", dict(clear, epochs=epochs), "epochs")
        for message in (plan, clear):
            to_all = dict(message, device_id="all")
            self.assert_refused("command", to_all, "device_id", topic=topics.command("all"))

    def test_settings(self):
        """An update sets what is known, within its limits."""
        for settings in ({}, [], {"sample_interval_s": 1}, {"colour": 3}, {"sample_interval_s": 600.0}):
            self.assert_refused("update", changed("update", settings=settings), "settings")

    def test_samples_that_are_none(self):
        """A reading holds 1 to 200 samples, each an object."""
        self.assert_refused("reading", changed("reading", samples=[]), "samples")
        self.assert_refused("reading", changed("reading", samples=[{}] * 201), "samples")
        self.assert_refused("reading", changed("reading", samples=[7]), "samples[0]")

    def test_a_reading_too_long(self):
        """The sender learns that a reading is beyond 5 KB."""
        message = example("reading.json")
        message["samples"] = message["samples"] * 20
        self.assertRaises(MessageError, messages.encode, "reading", message)


class Topics(unittest.TestCase):
    def test_foreign_topics(self):
        """A topic that is none of ours, or has a wildcard or an empty level, is refused."""
        strangers = ["", "irrigation/sensors//data", "irrigation/sensors/+/data", "irrigation/control/#", "$SYS/x"]
        strangers += [
            "irrigation/sensors/no-dot/data",
            "irrigation/control/a/b/ack",
            "irrigation/gateway/status/",
            "irrigation/errors/",
            "irrigation/errors/a/b",
        ]
        for topic in strangers:
            self.assertTrue(isinstance(refused("reading", example("reading.json"), topic), TopicError))

    def test_identifiers_cannot_widen_a_topic(self):
        """No identifier puts a wildcard or another level into a topic."""
        for word in ("a/b", "+", "#", "", "a.b", "a b", "x" * 65, None, 7):
            self.assertRaises(TopicError, topics.command, word)


if __name__ == "__main__":
    unittest.main()
