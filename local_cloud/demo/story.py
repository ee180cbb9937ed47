"""The order of a demonstration: which process starts when, how field time runs, and who brings what home at the end."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from local_cloud.aws import Aws, environment
from local_cloud.demo.stage import Stage
from local_cloud.field_clock import FieldClock

# At one moment of field time they act in this order; at the end each brings home what the next one still needs.
EXPLAINS_WITHIN_S = 2
ORDER = ("fleet", "compute", "cloud", "schedule")


@dataclass(frozen=True)
class Job:
    """What every process of the demonstration is told. Times are Unix seconds of field time."""

    gateways: int
    seed: int
    broker: str
    weather: str
    start: int
    end: int
    work: str  # keys, spool and the AWS API's errands: gone at the end
    out: str  # what stays: events, store, lake, report
    clock_port: int = 0
    gate_port: int = 0

    def save(self, name: str) -> str:
        """Write the job where the process `name` reads it; gives the path."""
        path = Path(self.work) / f"{name}.job.json"
        path.write_text(json.dumps(asdict(self)))
        return str(path)

    @classmethod
    def load(cls, path: str) -> "Job":
        """Read a job that `save` wrote."""
        return cls(**json.loads(Path(path).read_text()))


async def play(job: Job, tell: Callable[[int, str], None]) -> dict[str, Any]:
    """Run the whole demonstration; gives each participant's last words by its name.

    `tell(now_s, news)` hears of progress. Raises StageError, FieldClockError or AwsError; no process survives it.
    """
    clock = FieldClock(job.start, ORDER)
    job = replace(job, clock_port=await clock.serve())
    aws = Aws()
    try:
        async with Stage(Path(job.out) / "logs") as stage:
            story = asyncio.create_task(_story(job, clock, stage, aws, tell))
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


async def _story(
    job: Job, clock: FieldClock, stage: Stage, aws: Aws, tell: Callable[[int, str], None]
) -> dict[str, Any]:
    tell(job.start, "the local cloud starts")
    surroundings = environment(await aws.start())
    for name in ("cloud", "schedule"):
        await stage.start(name, *_command(name, job), environment=surroundings)
    tell(job.start, "gate, broker and topic rule start")
    job = replace(job, gate_port=(await clock.joined("cloud"))["gate_port"])
    for name in ("compute", "fleet"):
        await stage.start(name, *_command(name, job), environment=surroundings)
    tell(job.start, "gateways and compute service connect")
    await clock.joined(*ORDER)
    await clock.run_until(job.end, tell)
    return {name: await _bring_home(name, job.end, clock, stage, tell) for name in ORDER}


async def _bring_home(
    name: str, end: int, clock: FieldClock, stage: Stage, tell: Callable[[int, str], None]
) -> dict[str, Any]:
    tell(end, f"{name} brings everything home")
    stage.let_end(name)
    last_words = await clock.stop(name)
    await clock.quiet()
    return last_words


def _command(name: str, job: Job) -> tuple[str, ...]:
    return ("-m", "local_cloud.demo", "--role", name, job.save(name))
