"""`python -m tests.vm.bench.member JOB`: a board in MicroPython's VM, with the shipped firmware, as a farm's gateway.

What a job holds, and what is asked over the field clock's socket, is in docs/field.md.
"""

import argparse
import asyncio
import fcntl
import json
import math
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from field_time.participant import until_let_go
from gateway.outbox import Outbox
from gateway.store import MemoryStore
from gateway_sim.errors import SimError, StateError
from gateway_sim.faults import Faults
from gateway_sim.member import faults_of, read_job
from tests.vm.bench.board import BenchError, Event, VmBoard, running
from tests.vm.bench.field import MODULES, SMALL_BOARD, WORLD, flash
from tests.vm.bench.ground import LOOK_EVERY_S, Ground
from tests.vm.bench.wiring import RAIN_PIN, pins_for, valve_pins

RESTLESS_AFTER_S = 40.0  # real seconds in which the board may come to rest; the field clock gives up after 60
GONE_WITHIN_S = 60  # real seconds for the bench of a killed process to end
# Sleeps of the firmware that end without anything to do. Any other is a date, at which all of the field stops.
POLLS_MS = (1000, 2000, 5000, 10_000, 30_000)
AT_ONCE_MS = 5  # what the VM wants so soon may be the rest of a date, its ticks being whole milliseconds
CONNECTING_MS = 1000  # on its way to the broker whatever the VM wants so soon counts
TIP_S = 0.5
BEFORE_MS = 0.001  # the last moment before another one
HANDED_OVER_WITHIN_S = 120  # of device time, once the last reading was due
DRIVERS = [f"drivers.{name}" for name in ("counter", "ds18b20", "sht3x")]
# As SMALL_BOARD. 73 KB of it live, and a boot with a full outbox, which this VM takes for one event, makes up to 150 KB
# of garbage: with 240 KB it still came up. What may wait to be collected has room of its own: a day of its life takes
# a sixth less with 64 KB of it than with 8.
WAITS_BYTES = 64 * 1024
CAPPED = {
    **SMALL_BOARD,
    "heap_bytes": 256 * 1024 + WAITS_BYTES,
    "collect_after": WAITS_BYTES,
    "preload": [*DRIVERS, *MODULES],
}

Document = dict[str, Any]


