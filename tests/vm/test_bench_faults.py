"""Everything that goes wrong in a field, in MicroPython's own VM; the valve rules are judged on the pins throughout."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.gateway.conftest import Broker
from tests.vm.bench.board import running
from tests.vm.bench.field import SMALL_BOARD, Commander, Field, Identities, field
from tests.vm.test_bench_link import seqs
from tests.waiting import eventually

NAME = "irrigation-gateway-1"
WATCHDOG_S = 10  # rule 6: at most
HOUR_S, DAY_S = 3600, 86400
TICKS_WRAP_S = 2**30 // 1000


@asynccontextmanager
async def one_board(
    mosquitto: Broker, commander: Commander, identities: Identities, **more: Any
) -> AsyncIterator[Field]:
    async with running() as bench, field(bench, commander, identities.issue(NAME), mosquitto.port, NAME, **more) as one:
        yield one


async def obeys(farm: Field) -> None:
    """The board is online, waters and says so."""
    await farm.online()
    command = await farm.command("open", duration_s=15)
    await farm.wait(30)
    await eventually(lambda: farm.is_final(command))
    assert farm.final(command)["state"] == "done"


def ends(farm: Field) -> list[str]:
    """What ended each of its lives so far."""
    return [event.what[0] for event in farm.board.events if event.kind == "end"]


async def test_wifi_goes_during_a_run(mosquitto: Broker, commander: Commander, identities: Identities) -> None:
    """The valve closes in time; what was done is told when the network is back, and nothing is lost."""
    async with one_board(mosquitto, commander, identities) as farm:
        await farm.start()
        command = await farm.command("open", duration_s=120)
        await farm.wait(30)
        await farm.board.world(wifi=False)
        await farm.wait(3600)
        assert farm.openings() == [120.0]
        await commander.catch_up()
        assert [ack["state"] for ack in farm.acks(command)] == ["started"]
        await farm.board.world(wifi=True)
        await farm.wait(300)
        await commander.catch_up()
        assert [ack["state"] for ack in farm.acks(command)][-1] == "done"
        taken = seqs(commander)
        assert taken == list(range(1, len(taken) + 1))
        assert len(taken) >= 4
        assert ends(farm) == []


async def test_a_broker_that_says_nothing(mosquitto: Broker, commander: Commander, identities: Identities) -> None:
    """Connected to a broker that neither answers nor hangs up, the valve closes in time and the board tries again."""
    async with one_board(mosquitto, commander, identities) as farm:
        await farm.start()
        command = await farm.command("open", duration_s=60)
        await farm.board.world(network="silent", wifi=False)
        await farm.board.world(wifi=True)
        await farm.wait(600)
        assert farm.openings() == [60.0]
        await farm.board.world(network="open")
        await farm.wait(120)
        await eventually(lambda: farm.is_final(command))
        assert farm.final(command)["state"] == "done"
        assert ends(farm) == []


async def alone(farm: Field, away_s: int, then_s: int) -> tuple[int, int]:
    """A long time without the broker, and some with it again; live heap before and after, in bytes."""
    await farm.start()
    await farm.wait(600)
    before = await farm.board.live_bytes()
    await farm.board.world(network="refused", wifi=False)
    await farm.board.world(wifi=True)
    await farm.wait(away_s)
    await farm.board.world(network="open")
    await farm.wait(then_s)
    assert farm.connected
    return before, await farm.board.live_bytes()


# How long without the broker, how long with it again, after how long the ticks wrap, and from sample to sample, s. At
# each push as many samples are taken as a farm's board takes in three days, so that the outbox is as full.
STAYS = [
    (18 * HOUR_S, 6 * HOUR_S, 9 * HOUR_S, 240),
    pytest.param((7 * DAY_S, DAY_S, 2 * DAY_S, 900), marks=pytest.mark.soak),
]


def samples_until(at: int, commander: Commander, gateway_id: str) -> set[tuple[str, int]]:
    """The samples that arrived of those that were taken until then, by boot and number."""
    readings = commander.of("/data", gateway_id)
    rows = ((reading["boot_id"], sample) for reading in readings for sample in reading["samples"])
    return {(boot_id, sample["seq"]) for boot_id, sample in rows if sample["measured_at"] <= at}


# To read a full outbox is one event of this VM, which collects nothing meanwhile: test_native_memory.py has what a
# start takes where the collector runs.
ROOMY = {**SMALL_BOARD, "heap_bytes": 400 * 1024}


@pytest.mark.parametrize("stay", STAYS, ids=["most of one", "seven"])
async def test_days_without_the_broker(
    mosquitto: Broker, commander: Commander, identities: Identities, stay: tuple[int, int, int, int]
) -> None:
    """The counter of the ticks wraps meanwhile: no reset but every four hours, in case something is stuck. With PSRAM
    all of it arrives at the end; without, what had to make room is counted, and the account is right to the last
    sample."""
    away_s, then_s, wraps_s, every_s = stay
    small, large = f"{NAME}1", f"{NAME}2"
    identity = identities.issue(NAME)
    ticks = {"ticks_from_s": TICKS_WRAP_S - wraps_s, "optimized": True}
    more = {"sample_interval_s": every_s, "publish_interval_s": every_s}
    async with (
        running() as bench,
        field(bench, commander, identity, mosquitto.port, small, options={**ROOMY, **ticks}, **more) as without,
        field(bench, commander, identity, mosquitto.port, large, options=ticks, **more) as with_psram,
    ):
        heaps = await asyncio.gather(*(alone(farm, away_s, then_s) for farm in (without, with_psram)))
        await commander.catch_up()
        for farm, (before, after) in zip((without, with_psram), heaps, strict=True):
            diagnostics = commander.of(f"diagnostics/{farm.gateway_id}", farm.gateway_id)[-1]
            counters = diagnostics["counters"]
            arrived = samples_until(diagnostics["at"], commander, farm.gateway_id)
            assert len(arrived) == counters["samples_taken"] - counters["samples_dropped"]
            assert (counters["samples_dropped"] > 0) == (farm is without)
            assert ends(farm) == ["reset"] * (away_s // (4 * HOUR_S))
            assert after - before < 1024
            await obeys(farm)


HANGS = {
    "a task that blocks": "import time\nasync def hang():\n while True: time.sleep_ms(50)",
    "a task that spins": "async def hang():\n while True: pass",
}


@pytest.mark.parametrize("code", HANGS.values(), ids=HANGS.keys())
async def test_a_hung_task(mosquitto: Broker, commander: Commander, identities: Identities, code: str) -> None:
    """The watchdog resets the board within its time-out; both kinds of valve are shut, the runs are accounted for."""
    async with one_board(mosquitto, commander, identities) as farm:
        await farm.start()
        relay = await farm.command("open", duration_s=300)
        latching = await farm.command("open", "plot-1b", duration_s=300)
        await farm.wait(5)
        await farm.board.run(f"import asyncio\n{code}\nasyncio.create_task(hang())")
        await farm.wait(WATCHDOG_S + 2)
        assert ends(farm) == ["watchdog"]
        assert not farm.judge.oracle.any_open
        assert max(farm.openings()) <= 5 + WATCHDOG_S
        await farm.online()
        await farm.wait(10)
        await eventually(lambda: farm.is_final(relay) and farm.is_final(latching))
        await commander.catch_up()
        assert {farm.final(command)["code"] for command in (relay, latching)} == {"power_cut"}
        assert commander.of("/status", NAME)[-1]["reset_cause"] == "watchdog"
        await obeys(farm)


async def test_a_full_flash(mosquitto: Broker, commander: Commander, identities: Identities) -> None:
    """What runs is closed in time, a new run is refused while nothing can be written, and begins again with room."""
    async with one_board(mosquitto, commander, identities) as farm:
        await farm.start()
        before = await farm.command("open", duration_s=60)
        await farm.board.world(flash_full=True)
        refused = await farm.command("open", "plot-1b", duration_s=60)
        await farm.wait(2000)
        assert farm.openings() == [60.0]
        await eventually(lambda: farm.is_final(before) and farm.is_final(refused))
        assert farm.final(before)["state"] == "done"
        assert farm.final(refused)["code"] == "storage_fault"
        assert ends(farm) == []
        await farm.board.world(flash_full=False)
        await farm.wait(10)
        await obeys(farm)


SPOILED: dict[str, Callable[[bytes], bytes | None]] = {
    "empty": lambda _data: b"",
    "half": lambda data: data[: len(data) // 2],
    "one bit": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
    "garbage": lambda data: bytes((number * 37 + 11) % 256 for number in range(max(64, len(data)))),
    "erased flash": lambda data: b"\xff" * len(data),
    "gone": lambda _data: None,
}


@pytest.mark.parametrize("how", SPOILED)
async def test_a_spoiled_store(mosquitto: Broker, commander: Commander, identities: Identities, how: str) -> None:
    """Whatever file of its memory is spoiled, it boots, shuts its valves, comes online and obeys new commands."""
    async with one_board(mosquitto, commander, identities) as farm:
        await farm.start()
        await obeys(farm)
        await farm.command("open", duration_s=600)
        await farm.command("open", "plot-1b", duration_s=600)
        await farm.wait(20)
        await farm.board.power_off()
        whole = await farm.board.read_files()
        stored = sorted(path for path in whole if path.startswith("/store/"))
        assert len(stored) >= 4
        for spoiled in ([path] for path in stored if "valves" not in path):
            await farm.board.write_files({path: SPOILED[how](whole[path]) for path in spoiled})
            await farm.board.power_on()
            await farm.wait(1)
            assert not farm.judge.oracle.any_open
            await obeys(farm)
            await farm.board.power_off()


BROKEN: dict[str, dict[str, bytes | None]] = {
    "no configuration": {"/config.json": None},
    "configuration cut short": {"/config.json": b'{"gateway_id": "irri'},
    "configuration that lacks the zones": {"/config.json": json.dumps({"gateway_id": NAME}).encode()},
    "no pins": {"/pins.json": None},
    "pins cut short": {"/pins.json": b'{"valves": [{'},
    "pins of another kind": {"/pins.json": b'["a"]'},
    "no certificate": {"/certs/certificate.der": None},
    "certificate that is none": {"/certs/certificate.der": b"\x30\x82garbage"},
    "key that is none": {"/certs/private_key.der": b"garbage"},
    "authority that is none": {"/certs/root_ca.der": b""},
    "a module cut short": {"/lib/gateway/valves.mpy": b"M\x06\x00\x1f\x01"},
    "no board": {"/board.mpy": None},
    "no main": {"/main.py": b"this is no program ("},
}


@pytest.mark.parametrize("files", BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_flash(
    mosquitto: Broker, commander: Commander, identities: Identities, files: dict[str, bytes | None]
) -> None:
    """A run cut off by power, then a flash that cannot start: every valve is shut at the first moment and stays shut,
    and the serial line says why."""
    async with one_board(mosquitto, commander, identities) as farm:
        await farm.start()
        await farm.command("open", duration_s=600)
        await farm.command("open", "plot-1b", duration_s=600)
        await farm.wait(20)
        await farm.board.power_off()
        await farm.board.write_files(files)
        await farm.board.power_on()
        farm.judge.look()
        assert not farm.judge.oracle.any_open
        assert farm.board.log or farm.board.seen("hung")  # MicroPython's own loader never ends on a file cut short
        boots = len(ends(farm))
        await farm.wait(45)  # it resets every twenty seconds
        assert not farm.judge.oracle.any_open
        assert not farm.board.seen("online")
        assert len(ends(farm)) > boots or farm.board.seen("hung") or "/main.py" in files


async def test_a_name_server_that_is_gone(mosquitto: Broker, commander: Commander, identities: Identities) -> None:
    """Without answers to its questions the board waits, feeds its watchdog, and comes online when they come again."""
    async with one_board(mosquitto, commander, identities, world={"name_server": False}) as farm:
        await farm.board.power_on()
        await farm.wait(600)
        assert ends(farm) == []
        assert not farm.board.seen("online")
        await farm.board.world(name_server=True)
        await farm.wait(120)
        await obeys(farm)


async def test_the_time_comes_late(mosquitto: Broker, commander: Commander, identities: Identities) -> None:
    """After a power cut without a time server: it may connect by the time it remembers, and opens nothing by it."""
    async with one_board(mosquitto, commander, identities) as farm:
        await farm.start()
        await farm.wait(60)
        await farm.board.power_off()
        await farm.board.world(time_server=False)
        await farm.board.power_on()
        await farm.wait(60)
        if farm.connected:
            refused = await farm.command("open", duration_s=60)
            await farm.wait(5)
            await eventually(lambda: farm.is_final(refused))
            assert farm.final(refused)["code"] == "clock_untrusted"
        assert farm.openings() == []
        await farm.board.world(time_server=True)
        await farm.wait(60)
        await obeys(farm)


async def test_hours_without_a_broker(mosquitto: Broker, commander: Commander, identities: Identities) -> None:
    """With Wi-Fi and the time, and no valve open, the board begins again: whatever was stuck in it is gone."""
    async with one_board(mosquitto, commander, identities) as farm:
        await farm.start()
        mosquitto.stop()
        await farm.board.until("lost")
        await farm.wait(4 * 3600 - 120)
        assert not any("no broker for 4 h" in line for line in farm.board.log)
        await farm.wait(240)
        assert any("no broker for 4 h" in line for line in farm.board.log)
        mosquitto.start()
        await farm.wait(180)
        assert farm.connected
        await obeys(farm)


async def test_hours_without_the_internet(mosquitto: Broker, commander: Commander, identities: Identities) -> None:
    """Without a time server that answers it does not begin again: it would lose the time, and what depends on it."""
    async with one_board(mosquitto, commander, identities) as farm:
        await farm.start()
        mosquitto.stop()
        await farm.board.until("lost")
        await farm.board.world(time_server=False)
        await farm.wait(5 * 3600)
        assert not any("no broker for 4 h" in line for line in farm.board.log)
        await farm.board.world(time_server=True)
        await farm.wait(240)
        assert any("no broker for 4 h" in line for line in farm.board.log)


async def test_all_at_once(mosquitto: Broker, commander: Commander, identities: Identities) -> None:
    """The broker, the network and the power go during one run: one opening, and its account."""
    async with one_board(mosquitto, commander, identities) as farm:
        await farm.start()
        command = await farm.command("open", duration_s=300)
        mosquitto.stop()
        await farm.board.until("lost")
        await farm.board.world(wifi=False)
        await farm.wait(60)
        await farm.board.power_off()
        await farm.board.advance(30)
        mosquitto.start()
        await farm.board.power_on()
        await farm.wait(60)
        await farm.board.world(wifi=True)
        await farm.wait(200)
        await eventually(lambda: farm.is_final(command))
        assert farm.final(command)["code"] == "power_cut"
        assert [round(length) for length in farm.openings()] == [60]
        await asyncio.sleep(0)
