"""`python -m gateway_sim member JOB`: one simulated gateway as a process of its own, on the field time of others.

What a job holds, and what is asked over the field clock's socket, is in docs/field.md: any other program may be a
gateway of a scenario in the same way.
"""

import argparse
import asyncio
import heapq
import itertools
import json
import math
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway_sim.errors import SimError, StateError
from gateway_sim.farm import HARD_CAP_S, Crop, Farm, FarmGateway, Soil, Zone
from gateway_sim.faults import Fault, Faults
from gateway_sim.fleet import Fleet
from gateway_sim.scenario import Scenario
from gateway_sim.weather import Weather

RESTLESS_AFTER_S = 40  # real seconds in which we may come to rest; the field clock gives up after 60
SETTLING_TURNS = 12  # turns of the event loop after which a chain of woken tasks has come to rest
NOT_A_ZONES = ("hard_cap_s", "litres_per_minute")  # of a row of zones: for a board, which has no soil to simulate

Document = dict[str, Any]


def season(scenario: Scenario, gateway: FarmGateway) -> Document:
    """The part of a gateway's job that does not change: what it is, its zones, weather and faults."""
    zones = [
        asdict(zone) | {"hard_cap_s": HARD_CAP_S, "litres_per_minute": zone.litres_per_minute} for zone in gateway.zones
    ]
    weather = [
        {"at": scenario.weather.start + 3600 * number, **hour} for number, hour in enumerate(scenario.weather.hours)
    ]
    struck = {gateway.gateway_id, *gateway.sensor_ids, *(zone.zone_id for zone in gateway.zones)}
    faults = [row for row in fault_rows(scenario.faults) if struck & set(row["targets"])]
    about = {"gateway_id": gateway.gateway_id, "farm": scenario.farm.name, "seed": scenario.farm.seed}
    return {**about, "zones": zones, "weather": weather, "faults": faults}


def fault_rows(faults: Faults) -> list[Document]:
    """Every fault as a document: times in Unix s, an `end` of None for one that stays."""
    return [
        {"name": fault.name, **asdict(fault), "end": None if fault.end == math.inf else fault.end}
        for fault in faults.all
    ]


def main(words: list[str]) -> int:
    """Be the gateway of a job until the field clock says stop; 0, or 2 after one line about what to mend."""
    parser = argparse.ArgumentParser(prog="python -m gateway_sim member", description=__doc__)
    parser.add_argument("job", type=Path, metavar="JOB", help="JSON, as docs/field.md describes it")
    path = parser.parse_args(words).job
    try:
        asyncio.run(_perform(read_job(path)))
    except (SimError, OSError) as error:
        sys.stderr.write(f"gateway_sim member: {error}\n")
        return 2
    return 0


def read_job(path: Path) -> Document:
    """A job, as docs/field.md describes it. Raises StateError."""
    try:
        job: Document = json.loads(path.read_text())
        gateway_of(job), faults_of(job)
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(f"{path}: no job of a gateway ({error!r}); docs/field.md says what one holds") from error
    return job


async def _perform(job: Document) -> None:
    time = FieldTime(job["now_ms"])
    record = Record(Path(job["record"]))
    farm = Farm(job["farm"], job["seed"], (gateway_of(job),))
    certs, state, address = Path(job["certs"]).parent, Path(job["state"]).parent, (job["host"], job["port"])
    settings = {"server_hostname": job["server_hostname"], "sample_interval_s": job["sample_interval_s"]}
    fleet = Fleet(farm, weather_of(job), certs, *address, time, record, settings, state, record.has, faults_of(job))
    await fleet.start()
    try:
        await until_let_go(_answer(job, time, fleet))
    finally:
        await fleet.stop(patience_s=0)


async def until_let_go(answering: Coroutine[Any, Any, None]) -> None:
    """Answer the field clock until it says stop, or until whoever started this process is gone."""
    ends = [asyncio.create_task(answering), asyncio.create_task(input_closed())]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if ends[0].done():
            ends[0].result()
    finally:
        for task in ends:
            task.cancel()


