"""Jobs and file streams behind the gate: mutual TLS, the policies that Terraform attaches, and both brokers."""

import asyncio
import json
from contextlib import closing
from pathlib import Path

import pytest

from local_cloud.errors import JobsError
from tests.local_cloud.conftest import GATEWAYS, NOW, Client, Start
from tests.updates.boards import Board
from tests.updates.bundles import FILES, write_bundle
from tests.waiting import eventually
from updates.bundle import read_bundle
from updates.publish import Plan, publish
from updates.service import DATABASE, Service
from updates.store import Store

ONE, TWO, TEN = GATEWAYS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of updates in which nothing was published."""
    return tmp_path / "updates"


def publish_to(folder: Path, *things: str, sizes: tuple[str, ...] = ()) -> None:
    bundle = read_bundle(write_bundle(folder.parent / "bundle"))
    with closing(Store(folder / DATABASE)) as store:
        publish(store, folder, bundle, Plan(things=things, sizes=sizes, failures="50%"), "update-7", NOW)


def statuses(folder: Path) -> dict[str, str]:
    with closing(Store(folder / DATABASE)) as store:
        return {one.thing: one.status for one in store.executions("update-7")}


async def test_boards_are_updated_through_the_gate(world: Start, broker: str, folder: Path) -> None:
    """Each board takes every file by its own identity, one stage after the other."""
    async with world(broker, updates=folder) as cloud:
        boards = [Board(name, await cloud.open(name)) for name in GATEWAYS]
        for board in boards:
            await board.arrive()
        publish_to(folder, *GATEWAYS, sizes=("1",))
        await asyncio.gather(*(board.live() for board in boards))
        assert statuses(folder) == dict.fromkeys(GATEWAYS, "SUCCEEDED")
        assert [board.files for board in boards] == [FILES] * 3
        assert cloud.refusals() == []


async def test_no_board_reaches_anothers_job_or_stream(world: Start, folder: Path) -> None:
    """What an enrolled board tries under another's name, or with a wildcard, ends its connection, and that is all."""
    publish_to(folder, ONE, TWO)
    async with world(updates=folder) as cloud:
        await eventually(lambda: statuses(folder)[ONE] == "QUEUED", "the stage's begin")
        root = f"$aws/things/{ONE}"
        for topic in (f"{root}/jobs/update-7/update", f"{root}/jobs/start-next", f"{root}/streams/update-7/get/json"):
            rogue = await cloud.connected(TWO)
            rogue.send_publish(topic, json.dumps({"status": "FAILED"}).encode())
            assert await rogue.closed(), topic
            assert cloud.refusals()[-1] == (TWO, f"publish {topic}")
            leaver = await cloud.open(TWO)
            assert (await leaver.connect(TWO, will=(topic, b'{"status": "FAILED"}')))[1] != 0
        for topic_filter in (f"{root}/jobs/#", f"{root}/streams/+/data/json", "$aws/things/+/jobs/+", "$aws/#", "#"):
            rogue = await cloud.connected(TWO)
            rogue.send_subscribe(topic_filter)
            assert await rogue.closed(), topic_filter
        assert statuses(folder) == {ONE: "QUEUED", TWO: "QUEUED"}


async def test_garbage_and_floods_end_nothing(world: Start, folder: Path) -> None:
    """A board that sends nonsense without end on its own topics is answered and throttled; the next one is served."""
    publish_to(folder, ONE, TWO)
    async with world(updates=folder) as cloud:
        own = f"$aws/things/{TWO}"
        rogue: Client = await cloud.connected(TWO, f"{own}/jobs/#", f"{own}/streams/#")
        for payload in (b"", b"\xff\xfe", b"[" * 5000, b"{}", b'{"status": 1}', b"x" * 100_000):
            for topic in (
                "jobs/start-next",
                "jobs/update-7/update",
                "jobs/a",
                "streams/update-7/get/json",
                "streams/a/b",
            ):
                await rogue.publish(f"{own}/{topic}", payload)
        for _ in range(300):
            rogue.send_publish(f"{own}/streams/update-7/get/json", b'{"f": 1, "l": 6300, "n": 1}', 0)
        board = Board(ONE, await cloud.open(ONE))
        await board.arrive()
        await board.ask("jobs/start-next", {}, "jobs/start-next/accepted")
        await board.ask("jobs/update-7/update", {"status": "SUCCEEDED"}, "jobs/update-7/update/accepted")
        await rogue.ping()
        blocks = sum(topic.endswith("/data/json") for topic, _ in rogue.inbox)
        assert blocks < 100
        assert statuses(folder)[ONE] == "SUCCEEDED"


async def test_two_services_on_one_folder_are_told(world: Start, folder: Path) -> None:
    """The local cloud fails with one sentence if another process serves the folder of its updates."""
    with closing(Service(folder, lambda: NOW, lambda: 0.0)):
        async with world(updates=folder) as cloud:
            await cloud.cloud.gate.failed.wait()
            assert isinstance(cloud.cloud.gate.failure, JobsError)
            assert "another service serves it" in str(cloud.cloud.gate.failure)
