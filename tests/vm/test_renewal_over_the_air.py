"""Another certificate for a board where it stands, over a real broker: the shipped files, from the job to its end."""

import base64
import shutil
from pathlib import Path

import pytest
from cryptography import x509

from certs.authority import Authority
from tests.gateway.conftest import Broker
from tests.vm.bench.board import Bench, Cut, running
from tests.vm.bench.field import WORLD, Commander, Identities, flash, tomorrow
from tests.vm.bench.over_the_air import JobsCloud, offering
from tests.vm.test_update_over_the_air import ended

NAME = "irrigation-gateway-1"


def serial(folder: Path) -> str:
    return f"{x509.load_der_x509_certificate((folder / 'certificate.der').read_bytes()).serial_number:X}"


def job(folder: Path, spare: int = 1) -> dict[str, object]:
    """What `python -m updates renew` publishes for the certificate in a folder."""
    certificate = base64.b64encode((folder / "certificate.der").read_bytes()).decode()
    return {"operation": "renew", "spare": spare, "certificate": certificate}


@pytest.fixture
def first(identities: Identities, tmp_path: Path) -> Path:
    return shutil.copytree(identities.issue(NAME), tmp_path / "first")


@pytest.fixture
def following(first: Path, identities: Identities) -> Path:
    """The certificate for what is the board's spare key here."""
    return identities.authority.rotate(NAME)


async def renewed(bench: Bench, files: dict[str, bytes], cloud: JobsCloud, offer: Path, cut: Cut | None) -> int:
    """A life over one power cut to the end of its job; gives the changes of its flash up to the first restart."""
    board = await bench.board(f"board {cut}", files, WORLD, unix_s=tomorrow())
    await board.power_on()
    await board.advance(30)
    await board.arm(cut)
    begin = len(board.events)
    cloud.offer_document("job", job(offer))
    await ended(board, cloud, 1)
    await board.advance(30)
    assert not cut or len([event for event in board.events if event.what == ("power cut",)]) == 1
    left = await board.read_files()
    await board.power_off()
    assert left["/certs/certificate.der"] == (offer / "certificate.der").read_bytes(), "\n".join(board.log)
    assert left["/certs/private_key.der"] == (offer / "private_key.der").read_bytes()
    kinds = [event.kind for event in board.events[begin:]]
    return kinds[: kinds.index("end")].count("flash")


def files_of(first: Path, spare: Path, port: int) -> dict[str, bytes]:
    own = flash(first, port, updates=True)
    return own | {"/certs/spare_1.der": (spare / "private_key.der").read_bytes()}


async def test_it_connects_with_the_next_certificate(
    mosquitto: Broker, commander: Commander, identities: Identities, first: Path, following: Path
) -> None:
    """It says which one it has: the first, then the next; the job is done when the broker has taken that."""
    with offering(mosquitto.port, identities.issue("irrigation-compute"), NAME) as cloud:
        async with running() as bench:
            await renewed(bench, files_of(first, following, mosquitto.port), cloud, following, None)
    assert cloud.ends() == [("job", "SUCCEEDED", None)]
    await commander.catch_up()
    told = [status["certificate"] for status in commander.of("/status", NAME) if "certificate" in status]
    assert list(dict.fromkeys(told)) == [serial(first), serial(following)]


async def test_one_that_the_broker_does_not_take(
    mosquitto: Broker, commander: Commander, identities: Identities, first: Path, tmp_path: Path
) -> None:
    """Five attempts, then the old one connects again, and the job failed."""
    stranger = Authority(tmp_path / "stranger").issue(NAME)
    with offering(mosquitto.port, identities.issue("irrigation-compute"), NAME) as cloud:
        async with running() as bench:
            board = await bench.board(NAME, files_of(first, stranger, mosquitto.port), WORLD, unix_s=tomorrow())
            await board.power_on()
            await board.advance(30)
            cloud.offer_document("job", job(stranger))
            await ended(board, cloud, 1)
            assert (await board.read_files())["/certs/certificate.der"] == (first / "certificate.der").read_bytes()
            await board.power_off()
    assert cloud.ends() == [("job", "FAILED", "refused")]
    await commander.catch_up()
    assert {status.get("certificate") for status in commander.of("/status", NAME)} <= {serial(first), None}


@pytest.mark.parametrize("stride", [11, pytest.param(1, marks=pytest.mark.soak)])
async def test_a_power_cut_at_every_write(
    mosquitto: Broker, identities: Identities, first: Path, following: Path, stride: int
) -> None:
    """Of the shipped files, up to the trial; those of the trial itself are in tests/vm/portable/test_renewal.py."""
    files = files_of(first, following, mosquitto.port)
    async with running() as bench:

        async def life(cut: Cut | None) -> int:
            with offering(mosquitto.port, identities.issue("irrigation-compute"), NAME) as cloud:
                changes: int = await renewed(bench, files, cloud, following, cut)
                assert cloud.ends() == [("job", "SUCCEEDED", None)]
            return changes

        count = await life(None)
        assert count > 12
        for number, part in [(n, part) for n in range(1, count + 1) for part in ("before", "torn")][::stride]:
            await life(Cut("flash", number, part))
