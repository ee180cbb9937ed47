"""Farms beside each other at one gate: each attack over a farm's border is refused, and its own way stays open."""

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from certs.authority import Authority
from local_cloud.cloud import POLICIES, serve
from local_cloud.errors import DeliveryError
from local_cloud.registry import _policies_of
from protocol import farms
from tests.local_cloud.conftest import BUCKET, NOW, Client, World

ONE, OTHER, LEFT_OUT = "sitio1", "sitio10", "sitio2"
FARMS = (farms.DEFAULT, ONE, OTHER)
BUCKETS = {ONE: "one", OTHER: "other"}
Start = Callable[[], AbstractAsyncContextManager[World]]


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of each farm and one that is not served a gateway and its compute; two of the default farm with such names."""
    authority = Authority(tmp_path_factory.mktemp("farms"))
    authority.issue_server(["localhost", "127.0.0.1"])
    for farm in (*FARMS, LEFT_OUT):
        authority.issue(farms.gateway(farm, 1))
        authority.issue(farms.compute(farm))
    authority.issue(ONE)
    authority.issue(f"{ONE}-barn")
    return authority.folder


@pytest.fixture
def start(aws: Callable[[str], Any], identities: Path, tmp_path: Path) -> Start:
    """A local cloud with three farms."""

    @asynccontextmanager
    async def start() -> AsyncIterator[World]:
        records: list[Any] = []
        clients: list[Client] = []
        where = {"certs": identities, "spool": tmp_path / "spool", "prefix": "raw/", "bucket": BUCKET}
        try:
            async with serve(**where, now=lambda: NOW, record=records.append, buckets=BUCKETS) as cloud:  # type: ignore[arg-type]  # one of each kind
                yield World(cloud, identities, records, clients)
        finally:
            for client in clients:
                await client.close()

    return start


def topic(farm: str, below: str) -> str:
    return f"{farms.root(farm)}/{below}"


def commands(farm: str) -> tuple[str, ...]:
    own = f"control/{farms.gateway(farm, 1)}/command"
    return tuple(topic(farm, below) for below in (own, "control/all/command", "system/updates"))


def reports(farm: str) -> tuple[str, ...]:
    name = farms.gateway(farm, 1)
    below = (f"sensors/{name}.soil-a/data", f"control/{name}/ack", f"gateway/{name}/status", f"errors/{name}")
    return tuple(topic(farm, each) for each in (*below, f"diagnostics/{name}"))


async def test_each_farm_has_its_own_way(start: Start) -> None:
    """Commands, `all` and updates go from a farm's compute to its gateway, reports back; none to others."""
    filters = [f"{kind}/+{tail}" for kind, tail in (("sensors", "/data"), ("control", "/ack"), ("gateway", "/status"))]
    async with start() as w:
        boards = {farm: await w.connected(farms.gateway(farm, 1), *commands(farm)) for farm in FARMS}
        own = [*filters, "errors/+", "diagnostics/+"]
        services = {farm: await w.connected(farms.compute(farm), *(topic(farm, b) for b in own)) for farm in FARMS}
        for farm in FARMS:
            for name in commands(farm):
                await services[farm].publish(name, farm.encode())
            for name in reports(farm):
                await boards[farm].publish(name, b'{"farm": 1}')
        for farm in FARMS:
            assert {await boards[farm].message() for _ in commands(farm)} == {
                (n, farm.encode()) for n in commands(farm)
            }
            assert {(await services[farm].message())[0] for _ in reports(farm)} == set(reports(farm))
        await w.quiet()
        assert not any(client.inbox for client in (*boards.values(), *services.values()))
        assert {farm: rule.received for farm, rule in w.cloud.rules.items()} == dict.fromkeys(FARMS, 1)
        assert w.refusals() == []


PAIRS = ((ONE, OTHER), (OTHER, ONE), (ONE, farms.DEFAULT), (farms.DEFAULT, ONE))
ROLES = (farms.compute, lambda farm: farms.gateway(farm, 1))


