"""An update from the key to the board: every part the shipped one, over mutual TLS, under the deployed policies."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from firmware import build, signing
from gateway.store import FileStore, TwoSlots
from tests.local_cloud.conftest import Start, World, aws, certs, moto_endpoint, world  # noqa: F401  # fixtures
from tests.vm.bench.over_the_air import bundle, updatable
from tests.vm.native.board import NativeBoard, time_server
from tests.vm.test_native_board import files_of
from tests.vm.test_update_over_the_air import BROKEN
from tests.waiting import eventually
from updates.service import DATABASE
from updates.store import Store

ROOT = Path(__file__).parents[2]
NAME, OTHER = "irrigation-gateway-1", "irrigation-gateway-10"


class Farm:
    """A key, a folder of updates, and a board that was flashed as version 1."""

    def __init__(self, folder: Path, identity: Path, time_port: int) -> None:
        self.folder, self.updates, self.key = folder, folder / "updates", folder / "update.key"
        self._identity, self._time_port = identity, time_port

    def plug_in(self, port: int) -> NativeBoard:
        """The board, at a gate."""
        files = updatable(files_of(self._identity, port, updates=True), self.key.with_suffix(".pub.pem"), 1)
        self.board = NativeBoard(self.folder / "board", files, self._time_port)
        self.board.start()
        return self.board

    def restart(self) -> None:
        """What a chip does by itself; or somebody at its plug."""
        self.board.cut()
        self.board.start()

    def mark(self) -> dict[str, dict[str, object] | None]:
        """Which version the board runs, and what else it knows of versions."""
        mark: dict[str, dict[str, object] | None] = TwoSlots(FileStore(str(self.board.folder)), "mark").load()
        return mark

    def job(self, job_id: str) -> tuple[str, dict[str, tuple[str, dict[str, str]]]]:
        """The job's state, and of each board its status with what it said last."""
        with closing(Store(self.updates / DATABASE)) as store:
            return store.job(job_id).state, {one.thing: (one.status, one.details) for one in store.executions(job_id)}


def command(*words: str | Path) -> str:
    """What a person reads of a command."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def farm(tmp_path: Path, certs: Path) -> Iterator[Farm]:  # noqa: F811
    with time_server() as time_port:
        farm = Farm(tmp_path, certs / NAME, time_port)
        command("firmware", "keygen", "--key", farm.key)
        yield farm


async def publish(farm: Farm, release: Path, *more: str) -> None:
    await asyncio.to_thread(command, "updates", "publish", release, "--data", farm.updates, *more)


async def test_a_release_reaches_a_board(world: Start, farm: Farm, tmp_path: Path) -> None:  # noqa: F811
    """Signed, published and served by the commands of the page; then the board runs it, and the roll-out says so."""
    release = tmp_path / "release"
    command("firmware", "sign", "--key", farm.key, "--version", "2", "--out", release)
    async with world("mosquitto", updates=farm.updates) as cloud:
        board = farm.plug_in(cloud.cloud.port)
        try:
            await publish(farm, release, "--things", NAME)
            await eventually(lambda: "reset" in board.lines, "the restart")
            farm.restart()
            await eventually(lambda: farm.job("update-2")[0] != "RUNNING", "the roll-out's end")
        finally:
            board.cut()
        assert cloud.refusals() == []
    assert farm.job("update-2") == ("COMPLETED", {NAME: ("SUCCEEDED", {"version": "2"})})
    assert "update-2  version 2  COMPLETED" in command("updates", "status", "--data", farm.updates)
    good = farm.mark()["good"]
    assert good and (good["folder"], good["version"]) == ("/b", 2)
    installed = build.listing(board.folder / "b")
    assert [file for file in installed if file.path.endswith(".mpy")] == build.listing(release / signing.FILES)


async def test_a_release_that_does_not_start_goes_no_further(world: Start, farm: Farm, tmp_path: Path) -> None:  # noqa: F811
    """After three starts the board runs what it ran before and says so; the roll-out stops, and spares the others."""
    release = bundle(tmp_path / "release", farm.key, 2, BROKEN)
    async with world(updates=farm.updates) as cloud:
        board = farm.plug_in(cloud.cloud.port)
        try:
            await publish(farm, release, "--things", NAME, OTHER, "--stages", "1")
            await eventually(lambda: "reset" in board.lines, "the restart")
            for _ in range(3):
                board.lines.clear()
                farm.restart()
                await eventually(lambda: any("a defect" in line for line in board.lines), "its end")
            farm.restart()
            await eventually(lambda: farm.job("update-2")[0] != "RUNNING", "the roll-out's end")
        finally:
            board.cut()
        assert cloud.refusals() == []
    failed = ("FAILED", {"reason": "health", "version": "2"})
    assert farm.job("update-2") == ("STOPPED", {NAME: failed, OTHER: ("WAITING", {})})
    mark = farm.mark()
    assert mark["good"] == {"folder": "/a", "version": 1}
    assert mark["failed"] and mark["failed"]["version"] == 2