def gateway_of(job: Document) -> FarmGateway:
    """The gateway of a job, with its zones."""
    return FarmGateway(job["gateway_id"], tuple(_zone(row) for row in job["zones"]))


def _zone(row: Document) -> Zone:
    kinds = {"soil": Soil(**row["soil"]), "crop": Crop(**row["crop"]), "probe_depths_m": tuple(row["probe_depths_m"])}
    return Zone(**{name: value for name, value in row.items() if name not in NOT_A_ZONES} | kinds)


def weather_of(job: Document) -> Weather:
    """The weather of a job's season."""
    hours = [{name: value for name, value in hour.items() if name != "at"} for hour in job["weather"]]
    return Weather(job["weather"][0]["at"], hours)


def faults_of(job: Document) -> Faults:
    """What strikes the gateway of a job."""

    def fault(row: Document) -> Fault:
        end = math.inf if row["end"] is None else row["end"]
        return Fault(row["kind"], tuple(row["targets"]), row["begin"], end, row["amount"], row["quantity"])

    return Faults([fault(row) for row in job["faults"]], job["seed"])


class Record:
    """Appends each event to a file, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, event: Document) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(event) + "\n")

    def has(self, event: Document) -> bool:
        """True if this very event is there, also from a process before this one."""
        return self._path.exists() and json.dumps(event) + "\n" in self._path.read_text()


class FieldTime:
    """The gateway's clock, moved by the field clock; see `gateway.interfaces.Clock`. Starts in Unix ms."""

    def __init__(self, start_ms: int) -> None:
        self.ms = start_ms
        self._start_ms = start_ms
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> int:
        return self.ms // 1000

    def now_ms(self) -> int:
        return self.ms

    def ticks_ms(self) -> int:
        return self.ms - self._start_ms

    def trusted(self) -> bool:
        return True

    async def sleep_ms(self, ms: int) -> None:
        if ms <= 0:
            await asyncio.sleep(0)
            return
        sleeper = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.ms + ms, next(self._order), sleeper))
        await sleeper

    def due_ms(self) -> int | None:
        """When the next sleeper wakes, in Unix ms; None if nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def wake(self) -> None:
        """Wake whose time has come."""
        while (due := self.due_ms()) is not None and due <= self.ms:
            heapq.heappop(self._sleepers)[2].set_result(None)


async def _answer(job: Document, time: FieldTime, fleet: Fleet) -> None:
    """Join field time, and answer its questions until it says stop or is gone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", job["clock_port"])
    try:
        writer.write(json.dumps({"name": job["gateway_id"], "facts": {}}).encode() + b"\n")
        while line := await reader.readline():
            question = json.loads(line)
            answer = await ANSWERS[question["do"]](question, time, fleet)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
            if question["do"] == "stop":
                return
    finally:
        writer.close()


async def _settle(_question: Document, time: FieldTime, fleet: Fleet) -> Document:
    patience = asyncio.get_running_loop().time() + RESTLESS_AFTER_S
    while asyncio.get_running_loop().time() < patience:
        for _ in range(SETTLING_TURNS):
            await asyncio.sleep(0)
        if fleet.idle():
            return {"activity": 0, "due_ms": time.due_ms(), "news": ""}
        await asyncio.sleep(0.001)
    return {"restless": "it is offline, or waits for acknowledgements"}


async def _set(question: Document, time: FieldTime, _fleet: Fleet) -> Document:
    time.ms = question["ms"]
    return {}


async def _run(_question: Document, time: FieldTime, _fleet: Fleet) -> Document:
    time.wake()
    return {}


async def _stop(_question: Document, _time: FieldTime, fleet: Fleet) -> Document:
    await fleet.mend()
    await fleet.stop()
    return fleet.last_words()


ANSWERS: dict[str, Callable[[Document, FieldTime, Fleet], Awaitable[Document]]] = {
    "settle": _settle,
    "time": _set,
    "run": _run,
    "stop": _stop,
}


async def input_closed() -> None:
    """Return when standard input ends: who started us is gone."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        await reader.read()
    finally:
        transport.close()
