"""kill -9 of the demonstration's processes, at moments drawn from the seed and at chosen ones, evenly over its days."""

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from demo.job import Job
from field_time.clock import FieldClock

if TYPE_CHECKING:
    from protocol.events import Kill

AT_WORK_S = 0.02  # real seconds within which what a participant does in its turn is mostly done
LOOK_EVERY_S = 0.001  # real seconds between two looks for a moment; looking all the time would slow the demonstration

# The moments: None is any; "turn" is while the process does what is due; the rest follow an event of that kind.
EVENTS = ("command", "valve_edge", "ack")
MOMENTS = (None, "turn", *EVENTS)


class Kills:
    """As many kills as the job orders, each process at each moment equally often; `kill(name)` returns when it is back.

    Events are rare. Where there are kills enough, each process first dies once right after each kind of event, however
    long it takes to come, within the first half of the days. Then each kill waits in its share of field time for the
    event that is wanted most; where it does not come it is the turn of a process, and at last any moment.
    """

    def __init__(
        self, kill: Callable[[str], Awaitable[None]], clock: FieldClock, names: tuple[str, ...], job: Job
    ) -> None:
        self._kill, self._clock, self._job = kill, clock, job
        self._events = Path(job.work) / "events"
        self._random = random.Random(job.seed)  # noqa: S311  # no secret: a kill can be repeated
        self._pairs = list(itertools.islice(itertools.cycle(itertools.product(MOMENTS, names)), job.kills))

    async def run(self) -> None:
        """Kill, one after the other, spread over field time."""
        await self._after_each_event()
        begin_ms = max(self._clock.now_ms, self._job.start * 1000)
        span_ms = (self._job.end * 1000 - begin_ms) // (len(self._pairs) + 1)
        for number in range(1, len(self._pairs) + 1):
            share_ms = begin_ms + number * span_ms
            await self._field_time(share_ms)
            moment, name = await self._next(share_ms + span_ms // 2, share_ms + span_ms)
            await self._strike(name, moment)

    async def _after_each_event(self) -> None:
        names = dict.fromkeys(name for _, name in self._pairs)
        if len(self._pairs) < len(MOMENTS) * len(names):
            return
        half_ms = (self._job.start + self._job.end) * 500
        for name, moment in itertools.product(names, EVENTS):
            if await self._first_of({moment: self._event_of(moment)}, half_ms):
                self._pairs.remove((moment, name))
                await self._strike(name, moment)

    async def _strike(self, name: str, moment: str | None) -> None:
        await asyncio.sleep(self._random.uniform(0, AT_WORK_S if moment else 2 * AT_WORK_S))
        self._note(name, moment)
        await self._kill(name)

    async def _field_time(self, ms: int) -> None:
        while self._clock.now_ms < ms:
            await asyncio.sleep(AT_WORK_S / 4)

    async def _next(self, events_until_ms: int, until_ms: int) -> tuple[str | None, str]:
        """The process to kill now, and the moment that it is: of those that are wanted, the most wanted that comes."""
        counts = Counter(moment for moment, _ in self._pairs)
        moment = max(EVENTS, key=lambda event: counts[event])  # of a run's events, or the first of them took all kills
        if counts[moment] and await self._first_of({moment: self._event_of(moment)}, events_until_ms):
            return moment, self._take(moment)
        names = dict.fromkeys(name for moment, name in self._pairs if moment == "turn")
        name = await self._first_of({name: self._turn_of(name) for name in names}, until_ms)
        if name:
            self._pairs.remove(("turn", name))
            return "turn", name
        return None, self._take(None)

    def _take(self, moment: str | None) -> str:
        """The process that is wanted at this moment; where none is, the next of all that are left."""
        pair = next((pair for pair in self._pairs if pair[0] == moment), self._pairs[0])
        self._pairs.remove(pair)
        return pair[1]

    async def _first_of(self, signs: Mapping[str, Callable[[], bool]], until_ms: int) -> str | None:
        """Wait for the first sign that comes; None if it is time before."""
        while signs:
            for name, has_come in signs.items():
                if has_come():
                    return name
            if self._clock.now_ms >= until_ms:
                break
            await asyncio.sleep(LOOK_EVERY_S)
        return None

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
