"""The order of a demonstration: which process starts when, how field time runs, who brings what home at the end."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from demo.errors import SupervisorError
from demo.job import Job
from demo.kills import Kills
from demo.participants import Participants, member_job
from demo.supervisor import Supervisor
from field_time.clock import FieldClock
from local_cloud.aws import Aws, environment

JOINS_WITHIN_S = 120  # real seconds for a process to start and take part
EXPLAINS_WITHIN_S = 2
# Nothing here has a matrix, and NumPy's threads double the time of its import; three hours' samples are too few for
# Polars to share among threads.
LEAN = {"OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
LAST_EXPIRY_S = 2 * 3600  # field time after which no command can be answered any more

Tell = Callable[[int, str], None]


class ProcessGroup:
    """The participants' processes: started, and after a kill started again, on field time as it is then."""

    def __init__(self, job: Job, participants: Participants, clock: FieldClock, supervisor: Supervisor) -> None:
        self.job, self.participants, self.clock, self.supervisor = job, participants, clock, supervisor
        self.environment: dict[str, str] = {}  # of the processes that talk to the AWS API

    async def start(self, *names: str) -> None:
        """Start these participants, one after the other."""
        for name in names:
            job = replace(self.job, now_ms=self.clock.now_ms)
            member = self.participants.members.get(name)
            if member:
                await self.supervisor.start(name, *member.command, member_job(job, name, member))
                continue
            command = ("python", "-m", f"demo.processes.{name}", job.save(name))
            await self.supervisor.start(name, *command, environment=self.environment)

    async def joined(self, *names: str) -> dict[str, Any]:
        """Wait until these take part; gives the facts that they told. Raises SupervisorError."""
        facts: dict[str, Any] = {}
        for name in names:
            try:
                async with asyncio.timeout(JOINS_WITHIN_S):
                    facts |= await self.clock.joined(name)
            except TimeoutError:
                raise SupervisorError(f"{name} did not take part in field time within {JOINS_WITHIN_S} s") from None
        return facts

    async def kill(self, name: str) -> None:
        """kill -9, and start again; returns when the new process takes part."""
        self.clock.expect_again(name)
        await self.supervisor.kill(name)
        await self.start(name)
        await self.joined(name)


async def run_demo(job: Job, participants: Participants, tell: Tell) -> dict[str, Any]:
    """Run the whole demonstration; gives each participant's last words by its name.

    `tell(now_s, news)` hears of progress. Raises SupervisorError, FieldTimeError or AwsError; no process survives it.
    """
    clock = FieldClock(job.start, participants.order)
    job = replace(job, clock_port=await clock.serve())
    aws = Aws(plain=True)
    try:
        async with Supervisor(Path(job.out) / "logs") as supervisor:
            group = ProcessGroup(job, participants, clock, supervisor)
            season = asyncio.create_task(_season(group, aws, tell))
            failure = asyncio.create_task(supervisor.failure())
            try:
                await asyncio.wait({season, failure}, return_when=asyncio.FIRST_COMPLETED)
                if not season.done() or season.exception():  # a process that ended explains more than its silence
                    await asyncio.wait({failure}, timeout=EXPLAINS_WITHIN_S)
                return failure.result() if failure.done() else season.result()
            finally:
                season.cancel()
                failure.cancel()
                await asyncio.gather(season, failure, return_exceptions=True)
    finally:
        await aws.stop()
        await clock.close()


async def bring_home(clock: FieldClock, name: str, *, is_last_gateway: bool) -> dict[str, Any]:
    """Have one participant finish, and wait until nothing is in flight; gives its last words.

    After the last gateway nobody can answer a command any more: field time goes on until the open ones have expired.
    """
    last_words = await clock.stop(name)
    await clock.quiet()
    if is_last_gateway:
        await clock.advance(clock.now_ms // 1000 + LAST_EXPIRY_S)
    return last_words


async def _season(group: ProcessGroup, aws: Aws, tell: Tell) -> dict[str, Any]:
    start, end, participants = group.job.start, group.job.end, group.participants
    tell(start, "the local cloud starts")
    group.environment = environment(await aws.start()) | LEAN
    await group.start("cloud", "schedule")
    tell(start, "gate, broker and topic rule start")
    group.job = replace(group.job, gate_port=(await group.joined("cloud"))["gate_port"])
    await group.start("compute", *participants.gateways)
    tell(start, "gateways and compute service connect")
    await group.joined(*participants.order)
    await _field_time(group, tell)
    home = {}
    for name in participants.order:
        tell(end, f"{name} brings everything home")
        group.supervisor.let_end(name)
        home[name] = await bring_home(group.clock, name, is_last_gateway=name == participants.gateways[-1])
    return home


async def _field_time(group: ProcessGroup, tell: Tell) -> None:
    """Field time from start to end, with the kills that were ordered."""
    kills = Kills(group.kill, group.clock, group.participants.order, group.job)
    tasks = (asyncio.create_task(kills.run()), asyncio.create_task(group.clock.run_until(group.job.end, tell)))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
