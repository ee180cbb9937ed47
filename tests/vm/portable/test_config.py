"""A person's mistakes in config.json and pins.json: each complaint names the entry, its value, and the remedy."""
# MicroPython has no pathlib.
# ruff: noqa: PTH102, PTH106, PTH107, PTH123

import json
import os
import unittest

from firmware import config

try:
    from tempfile import mkdtemp
except ImportError:  # the VM's file system is thrown away with it

    def mkdtemp():
        os.mkdir("mistakes")
        return "mistakes"


FIRMWARE = __file__.rsplit("/tests/", 1)[0] + "/firmware/"
LONG = "x" * 65
WIFI = {"ssid": "farm", "password": "change-me-please"}

# What is changed (a path, a value; DROP removes it) -> words that the message has to have.
DROP = object()
ACTIVE_LOW = {"zone_id": "plot-1a", "kind": "relay", "pin": 4, "on": 0}
CONFIG_MISTAKES = (
    (("gateway_id",), DROP, ("config.json", "gateway_id is missing", "irrigation-gateway-1")),
    (("gateway_id",), "field one", ("config.json gateway_id", "'field one'", "the thing's name")),
    (("gateway_id",), "café", ("gateway_id", "the thing's name")),
    (("gateway_id",), LONG, ("gateway_id", "...")),
    (("gateway_id",), 7, ("gateway_id", "7")),
    (("wifi",), DROP, ("wifi is missing", "ssid and password")),
    (("wifi",), "farm", ("config.json wifi", "'farm'", "must be an object", "'ssid'")),
    (("wifi", "ssid"), "", ("wifi ssid", "''", "1 to 32 letters")),
    (("wifi", "password"), "short", ("wifi password: ***; it must", "8 to 63 letters")),
    (("wifi", "password"), 12345678, ("wifi password: ***; it must", "8 to 63 letters")),
    (("wifi", "passwort"), "change-me-please", ("config.json wifi", "passwort is not known", "'password'")),
    (("wifi",), [], ("config.json wifi", "0 networks", "up to 3")),
    (("wifi",), [WIFI, WIFI, WIFI, WIFI], ("config.json wifi", "4 networks", "up to 3")),
    (("wifi",), [WIFI, {"ssid": "barn"}], ("config.json wifi[1]", "password is missing", "8 to 63 letters")),
    (("sleep",), 1, ("config.json sleep", "1", "true or false", "without valves")),
    (("broker", "host"), DROP, ("broker", "host is missing", "mqtt_endpoint")),
    (("broker", "port"), "8883", ("broker port", "'8883'", "8883 on AWS IoT Core")),
    (("broker", "port"), True, ("broker port", "True")),
    (("zones",), [], ("zones", "[]", "at least one zone")),
    (("zones",), {"plot-1a": 1}, ("zones", "a list")),
    (("zones", 0), "plot-1a", ("zones[0]", "'plot-1a'", "must be an object")),
    (("zones", 1, "zone_id"), "plot-1a", ("zones", "plot-1a stands there twice", "a name of its own")),
    (("zones", 0, "zone_id"), "plot.1a", ("zones[0] zone_id", "'plot.1a'", "plot-1a")),
    (("zones", 0, "hard_cap_s"), DROP, ("zones[0]", "hard_cap_s is missing", "1 to 86400")),
    (("zones", 0, "hard_cap_s"), 0, ("zones[0] hard_cap_s", "0", "1 to 86400")),
    (("zones", 0, "hard_cap_s"), 1.5, ("zones[0] hard_cap_s", "1.5")),
    (("zones", 1, "litres_per_minute"), -3, ("zones[1] litres_per_minute", "-3", "more than 0")),
    (("time_servers",), "pool.ntp.org", ("time_servers", "a list of NTP servers")),
    (("time_servers",), [""], ("time_servers", "['']")),
    (("sample_interval_s",), 5, ("sample_interval_s", "5", "10 to 86400")),
    (("sample_intervall_s",), 900, ("config.json", "sample_intervall_s is not known", "'sample_interval_s'")),
    (("keepalive_s",), 5, ("keepalive_s", "5", "30 to 1200")),
    (("outbox_bytes",), 10, ("outbox_bytes", "10", "bytes from")),
)
ADC = "one of (32, 33, 34, 35, 36, 37, 38, 39)"
PIN_MISTAKES = (
    (("valves",), DROP, ("pins.json", "valves is missing", "at least one valve")),
    (("valves",), [], ("valves", "at least one valve")),
    (("valves", 0), 25, ("valves[0]", "25", "['latching', 'relay']")),
    (("valves", 0, "kind"), "rely", ("valves[0]", "'rely'", "['latching', 'relay']")),
    (("valves", 0, "kind"), ["relay"], ("valves[0]", "['relay']", "['latching', 'relay']")),
    (("valves", 0, "kind"), "latching", ("valves[0]", "close_pin is missing", "a GPIO number")),
    (("valves", 0, "zone_id"), "plot-9", ("valves[0]", "'plot-9' is no zone", "'plot-1a'")),
    (("valves", 1, "zone_id"), "plot-1a", ("pins.json valves", "plot-1a stands there twice")),
    (("valves", 1), DROP, ("pins.json valves", "no valve for plot-1b", "add a row")),
    (("valves", 0, "pin"), DROP, ("valves[0]", "pin is missing", "a GPIO number")),
    (("valves", 0, "pin"), "25", ("valves[0] pin", "'25' is no GPIO", "0 to 39")),
    (("valves", 0, "pin"), 40, ("valves[0] pin", "40 is no GPIO", "0 to 39")),
    (("valves", 0, "pin"), 28, ("valves[0] pin", "GPIO 28 does not exist", "use another")),
    (("valves", 0, "pin"), 6, ("valves[0] pin", "GPIO 6 belongs to the flash chip", "use another")),
    (("valves", 0, "pin"), 3, ("valves[0] pin", "GPIO 3 is the serial line", "use another")),
    (("valves", 0, "pin"), 12, ("valves[0] pin", "GPIO 12 decides how the chip starts", "use another")),
    (("valves", 0, "pin"), 5, ("valves[0] pin", "GPIO 5 moves while the chip starts, and the valve with it")),
    (("valves", 0, "pin"), 34, ("valves[0] pin", "GPIO 34 can only read", "use another")),
    (("valves", 0, "pin"), 26, ("valves[1] open_pin", "GPIO 26 is taken by pins.json valves[0] pin", "use another")),
    (("valves", 1, "close_pin"), 26, ("valves[1] close_pin", "GPIO 26 is taken by pins.json valves[1] open_pin")),
    (("valves", 0), ACTIVE_LOW, ("valves[0] pin", "GPIO 4 is pulled low while the chip starts, which opens it")),
    (("sensors", 3, "quiet_ms"), 2000, ("sensors[3] quiet_ms", "2000", "0 to 1000")),
    (("valves", 0, "on"), "high", ("valves[0] on", "'high'", "0 or 1")),
    (("valves", 1, "pulse_ms"), 5000, ("valves[1] pulse_ms", "5000", "10 to 200")),
    (("master", "pin"), 27, ("pins.json master pin", "GPIO 27 is taken by pins.json valves[1] close_pin")),
    (("master", "pin"), 2, ("pins.json master pin", "GPIO 2 moves while the chip starts")),
    (("sensors",), "none", ("sensors", "'none'", "a list of sensors")),
    (("sensors", 0, "kind"), "soil", ("sensors[0]", "'soil'", "'soil_adc'")),
    (("sensors", 0, "sensor"), "soil a", ("sensors[0] sensor", "'soil a'", "soil-a")),
    (("sensors", 0, "zone_id"), "plot-2", ("sensors[0]", "'plot-2' is no zone", "'plot-1b'")),
    (("sensors", 0, "pin"), 25, ("sensors[0] pin", "GPIO 25 is taken by pins.json valves[0] pin")),
    (("sensors", 0, "pin"), 13, ("sensors[0] pin", "GPIO 13 cannot measure beside Wi-Fi", ADC)),
    (("sensors", 0, "points"), [[2600, 0.05]], ("sensors[0] points", "[[2600, 0.05]]", "calibration")),
    (("sensors", 0, "points"), [[2600, 5], [1450, 27]], ("sensors[0] points", "m3/m3")),
    (("sensors", 0, "points"), [[2600, 0.1], [2600, 0.2]], ("sensors[0] points", "at least two")),
    (("sensors", 0, "points"), [2600, 1450], ("sensors[0] points", "at least two")),
    (("sensors", 1, "pin"), 35, ("sensors[1] pin", "GPIO 35 can only read")),
    (("sensors", 1, "rom"), "28-0102030405", ("sensors[1] rom", "'28-0102030405'", "16 hex digits")),
    (("sensors", 1, "rom"), "28010203040506zz", ("sensors[1] rom", "16 hex digits")),
    (("sensors", 2, "tx"), 34, ("sensors[2] tx", "GPIO 34")),
    (("sensors", 2, "uart"), 0, ("sensors[2] uart", "0", "UART 1 or 2")),
    (("sensors", 2, "address"), "?", ("sensors[2] address", "'?'", "one letter or digit")),
    (("sensors", 2, "values"), ["moisture"], ("sensors[2] values", "['moisture']", "vwc")),
    (("sensors", 2, "values"), [["vwc"]], ("sensors[2] values", "vwc")),
    (("sensors", 3, "pulses_per_litre"), 0, ("sensors[3] pulses_per_litre", "0", "from the meter's label")),
    (("sensors", 3, "pin"), 39, ("sensors[3] pin", "GPIO 39 has false pulses", "use another")),
    (("sensors", 4, "address"), 0x46, ("sensors[4] address", "70", "68 or 69")),
    (("sensors", 4, "sda"), 4, ("sensors[4] sda", "GPIO 4 is taken by pins.json sensors[1] pin")),
    (("sensors", 5, "mm_per_tip"), "0.2", ("sensors[5] mm_per_tip", "'0.2'", "from the gauge's label")),
    (("sensors", 5, "pin"), 36, ("sensors[5] pin", "GPIO 36 has false pulses", "use another")),
    (("sensors", 6, "ratio"), 0.5, ("sensors[6] ratio", "0.5", "as 2.0")),
    (("sensors", 5, "kind"), "battery", ("sensors[5]", "ratio is missing")),
    (("light",), 37, ("pins.json light", "GPIO 37 can only read")),
    (("light",), 25, ("pins.json light", "GPIO 25 is taken by pins.json valves[0] pin")),
    (("lamp",), 2, ("pins.json", "lamp is not known", "'light'")),
)
# Whole rows that only together are wrong.
THERMOMETER = {"sensor": "t1", "kind": "ds18b20", "pin": 13}
PROBE = {
    "sensor": "p1",
    "kind": "sdi12",
    "uart": 1,
    "tx": 23,
    "rx": 19,
    "enable": 14,
    "address": "1",
    "values": ["vwc"],
}
ROW_MISTAKES = (
    (
        (THERMOMETER, {"sensor": "t2", "kind": "ds18b20", "pin": 13, "rom": "28" * 8}),
        ("pins.json sensors", "2 thermometers on GPIO 13", "the rom of its own"),
    ),
    (
        (THERMOMETER, {"sensor": "t1", "kind": "ds18b20", "pin": 15}),
        ("pins.json sensors", "t1 of kind ds18b20 stands there twice", "a name of its own"),
    ),
    (
        (PROBE, {"sensor": "p2", "kind": "sdi12", "uart": 1, "tx": 13, "rx": 15, "enable": 5, "address": "2"}),
        ("sensors[8] uart", "UART 1 is taken by pins.json sensors[7] uart", "use another"),
    ),
    (
        (PROBE, {"sensor": "a1", "kind": "sht3x", "sda": 23, "scl": 15}),
        ("sensors[8] sda", "GPIO 23 is taken by pins.json sensors[7] tx"),
    ),
)


