"""The order of a live farm: who starts when, how field time keeps pace with the world, and who is started again."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.ports import Beat
from demo.errors import SupervisorError
from demo.job import Job
from demo.orchestrator import LEAN, ProcessGroup
from demo.participants import Participants
from demo.supervisor import Supervisor
from field_time.clock import FieldClock
from local_cloud.aws import Aws, environment

BEAT_EVERY_S = 1.0  # of the world's seconds
LATE_S = 5  # of the world's seconds behind its pace, from which on the farm is told to be slower than it should be


@dataclass(frozen=True)
class Audience:
    """What a person is told: `say` a line, and `ready` once the farm takes orders."""

    say: Callable[[str], None]
    ready: Callable[[], None]


class LiveGroup(ProcessGroup):
    """The processes, without the lake's schedule; each that ends is started again, and field time waits for it."""

    async def begin(self, aws: Aws) -> None:
        """Start all, in their order. Raises SupervisorError, AwsError."""
        self.environment = environment(await aws.start()) | LEAN
        await self.start("cloud")
        self.job = replace(self.job, gate_port=(await self.joined("cloud"))["gate_port"])
        await self.start("compute", *self.participants.gateways)
        await self.joined("compute", *self.participants.gateways)
        for name in ("cloud", "compute", *self.participants.gateways):
            self.clock.expect_again(name)

    async def revive(self, say: Callable[[str], None]) -> None:
        """For ever: start again what has ended. Raises SupervisorError for what does not come back."""
        while True:
            name = await self.supervisor.next_end()
            say(f"{name} has ended, and is started again: {self.supervisor.last_line(name)}")
            await self.start(name)
            back, end = asyncio.create_task(self.joined(name)), asyncio.create_task(self.supervisor.next_end())
            await asyncio.wait({back, end}, return_when=asyncio.FIRST_COMPLETED)
            if end.done():
                back.cancel()
                raise SupervisorError(f"{end.result()} does not come back: {self.supervisor.last_line(end.result())}")
            end.cancel()
            await back
            self.clock.expect_again(name)


async def run_live(
    job: Job, participants: Participants, speed: float, wall_clock: Callable[[], float], audience: Audience
) -> None:
    """Run the farm until its days are over, or this task is cancelled; no process survives it.

    Raises SupervisorError, FieldTimeError or AwsError.
    """
    clock = FieldClock(job.start, participants.order)
    job = replace(job, clock_port=await clock.serve())
    aws = Aws()
    try:
        async with Supervisor(Path(job.out) / "logs") as supervisor:
            group = LiveGroup(job, participants, clock, supervisor)
            await group.begin(aws)
            audience.ready()
            with closing(SqliteStore(Path(job.out) / "compute.sqlite", must_exist=True)) as store:
                pulse = _Pulse(store, speed, wall_clock, audience.say)
                tasks = (
                    asyncio.create_task(clock.keep_pace(job.end, speed, pulse)),
                    asyncio.create_task(group.revive(audience.say)),
                )
                try:
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                    for task in tasks:
                        if task.done():
                            task.result()
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        await aws.stop()
        await clock.close()


class _Pulse:
    """Hears of field time's progress: every process has just answered, so the service lives, and its store says so."""

    def __init__(
        self, store: SqliteStore, speed: float, wall_clock: Callable[[], float], say: Callable[[str], None]
    ) -> None:
        self._store, self._speed, self._wall_clock, self._say = store, speed, wall_clock, say
        self._began: tuple[int, float] | None = None
        self._beat_s = 0.0
        self._was_late = False

    def __call__(self, now_s: int, news: str) -> None:
        wall_s = self._wall_clock()
        if self._began is None:
            self._began = (now_s, wall_s)
        if wall_s - self._beat_s >= BEAT_EVERY_S:
            self._beat_s = wall_s
            self._store.journal.beat(Beat(now_s, wall_s, self._speed))
            self._tell_lateness(now_s, wall_s)
        if news:
            self._say(f"{datetime.fromtimestamp(now_s, UTC):%Y-%m-%d %H:%M:%S} UTC  {news}")

    def _tell_lateness(self, now_s: int, wall_s: float) -> None:
        assert self._began
        late_s = wall_s - self._began[1] - (now_s - self._began[0]) / self._speed
        if late_s > LATE_S and not self._was_late:
            self._say(f"field time is {late_s:.0f} s behind: this machine does not keep up, or a process was away")
        self._was_late = late_s > LATE_S
