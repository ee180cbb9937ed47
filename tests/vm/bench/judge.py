"""Judges a board by the valve rules, from what its pins did and what it said, with the oracle of tests/safety."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.safety.oracle import Oracle
from tests.vm.bench.board import Event, VmBoard

EPOCH_2000 = 946_684_800
GRACE_S = 1


class Judge:
    """Looks at the events of one board; `zones` and `pins` as in config.json and pins.json. Raises BrokenPromiseError.

    A relay is open while its pin drives it; without power it is shut. A latching valve stays where its last pulse put
    it. What the device says late, because the broker was away, is judged as far as it still can be.
    """

    def __init__(self, board: VmBoard, zones: Sequence[Mapping[str, Any]], pins: Mapping[str, Any]) -> None:
        self.oracle = Oracle(zones)
        self.said: list[dict[str, Any]] = []
        self._board = board
        self._seen = 0
        self._moves: dict[tuple[int, int], tuple[str, bool]] = {}  # (pin, level) -> the zone, and whether it opens
        self._relays = [row["zone_id"] for row in pins["valves"] if row["kind"] == "relay"]
        for row in pins["valves"]:
            self._learn(row)
        self._wall: tuple[float, int] | None = None  # since when the chip's clock said what
        self._told = False
        self._command: tuple[float, dict[str, Any]] | None = None
        self._taken: dict[int, dict[str, Any]] = {}

    def issued(self, command: dict[str, Any]) -> None:
        """A command is on its way from now on."""
        self.oracle.issued(command)

    def look(self) -> None:
        """Judge everything that happened since the last look."""
        for event in self._board.events[self._seen :]:
            self.oracle.passes(int(event.ms))
            judge = _JUDGED.get(event.kind)
            if judge:
                judge(self, event)
        self._seen = len(self._board.events)
        self.oracle.passes(int(self._board.ms))

    def _learn(self, row: Mapping[str, Any]) -> None:
        zone_id, on = row["zone_id"], row.get("on", 1)
        if row["kind"] == "relay":
            self._moves.update({(row["pin"], on): (zone_id, True), (row["pin"], 1 - on): (zone_id, False)})
        else:
            self._moves.update({(row["open_pin"], 1): (zone_id, True), (row["close_pin"], 1): (zone_id, False)})

    def _boot(self, event: Event) -> None:
        self.oracle.boots()
        self._told = False
        if event.what[0] == 1:  # power on: the chip's clock begins again
            self._wall = None

    def _pin(self, event: Event) -> None:
        zone_id, opens = self._moves.get(event.what, ("", False))
        if opens:
            handled = self._command[1] if self._command and event.ms - self._command[0] < 1000 else None
            # What opens by itself can only be by a plan. That its probes were dry is for a test to see.
            self.oracle.takes(None if handled else "dry")
            by = handled or self.oracle.next_run(zone_id)
            self.oracle.opens(zone_id, int(event.ms), by, self._now(event.ms), self._told)
        elif zone_id:
            self.oracle.closes(zone_id, int(event.ms))

    def _end(self, event: Event) -> None:
        for zone_id in self._relays:
            self.oracle.closes(zone_id, int(event.ms))

    def _flash(self, _event: Event) -> None:
        self.oracle.works("wrote")

    def _clock(self, event: Event) -> None:
        self._wall = (event.ms, int(event.what[0]))
        self.oracle.clock_set()

    def _time_told(self, _event: Event) -> None:
        self._told = True

    def _in(self, event: Event) -> None:
        topic, payload, packet_id = event.what
        if not topic.endswith("/command"):
            return
        command = json.loads(payload)
        self._command = (event.ms, command)
        self._taken[packet_id] = command
        self.oracle.clock_read(self._now(event.ms), self._told)

    def _took(self, event: Event) -> None:
        command = self._taken.pop(event.what[0], None)
        if command:
            self.oracle.handled(command)

    def _out(self, event: Event) -> None:
        self.oracle.works("spoke")
        topic, payload = event.what
        if not topic.endswith("/ack"):
            return
        ack = json.loads(payload)
        self.said.append(ack)
        is_late = self._now(event.ms) - ack["at"] > GRACE_S
        is_final = ack["state"] in ("done", "failed", "rejected") and ack["duration_s"] is not None
        if is_final or not is_late:
            self.oracle.hears(ack, int(event.ms))

    def _now(self, ms: float) -> int:
        since_ms, said = self._wall or (0.0, EPOCH_2000)
        return said + int((ms - since_ms) // 1000)


_JUDGED: dict[str, Callable[[Judge, Event], None]] = {
    "boot": Judge._boot,
    "pin": Judge._pin,
    "end": Judge._end,
    "flash": Judge._flash,
    "clock": Judge._clock,
    "time told": Judge._time_told,
    "in": Judge._in,
    "took": Judge._took,
    "out": Judge._out,
}