def example(name):
    with open(FIRMWARE + name + "_example.json") as file:
        return json.load(file)


def changed(document, path, value):
    place = document
    for step in path[:-1]:
        place = place[step]
    if value is DROP:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


class Examples(unittest.TestCase):
    def test_they_are_right(self):
        """The examples pass, the pins with the zones of the configuration, and get their defaults."""
        entries = config.check_config(example("config"))
        zone_ids = [zone["zone_id"] for zone in entries["zones"]]
        self.assertEqual(zone_ids, ["plot-1a", "plot-1b"])
        self.assertEqual(config.check_pins(example("pins"), zone_ids), example("pins"))
        for name in config.DEFAULTS:
            self.assertTrue(name in entries, name)

    def test_a_person_s_value_wins_over_a_default(self):
        """What stands in the file is what the board takes."""
        entries = config.check_config(changed(example("config"), ("time_servers",), ["192.168.4.1"]))
        self.assertEqual(entries["time_servers"], ["192.168.4.1"])

    def test_the_least_that_is_needed(self):
        """Sensors, master and light are optional, null counts as absent of the last, a network may be open."""
        pins = {"valves": example("pins")["valves"], "master": None, "light": None}
        config.check_pins(pins, ["plot-1a", "plot-1b"])
        config.check_config(changed(example("config"), ("wifi", "password"), ""))

    def test_probes_of_one_line_share_it(self):
        """Several SDI-12 probes, thermometers with ROMs, and air sensors may hang on the same pins."""
        pins = example("pins")
        for number in (1, 2):
            rows = (
                dict(PROBE, sensor=f"p{number}", address=str(number)),
                dict(THERMOMETER, sensor=f"t{number}", rom="28" * 7 + f"0{number}"),
                {"sensor": f"a{number}", "kind": "sht3x", "sda": 21, "scl": 22, "address": 0x43 + number},
            )
            pins["sensors"] += list(rows)
        config.check_pins(pins, ["plot-1a", "plot-1b"])


