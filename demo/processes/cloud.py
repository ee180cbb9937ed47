"""The local IoT Core of a demonstration: gate, broker, topic rule."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from demo.job import BUCKET, RAW_PREFIX, Job
from demo.participants import CloudPart, Recorder, perform
from field_time.participant import Part, VirtualTime
from local_cloud.cloud import serve


@asynccontextmanager
async def role(job: Job, time: VirtualTime, record: Recorder) -> AsyncIterator[tuple[Part, dict[str, Any]]]:
    """The gate, on the port of a killed one, whose things are registered already."""
    async with serve(
        certs=Path(job.work) / "certs",
        spool=Path(job.work) / "spool",
        bucket=BUCKET,
        prefix=RAW_PREFIX,
        now=time.now,
        record=record,
        broker=job.broker,
        port=job.gate_port,
        register=not job.gate_port,
    ) as cloud:
        yield CloudPart(cloud, record), {"gate_port": cloud.port}


if __name__ == "__main__":
    sys.exit(perform("cloud", role, sys.argv[1]))
