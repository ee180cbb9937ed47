"""The firmware as it is flashed, in MicroPython's own VM, against a real broker with mutual TLS."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from certs.authority import Authority
from tests.gateway.conftest import Broker
from tests.vm.bench.board import running
from tests.vm.bench.field import LIGHT, PINS, RELAY, Commander, Field, Identities, field
from tests.waiting import eventually

NAME = "irrigation-gateway-1"
REFUSED_AFTER_S = 90  # of device time, in which a board tries several times


@asynccontextmanager
async def one_board(
    mosquitto: Broker, commander: Commander, identity: Path, name: str = NAME, **more: Any
) -> AsyncIterator[Field]:
    async with running() as bench, field(bench, commander, identity, mosquitto.port, name, **more) as alone:
        yield alone


async def test_it_reports_and_obeys(mosquitto: Broker, commander: Commander, identities: Identities) -> None:
    """A status when it comes online, a reading each quarter of an hour, and a valve that is open as long as ordered."""
    async with one_board(mosquitto, commander, identities.issue(NAME)) as farm:
        await farm.start()
        command = await farm.command("open", duration_s=60)
        await farm.wait(1900)
        await commander.catch_up()
        assert len(commander.of("/data", NAME)) >= 2
        assert farm.openings() == [60.0]
        assert [ack["state"] for ack in farm.acks(command)] == ["started", "done"]
        assert farm.final(command)["duration_s"] == 60
        assert {sample["vwc"] for reading in commander.of("/data", NAME) for sample in reading["samples"]} == {0.25}
        status = commander.of("/status", NAME)[0]
        assert (status["state"], status["reset_cause"]) == ("online", "power_on")
        certificate = x509.load_der_x509_certificate((identities.issue(NAME) / "certificate.der").read_bytes())
        assert status["certificate"] == f"{certificate.serial_number:X}"
        assert status["certificate_expires_at"] == int(certificate.not_valid_after_utc.timestamp())
        assert status["ca_expires_at"] > status["at"]


async def test_the_last_will_tells_of_its_death(
    mosquitto: Broker, commander: Commander, identities: Identities
) -> None:
    """Whoever listens hears `offline` when the power is gone."""
    async with one_board(mosquitto, commander, identities.issue(NAME)) as farm:
        await farm.start()
        await farm.board.power_off()
        await eventually(lambda: "offline" in states(commander))
        assert states(commander)[-1] == "offline"


async def test_a_restart_of_the_broker_loses_nothing(
    mosquitto: Broker, commander: Commander, identities: Identities
) -> None:
    """It comes back, its subscription is there again, and what it measured and did meanwhile arrives."""
    async with one_board(mosquitto, commander, identities.issue(NAME)) as farm:
        await farm.start()
        running_on = await farm.command("open", duration_s=300)
        mosquitto.stop()
        await farm.board.until("lost")
        await farm.wait(3600)
        assert farm.openings() == [300.0]
        mosquitto.start()
        await farm.wait(120)
        assert farm.connected
        await commander.catch_up()
        assert len(farm.acks(running_on)) >= 2
        assert farm.final(running_on)["duration_s"] == 300
        taken = seqs(commander)
        assert taken == list(range(1, len(taken) + 1))
        assert len(taken) >= 4
        after = await farm.command("open", duration_s=20)
        await farm.wait(30)
        await eventually(lambda: farm.is_final(after))
        assert farm.final(after)["state"] == "done"


async def test_a_command_waits_at_the_broker(mosquitto: Broker, commander: Commander, identities: Identities) -> None:
    """What was ordered while it had no power is obeyed when it is back, if it has not expired."""
    async with one_board(mosquitto, commander, identities.issue(NAME)) as farm:
        await farm.start()
        await farm.board.power_off()
        late = await farm.command("open", duration_s=20, expires_at=farm.board.unix_s + 60)
        kept = await farm.command("open", "plot-1b", duration_s=20)
        await farm.board.advance(120)
        await farm.start()
        await farm.wait(60)
        await eventually(lambda: farm.is_final(kept) and farm.is_final(late))
        assert farm.final(late)["code"] == "expired"
        assert farm.final(kept)["state"] == "done"
        assert farm.openings() == []


async def test_duplicates_change_nothing(mosquitto: Broker, commander: Commander, identities: Identities) -> None:
    """A command that comes three times, also during and after its run, opens once and is answered alike."""
    async with one_board(mosquitto, commander, identities.issue(NAME)) as farm:
        await farm.start()
        command = await farm.command("open", duration_s=30)
        for seconds in (10, 30, 60):
            await farm.publish(command)
            await farm.board.until("in", count=1 + (10, 30, 60).index(seconds) + 1)
            await farm.wait(seconds)
        await eventually(lambda: len(farm.acks(command)) == 5)
        assert farm.openings() == [30.0]
        said = [ack["state"] for ack in farm.acks(command)]
        assert said == ["started", "started", "started", "done", "done"] or said.count("done") >= 1
        assert {ack["duration_s"] for ack in farm.acks(command) if ack["state"] == "done"} == {30}


async def test_boards_work_side_by_side(mosquitto: Broker, commander: Commander, identities: Identities) -> None:
    """Four boards at once: each obeys its own command for its own time."""
    async with running() as bench, AsyncExitStack() as stack:
        names = [f"irrigation-gateway-{number}" for number in range(1, 5)]
        boards = [
            await stack.enter_async_context(field(bench, commander, identities.issue(name), mosquitto.port, name))
            for name in names
        ]
        await asyncio.gather(*(farm.start() for farm in boards))
        await asyncio.gather(*(farm.command("open", duration_s=10 * n) for n, farm in enumerate(boards, 1)))
        await asyncio.gather(*(farm.wait(60) for farm in boards))
        assert [farm.openings() for farm in boards] == [[10.0], [20.0], [30.0], [40.0]]


async def test_low_memory_keeps_it_from_a_handshake(
    mosquitto: Broker, commander: Commander, identities: Identities
) -> None:
    """TLS is not begun without the memory for it; once that is there, the board comes online."""
    world = {"system_heap_bytes": 20_000}
    async with one_board(mosquitto, commander, identities.issue(NAME), world=world) as farm:
        await farm.board.power_on()
        await farm.wait(60)
        assert not farm.board.seen("online")
        assert not farm.board.seen("lost")
        await farm.board.world(system_heap_bytes=110_000)
        await farm.wait(90)
        assert farm.connected


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory, identities: Identities) -> dict[str, Path]:
    """Identities that must not work: each differs from a good one in one thing."""
    folder = tmp_path_factory.mktemp("strangers")
    other = Authority(folder / "other").issue(NAME)
    old = Authority(folder / "old", now=lambda: datetime.now(UTC) - timedelta(days=800))
    shutil.copytree(identities.authority.folder / "ca", folder / "old" / "ca")
    found = {"expired": old.issue(NAME), "other CA": other}
    for name, (mine, theirs) in {
        "wrong CA": (identities.issue(NAME), other),  # the board trusts somebody else
        "foreign": (other, identities.issue(NAME)),  # the broker does not know who signed
    }.items():
        found[name] = folder / name
        shutil.copytree(mine, found[name])
        shutil.copy(theirs / "root_ca.der", found[name] / "root_ca.der")
    return found


GOOD = "good"
# Whose identity the board has, what differs around it, what differs in its configuration, and what it is told.
REFUSALS: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "wrong CA": ("wrong CA", {}, {}, "The certificate is not correctly signed by the trusted CA"),
    "foreign certificate": ("foreign", {}, {}, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE"),
    "expired certificate": ("expired", {}, {}, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE"),
    "clock in 2000": (GOOD, {"time_server": False}, {}, "The certificate validity starts in the future"),
    "clock in 2056": (GOOD, {"time_server_off_s": 30 * 366 * 86400}, {}, "The certificate validity has expired"),
    "another name": (
        GOOD,
        {},
        {"broker": {"host": "localhost", "server_hostname": "other.example"}},
        "The certificate Common Name (CN) does not match with the expected CN",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_what_must_not_connect_does_not(
    mosquitto: Broker, commander: Commander, identities: Identities, strangers: dict[str, Path], case: str
) -> None:
    """A wrong authority, certificate, name or clock: refused, the board is told why, and the valves stay shut."""
    who, world, config, why = REFUSALS[case]
    identity = identities.issue(NAME) if who == GOOD else strangers[who]
    pins = {**PINS, "light": LIGHT}
    async with one_board(mosquitto, commander, identity, world=world, pins=pins, **config) as farm:
        await farm.board.power_on()
        await farm.wait(REFUSED_AFTER_S)
        attempts = farm.board.seen("lost")
        assert {event.what[0] for event in attempts} == {why}
        assert len(attempts) >= 3
        assert not farm.board.seen("online")
        assert not commander.of("/status", NAME)
        assert farm.openings() == []
        assert flashes(farm, LIGHT) == (2 if world.get("time_server") is False else 3)


def flashes(farm: Field, pin: int) -> int:
    """How often the light flashes in its last whole round."""
    ups = [ms for ms, number, level in farm.board.pins if number == pin and level == 1]
    rounds: list[list[float]] = [[]]
    for before, now in zip([0.0, *ups], ups, strict=False):
        if now - before > 1000:
            rounds.append([])
        rounds[-1].append(now)
    return len(rounds[-2])


def states(commander: Commander, name: str = NAME) -> list[str]:
    """What the statuses of a gateway said, in order."""
    return [status["state"] for status in commander.of("/status", name)]


def seqs(commander: Commander, name: str = NAME) -> list[int]:
    """The numbers of all samples that arrived, each once, in order."""
    return sorted({sample["seq"] for reading in commander.of("/data", name) for sample in reading["samples"]})


async def test_a_relay_that_opens_at_low_stays_shut_from_the_first_moment(
    mosquitto: Broker, commander: Commander, identities: Identities
) -> None:
    """With `on` 0 the pin is high while the valve is shut, from the first line of boot.py on."""
    valves = [{**PINS["valves"][0], "on": 0}, PINS["valves"][1]]
    async with one_board(mosquitto, commander, identities.issue(NAME), pins={**PINS, "valves": valves}) as farm:
        await farm.start()
        await farm.command("open", duration_s=10)
        await farm.wait(20)
        levels = [level for _, pin, level in farm.board.pins if pin == RELAY]
        assert levels == [1, 0, 1]
