"""kill -9 of the demonstration's processes, at moments drawn from the seed and at chosen ones, evenly over its days."""

import asyncio
import itertools
import json
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from demo.job import Job
from field_time.clock import FieldClock

if TYPE_CHECKING:
    from protocol.events import Kill

AT_WORK_S = 0.02  # real seconds within which what a participant does in its turn is mostly done
LOOK_EVERY_S = 0.001  # real seconds between two looks for a moment; looking all the time would slow the demonstration

# The moments: None is any; "turn" is while the process does what is due; the rest follow an event of that kind.
MOMENTS = (None, "turn", "command", "valve_edge", "ack")


class Kills:
    """As many kills as the job orders, each process and each moment in turn. `kill(name)` returns when it is back."""

    def __init__(
        self, kill: Callable[[str], Awaitable[None]], clock: FieldClock, names: tuple[str, ...], job: Job
    ) -> None:
        self._kill, self._clock, self._job = kill, clock, job
        self._events = Path(job.work) / "events"
        self._random = random.Random(job.seed)  # noqa: S311  # no secret: a kill can be repeated
        self._plan = list(itertools.islice(itertools.cycle(itertools.product(MOMENTS, names)), job.kills))

    async def run(self) -> None:
        """Kill, one after the other, spread over field time."""
        span_ms = (self._job.end - self._job.start) * 1000 // (len(self._plan) + 1)
        for number, (moment, name) in enumerate(self._plan, start=1):
            await self._field_time(self._job.start * 1000 + number * span_ms)
            at_work = await self._moment(moment, name, self._job.start * 1000 + (number + 1) * span_ms)
            await asyncio.sleep(self._random.uniform(0, AT_WORK_S if at_work else 2 * AT_WORK_S))
            self._note(name, moment if at_work else None)
            await self._kill(name)

    async def _field_time(self, ms: int) -> None:
        while self._clock.now_ms < ms:
            await asyncio.sleep(AT_WORK_S / 4)

    async def _moment(self, moment: str | None, name: str, until_ms: int) -> bool:
        """Wait for a chosen moment; False if it does not come before it is time for the next kill."""
        if moment is None:
            return False
        has_come = self._turn_of(name) if moment == "turn" else self._event_of(moment)
        while not has_come():
            if self._clock.now_ms >= until_ms:
                return False
            await asyncio.sleep(LOOK_EVERY_S)
        return True

    def _turn_of(self, name: str) -> Callable[[], bool]:
        before = self._clock.releases
        return lambda: self._clock.releases > before and self._clock.released == name

    def _event_of(self, kind: str) -> Callable[[], bool]:
        mark = f'"kind": "{kind}"'
        sizes = {path: path.stat().st_size for path in self._events.glob("*.jsonl")}

        def has_come() -> bool:
            return any(path.stat().st_size > size and mark in _tail(path, size) for path, size in sizes.items())

        return has_come

    def _note(self, name: str, moment: str | None) -> None:
        event: Kill = {"at": self._clock.now_ms // 1000, "kind": "kill", "process": name, "moment": moment or "any"}
        with (self._events / "accidents.jsonl").open("a") as file:
            file.write(json.dumps(event) + "\n")


def _tail(path: Path, start: int) -> str:
    with path.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")
