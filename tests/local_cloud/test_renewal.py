"""A board renews its identity at the gate: which of its certificates is let in, when, over real TLS."""

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certs.folder import pkcs8
from certs.renewal import RenewingAuthority
from tests.local_cloud.conftest import Start, World
from tests.local_cloud.near import near
from tests.waiting import LAST_RESORT_S, eventually

BOARD, OTHER = "irrigation-gateway-1", "irrigation-gateway-2"


class Renewal(NamedTuple):
    """Who renews, and what is on the board: a folder for each of its two identities."""

    authority: RenewingAuthority
    old: Path
    new: Path

    def certify(self) -> str:
        """The next certificate gets to the board; gives its serial."""
        identity = self.authority.renew(BOARD)
        shutil.copy(identity.folder / "certificate.pem", self.new / "certificate.pem")
        return identity.serial


@pytest.fixture
def renewal(certs: Path, tmp_path: Path) -> Renewal:
    """A board with its own identity and a spare."""
    issued, board = Path(shutil.copytree(certs, tmp_path / "issued")), tmp_path / "board"
    authority = RenewingAuthority(issued)
    authority.make_spares(BOARD, 1)
    (board / "new").mkdir(parents=True)
    shutil.copytree(issued / BOARD, board / "old")
    key = serialization.load_der_private_key((issued / BOARD / "spares" / "spare_1.der").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    (board / "new" / "private_key.pem").write_bytes(pkcs8(key))
    authority.hand_over(BOARD)
    return Renewal(authority, board / "old", board / "new")


async def code(world: World, identity: Path) -> int:
    """What the gate answers to the board with this identity."""
    return (await (await world.open(identity)).connect(BOARD))[1]


async def accepted(world: World, identity: Path) -> None:
    """Wait until the gate lets it in: a look at the registry later at the latest."""
    limit = time.monotonic() + LAST_RESORT_S
    while await code(world, identity) != 0:
        assert time.monotonic() < limit, "the next certificate is never let in"
        await asyncio.sleep(0.1)


async def test_both_are_let_in_until_the_settle_and_then_the_new_one_alone(world: Start, renewal: Renewal) -> None:
    """The gate takes a next certificate without a restart; after the settle it lets the old connection go, at once."""
    async with world(certs=renewal.authority.folder) as w:
        assert await code(w, renewal.old) == 0
        serial = renewal.certify()
        await accepted(w, renewal.new)
        assert await code(w, renewal.old) == 0
        straggler = await w.open(renewal.old)
        assert (await straggler.connect(BOARD))[1] == 0
        renewal.authority.settle(BOARD, serial)
        assert await straggler.closed()
        assert await code(w, renewal.old) == 5
        assert await code(w, renewal.new) == 0
    async with world(certs=renewal.authority.folder) as w:
        assert [await code(w, each) for each in (renewal.old, renewal.new)] == [5, 0]


async def test_after_the_settle_the_old_certificate_opens_nothing(renewal: Renewal) -> None:
    """At once, before the gate asks the API again, which still has it ACTIVE."""
    folder = renewal.authority.folder
    async with near(folder, folder) as w:
        serial = renewal.certify()
        w.api.add_next(BOARD, (renewal.new / "certificate.pem").read_text())
        w.gate.registry.refresh()
        assert [await code(w, each) for each in (renewal.old, renewal.new)] == [0, 0]
        renewal.authority.settle(BOARD, serial)
        assert [await code(w, each) for each in (renewal.old, renewal.new)] == [5, 0]


async def test_a_start_registers_both(world: Start, renewal: Renewal) -> None:
    """A cloud that starts while a renewal is under way knows both certificates, and both have the thing's policies."""
    renewal.certify()
    async with world(certs=renewal.authority.folder) as w:
        for identity in (renewal.old, renewal.new):
            board = await w.open(identity)
            assert (await board.connect(BOARD))[1] == 0
            assert await board.subscribe(f"$aws/things/{BOARD}/jobs/notify-next") == b"\x01"
            await board.publish(f"$aws/things/{BOARD}/jobs/start-next")
        assert w.refusals() == []


async def test_the_two_are_one_client(world: Start, renewal: Renewal, broker: str) -> None:
    """A board that comes with its new certificate takes over from its old connection, session and all."""
    renewal.certify()
    topic = f"$aws/things/{BOARD}/jobs/notify-next"
    async with world(broker, certs=renewal.authority.folder) as w:
        old = await w.open(renewal.old)
        assert (await old.connect(BOARD, clean=False)) == (0, 0)
        assert await old.subscribe(topic) == b"\x01"
        new = await w.open(renewal.new)
        assert (await new.connect(BOARD, clean=False)) == (1, 0), "the session is the same client's"
        assert await old.closed()
        assert w.cloud.gate.connected() == [BOARD]
        back = await w.open(renewal.old)
        assert (await back.connect(BOARD, clean=False)) == (1, 0)
        assert await new.closed()
        assert w.cloud.gate.connected() == [BOARD]


async def test_a_revoke_refuses_both(world: Start, renewal: Renewal) -> None:
    """Whichever the stolen board connects with: its connection ends, and neither is let in again; the others stay."""
    renewal.certify()
    async with world(certs=renewal.authority.folder) as w:
        other, thief = await w.connected(OTHER), await w.open(renewal.new)
        assert (await thief.connect(BOARD))[1] == 0
        renewal.authority.revoke(BOARD)
        assert await thief.closed()
        assert [await code(w, each) for each in (renewal.old, renewal.new)] == [5, 5]
        await other.ping()
        assert not (renewal.authority.folder / BOARD).exists()


async def test_a_next_certificate_is_good_for_its_own_name_only(world: Start, renewal: Renewal) -> None:
    """Nor is it let in as another thing."""
    renewal.certify()
    async with world(certs=renewal.authority.folder) as w:
        assert (await (await w.open(renewal.new)).connect(OTHER))[1] == 2


async def test_a_damaged_next_certificate_ends_nothing(
    world: Start, renewal: Renewal, aws: Callable[[str], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Half a file beside the certificate of before: the gate goes on with what it knows, and takes it once whole."""
    following = renewal.authority.folder / BOARD / "next" / "certificate.pem"
    following.parent.mkdir()
    following.write_text("half a certif")
    async with world(certs=renewal.authority.folder) as w:
        looks: list[Any] = []
        w.cloud.registry._iot.meta.events.register("provide-client-params.iot", lambda **event: looks.append(event))
        await eventually(lambda: len(looks) > 1, "two looks")
        assert await code(w, renewal.old) == 0
        assert len(aws("iot").list_thing_principals(thingName=BOARD)["principals"]) == 1
        following.unlink()
        renewal.certify()
        await accepted(w, renewal.new)
        assert "registry" not in caplog.text
