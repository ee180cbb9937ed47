"""What changes on a farm while people look on: `python -m benchmarks.console.changes STORE ZONES CHANGES_A_SECOND`.

Until it is ended it writes decisions, zone after zone, as the service does, and each 5 s the edges of a valve: one
opens and the one before it shuts. It is fast because nothing is decided: only what readers see is written.
"""

import itertools
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.console.farm import AHEAD_S, zones
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.commands import ulid
from compute_service.domain.ports import Beat, Moment
from compute_service.domain.zone import Zone

if TYPE_CHECKING:
    from protocol.messages import Command

STEP_S = 0.2
VALVE_EVERY_S = 5.0
RUN_S = 600


class Changes:
    """Writes what changes; field time goes on as the world's from where the store's stood."""

    def __init__(self, store: SqliteStore, farm_zones: tuple[Zone, ...]) -> None:
        self._store, self._zones = store, itertools.cycle(farm_zones)
        self._numbers = itertools.count()
        self._row = store.decisions.last(1, farm_zones[0].zone_id)[0]
        beat = store.journal.last_beat()
        assert beat is not None
        self._shift_s = beat.at - time.time()
        self._open: Command | None = None

    def decide(self, count: int) -> None:
        """So many decisions, and that the service lives."""
        now = self._now()
        with self._store.transaction():
            for zone in itertools.islice(self._zones, count):
                self._decide(zone, now)
            self._store.journal.beat(Beat(now, time.time() + AHEAD_S, 0.0))

    def turn_valves(self) -> None:
        """The open valve shuts, and the next zone's opens."""
        now, zone = self._now(), next(self._zones)
        with self._store.transaction():
            if self._open is not None:
                self._store.commands.move(self._open["command_id"], "done", "ok", closed_at=now)
                self._note(self._open, "ack", now, state="done", code="ok", duration_s=RUN_S, volume_l=90.0)
            command = self._open = self._command(zone, now)
            self._store.commands.add(zone.gateway_id, command, now + RUN_S)
            self._note(command, "command", now, action="open", duration_s=RUN_S)
            self._store.commands.move(command["command_id"], "started", "ok", give_up_at=now + RUN_S)
            self._note(command, "ack", now, state="started", code="ok", duration_s=None, volume_l=None)

    def _now(self) -> int:
        return int(time.time() + self._shift_s)

    def _id(self, now: int) -> str:
        return ulid(now, next(self._numbers).to_bytes(10, "big"))

    def _decide(self, zone: Zone, now: int) -> None:
        decision_id = self._id(now)
        depletion_mm = round(next(_saw(self._numbers)), 1)
        row: dict[str, Any] = {**self._row, "zone_id": zone.zone_id, "at": now}
        row["receipt"] = {**self._row["receipt"], "depletion_mm": depletion_mm}
        self._store.decisions.add(decision_id, row, None, {})
        moment = Moment(
            zone_id=zone.zone_id,
            at=now,
            vwc=round(0.29 - depletion_mm / 500, 4),
            depletion_mm=depletion_mm,
            due_mm=row["receipt"]["due_mm"],
            sigma_mm=1.0,
            litres=0.0,
        )
        self._store.journal.add_moment(moment)
        self._store.journal.add(now, "decision", zone.zone_id, zone.gateway_id, {"decision_id": decision_id})

    def _command(self, zone: Zone, now: int) -> "Command":
        return {
            "v": 1,
            "command_id": self._id(now),
            "device_id": zone.gateway_id,
            "zone_id": zone.zone_id,
            "epoch": 1,
            "action": "open",
            "duration_s": RUN_S,
            "max_volume_l": 100.0,
            "issued_at": now,
            "expires_at": now + 60,
            "decision_id": None,
            "reason": "",
        }

    def _note(self, command: "Command", kind: str, now: int, **body: Any) -> None:
        body = {"command_id": command["command_id"], **body}
        self._store.journal.add(now, kind, command["zone_id"], command["device_id"], body)


def _saw(numbers: Iterator[int]) -> Iterator[float]:
    """What the roots lack (mm), another figure each time."""
    yield 5 + next(numbers) * 7 % 200 / 10


def main() -> None:
    """Write until the end of this process; where the machine is too slow it falls behind, and does not catch up."""
    path, count, rate = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    with closing(SqliteStore(path, must_exist=True)) as store:
        changes = Changes(store, zones(count))
        valves_at = time.monotonic()
        while True:
            begin = time.monotonic()
            if begin >= valves_at:
                changes.turn_valves()
                valves_at = begin + VALVE_EVERY_S
            changes.decide(round(rate * STEP_S))
            time.sleep(max(begin + STEP_S - time.monotonic(), 0.0))


if __name__ == "__main__":
    main()
