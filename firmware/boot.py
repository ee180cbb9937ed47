"""The first code on the board: it shuts every valve, and depends on nothing that could be broken. Then slots.py
chooses which firmware runs. No update over the air changes either of them.

The valves are in pins.json. For the day that file cannot be read there is a copy: pins_copy.json of a set-up by the
board's page, which may have brought other pins; without one `PINS`, which the build writes in here.
"""

import json
import sys
import time

from machine import Pin, reset

PINS = {"valves": []}
LONGEST_PULSE_MS = 200  # a coil burns if a wrong pins.json holds it


def rows(path="/pins.json"):
    """Every valve, and the master valve or pump before them: what gives the pressure goes first. [] if unreadable."""
    try:
        with open(path) as file:
            return _listed(json.load(file))
    except Exception:  # whatever is wrong with the file, the valves have to shut
        return []


def shut(row):
    """Shut one valve: a relay is let go, a latching valve gets its closing pulse."""
    if row["kind"] == "relay":
        Pin(row["pin"], Pin.OUT, value=1 - row.get("on", 1))
        return
    Pin(row["open_pin"], Pin.OUT, value=0)
    close = Pin(row["close_pin"], Pin.OUT, value=1)
    try:
        time.sleep_ms(min(row.get("pulse_ms", 60), LONGEST_PULSE_MS))
    finally:
        close.value(0)  # even if Ctrl-C or a wrong entry ends the pulse


def shut_all():
    """Shut them all; a row that cannot be shut does not keep the others open, and brings the copy in here to work."""
    shut_well = [_tried(row) for row in rows()]
    if not shut_well or not all(shut_well):
        for row in rows("/pins_copy.json") or _listed(PINS):
            _tried(row)


def restart():
    """Begin again from here."""
    reset()


def _tried(row):
    try:
        shut(row)
    except Exception as error:  # a wrong pin number, say: told, and the next one is shut
        print("boot: cannot shut", row, error)
        return False
    return True


def _listed(pins):
    master = pins.get("master")
    return ([master] if master else []) + list(pins["valves"])


shut_all()
if __name__ == "__main__":  # not when main.py imports it
    try:
        import slots

        if not slots.choose():
            del sys.modules["slots"]
        del slots  # main.py finds it there while what runs is on trial; else it takes no memory
    except Exception as error:  # what was flashed into the root runs
        print("boot: cannot choose a firmware:", error)
