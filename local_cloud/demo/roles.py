"""The rooms as participants in field time: what each does when it is due, when it is idle, what it brings home."""

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TextIO

import boto3

from certs.errors import CertsError
from compute_service import config as farm_config
from compute_service.errors import ComputeError
from compute_service.forecast import Forecast
from compute_service.link import Link
from compute_service.service import Service
from compute_service.store import Store
from gateway_sim import scenario as scenarios
from gateway_sim.errors import SimError
from gateway_sim.fleet import Fleet
from gateway_sim.scenario import Scenario
from lambda_functions.aggregate import index as aggregate
from local_cloud.cloud import Cloud, serve
from local_cloud.demo.forecaster import Forecaster
from local_cloud.demo.stage import input_closed
from local_cloud.demo.story import Job
from local_cloud.errors import LocalCloudError
from local_cloud.field_clock import Part, VirtualTime, take_part
from local_cloud.schedule import Schedule

ZONE_FILE = "zones.yaml"
FORECAST_FILE = "forecast.json"
COMPUTE = "irrigation-compute"
BUCKET = "pythoflow-demo"
RAW_PREFIX = "raw/"
LAKE_PREFIX = "lake/"
GLUE_DATABASE = "pythoflow_demo"
AGGREGATE_EVERY_S = 3 * 3600
DAY_S = 24 * 3600
AGGREGATE_ENVIRONMENT = {
    "SOURCE_BUCKET": BUCKET,
    "SOURCE_PREFIX": RAW_PREFIX,
    "DEST_BUCKET": BUCKET,
    "DEST_PREFIX": LAKE_PREFIX,
    "GLUE_DATABASE": GLUE_DATABASE,
    "INTERVAL_MINUTES": "15",
}
KNOWN_TROUBLE = (CertsError, ComputeError, SimError, LocalCloudError, OSError)