class ABoardThatSleeps(unittest.TestCase):
    def entries(self):
        return config.check_config(dict(example("config"), sleep=True, zones=[{"zone_id": "plot-1a"}]))

    def test_its_zones_need_a_name_only(self):
        """It waters none of them; a board that does not sleep needs each zone's cap and flow."""
        self.assertEqual(config.needs(self.entries()), (["plot-1a"], True))
        with self.assertRaises(config.ConfigError):
            config.check_config(dict(self.entries(), sleep=False))

    def test_it_has_no_valve(self):
        """A valve or a master beside `sleep` is refused with the remedy, so is what counts pulses; probes are taken."""
        rows = example("pins")["sensors"]
        soil = {"sensors": [rows[0]]}
        self.assertEqual(config.check_pins(soil, *config.needs(self.entries()))["valves"], [])
        for name in ("valves", "master"):
            self.refused(dict(soil, **{name: example("pins")[name]}), f"pins.json {name}", "shuts no valve", "take out")
        for row in rows:
            if row["kind"] in ("flow", "rain"):
                row["zone_id"] = "plot-1a"
                self.refused({"sensors": [row]}, "sensors[0]", "misses its pulses", "take out")

    def refused(self, pins, *words):
        try:
            config.check_pins(pins, *config.needs(self.entries()))
        except config.ConfigError as error:
            for word in words:
                self.assertTrue(word in str(error), str(error))
            return
        raise AssertionError("taken")


