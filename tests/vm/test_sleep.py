"""A node without valves that sleeps: the shipped files on device time, against a real broker with mutual TLS."""

import json
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from firmware import build, signing
from protocol import topics
from tests.compute_service.bench import Bench, zone
from tests.compute_service.in_memory.store import InMemoryStore
from tests.gateway.conftest import Broker
from tests.vm.bench.board import VmBoard, compile_firmware, running
from tests.vm.bench.field import PINS, SOIL, WORLD, Commander, Identities, flash, tomorrow
from tests.vm.bench.over_the_air import bundle, offering, updatable

NAME = "irrigation-gateway-1"
ASLEEP = {"sensors": PINS["sensors"]}
ZONES = [{"zone_id": "plot-1a"}]
HALF_HOURS = {"sample_interval_s": 1800, "publish_interval_s": 1800}
NEW_NAME = {"board.mpy": ('FIRMWARE = "pythoflow 0.1.0"', 'FIRMWARE = "pythoflow 9.9.9"')}
LONGEST_S = 60 + 15  # of a waking that reaches nobody


@asynccontextmanager
async def sleeper(
    identity: Path, port: int, world: Any = None, pins: Any = ASLEEP, **config: Any
) -> AsyncIterator[VmBoard]:
    """A node that samples at each quarter of an hour and connects at each full one, not powered yet."""
    entries = {"sleep": True, "zones": ZONES, "sample_interval_s": 900, "publish_interval_s": 3600, **config}
    files = flash(identity, port, pins, **entries)
    async with running() as bench:
        board = await bench.board(NAME, files, {**WORLD, **(world or {})}, unix_s=tomorrow())
        yield board
        await board.power_off()


def naps(board: VmBoard) -> list[tuple[float, float]]:
    """Each waking as (from, to), in seconds since the board was made."""
    begins = [event.ms / 1000 for event in board.events if event.kind == "boot"]
    ends = [event.ms / 1000 for event in board.events if event.kind == "end"]
    return list(zip(begins, ends, strict=False))


def samples(commander: Commander) -> list[dict[str, Any]]:
    return [sample for reading in commander.of("/data", NAME) for sample in reading["samples"]]