class Recorder:
    """Writes events as they happen, one JSON object a line, and keeps the last one worth telling a person."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO = path.open("a", buffering=1)
        self._news = ""

    def __call__(self, event: dict[str, Any]) -> None:
        self._file.write(json.dumps(event) + "\n")
        if told := NEWS.get(event["kind"]):
            self._news = told(event)

    def has(self, event: dict[str, Any]) -> bool:
        """True if this very event is on record, from this process or one before it."""
        return json.dumps(event) + "\n" in self._path.read_text()

    def news(self) -> str:
        """What was worth telling since this was last asked."""
        news, self._news = self._news, ""
        return news

    def close(self) -> None:
        """Close the file."""
        self._file.close()


NEWS: dict[str, Callable[[dict[str, Any]], str]] = {
    "valve_edge": lambda event: f"{event['zone_id']} {'opens' if event['open'] else 'closes'}",
    "refusal": lambda event: f"refused {event['thing']}: {event['why']}",
}


class FleetPart:
    """The gateways."""

    def __init__(self, fleet: Fleet, time: VirtualTime, record: Recorder) -> None:
        self._fleet, self._time = fleet, time
        self.news = record.news

    def idle(self) -> bool:
        """True if every gateway is connected with nothing to send, nothing un-acknowledged."""
        return self._fleet.idle()

    def why_busy(self) -> str:
        """Gateways are offline, or have messages that the broker did not acknowledge."""
        return "gateways are offline, or wait for acknowledgements"

    def activity(self) -> int:
        """The gate counts what gateways send and receive."""
        return 0

    def due_ms(self) -> int | None:
        """When the next gateway wakes."""
        return self._time.due_ms()

    async def run_due(self) -> None:
        """Wake the gateways whose time has come."""
        self._time.wake()

    async def stop(self) -> dict[str, Any]:
        """Close the valves, empty the outboxes; gives what the fleet saw, and the true moisture of its zones."""
        await self._fleet.mend()
        await self._fleet.stop()
        zones = self._fleet.summary()["zones"]
        moisture = {zone_id: truth["moisture"] for zone_id, truth in zones.items()}
        return self._fleet.last_words() | {"moisture": moisture}


class ComputePart:
    """The compute service."""

    def __init__(self, service: Service, store: Store, link: Link, record: Recorder) -> None:
        self._service, self._store, self._link = service, store, link
        self.news = record.news

    def idle(self) -> bool:
        """True if every command is acknowledged by the broker and no message is being handled."""
        return self._service.idle()

    def why_busy(self) -> str:
        """Publishes wait for the broker, or a message is being handled."""
        return f"{self._link.un_acked()} publishes wait for their acknowledgement"

    def activity(self) -> int:
        """The gate counts what the service sends and receives."""
        return 0

    def due_ms(self) -> int | None:
        """When a decision or an expiry is due."""
        due = self._service.next_due()
        return None if due is None else due * 1000

    async def run_due(self) -> None:
        """Decide."""
        self._service.tick()

    async def stop(self) -> dict[str, Any]:
        """Close what is overdue, disconnect; gives the commands by state and what was settled."""
        self._service.give_up()
        await asyncio.to_thread(self._link.close)
        litres = sum(delivery.volume_l or 0 for delivery in self._store.deliveries())
        return {"commands": self._store.command_counts(), "litres_settled": litres}


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


def _scenario(job: Job) -> Scenario:
    return scenarios.load(
        job.scenario,
        gateways=job.gateways,
        days=(job.end - job.start) // DAY_S,
        seed=job.seed,
        weather=Path(job.weather) if job.weather else None,
    )


@asynccontextmanager
async def fleet_role(job: Job, time: VirtualTime, record: Recorder) -> AsyncIterator[tuple[Part, dict[str, Any]]]:
    """The simulated gateways, connected."""
    scenario, work = _scenario(job), Path(job.work)
    fleet = Fleet(
        scenario.farm.simulated,
        scenario.weather,
        work / "certs",
        "127.0.0.1",
        job.gate_port,
        time,
        record,
        state=work / "fleet",
        recorded=record.has,
        faults=scenario.faults,
    )
    await fleet.start()
    try:
        yield FleetPart(fleet, time, record), {}
    finally:
        await fleet.stop(patience_s=0)  # nothing to wait for after a stop in good order, nobody to wait for otherwise


@asynccontextmanager
async def compute_role(job: Job, time: VirtualTime, record: Recorder) -> AsyncIterator[tuple[Part, dict[str, Any]]]:
    """The compute service, subscribed."""
    farm = farm_config.load(Path(job.out) / ZONE_FILE)
    forecaster = Forecaster(_scenario(job), Path(job.out) / farm.forecast) if farm.forecast else None

    def forecast() -> Forecast | None:
        return forecaster.newest(time.now()) if forecaster else None

    with contextlib.closing(Store(Path(job.out) / "compute.sqlite")) as store:
        link = Link(Path(job.work) / "certs" / COMPUTE, "localhost", job.gate_port)
        service = Service(farm, store, link.publish, time.now, record, forecast)
        link.connect(service.handle)
        service.start()
        yield ComputePart(service, store, link, record), {}


@asynccontextmanager
async def cloud_role(job: Job, time: VirtualTime, record: Recorder) -> AsyncIterator[tuple[Part, dict[str, Any]]]:
    """The local IoT Core: gate, broker, topic rule."""
    async with serve(
        certs=Path(job.work) / "certs",
        spool=Path(job.work) / "spool",
        bucket=BUCKET,
        prefix=RAW_PREFIX,
        now=time.now,
        record=record,
        broker=job.broker,
        port=job.gate_port,
    ) as cloud:
        yield CloudPart(cloud, record), {"gate_port": cloud.port}


@asynccontextmanager
async def schedule_role(job: Job, time: VirtualTime, _record: Recorder) -> AsyncIterator[tuple[Part, dict[str, Any]]]:
    """The schedule with the aggregate function."""
    os.environ.update(AGGREGATE_ENVIRONMENT)
    yield SchedulePart(job, Schedule(AGGREGATE_EVERY_S, _invoke, _last_period(job, time)), time), {}


def _last_period(job: Job, time: VirtualTime) -> int:
    return time.now() - (time.now() - job.start) % AGGREGATE_EVERY_S


def _invoke(event: dict[str, Any]) -> dict[str, Any]:
    return aggregate.handler(event, None)


ROLES: dict[str, Callable[[Job, VirtualTime, Recorder], AbstractAsyncContextManager[tuple[Part, dict[str, Any]]]]] = {
    "fleet": fleet_role,
    "compute": compute_role,
    "cloud": cloud_role,
    "schedule": schedule_role,
}


def perform(name: str, job_file: str) -> int:
    """Play one role until the field clock says stop or the parent is gone; what goes wrong becomes one line, rc 2."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(_perform(name, Job.load(job_file)))
    except KNOWN_TROUBLE as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 2
    return 0


async def _perform(name: str, job: Job) -> None:
    time = VirtualTime(job.now_ms)
    with contextlib.closing(Recorder(Path(job.work) / "events" / f"{name}.jsonl")) as record:
        async with ROLES[name](job, time, record) as (part, facts):
            playing = asyncio.create_task(take_part(job.clock_port, name, time, part, **facts))
            orphaned = asyncio.create_task(input_closed())
            await asyncio.wait({playing, orphaned}, return_when=asyncio.FIRST_COMPLETED)
            orphaned.cancel()
            if playing.done():
                playing.result()
            playing.cancel()


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
