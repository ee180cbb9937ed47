"""boot.py on both runtimes: whatever is wrong with its list of valves, every one that can be shut is shut."""
# MicroPython has no pathlib, and no context for a patched module.
# ruff: noqa: PTH123

import io
import json
import sys
import unittest

from tests.vm.portable.fake_chip import Time

SOURCE = __file__.rsplit("/tests/", 1)[0] + "/firmware/boot.py"
RELAY = {"zone_id": "plot-1a", "kind": "relay", "pin": 25, "on": 1}
LOW_RELAY = {"zone_id": "plot-1c", "kind": "relay", "pin": 32, "on": 0}
LATCHING = {"zone_id": "plot-1b", "kind": "latching", "open_pin": 26, "close_pin": 27, "pulse_ms": 80}
PUMP = {"kind": "relay", "pin": 33}
PULSE = [(0, 26, 0), (0, 27, 1), (80, 27, 0)]


class Machine:
    """Takes the place of `machine`: `moves` are (ms, pin, level)."""

    def __init__(self, time):
        self.time = time
        self.moves = []
        self.resets = 0
        machine = self

        class Pin:
            OUT = 3

            def __init__(self, pin, mode, value):
                if not isinstance(pin, int) or pin > 33:
                    raise ValueError("invalid pin")
                self.pin = pin
                assert mode == self.OUT
                self.value(value)

            def value(self, level):
                machine.moves.append((machine.time.ms, self.pin, level))

        self.Pin = Pin

    def reset(self):
        self.resets += 1


class Booting(unittest.TestCase):
    def setUp(self):
        self.time = Time()
        self.machine = Machine(self.time)
        self.printed = []
        self.real = {name: sys.modules.get(name) for name in ("machine", "time")}

    def tearDown(self):
        for name, module in self.real.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module

    def boot(self, pins_json, copy=None, of_page=None):
        """Run boot.py with this text in pins.json (None: no such file), these valves in itself, and a page's copy."""
        sys.modules["machine"], sys.modules["time"] = self.machine, self.time
        with open(SOURCE) as file:
            source = file.read()
        if copy is not None:
            source = source.replace('PINS = {"valves": []}', "PINS = " + repr(copy))

        texts = {"/pins.json": pins_json, "/pins_copy.json": of_page}

        def opened(path):
            if texts[path] is None:
                raise OSError(2)
            return io.StringIO(texts[path])

        names = {"__name__": "boot", "open": opened, "print": lambda *words: self.printed.append(words)}
        exec(source, names)  # as the port runs it
        return names

    def moved(self, *pins):
        return [move for move in self.machine.moves if move[1] in pins]

    def test_every_kind_is_shut(self):
        """The pump first; a relay of either polarity is let go; a latching valve gets its pulse, once."""
        self.boot(json.dumps({"master": PUMP, "valves": [RELAY, LOW_RELAY, LATCHING]}))
        self.assertEqual(self.machine.moves, [(0, 33, 0), (0, 25, 0), (0, 32, 1), PULSE[0], PULSE[1], PULSE[2]])
        self.assertEqual(self.printed, [])

    def test_an_unreadable_file(self):
        """Missing, empty, torn, no JSON, no object, no list of valves: the copy in boot.py has them shut."""
        for text in (
            None,
            "",
            '{"valves": [{"kind": "rel',
            "null",
            "[]",
            "7",
            '"valves"',
            "{}",
            '{"valves": null}',
            '{"valves": []}',
            '{"valves": {"a": 1}}',
            '{"valves": "relay"}',
            "\x00" * 200,
        ):
            self.machine.moves = []
            self.boot(text, {"valves": [RELAY], "master": PUMP})
            self.assertEqual(self.moved(25, 33), [(0, 33, 0), (0, 25, 0)], text)

    def test_the_copy_of_a_set_up_by_the_page(self):
        """It has the pins of now; those that were flashed may be a probe's. An unreadable one leaves these."""
        of_page = json.dumps({"valves": [LOW_RELAY], "master": PUMP})
        for text in (None, '{"valves": [{"kind": "rel', json.dumps({"valves": [{"kind": "relay", "pin": 99}]})):
            self.machine.moves = []
            self.boot(text, {"valves": [RELAY]}, of_page)
            self.assertEqual(self.machine.moves, [(0, 33, 0), (0, 32, 1)], text)
        for torn in ("", "[]", '{"valves": []}'):
            self.machine.moves = []
            self.boot(None, {"valves": [RELAY]}, torn)
            self.assertEqual(self.machine.moves, [(0, 25, 0)], torn)

    def test_one_bad_row(self):
        """It is told, every other row is shut, and then those of the copy, which knows the right one."""
        for bad in (
            {},
            7,
            None,
            {"kind": "relay"},
            {"kind": "relay", "pin": "25"},
            {"kind": "relay", "pin": 99},
            {"kind": "relay", "pin": 25, "on": "high"},
            {"kind": "solenoid", "pin": 25},
            {"kind": "latching", "open_pin": 26},
            {"kind": "latching", "open_pin": 26, "close_pin": 99},
        ):
            self.machine.moves, self.printed, self.time.ms = [], [], 0
            self.boot(json.dumps({"valves": [bad, LOW_RELAY]}), {"valves": [RELAY, LOW_RELAY]})
            self.assertEqual(self.moved(32, 25), [(0, 32, 1), (0, 25, 0), (0, 32, 1)], bad)
            self.assertEqual(len(self.printed), 1, self.printed)

    def test_a_good_file_leaves_the_copy_alone(self):
        """After a change of wiring the copy is of yesterday: its pins may be a probe's now."""
        self.boot(json.dumps({"valves": [RELAY]}), {"valves": [LOW_RELAY]})
        self.assertEqual(self.moved(32), [])

    def test_no_coil_burns(self):
        """A wrong length of the pulse is cut at 200 ms; whatever ends the pulse, the pin goes low."""
        self.boot(json.dumps({"valves": [dict(LATCHING, pulse_ms=60000)]}))
        self.assertEqual(self.moved(27), [(0, 27, 1), (200, 27, 0)])
        for wrong in ("80", [], {}):
            self.machine.moves = []
            self.boot(json.dumps({"valves": [dict(LATCHING, pulse_ms=wrong)]}))
            self.assertEqual([level for _, _, level in self.moved(27)], [1, 0])

    def test_a_second_shutting_sends_the_pulses_again(self):
        """main.py shuts them all when it ends, and restarts the board."""
        names = self.boot(json.dumps({"valves": [LATCHING]}))
        names["shut_all"]()
        self.assertEqual([level for _, _, level in self.moved(27)], [1, 0, 1, 0])
        names["restart"]()
        self.assertEqual(self.machine.resets, 1)


if __name__ == "__main__":
    unittest.main()
