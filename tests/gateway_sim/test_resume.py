"""A fleet that is killed and started again: the soil has not noticed, no sample is lost, and no edge is missing."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demo.audit import open_spans
from gateway.mqtt import Client
from gateway.store import FileStore, MemoryStore
from gateway_sim import farm as farms
from gateway_sim import weather as weathers
from gateway_sim.__main__ import main
from gateway_sim.board import SimBoard
from gateway_sim.errors import StateError
from gateway_sim.faults import parse
from gateway_sim.fleet import Fleet
from protocol import messages, topics
from tests.gateway.conftest import Broker, Pki, StepClock
from tests.waiting import LAST_RESORT_S, eventually

WEATHER = weathers.load(days=10)
WET = replace(WEATHER, hours=[{**hour, "rain_mm": 0.7 * (n % 3)} for n, hour in enumerate(WEATHER.hours)])
FARM = farms.build(2, seed=1)
GATEWAY = FARM.gateways[0]
HOUR_S = 3600
Event = dict[str, Any]


class Clock(StepClock):
    """Goes where a test says, at once."""

    def go(self, seconds: float) -> None:
        self._ms = int((WEATHER.start + seconds) * 1000)

    def now_ms(self) -> int:
        return self._ms


def board_at(seconds: float, folder: Path, events: list[Event], **options: Any) -> tuple[SimBoard, Clock]:
    """The board of the first gateway, started at a time on what a folder holds."""
    clock = Clock(WEATHER.start)
    clock.go(seconds)
    clock._origin_ms = clock._ms
    store = FileStore(str(folder), sync=False)
    return SimBoard(GATEWAY, WET, clock, events.append, FARM.seed, store, **options), clock


EDGES = {
    7_000.25: ("plot-1a", True),
    8_777.75: ("plot-1a", False),
    30_000: ("plot-1b", True),
    30_300: ("plot-1a", True),
    33_000.5: ("plot-1b", False),
    40_001: ("plot-1a", False),
}


@pytest.mark.parametrize("restarts", [[], [9_001], [8_777.75], [100, 10_000, 29_999.999, 45_001, 45_001.5]], ids=str)
def test_the_soil_does_not_notice_a_restart(tmp_path: Path, restarts: list[float]) -> None:
    """Every reading and, to the last bit, soil, meters and rain are those of a board that was never stopped."""

    def season(folder: Path, stops: list[float]) -> tuple[Any, ...]:
        folder.mkdir()
        events: list[Event] = []
        board, clock = board_at(0, folder, events)
        reads: list[Any] = []
        sampled = None
        for at in sorted([*range(900, 60_000, 900), *EDGES, *stops]):
            clock.go(at)
            if at in EDGES:
                board.set_valve(*EDGES[at])
            elif at in stops:
                board, clock = board_at(at, folder, events)
                board.rain_counted(sampled)
            else:
                reads.append(board.read())
                sampled = clock.now()
        board.advance(clock.now())
        return reads, board.truth(), events

    whole = season(tmp_path / "whole", [])
    assert season(tmp_path / "killed", restarts) == whole
    assert sum(row[2]["rain_mm"] for read in whole[0] for row in read if row[0] == "weather") > 0


def test_a_valve_that_stood_open_closes_at_the_restart(tmp_path: Path) -> None:
    """The water ran on while nobody watched; the closing edge has the time at which the supervisor closed it."""
    events: list[Event] = []
    board, clock = board_at(0, tmp_path, events)
    clock.go(1_000.125)
    board.set_valve("plot-1b", True)
    board, _ = board_at(1_600.375, tmp_path, events)
    for zone_id in board.fields:
        board.set_valve(zone_id, False)
    assert [(event["zone_id"], event["open"], event["at_ms"] - WEATHER.start * 1000) for event in events] == [
        ("plot-1b", True, 1_000_125),
        ("plot-1b", False, 1_600_375),
    ]
    litres = board.truth()["plot-1b"]["litres"]
    assert litres == pytest.approx(GATEWAY.zones[1].litres_per_minute * 600.25 / 60)
    board, _ = board_at(2_000, tmp_path, events)
    assert (len(events), board.truth()["plot-1b"]["litres"]) == (2, litres)


@pytest.mark.parametrize(("seconds", "shut"), [(1_200, True), (5_000, False)])
def test_a_board_that_starts_without_power_has_its_valves_shut(tmp_path: Path, seconds: float, shut: bool) -> None:
    """Killed before the power cut and started within it, nothing waits for a boot to close; later the boot does."""
    events: list[Event] = []
    board, clock = board_at(0, tmp_path, events)
    clock.go(1_000)
    board.set_valve("plot-1a", True)
    row = {"kind": "reboot", "target": GATEWAY.gateway_id, "from": "1100s", "amount": 600}
    faults = parse([row], {"gateway": [GATEWAY.gateway_id]}, WEATHER.start)
    board_at(seconds, tmp_path, events, faults=faults)
    assert [event["open"] for event in events] == [True, False][: 1 + shut]


class KilledError(Exception):
    """The end of a process, at a chosen place."""


@pytest.mark.parametrize("after_the_event", [False, True])
def test_a_kill_around_the_event_of_an_edge(tmp_path: Path, after_the_event: bool) -> None:
    """Whether the process dies right before or right after the event is on record, it is there once in the end."""
    events: list[Event] = []

    def record(event: Event) -> None:
        if after_the_event:
            events.append(event)
        raise KilledError

    clock = Clock(WEATHER.start)
    board = SimBoard(GATEWAY, WET, clock, record, FARM.seed, FileStore(str(tmp_path)))
    clock.go(500)
    with pytest.raises(KilledError):
        board.set_valve("plot-1a", True)
    for _ in range(2):
        board, _ = board_at(600, tmp_path, events, recorded=events.__contains__)
    assert [(event["open"], event["at_ms"] - WEATHER.start * 1000) for event in events] == [(True, 500_000)]
    board.set_valve("plot-1a", False)
    assert len(open_spans(events)) == 1


def test_state_of_another_run_is_refused(tmp_path: Path) -> None:
    """Another seed, another weather, an earlier time: one sentence that names the gateway and the remedy."""
    board, clock = board_at(1000, tmp_path, [])
    board.set_valve("plot-1a", True)
    store = FileStore(str(tmp_path))
    later = weathers.Weather(WEATHER.start + HOUR_S, WEATHER.hours)
    clock.go(2000)
    for seed, weather in ((2, WET), (1, later)):
        with pytest.raises(StateError, match=r"irrigation-gateway-1: its state is of .*another folder"):
            SimBoard(GATEWAY, weather, clock, print, seed, store)
    with pytest.raises(StateError, match="another folder"):
        board_at(999, tmp_path, [])


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    """A board in memory starts afresh, with the same readings."""
    reads = []
    for _ in range(2):
        clock = Clock(WEATHER.start)
        board = SimBoard(GATEWAY, WEATHER, clock, print, FARM.seed, MemoryStore())
        clock.go(900)
        reads.append(board.read())
    assert reads[0] == reads[1]


class Observer:
    """Compute's place at the broker: every sample and every ack that ever arrived."""

    def __init__(self, broker: Broker, pki: Pki) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.client = Client(
            "irrigation-compute",
            ("localhost", broker.port, "localhost"),
            pki.context("irrigation-compute"),
            subscriptions=topics.from_gateways(),
            on_message=lambda topic, payload: self.heard.append(messages.decode(topic, payload)),
        )

    def samples(self) -> dict[tuple[str, str, int], dict[str, Any]]:
        return {
            (reading["sensor_id"], reading["boot_id"], sample["seq"]): sample
            for kind, reading in self.heard
            if kind == "reading"
            for sample in reading["samples"]
        }

    async def hears(self, life: int) -> None:
        """Wait for a sample that this life took: those of the one before may arrive after its end."""
        await eventually(
            lambda: len({boot.rpartition("-")[0] for _, boot, _ in self.samples()}) == life, f"life {life}"
        )

    def acks(self) -> list[dict[str, Any]]:
        return [message for kind, message in self.heard if kind == "ack"]

    async def open(self, zone_id: str, epoch: int, at: int, seconds: int = 1800) -> None:
        command = {
            "command_id": f"{zone_id}-{epoch}",
            "device_id": GATEWAY.gateway_id,
            "zone_id": zone_id,
            "action": "open",
            "duration_s": seconds,
            "issued_at": at,
            "expires_at": at + 3600,
            "epoch": epoch,
        }
        await self.client.publish(topics.command(GATEWAY.gateway_id), messages.encode("command", command))