async def test_it_measures_each_quarter_and_connects_each_hour(
    mosquitto: Broker, commander: Commander, identities: Identities
) -> None:
    """Between two samples it sleeps; what it says is when it is heard next; no last will speaks of its death."""
    async with sleeper(identities.issue(NAME), mosquitto.port) as board:
        await board.power_on()
        await board.advance(2 * 3600 + 120)
        await commander.catch_up()
        start = tomorrow()
        begins = [begin for begin, _ in naps(board)]
        assert [round(begin / 900) for begin in begins] == list(range(9))
        assert all(end - begin < 15 for begin, end in naps(board))
        assert [sample["measured_at"] // 900 - start // 900 for sample in samples(commander)] == list(range(9))
        assert {(sample["vwc"], sample["clock"]) for sample in samples(commander)} == {(0.25, "synced")}
        statuses = commander.of("/status", NAME)
        assert [status["wakes_at"] - start for status in statuses] == [3600, 7200, 10800]
        assert {status["state"] for status in statuses} == {"online"}
        assert [status["reset_cause"] for status in statuses] == ["power_on", "deep_sleep", "deep_sleep"]
        seqs = [
            (reading["boot_id"], sample["seq"])
            for reading in commander.of("/data", NAME)
            for sample in reading["samples"]
        ]
        assert [seq for _, seq in seqs] == list(range(1, 10)) and len({boot for boot, _ in seqs}) == 1


async def test_sixty_probes_fit_what_outlives_a_sleep(
    mosquitto: Broker, commander: Commander, identities: Identities
) -> None:
    """However many it has, and however long their names: it connects once an hour, and numbers go on over a sleep."""
    rows = [
        {"sensor": f"thermometer-{number:02}-{'x' * 40}", "kind": "ds18b20", "pin": 4, "rom": f"28{number:014x}"}
        for number in range(60)
    ]
    async with sleeper(identities.issue(NAME), mosquitto.port, pins={"sensors": rows}) as board:
        await board.power_on()
        await board.advance(3600 + 300)
        await commander.catch_up()
        assert not [line for line in board.log if "Error" in line]
        numbered = {
            (reading["boot_id"], sample["seq"], sample["measured_at"] // 900)
            for reading in commander.of("/data", NAME)
            for sample in reading["samples"]
        }
        start = tomorrow() // 900
        assert len({boot for boot, _, _ in numbered}) == 1
        assert sorted((seq, at - start) for _, seq, at in numbered) == [(seq, seq - 1) for seq in range(1, 6)]
        assert len(samples(commander)) == 60 * 5
        assert len(commander.of("/status", NAME)) == 2


async def test_without_wifi_it_sleeps_and_loses_nothing(
    mosquitto: Broker, commander: Commander, identities: Identities
) -> None:
    """A network that is away costs a minute an hour; the samples wait in the flash, dated by a guess at first."""
    async with sleeper(identities.issue(NAME), mosquitto.port, {"wifi": False}) as board:
        await board.power_on()
        await board.advance(3600 + 120)
        assert all(end - begin < LONGEST_S for begin, end in naps(board))
        assert [end - begin > 15 for begin, end in naps(board)] == [True, False, False, False, True]
        await board.world(wifi=True)
        await board.advance(3600)
        await commander.catch_up()
        assert [sample["clock"] for sample in samples(commander)] == ["estimated"] * 8 + ["synced"]


@pytest.mark.parametrize("network", ["silent", "refused", "unreachable"])
async def test_without_its_broker_it_sleeps(
    network: str, mosquitto: Broker, commander: Commander, identities: Identities
) -> None:
    """One that does not answer, in TCP or in TLS, costs a minute an hour, and nothing that was measured."""
    async with sleeper(identities.issue(NAME), mosquitto.port, {"network": network}) as board:
        await board.power_on()
        await board.advance(3600 - 60)
        assert [end - begin < LONGEST_S for begin, end in naps(board)] == [True] * 4
        await board.world(network="open")
        await board.advance(120)
        await commander.catch_up()
        assert [sample["clock"] for sample in samples(commander)] == ["synced"] * 5


@pytest.mark.parametrize("place", ["measure", "open_connection"])
async def test_what_hangs_does_not_keep_it_awake(place: str, mosquitto: Broker, identities: Identities) -> None:
    """A probe's driver or a handshake that never comes back: the watchdog bites, and the chip sleeps on."""
    async with sleeper(identities.issue(NAME), mosquitto.port) as board:
        await board.write_files({"/board.mpy": hanging(place)})
        await board.power_on()
        await board.advance(1800 + 300)
        causes = [event.what[0] for event in board.events if event.kind == "boot"]
        assert causes == [1, 3, 4, 3, 4, 3]
        assert sum(end - begin for begin, end in naps(board)) < 3 * LONGEST_S


def hanging(name: str) -> bytes:
    """board.py, of which one function blocks for ever."""
    source = (build.FIRMWARE / "board.py").read_text()
    signature = rf"(    async def {name}\((?:.|\n)*?\) -> .*:\n)"
    changed, count = re.subn(signature, r"\1        while True:\n            time.sleep_ms(50)\n", source)
    assert count == 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "board.py"
        path.write_text(changed)
        return compile_firmware(path)


async def test_settings_that_wait_are_taken(mosquitto: Broker, commander: Commander, identities: Identities) -> None:
    """What was sent while it slept is there when it has connected: it wakes by it, and says so."""
    async with sleeper(identities.issue(NAME), mosquitto.port) as board:
        await board.power_on()
        await board.advance(60)
        update = {"v": 1, "update_id": "u1", "device_id": NAME, "issued_at": board.unix_s, "settings": HALF_HOURS}
        await commander.publish(topics.updates(), update)
        await board.advance(3600 + 1800 + 60)
        await commander.catch_up()
        start = tomorrow()
        told = [status["wakes_at"] - start for status in commander.of("/status", NAME)]
        assert (told[0], told[-2:]) == (3600, [5400, 7200])
        assert [sample["measured_at"] // 900 - start // 900 for sample in samples(commander)] == [0, 1, 2, 3, 4, 6]


async def test_an_update_that_waits_is_taken(
    tmp_path: Path, mosquitto: Broker, commander: Commander, identities: Identities
) -> None:
    """It stays awake as long as the update comes, starts the new version, says so, and sleeps."""
    key = tmp_path / "update.key"
    signing.make_key(key)
    async with sleeper(identities.issue(NAME), mosquitto.port, updates=True) as board:
        files = updatable(await board.read_files(), key.with_suffix(".pub.pem"), 1)
        await board.write_files(dict.fromkeys(await board.read_files()) | files)
        with offering(mosquitto.port, identities.issue("irrigation-compute"), NAME) as cloud:
            await board.power_on()
            await board.advance(60)
            cloud.offer("job", bundle(tmp_path / "release", key, 2, NEW_NAME))
            await board.advance(3600 - 120)
            while not cloud.ends():
                await board.advance(1)
                cloud.catch_up()
            await board.advance(60)
            assert cloud.ends() == [("job", "SUCCEEDED", None)]
        await commander.catch_up()
        assert commander.of("/status", NAME)[-1]["firmware"] == "pythoflow 9.9.9"
        assert board.events[-1].what == ("deep sleep",)


async def test_it_measures_for_a_zone_of_another_gateway(
    mosquitto: Broker, commander: Commander, identities: Identities
) -> None:
    """It has no valve, and the service waters by it: nobody misses it while it sleeps, and the other gateway opens."""
    dry = {"microvolts": {**WORLD["microvolts"], SOIL: 1_850_000}}
    async with sleeper(identities.issue(NAME), mosquitto.port, dry) as board:
        await board.power_on()
        await board.advance(2 * 3600 + 120)
        await commander.catch_up()
    there = {"sensor_id": f"{NAME}.soil-a", "gateway_id": "irrigation-gateway-2", "max_reading_age_s": 2 * 3600}
    sown = datetime.fromtimestamp(tomorrow(), UTC).date() - timedelta(days=75)
    farm = Bench(InMemoryStore(), (zone(sown=sown, **there),), now=tomorrow(), nodes=(NAME,))
    farm.service.start()
    own = [(topic, message) for topic, message in commander.heard if message["gateway_id"] == NAME]
    for topic, message in own:
        times = [sample["measured_at"] for sample in message.get("samples", ())]
        while farm.now < max([message.get("at", 0), *times]):
            farm.tick(60)
        farm.service.handle(topic, json.dumps(message).encode())
    farm.tick(10)
    opening = farm.commands()[-1]
    assert (opening["action"], opening["device_id"], opening["zone_id"]) == ("open", "irrigation-gateway-2", "plot-1a")
    assert farm.store.updates.counters().get("refusals", 0) == 0
    [row] = farm.store.updates.gateways()
    assert (row["gateway_id"], row["status"]["wakes_at"] > farm.now) == (NAME, True)
    assert [row.alarm.place for row in farm.store.alarms.open() if row.alarm.place == NAME] == []
