"""A farm on what was deployed: gateways, compute service, topic rule and function, for a day of field time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import yaml

from compute_service.adapters import zones_file as farm_config
from compute_service.adapters.mqtt import MqttConnection
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.service import Service
from demo.lake_facts import lake_facts
from demo.participants import CloudPart, ComputePart, FleetPart, Recorder
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
DAY_S = 24 * 3600
LAST_EXPIRY_S = 2 * 3600  # field time after which no command can be answered any more
SEED = 1
LEFT = 0.25  # of the available water in every zone: there is but one day to be thirsty on

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Site:
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
async def iot_core(site: Site, record: Record, now: Callable[[], int]) -> AsyncIterator[Cloud]:
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


async def irrigate(site: Site, tell: Tell) -> Harvest:
    """Run the farm for a day; raises what one of its rooms died of.

    The function runs in this process, whose environment has to be that of the deployed one: `site.function`.
    """
    farm = _dried(farms.build(site.gateways, SEED))
    weather = weathers.load(days=1)
    time = VirtualTime(weather.start * 1000)
    clock = FieldClock(weather.start, ORDER)
    async with AsyncExitStack() as stack:
        port = await clock.serve()
        stack.push_async_callback(clock.close)
        record = stack.enter_context(contextlib.closing(Recorder(site.work / "events.jsonl")))
        cloud = await stack.enter_async_context(iot_core(site, record, time.now))
        fleet = Fleet(farm, weather, site.identities, "127.0.0.1", cloud.port, time, record)
        parts = {
            "fleet": await _fleet(stack, fleet, time, record),
            "compute": await _compute(stack, site, farm, cloud.port, time, record),
            "cloud": CloudPart(cloud, record),
        }
        playing = [asyncio.create_task(take_part(port, name, time, part)) for name, part in parts.items()]
        stack.push_async_callback(_end, playing)
        await clock.joined(*ORDER)
        runs = [run async for run in _days_work(clock, weather.start, site, tell)]
        home = {name: await _bring_home(clock, name) for name in ORDER}
    runs.append(await asyncio.to_thread(aggregate.handler, {}, None))
    return _harvest(home, runs, await asyncio.to_thread(_samples_in_lake, site))


def _dried(farm: Farm) -> Farm:
    """The same farm after a week without water."""

    def left(soil: farms.Soil) -> float:
        return soil.wilting_point + LEFT * (soil.field_capacity - soil.wilting_point)

    dried = [tuple(replace(zone, initial_vwc=left(zone.soil)) for zone in gateway.zones) for gateway in farm.gateways]
    pairs = zip(farm.gateways, dried, strict=True)
    return replace(farm, gateways=tuple(replace(gateway, zones=zones) for gateway, zones in pairs))


async def _days_work(clock: FieldClock, start: int, site: Site, tell: Tell) -> AsyncIterator[dict[str, Any]]:
    """Field time from one run of the function to the next; gives what each run returns."""
    for due in range(start + site.period_s, start + DAY_S + 1, site.period_s):
        await clock.run_until(due, lambda _now, news: tell(news) if news else None)
        yield await asyncio.to_thread(aggregate.handler, {}, None)


async def _bring_home(clock: FieldClock, name: str) -> dict[str, Any]:
    last_words = await clock.stop(name)
    await clock.quiet()
    if name == "fleet":  # nobody can answer a command any more: let the open ones expire
        await clock.advance(clock.now_ms // 1000 + LAST_EXPIRY_S)
    return last_words


def _harvest(home: dict[str, Any], runs: list[dict[str, Any]], in_lake: int) -> Harvest:
    taken, dropped = home["fleet"]["samples_taken"], home["fleet"]["samples_dropped"]
    quarantined = sum(run["quarantined"] for run in runs)
    lost = taken - dropped - quarantined - in_lake
    return Harvest(taken, in_lake, lost, home["compute"]["commands"].get("done", 0))


def _samples_in_lake(site: Site) -> int:
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


async def _compute(  # noqa: PLR0913, PLR0917  # what a service is made of
    stack: AsyncExitStack, site: Site, farm: Farm, port: int, time: VirtualTime, record: Recorder
) -> Part:
    zones = site.work / "zones.yaml"
    first_day = farms.local_day(time.now(), farm.timezone)
    zones.write_text(yaml.safe_dump(farms.zones_document(farm, first_day), sort_keys=False))
    store = stack.enter_context(contextlib.closing(SqliteStore(site.work / "compute.sqlite")))
    connection = MqttConnection(site.compute, "localhost", port)
    service = Service(farm_config.load(zones), store, connection.publish, time.now, record)
    await asyncio.to_thread(connection.connect, service.handle)  # in a thread, as the gate that answers is on this loop
    stack.push_async_callback(asyncio.to_thread, connection.close, 0)
    service.start()
    return ComputePart(service, store, connection, record)