async def test_no_thing_publishes_over_the_border(start: Start) -> None:
    """A farm's compute and its gateway are disconnected at each topic of another farm; nothing gets behind the gate."""
    tried = []
    async with start() as w:
        for (attacker, victim), role in itertools.product(PAIRS, ROLES):
            for name in (*commands(victim), *reports(victim), topic(victim, f"sensors/{role(attacker)}.x/data")):
                client = await w.connected(role(attacker))
                client.send_publish(name)
                assert await client.closed(), name
                tried.append((role(attacker), f"publish {name}"))
        assert w.refusals() == tried
        await w.quiet()
        assert [rule.received for rule in w.cloud.rules.values()] == [0, 0, 0]


async def test_no_thing_listens_over_the_border(start: Start) -> None:
    """Neither to another farm's topics nor to a wildcard over several: each such SUBSCRIBE ends the connection."""
    wide = ("irrigation/#", "irrigation/+/sensors/+/data", "irrigation/+/control/all/command", "irrigation/sitio1/#")
    asked = (*wide, *commands(OTHER), topic(OTHER, "sensors/+/data"), topic(OTHER, "errors/+"), "irrigation/errors/+")
    async with start() as w:
        for role, name in itertools.product(ROLES, asked):
            client = await w.connected(role(ONE))
            client.send_subscribe(name)
            assert await client.closed(), name
        assert len(w.refusals()) == len(ROLES) * len(asked)


async def test_a_name_that_begins_like_a_farm_s_gets_nothing_of_it(start: Start) -> None:
    """A thing called as the farm itself, or as no gateway of its, is the default farm's."""
    async with start() as w:
        for thing in (ONE, f"{ONE}-barn"):
            for name in (commands(ONE)[0], reports(ONE)[2], topic(ONE, f"gateway/{thing}/status")):
                client = await w.connected(thing)
                client.send_publish(name)
                assert await client.closed()
            stranger = await w.connected(thing, f"irrigation/control/{thing}/command")
            await stranger.publish(f"irrigation/gateway/{thing}/status")


async def test_a_farm_that_is_left_out_gets_nothing(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """Its things are no gateways of the default farm: none is registered, and the start names them in one line."""
    things = [farms.compute(LEFT_OUT), farms.gateway(LEFT_OUT, 1)]
    async with start() as w:
        assert not {*things} & {*w.cloud.things, *w.cloud.registry.things()}
        for thing in things:
            assert (await (await w.open(thing)).connect(thing))[1] == 5
    (told,) = [record.getMessage() for record in caplog.records if "--farms" in record.getMessage()]
    assert told == f"local cloud: {', '.join(things)}: of no farm that is served; name its farm with --farms"
    assert _policies_of(things[0], POLICIES) == _policies_of(things[1], POLICIES) == []


async def test_each_farm_s_readings_are_in_its_own_bucket(start: Start, aws: Callable[[str], Any]) -> None:
    """What one farm's gateway publishes is in that farm's bucket, and in no other's."""
    async with start() as w:
        for farm in (ONE, OTHER):
            client = await w.connected(farms.gateway(farm, 1))
            await client.publish(reports(farm)[0], b'{"of": 1}')
        await w.cloud.flush(everything=True)
    counts = {bucket: aws("s3").list_objects_v2(Bucket=bucket)["KeyCount"] for bucket in (BUCKET, *BUCKETS.values())}
    assert counts == {BUCKET: 0, "one": 1, "other": 1}


async def test_a_bucket_that_fails_stops_no_other_farm_s_delivery(start: Start, aws: Callable[[str], Any]) -> None:
    """Every farm's readings are tried; then the first error is told, and what it stopped waits for its bucket."""
    async with start() as w:
        for farm in FARMS:
            await (await w.connected(farms.gateway(farm, 1))).publish(reports(farm)[0], b'{"of": 1}')
        for bucket in (BUCKET, BUCKETS[ONE]):
            aws("s3").delete_bucket(Bucket=bucket)
        with pytest.raises(DeliveryError, match=f"s3://{BUCKET}/"):
            await w.cloud.flush(everything=True)
        assert {farm: rule.delivered for farm, rule in w.cloud.rules.items()} == {farms.DEFAULT: 0, ONE: 0, OTHER: 1}
        for bucket in (BUCKET, BUCKETS[ONE]):
            aws("s3").create_bucket(Bucket=bucket)
        await w.cloud.flush(everything=True)
        assert {rule.delivered for rule in w.cloud.rules.values()} == {1}
