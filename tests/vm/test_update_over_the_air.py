"""A signed update over a real broker: the shipped files, from the job to the version that runs, or does not."""

from pathlib import Path

import pytest

from firmware import signing
from tests.gateway.conftest import Broker
from tests.vm.bench.board import Bench, Cut, VmBoard, running
from tests.vm.bench.field import WORLD, Commander, Identities, flash, tomorrow
from tests.vm.bench.over_the_air import JobsCloud, bundle, offering, updatable
from tests.vm.native.board import NativeBoard, time_server
from tests.vm.test_native_board import NAME, files_of
from tests.waiting import eventually

NEW_NAME = {"board.mpy": ('FIRMWARE = "pythoflow 0.1.0"', 'FIRMWARE = "pythoflow 9.9.9"')}
BROKEN = {"start.mpy": ("    import board\n", '    raise ValueError("a defect")\n')}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "update.key"
    signing.make_key(path)
    return path


def firmwares(commander: Commander) -> list[str]:
    """What the board has said that it runs, without repetition."""
    told = [status["firmware"] for status in commander.of("/status", NAME) if "firmware" in status]
    return [name for number, name in enumerate(told) if told[number - 1 : number] != [name]]


async def test_a_native_micropython_updates_itself(
    tmp_path: Path, identities: Identities, mosquitto: Broker, commander: Commander, key: Path
) -> None:
    """With real sockets, mbedTLS and files: fetched, verified, restarted, online, and so it says."""
    files = files_of(identities.issue(NAME), mosquitto.port, updates=True)
    with time_server() as time_port, offering(mosquitto.port, identities.issue("irrigation-compute"), NAME) as cloud:
        board = NativeBoard(tmp_path / "board", updatable(files, key.with_suffix(".pub.pem"), 1), time_port)
        board.start()
        try:
            await eventually(lambda: bool(commander.of("/data", NAME)), "a reading")
            cloud.offer("good", bundle(tmp_path / "good", key, 2, NEW_NAME))
            await eventually(lambda: "reset" in board.lines, "the restart")
            board.cut()
            board.start()
            await eventually(lambda: bool(cloud.ends()), "the job's end")
        finally:
            board.cut()
    assert cloud.ends() == [("good", "SUCCEEDED", None)]
    assert firmwares(commander) == ["pythoflow 0.1.0", "pythoflow 9.9.9"]


async def test_a_version_that_does_not_start_is_taken_back(
    tmp_path: Path, identities: Identities, mosquitto: Broker, commander: Commander, key: Path
) -> None:
    """Three starts, then the old one reports again and says why; the next version is taken as if nothing had been."""
    files = updatable(flash(identities.issue(NAME), mosquitto.port, updates=True), key.with_suffix(".pub.pem"), 1)
    with offering(mosquitto.port, identities.issue("irrigation-compute"), NAME) as cloud:
        async with running() as bench:
            board = await bench.board(NAME, files, WORLD, unix_s=tomorrow())
            await board.power_on()
            await board.advance(30)
            cloud.offer("broken", bundle(tmp_path / "broken", key, 2, BROKEN))
            await ended(board, cloud, 1)
            assert len([line for line in board.log if "a defect" in line]) == 3
            cloud.offer("mended", bundle(tmp_path / "mended", key, 3, NEW_NAME))
            await ended(board, cloud, 2)
            await board.power_off()
    assert cloud.ends() == [("broken", "FAILED", "health"), ("mended", "SUCCEEDED", None)]
    await commander.catch_up()
    assert firmwares(commander) == ["pythoflow 0.1.0", "pythoflow 9.9.9"]


async def ended(board: VmBoard, cloud: JobsCloud, count: int) -> None:
    """Let device time pass until so many jobs have ended, with power, and no faster than the cloud answers."""
    while len(cloud.ends()) < count:
        if not board.on:
            await board.power_on()
        await board.advance(1)
        cloud.catch_up()


def nearly(files: dict[str, bytes], release: Path) -> dict[str, bytes]:
    """A board whose other folder has most of this release from an attempt before: what is left is two files."""
    rest = [path for path in (release / signing.FILES).rglob("*.mpy") if path.name not in ("board.mpy", "sdi12.mpy")]
    return files | {f"/b/{path.relative_to(release / signing.FILES).as_posix()}": path.read_bytes() for path in rest}


async def updated(
    bench: Bench, files: dict[str, bytes], offer: tuple[JobsCloud, Path], cut: Cut | None, name: str
) -> int:
    """A life over one power cut to the end of its update; gives the changes of its flash up to the first restart."""
    cloud, release = offer
    board = await bench.board(name, files, WORLD, unix_s=tomorrow())
    await board.power_on()
    await board.advance(30)
    await board.arm(cut)
    cloud.offer("job", release)
    begin = len(board.events)
    await ended(board, cloud, 1)
    flash_then = await board.read_files()
    await board.power_off()
    assert cloud.ends() == [("job", "SUCCEEDED", None)], "\n".join(board.log)
    assert flash_then["/b/board.mpy"] == (release / signing.FILES / "board.mpy").read_bytes()
    assert not cut or len([event for event in board.events if event.what == ("power cut",)]) == 1
    kinds = [event.kind for event in board.events[begin:]]
    return kinds[: kinds.index("end")].count("flash")


@pytest.mark.parametrize("stride", [9, pytest.param(1, marks=pytest.mark.soak)])
async def test_a_power_cut_at_every_write(
    tmp_path: Path, identities: Identities, mosquitto: Broker, key: Path, stride: int
) -> None:
    """Of the shipped files, before each change of the flash and within it: the update comes to its end."""
    release = bundle(tmp_path / "release", key, 2, NEW_NAME)
    identity = identities.issue(NAME)
    files = updatable(flash(identity, mosquitto.port, updates=True), key.with_suffix(".pub.pem"), 1)
    files = nearly(files, release)
    async with running() as bench:

        async def life(number: int, cut: Cut | None) -> int:
            with offering(mosquitto.port, identities.issue("irrigation-compute"), NAME) as cloud:
                return await updated(bench, files, (cloud, release), cut, f"board {number}")

        changes = await life(0, None)
        assert changes > 20
        cuts = [Cut("flash", number, part) for number in range(1, changes + 1) for part in ("before", "torn")]
        for number, cut in enumerate(cuts[::stride]):
            await life(number + 1, cut)