class Networks(unittest.TestCase):
    def test_one_or_up_to_three(self):
        """One network is an object, several are a list, the preferred one first; a board gets a list."""
        for wifi in (WIFI, [WIFI], [WIFI, dict(WIFI, ssid="barn")]):
            entries = config.check_config(changed(example("config"), ("wifi",), wifi))
            self.assertEqual(entries["wifi"], wifi if isinstance(wifi, list) else [wifi])


# Values that a hand or a program writes by mistake, and where they are none. Everywhere else each of them is refused.
ODD = (None, True, False, 0, 1, 1.0, -1, "", "1", [], {}, [None])
FULL = {
    "root": "irrigation/sitio1",
    "sample_interval_s": 900,
    "publish_interval_s": 3600,
    "status_interval_s": 3600,
    "keepalive_s": 60,
    "updates": True,
    "sleep": False,
    "outbox_messages": 1000,
    "outbox_bytes": 8000,
}
GOOD_IN_CONFIG = {
    "gateway_id": ("1",),
    "root": ("1",),
    "broker.host": ("1",),
    "broker.port": (1,),
    "broker.server_hostname": (None, "1"),
    "wifi.ssid": ("1",),
    "wifi.password": ("",),
    "updates": (None, True, False),
    "sleep": (None, True, False),
    "zones.zone_id": ("1",),
    "zones.hard_cap_s": (1,),
    "zones.litres_per_minute": (1, 1.0),
}
GOOD_IN_PINS = {
    "master": (None,),
    "light": (None,),
    "setup_pin": (None,),
    "sensors": ([],),
    "valves.on": (0, 1),
    "master.on": (0, 1),
    "sensors.sensor": ("1",),
    "sensors.zone_id": (None,),
    "sensors.rom": (None,),
    "sensors.quiet_ms": (None, 0, 1),
    "sdi12.address": ("1",),
    "sensors.uart": (1,),
    "sensors.pulses_per_litre": (1, 1.0),
    "sensors.mm_per_tip": (1, 1.0),
    "sensors.ratio": (1, 1.0),
}


def full():
    """Both documents, with every field that there is."""
    entries, pins = example("config"), example("pins")
    entries.update(FULL)
    entries["broker"]["server_hostname"] = "broker"
    pins["sensors"][1]["rom"] = "28" * 8
    pins["sensors"][3]["quiet_ms"] = 20
    pins["sensors"][4]["address"] = 0x44
    pins["setup_pin"] = 13
    return entries, pins


def places(document):
    """The path of every field, and its name."""
    for name in sorted(document):
        yield (name,), name
        inner = document[name]
        rows = [((name,), inner)] if isinstance(inner, dict) else []
        if isinstance(inner, list):
            rows = [((name, number), row) for number, row in enumerate(inner) if isinstance(row, dict)]
        for path, row in rows:
            for field in sorted(row):
                label = row["kind"] if field == "address" else name  # of two kinds of rows
                yield path + (field,), f"{label}.{field}"  # noqa: RUF005  # no `*` in a tuple here


