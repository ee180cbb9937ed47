"""A gateway as a process of its own: its job says all that it needs, and it keeps time over the field clock's lines."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from field_time.clock import FieldClock
from gateway.mqtt import Client
from gateway_sim import member
from gateway_sim import scenario as scenarios
from protocol import messages, topics
from tests.gateway.conftest import Broker, Pki
from tests.waiting import LAST_RESORT_S, eventually

HARD = scenarios.load("hard-season")
GATEWAY = HARD.farm.gateways[4]  # it has a wrong clock, a reboot and a lost network
START = HARD.weather.start
HOUR_S = 3600


def job(folder: Path, pki: Pki, port: int, clock_port: int, now_ms: int = START * 1000) -> Path:
    """The job of one gateway of the hard season, as a demonstration would write it."""
    document = {
        **member.season(HARD, GATEWAY),
        "host": "127.0.0.1",
        "port": port,
        "server_hostname": "localhost",
        "certs": str(pki.issue(GATEWAY.gateway_id)),
        "clock_port": clock_port,
        "now_ms": now_ms,
        "start": START,
        "end": START + 86400,
        "state": str(folder / GATEWAY.gateway_id),
        "record": str(folder / "events.jsonl"),
        "sample_interval_s": 900,
        "publish_interval_s": 3600,
    }
    path = folder / "job.json"
    path.write_text(json.dumps(document))
    return path


def test_a_job_says_all_of_a_gateway() -> None:
    """Zones, weather and faults that were written come back as they were; other gateways' faults are left out."""
    written = json.loads(json.dumps(member.season(HARD, GATEWAY)))
    assert member.gateway_of(written).zones == GATEWAY.zones
    assert member.weather_of(written).hours == HARD.weather.hours
    assert member.weather_of(written).start == START
    own = [fault for fault in HARD.faults.all if GATEWAY.gateway_id in fault.targets]
    assert list(member.faults_of(written).all) == own
    assert {fault.kind for fault in own} == {"wrong_clock", "reboot", "wifi_loss"}
    assert all(row["hard_cap_s"] and row["litres_per_minute"] for row in written["zones"])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"zones": [{"zone_id": "a"}]}'])
def test_a_job_that_is_none_is_told_in_one_line(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is named, and where to read what a job holds."""
    path = tmp_path / "job.json"
    path.write_text(text)
    assert member.main([str(path)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert str(path) in line
    assert "docs/field.md" in line


class Farm:
    """A field clock, a broker, compute's place at it, and the process."""

    def __init__(self, folder: Path, broker: Broker, pki: Pki) -> None:
        self.folder, self.broker, self.pki = folder, broker, pki
        self.clock = FieldClock(START, (GATEWAY.gateway_id,))
        self.readings: list[dict[str, Any]] = []
        self.acks: list[dict[str, Any]] = []
        self.compute = Client(
            "compute",
            ("localhost", broker.port, "localhost"),
            pki.context("irrigation-compute"),
            subscriptions=topics.from_gateways(),
            on_message=self._hear,
        )
        self.clock_port = 0
        self.process: asyncio.subprocess.Process | None = None

    def _hear(self, topic: str, payload: bytes) -> None:
        kind, message = messages.decode(topic, payload)
        {"reading": self.readings, "ack": self.acks}.get(kind, []).append(dict(message))

    async def start(self) -> None:
        path = job(self.folder, self.pki, self.broker.port, self.clock_port, self.clock.now_ms)
        command = (sys.executable, "-m", "gateway_sim", "member", str(path))
        self.process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
        await self.clock.joined(GATEWAY.gateway_id)

    async def kill(self) -> None:
        assert self.process
        self.clock.expect_again(GATEWAY.gateway_id)
        self.process.kill()
        await self.process.wait()
        await self.start()

    async def until(self, seconds: float) -> None:
        await self.clock.run_until(START + int(seconds), lambda _now, _news: None)

    @property
    def samples(self) -> list[tuple[str, str, int]]:
        return [(r["sensor_id"], r["boot_id"], sample["seq"]) for r in self.readings for sample in r["samples"]]


@asynccontextmanager
async def farm(folder: Path, broker: Broker, pki: Pki) -> AsyncIterator[Farm]:
    world = Farm(folder, broker, pki)
    world.clock_port = await world.clock.serve()
    listening = asyncio.create_task(world.compute.run())
    await eventually(lambda: world.compute.online)
    try:
        await world.start()
        yield world
    finally:
        await world.clock.close()
        if world.process and world.process.returncode is None:
            assert world.process.stdin
            world.process.stdin.close()
            await asyncio.wait_for(world.process.wait(), LAST_RESORT_S)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_it_keeps_time_obeys_and_brings_home(tmp_path: Path, broker: Broker, pki: Pki) -> None:
    """It samples when field time says so, opens its valve for as long as it is told, and its last words say it all."""
    zone = GATEWAY.zones[0]
    async with farm(tmp_path, broker, pki) as world:
        await world.until(2 * HOUR_S)
        now = START + 2 * HOUR_S
        command = {"command_id": "c1", "device_id": GATEWAY.gateway_id, "zone_id": zone.zone_id, "action": "open"}
        times = {"duration_s": 600, "issued_at": now, "expires_at": now + 300, "epoch": 1}
        await world.compute.publish(
            topics.command(GATEWAY.gateway_id), messages.encode("command", {**command, **times})
        )
        await eventually(lambda: bool(world.acks))
        await world.until(4 * HOUR_S)
        words = await world.clock.stop(GATEWAY.gateway_id)
        assert world.process
        assert await asyncio.wait_for(world.process.wait(), LAST_RESORT_S) == 0
        await eventually(lambda: len(set(world.samples)) == words["samples_taken"])
    assert words["samples_taken"] == 3 * 16
    assert (words["samples_dropped"], words["zones_below_wilting_point"]) == (0, [])
    assert words["litres"][zone.zone_id] == pytest.approx(10 * zone.litres_per_minute)
    assert words["balance"][zone.zone_id]["irrigation_mm"] == pytest.approx(zone.application_rate_mm_h / 6)
    edges = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [(edge["open"], edge["at_ms"] - now * 1000) for edge in edges] == [(True, 0), (False, 600_000)]
    assert [ack["state"] for ack in world.acks] == ["started", "done"]


async def test_it_goes_on_after_a_kill(tmp_path: Path, broker: Broker, pki: Pki) -> None:
    """What it had recorded before arrives, and what it takes afterwards has other identities."""
    async with farm(tmp_path, broker, pki) as world:
        await world.until(1.6 * HOUR_S)
        await world.kill()
        await world.until(3 * HOUR_S)
        words = await world.clock.stop(GATEWAY.gateway_id)
        await eventually(lambda: len(set(world.samples)) == words["samples_taken"])
    assert words["samples_taken"] == 3 * 12
    assert len({boot for _, boot, _ in world.samples}) == 2


async def test_it_ends_when_who_started_it_is_gone(tmp_path: Path, broker: Broker, pki: Pki) -> None:
    """Its standard input ends, and so does it, in good order."""
    async with farm(tmp_path, broker, pki) as world:
        assert world.process
        assert world.process.stdin
        world.process.stdin.close()
        assert await asyncio.wait_for(world.process.wait(), LAST_RESORT_S) == 0


def test_without_an_identity_it_says_so(tmp_path: Path, pki: Pki) -> None:
    """One line on standard error, and 2."""
    path = job(tmp_path, pki, 1, 1)
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"certs": str(tmp_path / GATEWAY.gateway_id)}))
    command = [sys.executable, "-m", "gateway_sim", "member", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.PIPE)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "no usable identity" in line
