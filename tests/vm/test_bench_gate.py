"""The firmware as it is flashed, in MicroPython's own VM, through our gate: policies, identity, revocation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import boto3

from tests.local_cloud.conftest import Start, World, aws, certs, moto_endpoint, world  # noqa: F401  # fixtures
from tests.vm.bench.board import Bench, running
from tests.vm.bench.field import Commander, Field, field
from tests.vm.test_bench_link import states
from tests.waiting import eventually

NAME, OTHER = "irrigation-gateway-1", "irrigation-gateway-10"


@asynccontextmanager
async def compute_at(port: int, identity: Path) -> AsyncIterator[Commander]:
    """The commander in threads of its own: the gate runs on this loop."""
    commander = await asyncio.to_thread(Commander, port, identity)
    try:
        yield commander
    finally:
        await asyncio.to_thread(commander.close)


@asynccontextmanager
async def farm_at(cloud: World, bench: Bench, name: str = NAME, **more: Any) -> AsyncIterator[Field]:
    """A board with the identity of gateway 1, and compute."""
    async with (
        compute_at(cloud.cloud.port, cloud.certs / "irrigation-compute") as commander,
        field(bench, commander, cloud.certs / NAME, cloud.cloud.port, name, **more) as farm,
    ):
        yield farm


async def test_it_works_through_the_gate(world: Start) -> None:  # noqa: F811
    """Under the deployed policies it reports, obeys, acknowledges and leaves its will; nothing is refused."""
    async with world("mosquitto") as cloud, running() as bench, farm_at(cloud, bench) as farm:
        await farm.start()
        command = await farm.command("open", duration_s=45)
        await farm.wait(1000)
        await eventually(lambda: farm.is_final(command) and bool(farm.commander.of("/data", NAME)))
        assert farm.final(command)["duration_s"] == 45
        assert farm.openings() == [45.0]
        await farm.board.power_off()
        await eventually(lambda: "offline" in states(farm.commander))
        assert states(farm.commander)[-1] == "offline"
        assert cloud.refusals() == []


async def test_another_name_than_the_certificate_s_is_refused(world: Start) -> None:  # noqa: F811
    """A board that calls itself by another thing's name stays out, and the gate says whose certificate it was."""
    async with world() as cloud, running() as bench, farm_at(cloud, bench, OTHER) as farm:
        await farm.board.power_on()
        await farm.wait(60)
        assert not farm.board.seen("online")
        assert {thing for thing, _ in cloud.refusals()} == {NAME}


async def test_a_revoked_certificate_ends_the_connection(world: Start) -> None:  # noqa: F811
    """Revoked while it waters: the connection ends, the valve closes in time, and the board is not let in again."""
    async with world() as cloud, running() as bench, farm_at(cloud, bench) as farm:
        await farm.start()
        await farm.command("open", duration_s=120)
        iot = boto3.client("iot")
        principal = iot.list_thing_principals(thingName=NAME)["principals"][0]
        iot.update_certificate(certificateId=principal.rsplit("/", 1)[1], newStatus="INACTIVE")
        await farm.board.until("lost")
        await farm.wait(600)
        assert farm.openings() == [120.0]
        assert len(farm.board.seen("online")) == 1