class OddValues(unittest.TestCase):
    def judge(self, number, check, good):
        """Each odd value in each field: taken where the table says so, refused with the field's name elsewhere."""
        seen, refused = set(), 0
        for path, name in places(full()[number]):
            for value in ODD:
                complaint = ""
                try:
                    check(changed(full()[number], path, value))
                except config.ConfigError as error:
                    complaint = str(error)
                is_good = any(type(value) is type(one) and value == one for one in good.get(name, ()))
                self.assertEqual(not complaint, is_good, f"{path} {value!r}: {complaint}")
                self.assertTrue(is_good or path[0] in complaint, complaint)
                seen.add(name)
                refused += not is_good
        self.assertEqual(set(good) - seen, set())
        return refused

    def test_in_the_configuration(self):
        """Null, yes and no for numbers, numbers for texts, nothing in a list: what the board cannot use is refused."""
        self.assertTrue(self.judge(0, config.check_config, GOOD_IN_CONFIG) > 200)

    def test_in_the_pins(self):
        """The same of every row: boot.py reads this file before anything has checked it."""
        zone_ids = ["plot-1a", "plot-1b"]
        self.assertTrue(self.judge(1, lambda pins: config.check_pins(pins, zone_ids), GOOD_IN_PINS) > 400)

    def test_of_a_board_that_sleeps(self):
        """Valves and master are left out, null or, of valves, an empty list, and nothing else that looks empty."""
        soil = {"sensors": [example("pins")["sensors"][0]]}
        for name in ("valves", "master"):
            for value in ODD:
                is_good = value is None or (name == "valves" and value == [])
                try:
                    config.check_pins(dict(soil, **{name: value}), ["plot-1a"], True)
                except config.ConfigError:
                    self.assertEqual(is_good, False, f"{name} {value!r}")
                else:
                    self.assertEqual(is_good, True, f"{name} {value!r}")

    def test_a_point_has_two_numbers(self):
        """A third one would stop the probe's driver."""
        pins = changed(example("pins"), ("sensors", 0, "points"), [[2600, 0.05, 1], [1450, 0.27]])
        with self.assertRaises(config.ConfigError):
            config.check_pins(pins, ["plot-1a", "plot-1b"])


class Mistakes(unittest.TestCase):
    def complaint(self, check, *documents):
        try:
            check(*documents)
        except config.ConfigError as error:
            return str(error)
        return "no complaint"

    def explained(self, text, words, mistake):
        for word in words:
            self.assertTrue(word in text, f"{mistake}: {text} (wanted: {word})")
        self.assertTrue(len(text) < 400, text)

    def test_in_the_configuration(self):
        """Each of the table's wrong entries is named, with its value and what to write instead."""
        for path, value, words in CONFIG_MISTAKES:
            text = self.complaint(config.check_config, changed(example("config"), path, value))
            self.explained(text, words, (path, value))

    def test_in_the_pins(self):
        """The same for the pins, with what an ESP32's pins cannot do."""
        for path, value, words in PIN_MISTAKES:
            text = self.complaint(config.check_pins, changed(example("pins"), path, value), ["plot-1a", "plot-1b"])
            self.explained(text, words, (path, value))

    def test_between_rows(self):
        """Two rows that cannot be on one board together."""
        for rows, words in ROW_MISTAKES:
            pins = example("pins")
            pins["sensors"] += [dict(row, values=["vwc"]) if row["kind"] == "sdi12" else row for row in rows]
            text = self.complaint(config.check_pins, pins, ["plot-1a", "plot-1b"])
            self.explained(text, words, rows)

    def test_of_the_file(self):
        """No file, no JSON, no text, no object: the file is named, and what to do."""
        folder = mkdtemp()
        path = folder + "/mistake.json"
        self.explained(self.complaint(config.load, "nowhere.json"), ("nowhere.json", "cannot be read", "copy"), "")
        for text, words in (
            (b'{"gateway_id": ', ("no JSON", "commas and quotes")),
            (b"\xff\xfe", ("no JSON", "copy it again")),
            (b"[1, 2]", ("holds [1, 2]", "a JSON object")),
            (b"[" * 4000, ("no JSON", "copy it again")),
            (b'{"zones": [], "zones": []}', ("no JSON", "copy it again")),
        ):
            with open(path, "wb") as file:
                file.write(text)
            self.explained(self.complaint(config.load, path), ("mistake.json",) + words, text)  # noqa: RUF005  # no `*` in a tuple here
        os.remove(path)
        os.rmdir(folder)


if __name__ == "__main__":
    unittest.main()
