"""The schedule of a demonstration, with the aggregate function."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import boto3

from demo.job import BUCKET, RAW_PREFIX, Job
from demo.processes.part import serve_part
from demo.recorder import Recorder
from field_time.participant import Part, VirtualTime
from lambda_functions.aggregate import index as aggregate
from local_cloud.schedule import Schedule

LAKE_PREFIX = "lake/"
GLUE_DATABASE = "pythoflow_demo"
AGGREGATE_EVERY_S = 3 * 3600
AGGREGATE_ENVIRONMENT = {
    "SOURCE_BUCKET": BUCKET,
    "SOURCE_PREFIX": RAW_PREFIX,
    "DEST_BUCKET": BUCKET,
    "DEST_PREFIX": LAKE_PREFIX,
    "GLUE_DATABASE": GLUE_DATABASE,
    "INTERVAL_MINUTES": "15",
}


class SchedulePart:
    """The aggregate function, invoked as often as the schedule says."""

    def __init__(self, job: Job, schedule: Schedule, time: VirtualTime) -> None:
        self._job, self._schedule, self._time = job, schedule, time

    def idle(self) -> bool:
        """True: the function runs to its end when it is due."""
        return True

    def why_busy(self) -> str:
        """It never is between two questions."""
        return ""

    def activity(self) -> int:
        """Nothing of it passes the gate."""
        return 0

    def due_ms(self) -> int | None:
        """When the function is invoked next."""
        return self._schedule.next_due() * 1000

    async def run_due(self) -> None:
        """Invoke the function."""
        await asyncio.to_thread(self._schedule.run_due, self._time.now())

    async def stop(self) -> dict[str, Any]:
        """Invoke it for the last time, and bring the Parquet files home."""
        last = await asyncio.to_thread(aggregate.handler, {}, None)
        await asyncio.to_thread(_download, Path(self._job.out) / "lake")
        await asyncio.to_thread(_download_catalogue, Path(self._job.out) / "lake" / "glue.json")
        results = [*self._schedule.results, last]
        names = ("quarantined", "duplicates_dropped")
        return {"glue_database": GLUE_DATABASE, **{n: sum(r[n] for r in results) for n in names}}

    def news(self) -> str:
        """Nothing: the lake is quiet work."""
        return ""


@asynccontextmanager
async def open_part(job: Job, time: VirtualTime, _record: Recorder) -> AsyncIterator[tuple[Part, dict[str, Any]]]:
    """The schedule, going on from its last period."""
    os.environ.update(AGGREGATE_ENVIRONMENT)
    yield SchedulePart(job, Schedule(AGGREGATE_EVERY_S, _invoke, _last_period(job, time)), time), {}


def _last_period(job: Job, time: VirtualTime) -> int:
    return time.now() - (time.now() - job.start) % AGGREGATE_EVERY_S


def _invoke(event: dict[str, Any]) -> dict[str, Any]:
    return aggregate.handler(event, None)


def _download(folder: Path) -> None:
    s3 = boto3.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=LAKE_PREFIX):
        for entry in page.get("Contents", ()):
            path = folder / entry["Key"].removeprefix(LAKE_PREFIX)
            path.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(BUCKET, entry["Key"], str(path))


def _download_catalogue(path: Path) -> None:
    """Keep what Glue says of the tables, each with its partitions: it ends with the local AWS API."""
    glue = boto3.client("glue")
    tables: dict[str, Any] = {}
    for table in glue.get_tables(DatabaseName=GLUE_DATABASE)["TableList"]:
        pages = glue.get_paginator("get_partitions").paginate(DatabaseName=GLUE_DATABASE, TableName=table["Name"])
        tables[table["Name"]] = {**table, "Partitions": [entry for page in pages for entry in page["Partitions"]]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tables, default=str, indent=1))


if __name__ == "__main__":
    sys.exit(serve_part("schedule", open_part, sys.argv[1]))
