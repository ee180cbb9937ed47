"""The local IoT Core of a demonstration: gate, broker, topic rule."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from demo.job import BUCKET, RAW_PREFIX, Job
from demo.processes.part import serve_part
from demo.recorder import Recorder
from field_time.participant import Part, VirtualTime
from local_cloud.cloud import Cloud, serve


class CloudPart:
    """Gate, broker and topic rule."""

    def __init__(self, cloud: Cloud, record: Recorder) -> None:
        self._cloud = cloud
        self.news = record.news

    def idle(self) -> bool:
        """True if no message is between the gate and anyone; raises what made the gate fail."""
        if self._cloud.gate.failure:
            raise self._cloud.gate.failure
        return self._cloud.gate.in_flight() == 0

    def why_busy(self) -> str:
        """What is in flight."""
        return self._cloud.gate.describe_in_flight()

    def activity(self) -> int:
        """Packets relayed."""
        return self._cloud.gate.activity()

    def due_ms(self) -> int | None:
        """When the topic rule's buffer goes to S3."""
        due = self._cloud.rule.next_due()
        return None if due is None else due * 1000

    async def run_due(self) -> None:
        """Deliver what has waited long enough."""
        await self._cloud.rule.flush()

    async def stop(self) -> dict[str, Any]:
        """Deliver everything that is buffered."""
        await self._cloud.rule.flush(everything=True)
        return {}


@asynccontextmanager
async def open_part(job: Job, time: VirtualTime, record: Recorder) -> AsyncIterator[tuple[Part, dict[str, Any]]]:
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
    sys.exit(serve_part("cloud", open_part, sys.argv[1]))
