"""A farm on what was deployed: gateways, compute service, topic rule and function, for a day of field time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import yaml

from compute_service.adapters import zones_file as farm_config
from demo.job import DAY_S
from demo.lake_facts import lake_facts
from demo.orchestrator import bring_home
from demo.processes.cloud import CloudPart
from demo.processes.compute import ComputePlace, connected
from demo.processes.fleet import FleetPart
from demo.recorder import Recorder
from field_time.clock import FieldClock
from field_time.participant import Part, VirtualTime, take_part
from gateway_sim import farm as farms
from gateway_sim import weather as weathers
from gateway_sim.farm import Farm
from gateway_sim.fleet import Fleet
from lambda_functions.aggregate import index as aggregate
from local_cloud.cloud import Cloud, serve
from local_cloud.gate import Record

ORDER = ("fleet", "compute", "cloud")
SEED = 1
REST_SHARE = 0.25  # of the available water in every zone: there is but one day to be thirsty on

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class DeployedSite:
    """What was deployed, as the farm needs it. `function` holds the variables of the function's environment."""

    gateways: int
    identities: Path  # of the gateways
    compute: Path  # the compute service's own identity
    gate: Path  # the folder of the CA, and of the gate's identity for `localhost`
    function: Mapping[str, str]
    period_s: int  # of the function's schedule
    work: Path


@dataclass(frozen=True)
class Harvest:
    """Counts of samples, and of the commands that were done."""

    samples_taken: int
    samples_in_lake: int
    samples_lost: int
    commands_done: int


@asynccontextmanager
async def iot_core(site: DeployedSite, record: Record, now: Callable[[], int]) -> AsyncIterator[Cloud]:
    """Gate, broker and topic rule; who may do what, and where readings go, is as Terraform made it."""
    async with serve(
        certs=site.gate,
        spool=site.work / "spool",
        bucket=site.function["SOURCE_BUCKET"],
        prefix=site.function["SOURCE_PREFIX"],
        now=now,
        record=record,
        register=False,
    ) as cloud:
        yield cloud


async def irrigate(site: DeployedSite, tell: Tell) -> Harvest:
    """Run the farm for a day; raises what one of its rooms died of.

    The function runs in this process, whose environment has to be that of the deployed one: `site.function`.
    """
    farm = _after_a_dry_week(farms.build(site.gateways, SEED))
    weather = weathers.load(days=1)
    time = VirtualTime(weather.start * 1000)
    clock = FieldClock(weather.start, ORDER)
    async with AsyncExitStack() as stack:
        port = await clock.serve()
        stack.push_async_callback(clock.close)
        record = Recorder(site.work / "events.jsonl")
        cloud = await stack.enter_async_context(iot_core(site, record, time.now))
        fleet = Fleet(farm, weather, site.identities, "127.0.0.1", cloud.port, time, record)
        place = _place(site, farm, farms.local_day(time.now(), farm.timezone), cloud.port)
        parts = {
            "fleet": await _fleet(stack, fleet, time, record),
            "compute": await stack.enter_async_context(connected(place, time, record)),
            "cloud": CloudPart(cloud, record),
        }
        tasks = [asyncio.create_task(take_part(port, name, time, part)) for name, part in parts.items()]
        stack.push_async_callback(_end, tasks)
        await clock.joined(*ORDER)
        runs = [run async for run in _days_work(clock, weather.start, site, tell)]
        home = {name: await bring_home(clock, name, is_last_gateway=name == "fleet") for name in ORDER}
    runs.append(await asyncio.to_thread(aggregate.handler, {}, None))
    return _harvest(home, runs, await asyncio.to_thread(_samples_in_lake, site))


def _after_a_dry_week(farm: Farm) -> Farm:
    """The same farm after a week without water."""

    def vwc(soil: farms.Soil) -> float:
        return soil.wilting_point + REST_SHARE * (soil.field_capacity - soil.wilting_point)

    gateways = [
        replace(gateway, zones=tuple(replace(zone, initial_vwc=vwc(zone.soil)) for zone in gateway.zones))
        for gateway in farm.gateways
    ]
    return replace(farm, gateways=tuple(gateways))


async def _days_work(clock: FieldClock, start: int, site: DeployedSite, tell: Tell) -> AsyncIterator[dict[str, Any]]:
    """Field time from one run of the function to the next; gives what each run returns."""
    for due in range(start + site.period_s, start + DAY_S + 1, site.period_s):
        await clock.run_until(due, lambda _now, news: tell(news) if news else None)
        yield await asyncio.to_thread(aggregate.handler, {}, None)


def _harvest(home: dict[str, Any], runs: list[dict[str, Any]], in_lake: int) -> Harvest:
    fleet, quarantine = home["fleet"], sum(run["quarantined"] for run in runs)
    missing = fleet["samples_taken"] - fleet["samples_dropped"] - quarantine - in_lake
    return Harvest(fleet["samples_taken"], in_lake, missing, home["compute"]["commands"].get("done", 0))


def _samples_in_lake(site: DeployedSite) -> int:
    """Distinct samples, read from the table's own files."""
    s3 = boto3.client("s3")
    bucket, prefix = site.function["DEST_BUCKET"], site.function["DEST_PREFIX"]
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", ()):
            path = site.work / "lake" / entry["Key"].removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, entry["Key"], str(path))
    s3.close()
    return lake_facts(site.work / "lake", sensors=()).samples


async def _end(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _fleet(stack: AsyncExitStack, fleet: Fleet, time: VirtualTime, record: Recorder) -> Part:
    await fleet.start()
    stack.push_async_callback(fleet.stop, 0)
    return FleetPart(fleet, time, record)


def _place(site: DeployedSite, farm: Farm, first_day: date, gate_port: int) -> ComputePlace:
    """Where the compute service starts from: a zones file, as a person would have it."""
    zones = site.work / "zones.yaml"
    zones.write_text(yaml.safe_dump(farms.zones_document(farm, first_day), sort_keys=False))
    return ComputePlace(farm_config.load(zones), site.work / "compute.sqlite", site.compute, gate_port)
