"""Valves: a relay that falls shut without power, a latching valve that stays where its last pulse put it."""

import time

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from machine import Pin

    class Valve(Protocol):
        """What opens and closes."""

        def set(self, is_open: bool) -> None: ...


class Relay:
    """Open while the pin is at the level `on`."""

    def __init__(self, pin: "Pin", on: int = 1) -> None:
        self._pin = pin
        self._on = on

    def set(self, is_open: bool) -> None:
        """Move; without power it is shut."""
        self._pin.value(self._on if is_open else 1 - self._on)


class Latching:
    """Moves by a pulse on one of two pins, and needs no power to stay."""

    def __init__(self, open_pin: "Pin", close_pin: "Pin", pulse_ms: int = 60) -> None:
        self._pins = (close_pin, open_pin)
        self._pulse_ms = pulse_ms

    def set(self, is_open: bool) -> None:
        """Move; blocks for the length of the pulse."""
        pin = self._pins[is_open]
        self._pins[not is_open].value(0)
        pin.value(1)
        try:
            time.sleep_ms(self._pulse_ms)
        finally:
            pin.value(0)  # even if Ctrl-C ends the pulse: a coil burns


class ValveBank:
    """The zones' valves, and the master valve or pump that runs while any of them is open.

    A zone opens before the pump starts and the pump stops before the last zone closes: no pump works on a shut pipe.
    """

    def __init__(self, valves: "Mapping[str, Valve]", master: "Valve | None" = None) -> None:
        self._valves = valves
        self._master = master
        self._open: set[str] = set()

    def set(self, zone_id: str, is_open: bool) -> None:
        """Move one zone's valve; closing a closed one sends the pulse again."""
        if is_open:
            self._valves[zone_id].set(True)
            self._open.add(zone_id)
            self._set_master()
        else:
            self._open.discard(zone_id)
            try:
                self._set_master()
            finally:
                self._valves[zone_id].set(False)

    def any_open(self) -> bool:
        """Does water run, as far as was ordered here?"""
        return bool(self._open)

    def _set_master(self) -> None:
        if self._master:
            self._master.set(bool(self._open))