@contextlib.asynccontextmanager
async def observing(broker: Broker, pki: Pki) -> AsyncIterator[Observer]:
    observer = Observer(broker, pki)
    listening = asyncio.create_task(observer.client.run())
    await eventually(lambda: observer.client.online)
    try:
        yield observer
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_a_fleet_goes_on_where_it_was(broker: Broker, pki: Pki, tmp_path: Path) -> None:
    """Stopped and started again twice, it has measured, watered and counted what an uninterrupted fleet has."""

    async def season(stops: tuple[int, ...], state: Path) -> tuple[Any, ...]:
        clock = StepClock(WEATHER.start)
        async with observing(broker, pki) as observer:
            for hour in range(6):
                if hour in (0, *stops):
                    fleet = Fleet(
                        FARM, WEATHER, pki.folder, "localhost", broker.port, clock, lambda _event: None, None, state
                    )
                    await fleet.start()
                    await eventually(fleet.idle)
                if hour == 1:
                    await observer.open("plot-1a", 1, clock.now())
                    await eventually(lambda: len(observer.acks()) == 1)
                await clock.advance(HOUR_S, fleet.idle)
                if hour + 1 in (*stops, 6):
                    await fleet.stop()
            summary = fleet.summary()
            await eventually(lambda: len(observer.samples()) == 2 * 4 * 24)
        measured = {
            (sensor_id, tuple(sorted(sample.items() - {("seq", sample["seq"])})))
            for (sensor_id, _, _), sample in observer.samples().items()
        }
        return measured, summary["zones"], summary["samples_taken"], summary["samples_dropped"]

    for row in FARM.gateways:
        pki.issue(row.gateway_id)
    whole = await season((), tmp_path / "whole")
    assert whole[2:] == (192, 0)
    assert await season((2, 5), tmp_path / "resumed") == whole