class Member:
    """The board of a job on field time: its device time follows, its pins move water, its probes are in that soil."""

    def __init__(self, job: Document, vm: VmBoard, ground: Ground, pins: Document) -> None:
        self._job, self._vm, self._ground = job, vm, ground
        self._faults: Faults = faults_of(job)
        self._valve_pins = set(valve_pins(pins))
        self._sensors = {f"{job['gateway_id']}.{row['sensor']}" for row in pins["sensors"]}
        self._origin_ms: int = job["now_ms"]
        self._due_ms = self._origin_ms  # what the field clock says
        self._looked_ms = self._origin_ms
        self._online = False
        dark_s = self._faults.powerless_s(job["gateway_id"], self._origin_ms / 1000)
        self._on_again_ms: float = self._origin_ms + 1000 * dark_s
        self._counts = {"messages_published": 0, "messages_acked": 0}
        self._handed_over: dict[str, int] = {}  # when the newest sample of each sensor was measured that was published

    async def settle(self, _question: Document) -> Document:
        """Come to rest at this moment of field time."""
        try:
            await self._go(self._due_ms)
            await self._ask(self._vm.settle(RESTLESS_AFTER_S))
        except BenchError as error:
            return {"restless": str(error)}
        return {"activity": 0, "due_ms": self._next_due_ms(), "news": ""}

    async def time(self, question: Document) -> Document:
        """Field time moves on: live up to it, so that what arrives now is not met in the past."""
        due_ms, self._due_ms = self._next_due_ms(), question["ms"]
        is_due = due_ms is not None and due_ms <= self._due_ms
        await self._go(self._due_ms - BEFORE_MS if is_due else self._due_ms)
        return {}

    async def run(self, _question: Document) -> Document:
        """Do what is due."""
        await self._go(self._due_ms)
        return {}

    async def stop(self, _question: Document) -> Document:
        """Whatever is broken is mended; shut the valves, hand over what was measured, and cut the power."""
        self._faults = Faults()
        await self._look(self._looked_ms)
        if self._ground.open:
            await self._cut_power(0)
        await self._hand_over()
        await self._cut_power(math.inf)
        self._ground.advance(self._job["end"] * 1000)
        return {**await self._samples(), **self._counts, **self._ground.last_words()}

    # Time and power.

    @property
    def _ms(self) -> float:
        """Unix ms on the board."""
        return self._origin_ms + self._vm.ms

    async def _go(self, until_ms: float) -> None:
        """Let device time pass up to a moment; stop on the way wherever the world changes."""
        while True:
            if not self._vm.on and self._ms >= self._on_again_ms:
                await self._look(self._looked_ms)
                await self._ask(self._vm.power_on())
            if self._ms >= until_ms:
                return
            stop_ms = min(until_ms, self._next_change_ms())
            await self._ask(self._vm.towards(stop_ms - self._origin_ms, RESTLESS_AFTER_S))
            if self._ms >= self._next_change_ms():
                await self._change()

    def _next_change_ms(self) -> float:
        """When the world around the board changes by itself, or its power comes back."""
        step_ms = LOOK_EVERY_S * 1000
        grid_ms = self._origin_ms + (self._looked_ms - self._origin_ms) // step_ms * step_ms + step_ms
        fault_ms = self._faults.next_change(self._looked_ms / 1000) * 1000
        return min(grid_ms, fault_ms, math.inf if self._vm.on else self._on_again_ms)

    async def _change(self) -> None:
        now_ms = round(self._ms)
        tips = self._ground.tips(self._looked_ms, now_ms)
        reboots = self._faults.reboots(self._job["gateway_id"])
        cuts = [off_s for at, off_s in reboots if self._looked_ms < at * 1000 <= now_ms]
        self._looked_ms = now_ms
        await self._look(now_ms)
        if tips and self._vm.on:
            await self._vm.pulse(RAIN_PIN, tips, TIP_S)
        for off_s in cuts:
            await self._cut_power(off_s)

    async def _look(self, now_ms: int) -> None:
        """Give the board the world as it is now."""
        name, now = self._job["gateway_id"], now_ms / 1000
        offline, off_s = self._faults.offline(name, now), self._faults.clock_offset_s(name, now)
        around = {"wifi": not offline, "time_server_off_s": off_s, "flows": self._flows()}
        await self._vm.world(**self._ground.wires(now_ms), **around)

    def _flows(self) -> Document:
        return self._ground.meters(round(self._ms), self._origin_ms)

    async def _cut_power(self, off_s: float) -> None:
        """Power goes now, and comes back so much later."""
        self._ground.goes_dark(round(self._ms))
        self._on_again_ms = self._ms + off_s * 1000
        await self._ask(self._vm.power_off())
        await self._go(self._ms)

    def _next_due_ms(self) -> int | None:
        """When the board has something to do next, or something is done to it."""
        vm, offline = self._vm, self._faults.offline(self._job["gateway_id"], self._looked_ms / 1000)
        soon_ms = AT_ONCE_MS if self._online or offline else CONNECTING_MS
        dates = [vm.date_ms] if vm.date_ms is not None else []
        if vm.due_ms is not None and vm.due_ms - vm.ms <= soon_ms:
            dates.append(vm.due_ms)
        due = [self._origin_ms + date for date in dates] if vm.on else [self._on_again_ms]
        due.append(self._faults.next_change(self._looked_ms / 1000) * 1000)
        return None if min(due) == math.inf else max(math.ceil(min(due)), self._due_ms)

    # What the board did.

    async def _ask(self, request: Awaitable[None]) -> None:
        """Have the board do something, and the field bear what it did."""
        await request
        while self._vm.events:
            events = self._vm.events[:]
            self._vm.events.clear()
            opened = [is_open for event in events for is_open in self._bear(event)]
            if opened:
                await self._vm.world(flows=self._flows())
            off_s = self._faults.brown_out_s(self._job["gateway_id"], self._ms / 1000)
            if any(opened) and off_s is not None:
                await self._cut_power(off_s)

    def _bear(self, event: Event) -> list[bool]:
        """What an event does to zones, True for each that it opened."""
        at_ms = round(self._origin_ms + event.ms)
        if event.kind == "pin" and event.what[0] in self._valve_pins:
            self._printed("{} pin {} is {}".format(at_ms, *event.what))
            return self._ground.pin(at_ms, *event.what)
        if event.kind in _SAID:
            _SAID[event.kind](self, *event.what)
        return self._ground.dark(at_ms) if event.kind == "end" else []

    def _published(self, topic: str, payload: str) -> None:
        self._counts["messages_published"] += 1
        if topic.endswith("/data"):
            reading = json.loads(payload)
            newest = max(sample["measured_at"] for sample in reading["samples"])
            self._handed_over[reading["sensor_id"]] = max(newest, self._handed_over.get(reading["sensor_id"], 0))

    def _acknowledged(self, _packet_id: int) -> None:
        self._counts["messages_acked"] += 1

    def _subscribed(self) -> None:
        self._online = True

    def _disconnected(self, *_why: object) -> None:
        self._online = False

    def _printed(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    # The end.

    async def _hand_over(self) -> None:
        """Device time goes on, though the field's does not, until the last reading is at the broker."""
        last = self._job["end"] // self._job["sample_interval_s"] * self._job["sample_interval_s"]
        limit_ms = self._ms + (self._job["publish_interval_s"] + HANDED_OVER_WITHIN_S) * 1000
        while any(self._handed_over.get(sensor_id, 0) < last for sensor_id in self._sensors):
            if self._ms > limit_ms:
                late = sorted(name for name in self._sensors if self._handed_over.get(name, 0) < last)
                raise StateError(f"{late[0]}: its last reading was not published; see what the board says in its log")
            await self._go(self._ms + 1000)
        await self._ask(self._vm.settle(RESTLESS_AFTER_S))

    async def _samples(self) -> Document:
        """Counted by the board itself, on its flash."""
        store = MemoryStore()
        for path, data in (await self._vm.read_files()).items():
            if path.startswith("/store/"):
                store.save(path.removeprefix("/store/"), data)
        outbox = Outbox(10_000, store)
        return {"samples_taken": outbox.samples_taken, "samples_dropped": outbox.dropped_samples}


_SAID: dict[str, Callable[..., None]] = {
    "out": Member._published,
    "acked": Member._acknowledged,
    "log": Member._printed,
    "online": Member._subscribed,
    **dict.fromkeys(("boot", "end", "lost", "closed"), Member._disconnected),
}
ANSWERS: dict[str, Callable[[Member, Document], Awaitable[Document]]] = {
    "settle": Member.settle,
    "time": Member.time,
    "run": Member.run,
    "stop": Member.stop,
}


def main(words: list[str] | None = None) -> int:
    """Be the board of a job until the field clock says stop; 0, or 2 after one line about what to mend."""
    parser = argparse.ArgumentParser(prog="python -m tests.vm.bench.member", description=__doc__)
    parser.add_argument("job", type=Path, metavar="JOB", help="JSON, as docs/field.md describes it")
    try:
        asyncio.run(_perform(read_job(parser.parse_args(words).job)))
    except (BenchError, SimError, OSError) as error:
        sys.stderr.write(f"bench member: {error}\n")
        return 2
    return 0


async def _perform(job: Document) -> None:
    async with _plugged_in(job) as member:
        await until_let_go(_answer(job, member))


@asynccontextmanager
async def _plugged_in(job: Document) -> AsyncIterator[Member]:
    """The board with its flash as it was left, about to get its power."""
    state = Path(job["state"])
    with (state / "lock").open("w") as lock:
        _hold(lock.fileno(), state)
        pins = pins_for(job["zones"])
        ground = Ground(job, pins)
        async with running(lock.fileno()) as bench:
            part = {"keep": str(state), "watch": valve_pins(pins), "polls_ms": POLLS_MS}
            options = {**CAPPED, "optimized": True, "unix_s": job["now_ms"] / 1000, "part": part}
            world = {**WORLD, "certificate_time": "real"}  # certificates are of today, field time is of any year
            vm = await bench.board(job["gateway_id"], {**_flash(job, pins), **_kept(state)}, world, **options)
            yield Member(job, vm, ground, pins)


def _hold(lock: int, state: Path) -> None:
    """Wait until nobody else has this board: a bench outlives the process that was killed for a moment."""
    limit = time.monotonic() + GONE_WITHIN_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > limit:
                raise StateError(f"{state}: another process is this board; end it, or give another folder") from None
            time.sleep(0.05)


def _flash(job: Document, pins: Document) -> dict[str, bytes]:
    zones = [{name: zone[name] for name in ("zone_id", "hard_cap_s", "litres_per_minute")} for zone in job["zones"]]
    intervals = {name: job[name] for name in ("sample_interval_s", "publish_interval_s")}
    broker = {"host": job["host"], "server_hostname": job["server_hostname"]}
    entries = {"gateway_id": job["gateway_id"], "zones": zones, "broker": broker, "keepalive_s": 1200, **intervals}
    return flash(Path(job["certs"]), job["port"], pins, **entries)


def _kept(state: Path) -> dict[str, bytes]:
    """What the firmware wrote in the lives before."""
    folder = state / "flash"
    return {f"/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def _answer(job: Document, member: Member) -> None:
    """Join field time, and answer its questions until it says stop or is gone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", job["clock_port"])
    try:
        writer.write(json.dumps({"name": job["gateway_id"], "facts": {}}).encode() + b"\n")
        while line := await reader.readline():
            question = json.loads(line)
            answer = await ANSWERS[question["do"]](member, question)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
            if question["do"] == "stop":
                return
    finally:
        writer.close()


if __name__ == "__main__":
    sys.exit(main())
