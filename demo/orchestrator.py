"""The order of a demonstration: which process starts when, how field time runs, who brings what home at the end."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from demo.accidents import Accidents
from demo.job import Job
from demo.supervisor import Stage, StageError
from field_time.clock import FieldClock
from gateway.gateway import DEFAULTS
from local_cloud.aws import Aws, environment

# What the farm's gateways talk to. At one moment of field time the gateways act first, then these in this order; at the
# end each brings home what the next one still needs.
SERVICES = ("compute", "cloud", "schedule")
FLEET = "fleet"
JOINS_WITHIN_S = 120  # real seconds for a process to start and take part
EXPLAINS_WITHIN_S = 2
LEAN = {"OPENBLAS_NUM_THREADS": "1"}  # nothing here has a matrix; NumPy's threads double the time of its import
LAST_EXPIRY_S = 2 * 3600  # field time after which no command can be answered any more

Tell = Callable[[int, str], None]


@dataclass(frozen=True)
class Member:
    """A gateway that is a process of its own: its command, and what of its job never changes."""

    command: tuple[str, ...]
    season: dict[str, Any]


@dataclass(frozen=True)
class Company:
    """Who plays: whether there is a fleet, and the gateways beside it by their ids."""

    fleet: bool
    members: Mapping[str, Member]

    @property
    def gateways(self) -> tuple[str, ...]:
        """The participants that are gateways."""
        return ((FLEET,) if self.fleet else ()) + tuple(self.members)

    @property
    def order(self) -> tuple[str, ...]:
        """All participants, in the order in which they act."""
        return self.gateways + SERVICES


class Cast:
    """The participants: started, and after a kill started again, on field time as it is then."""

    def __init__(
        self, job: Job, company: Company, clock: FieldClock, stage: Stage, surroundings: dict[str, str]
    ) -> None:
        self.job, self.company, self.clock = job, company, clock
        self._stage, self._surroundings = stage, surroundings

    async def start(self, name: str) -> None:
        """Start one participant."""
        job = replace(self.job, now_ms=self.clock.now_ms)
        member = self.company.members.get(name)
        if member:
            await self._stage.start(name, *member.command, member_job(job, name, member))
            return
        command = ("python", "-m", f"demo.processes.{name}", job.save(name))
        await self._stage.start(name, *command, environment=self._surroundings)

    async def kill(self, name: str) -> None:
        """kill -9, and start again; returns when the new process takes part."""
        self.clock.expect_again(name)
        await self._stage.kill(name)
        await self.start(name)
        await _joined(self, name)


def member_job(job: Job, gateway_id: str, member: Member) -> str:
    """Write the job of a gateway that is a process of its own, as docs/field.md describes it; gives the path."""
    work = Path(job.work)
    state = work / "members" / gateway_id
    state.mkdir(parents=True, exist_ok=True)
    document = {
        **member.season,
        "host": "127.0.0.1",
        "port": job.gate_port,
        "server_hostname": "localhost",
        "certs": str(work / "certs" / gateway_id),
        "clock_port": job.clock_port,
        "now_ms": job.now_ms,
        "start": job.start,
        "end": job.end,
        "state": str(state),
        "record": str(work / "events" / f"{gateway_id}.jsonl"),
        "sample_interval_s": DEFAULTS["sample_interval_s"],
        "publish_interval_s": DEFAULTS["publish_interval_s"],
    }
    path = work / f"{gateway_id}.job.json"
    path.write_text(json.dumps(document))
    return str(path)


async def play(job: Job, company: Company, tell: Tell) -> dict[str, Any]:
    """Run the whole demonstration; gives each participant's last words by its name.

    `tell(now_s, news)` hears of progress. Raises StageError, FieldTimeError or AwsError; no process survives it.
    """
    clock = FieldClock(job.start, company.order)
    job = replace(job, clock_port=await clock.serve())
    aws = Aws()
    try:
        async with Stage(Path(job.out) / "logs") as stage:
            story = asyncio.create_task(_story(job, company, clock, stage, aws, tell))
            failure = asyncio.create_task(stage.failure())
            try:
                await asyncio.wait({story, failure}, return_when=asyncio.FIRST_COMPLETED)
                if not story.done() or story.exception():  # a process that ended explains more than its silence
                    await asyncio.wait({failure}, timeout=EXPLAINS_WITHIN_S)
                return failure.result() if failure.done() else story.result()
            finally:
                story.cancel()
                failure.cancel()
                await asyncio.gather(story, failure, return_exceptions=True)
    finally:
        await aws.stop()
        await clock.close()


async def _story(  # noqa: PLR0913, PLR0917  # what a story is made of
    job: Job, company: Company, clock: FieldClock, stage: Stage, aws: Aws, tell: Tell
) -> dict[str, Any]:
    tell(job.start, "the local cloud starts")
    cast = Cast(job, company, clock, stage, environment(await aws.start()) | LEAN)
    for name in ("cloud", "schedule"):
        await cast.start(name)
    tell(job.start, "gate, broker and topic rule start")
    cast.job = replace(job, gate_port=(await clock.joined("cloud"))["gate_port"])
    for name in ("compute", *company.gateways):
        await cast.start(name)
    tell(job.start, "gateways and compute service connect")
    await _joined(cast, *company.order)
    await _run(cast, tell)
    return {name: await _bring_home(name, cast, stage, tell) for name in company.order}


async def _joined(cast: Cast, *names: str) -> None:
    for name in names:
        try:
            async with asyncio.timeout(JOINS_WITHIN_S):
                await cast.clock.joined(name)
        except TimeoutError:
            raise StageError(f"{name} did not take part in field time within {JOINS_WITHIN_S} s") from None


async def _run(cast: Cast, tell: Tell) -> None:
    """Field time from start to end, with the accidents that were ordered."""
    accidents = Accidents(cast.kill, cast.clock, cast.company.order, cast.job)
    happening = asyncio.create_task(accidents.happen())
    running = asyncio.create_task(cast.clock.run_until(cast.job.end, tell))
    try:
        await asyncio.wait({happening, running}, return_when=asyncio.FIRST_EXCEPTION)
        for task in (happening, running):
            if task.done():
                task.result()
    finally:
        for task in (happening, running):
            task.cancel()
        await asyncio.gather(happening, running, return_exceptions=True)


async def _bring_home(name: str, cast: Cast, stage: Stage, tell: Tell) -> dict[str, Any]:
    tell(cast.job.end, f"{name} brings everything home")
    stage.let_end(name)
    last_words = await cast.clock.stop(name)
    await cast.clock.quiet()
    if name == cast.company.gateways[-1]:  # nobody can answer a command any more: let the open ones expire
        await cast.clock.advance(cast.job.end + LAST_EXPIRY_S)
    return last_words
