"""A hundred boards on a plain mosquitto, the service beside it as a client: every message through a real broker."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from local_cloud.broker import Broker
from tests.updates.boards import Board, plain
from tests.updates.bundles import FILES, write_bundle
from tests.updates.conftest import NOW
from tests.waiting import eventually
from updates.bundle import read_bundle
from updates.connection import Address, Connection
from updates.publish import Plan, publish
from updates.rollout import abort
from updates.service import DATABASE, Service
from updates.store import Job, Store

FLEET = [f"irrigation-gateway-{number}" for number in range(1, 101)]


class Place:
    """A broker, a service in a thread of its own, the fleet, and a person who looks into the same folder."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port, self.now = folder / "data", port, NOW
        self.bundle = read_bundle(write_bundle(folder / "bundle"))
        self.store = Store(self.folder / DATABASE)
        self.boards: dict[str, Board] = {}
        self.lives: list[asyncio.Task[None]] = []

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """The service, until it is ended without a word to anybody."""
        stop, ready = threading.Event(), threading.Event()

        def serve() -> None:
            with contextlib.closing(Service(self.folder, lambda: self.now, lambda: 0.0)) as service:
                connection = Connection(Address(host="127.0.0.1", port=self.port), service)
                connection.on_ready = ready.set
                connection.run(stop)

        thread = asyncio.create_task(asyncio.to_thread(serve))
        await eventually(lambda: ready.is_set() or thread.done(), "the service's subscription")
        try:
            yield
        finally:
            stop.set()
            await thread

    async def settle(self, ends: dict[str, str]) -> None:
        """The fleet is there, each board with its own end; those that are not named succeed."""
        for name in FLEET:
            board = self.boards[name] = Board(name, await plain(self.port), ends.get(name, "SUCCEEDED"))
            await board.arrive()
            self.lives.append(asyncio.create_task(board.live()))

    def publish(self, **plan: Any) -> None:
        """As `python -m updates publish` does, from outside."""
        publish(self.store, self.folder, self.bundle, Plan(things=FLEET, **plan), "update-7", self.now)

    @property
    def job(self) -> Job:
        return self.store.job("update-7")

    def counts(self) -> list[dict[str, int]]:
        return [self.store.counts("update-7", stage) for stage in range(len(self.job.tolerances))]

    async def close(self) -> None:
        for life in self.lives:
            life.cancel()
        ends = await asyncio.gather(*self.lives, return_exceptions=True)
        for board in self.boards.values():
            await board.client.close()
        self.store.close()
        assert [end for end in ends if isinstance(end, Exception)] == []


@contextlib.asynccontextmanager
async def place(folder: Path, ends: dict[str, str]) -> AsyncIterator[Place]:
    broker = Broker("mosquitto")
    where = Place(folder, await broker.start())
    try:
        await where.settle(ends)
        yield where
    finally:
        await where.close()
        await broker.stop()


async def test_a_good_bundle_reaches_everybody_in_stages(tmp_path: Path) -> None:
    """All 100 boards but two, which the stages tolerate, run the new files; a stage begins only after the one before.

    The service is ended and begun anew between the stages.
    """
    ends = {"irrigation-gateway-50": "FAILED", "irrigation-gateway-60": "VANISHES"}
    async with place(tmp_path, ends) as where:
        where.publish(sizes=["5", "20"], limit_s=100)
        async with where.serving():
            await eventually(lambda: where.job.stage == 1, "the second stage")
            assert where.counts()[0] == {"SUCCEEDED": 5}
        async with where.serving():
            await eventually(lambda: where.counts()[2].get("SUCCEEDED", 0) == 73, "the last board")
            where.now += 100
            await eventually(lambda: where.job.state == "COMPLETED", "the end of the last stage's time")
        assert where.counts() == [
            {"SUCCEEDED": 5},
            {"SUCCEEDED": 20},
            {"SUCCEEDED": 73, "FAILED": 1, "TIMED_OUT": 1},
        ]
        well = [board for name, board in where.boards.items() if name not in ends]
        assert [board.name for board in well if board.files != FILES] == []


async def test_a_bad_bundle_stops_at_the_first_stage(tmp_path: Path) -> None:
    """Two of the first five fail: the job is STOPPED, and 95 boards never hear a word of it."""
    first = FLEET[:5]
    async with place(tmp_path, dict.fromkeys(first, "FAILED")) as where:
        where.publish(sizes=["5"], failures="20%")
        async with where.serving():
            await eventually(lambda: where.job.state == "STOPPED", "the stop")
            assert where.job.reason.startswith("stage 1: ")
            for name in FLEET[5:8]:  # also if they ask
                board = where.boards[name]
                board.client.send_publish(f"{board.root}/jobs/start-next")
            await eventually(lambda: all(where.boards[name].heard for name in FLEET[5:8]), "their answers")
        assert where.counts()[1] == {"WAITING": 95}
        heard = {name: board.heard for name, board in where.boards.items() if board.heard}
        assert set(heard) <= {*FLEET[:8]}
        assert all(heard[name] == ["jobs/start-next/accepted"] for name in FLEET[5:8])


async def test_an_abort_from_another_process_reaches_the_boards(tmp_path: Path) -> None:
    """Boards that were told of a job are told that there is none any more."""
    async with place(tmp_path, dict.fromkeys(FLEET, "VANISHES")) as where:
        where.publish(sizes=["2"])
        async with where.serving():
            board = where.boards[FLEET[1]]
            await eventually(lambda: where.counts()[0] == {"IN_PROGRESS": 2}, "two boards at work")
            await where.lives[1]
            abort(where.store, "update-7", where.now, force=True)
            name, payload = await board.client.message()
            assert (name, payload) == (f"{board.root}/jobs/notify-next", b'{"timestamp":%d}' % NOW)