class Process:
    """`python -m gateway_sim` on a folder of state, an hour of field time a second; its events go to a file."""

    def __init__(self, broker: Broker, pki: Pki, folder: Path) -> None:
        for row in FARM.gateways:
            pki.issue(row.gateway_id)
        options = {"port": broker.port, "certs": pki.folder, "gateways": 2, "speed": 3600, "state": folder / "state"}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self._command = [sys.executable, "-m", "gateway_sim", *words]
        self._out = folder / "events.jsonl"
        self.started = lambda: int(json.loads((folder / "state" / "clock.json").read_text())["started"])
        self.run()

    def run(self) -> None:
        with self._out.open("a") as out:
            self._process = subprocess.Popen(self._command, stdout=out, stderr=subprocess.PIPE, text=True)

    def events(self) -> list[Event]:
        return [json.loads(line) for line in self._out.read_text().splitlines() if line.startswith('{"at"')]

    def end(self, number: signal.Signals) -> dict[str, Any]:
        """Send a signal; gives the summary that an end in good order prints."""
        self._process.send_signal(number)
        _, err = self._process.communicate(timeout=LAST_RESORT_S)
        assert (self._process.returncode, err) == (-number if number == signal.SIGKILL else 0, "")
        text = self._out.read_text()
        summary: dict[str, Any] = {} if number == signal.SIGKILL else json.loads(text[text.index("{\n") :])
        return summary


async def test_kill_9_loses_nothing(broker: Broker, pki: Pki, tmp_path: Path) -> None:
    """Killed three times, once with a valve open: every sample on record has arrived, and the valve is answered for."""
    async with observing(broker, pki) as observer:
        process = Process(broker, pki, tmp_path)
        for life, seconds in ((1, 0.7), (2, 1.3)):
            await observer.hears(life)
            await asyncio.sleep(seconds)
            process.end(signal.SIGKILL)
            process.run()
        await observer.hears(3)
        latest = max(sample["measured_at"] for sample in observer.samples().values())
        await observer.open("plot-1b", 1, latest)
        await eventually(lambda: [event["open"] for event in process.events()] == [True])
        process.end(signal.SIGKILL)
        process.run()
        await eventually(lambda: [ack["state"] for ack in observer.acks()][-1:] == ["failed"])
        await asyncio.sleep(1)
        summary = process.end(signal.SIGINT)
        await eventually(lambda: len(observer.samples()) >= summary["samples_taken"])
    assert len(observer.samples()) == summary["samples_taken"] > 60
    assert summary["samples_dropped"] == 0
    assert [event["open"] for event in process.events()] == [True, False]
    (span,) = open_spans(process.events())
    assert span.end_ms is not None
    litres = GATEWAY.zones[1].litres_per_minute * (span.end_ms - span.start_ms) / 60000
    assert summary["litres"]["plot-1b"] == pytest.approx(litres)
    assert {ack["command_id"] for ack in observer.acks()} == {"plot-1b-1"}


@pytest.mark.parametrize(
    ("content", "words"),
    [('{"started": 1e9, "speed": 2.0}', "--speed 2.0"), ("rubbish", "not written by this program")],
)
def test_a_folder_of_another_run_ends_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, words: str
) -> None:
    """Return code 2, and the line names the file and the remedy."""
    (tmp_path / "clock.json").write_text(content)
    assert main(["--state", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / "clock.json") in line
    assert words in line
