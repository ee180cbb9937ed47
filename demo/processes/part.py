"""What the processes have in common: each serves one part on field time, and imports the room of that part alone.

So it is back sooner after a kill, and field time stands still no longer than it must.
"""

import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from demo.errors import KNOWN_TROUBLE
from demo.job import Job
from demo.recorder import Recorder
from field_time.participant import Part, VirtualTime, take_part, until_let_go

# Gives a part that is ready to serve, with the facts that it tells when it joins.
OpenPart = Callable[[Job, VirtualTime, Recorder], AbstractAsyncContextManager[tuple[Part, dict[str, Any]]]]


def serve_part(name: str, open_part: OpenPart, job_file: str) -> int:
    """Serve a part until the field clock says stop or the parent is gone; what goes wrong becomes one line, rc 2."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(_serve(name, open_part, Job.load(job_file)))
    except KNOWN_TROUBLE as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 2
    return 0


async def _serve(name: str, open_part: OpenPart, job: Job) -> None:
    time = VirtualTime(job.now_ms)
    record = Recorder(Path(job.work) / "events" / f"{name}.jsonl")
    async with open_part(job, time, record) as (part, facts):
        await until_let_go(take_part(job.clock_port, name, time, part, **facts))
