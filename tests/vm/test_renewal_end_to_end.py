"""A board's next certificate, by the commands of the pages, from the spares to the settle; every part is shipped."""

import asyncio
import shutil
from pathlib import Path

import pytest

from certs.authority import Authority
from firmware import flash
from tests.local_cloud.conftest import Start, World, aws, certs, moto_endpoint, world  # noqa: F401  # fixtures
from tests.vm.native.board import NativeBoard, time_server
from tests.vm.test_native_board import compute_at, files_of
from tests.vm.test_update_end_to_end import command
from tests.waiting import eventually

NAME = "irrigation-gateway-1"


@pytest.fixture
def issued(certs: Path, tmp_path: Path) -> Path:  # noqa: F811
    """A folder of identities of one's own."""
    return shutil.copytree(certs, tmp_path / "issued")


async def by_hand(*words: str | Path) -> str:
    return await asyncio.to_thread(command, *words)


async def test_a_board_renews_itself(world: Start, issued: Path, tmp_path: Path) -> None:  # noqa: F811
    """It connects with the next certificate and is settled; what it had before opens nothing, and no key travels."""
    updates, serial = tmp_path / "updates", ""
    await by_hand("certs", "spares", NAME, "--out", issued)
    own, before = issued / NAME, shutil.copytree(issued / NAME, tmp_path / "before")
    spares = flash.spares(own)
    assert len(spares) == 5
    await by_hand("certs", "spares", NAME, "--handed-over", "--out", issued)
    assert not list(own.glob("spares/*.der"))
    async with (
        world("mosquitto", certs=issued, updates=updates) as cloud,
        compute_at(cloud.cloud.port, issued / "irrigation-compute") as commander,
    ):
        with time_server() as time_port:
            files = files_of(before, cloud.cloud.port, updates=True)
            files |= {f"certs/{name}": data for name, data in spares.items()}
            board = NativeBoard(tmp_path / "board", files, time_port)
            board.start()
            try:
                await eventually(lambda: bool(commander.of("/status", NAME)), "its first status")
                await by_hand("certs", "renew", NAME, "--out", issued)
                await by_hand("updates", "renew", NAME, "--certs", issued, "--data", updates)
                await eventually(lambda: "reset" in board.lines, "the restart")
                board.cut()
                board.start()
                await eventually(
                    lambda: "SUCCEEDED" in command("updates", "status", "--data", updates), "the job's end"
                )
                serial = str(commander.of("/status", NAME)[-1]["certificate"])
                await by_hand("certs", "settle", NAME, "--seen", serial, "--out", issued)
                assert (await (await cloud.open(before)).connect(NAME))[1] == 5
                board.cut()
                await eventually(lambda: commander.of("/status", NAME)[-1]["state"] == "offline", "its will")
                board.start()
                await eventually(lambda: commander.of("/status", NAME)[-1]["state"] == "online", "a connection")
            finally:
                board.cut()
    [now] = [each for each in Authority(issued).identities() if each.name == NAME]
    assert (int(now.serial, 16), now.next, now.is_key_on_board) == (int(serial, 16), None, True)
    assert (board.folder / "certs" / "private_key.der").read_bytes() == spares["spare_1.der"]
    assert not (board.folder / "certs" / "spare_1.der").exists()
