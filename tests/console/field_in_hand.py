"""A farm of real processes on field time that stands still until a test moves it: whatever the machine's speed is,
nothing happens before its time. Gate and broker, the fleet, the compute service and the console are processes of their
own, as in `make live` and `make console`."""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.ports import Beat, JournalRow
from demo.job import ZONE_FILE, Job
from demo.live.orchestrator import LiveGroup
from demo.participants import FLEET
from demo.preparation import issue_identities, job_of, participants_of, work_folder, write_zones
from demo.supervisor import Supervisor
from field_time.clock import FieldClock
from gateway_sim import scenario as scenarios
from local_cloud.aws import Aws
from tests.waiting import LAST_RESORT_S

ROOT = Path(__file__).parents[2]
SCENARIO = Path(__file__).parent / "farm.yaml"
COMPUTE = "compute"
LOOK_EVERY_S = 0.05  # of the world's seconds between two looks for orders
MOST_S = 4 * LAST_RESORT_S  # of the world's seconds for what a test asks of the field; the last resort
Condition = Callable[[SqliteStore], bool]
T = TypeVar("T")


class HandClock(FieldClock):
    """Field time in somebody's hands, which also goes on without a participant that was killed."""

    def part_with(self, name: str) -> None:
        """This one is gone; whoever joins under its name takes its place."""
        self._present.pop(name).close()

    async def stand(self) -> None:
        """Have done what is due now: orders, and what follows from messages."""
        await self.quiet()
        while await self._release(self.now_ms):
            await self.quiet()

    async def go_on(self, until_ms: int, is_reached: Callable[[], bool]) -> bool:
        """Advance until something is so, looked at between any two deeds of the farm; False if it never was."""
        while True:
            await self.quiet()
            if is_reached():
                return True
            if not await self._release(until_ms):
                await self._advance(until_ms)
                return is_reached()


class Field:
    """The farm. Its methods are for the test's thread; the processes are served by a thread of their own."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = out / "compute.sqlite"
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve)

    def begin(self) -> None:
        """Start every process. Raises what kept one from starting."""
        self._thread.start()
        self._ready.wait()
        if self._failure:
            raise self._failure
        self.store = SqliteStore(self.path, must_exist=True)

    def end(self) -> None:
        """End every process."""
        with suppress(AttributeError):
            self.store.close()
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        if self._failure:
            raise self._failure

    @property
    def now(self) -> int:
        """Field time (Unix s)."""
        return self._clock.now_ms // 1000

    def go_on(self, seconds: float) -> None:
        """Let so much field time pass."""
        self._call(self._go_on(seconds, lambda _: False))

    def until(self, condition: Condition, what: str, within_s: float = 7200) -> None:
        """Let field time pass until something is so, and stand still at that deed."""
        assert self._call(self._go_on(within_s, condition)), f"{what} never came true"

    def kill(self, name: str) -> None:
        """kill -9; field time goes on without it."""
        self._call(self._kill(name))

    def start(self, name: str) -> None:
        """Start one that was killed; returns when it takes part."""
        self._call(self._start(name))

    def is_up(self, name: str) -> bool:
        """Does it take part?"""
        return name not in self._away

    def edges(self) -> list[dict[str, Any]]:
        """What the valves did."""
        path = self.work / "events" / f"{FLEET}.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in events if event["kind"] == "valve_edge"]

    def open_valves(self) -> set[str]:
        """The zones whose valve is open, in the world of the fleet."""
        return {zone_id for zone_id, is_open in {e["zone_id"]: e["open"] for e in self.edges()}.items() if is_open}

    def after(self, seq: int) -> list[JournalRow]:
        """The journal after a number."""
        return list(self.store.journal.after(seq, 100_000))

    # the thread of the processes

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return future.result(MOST_S)

    def _serve(self) -> None:
        try:
            with work_folder() as work:
                self.work = work
                asyncio.run(self._run(work))
        except BaseException as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _run(self, work: Path) -> None:
        self._loop, self._over, self._lock = asyncio.get_running_loop(), asyncio.Event(), asyncio.Lock()
        self._away: set[str] = set()
        job, participants = self._job(work)
        self._clock = HandClock(job.start, participants.order)
        job = replace(job, clock_port=await self._clock.serve())
        aws = Aws()
        try:
            async with Supervisor(self.out / "logs") as supervisor:
                self._group = LiveGroup(job, participants, self._clock, supervisor)
                await self._group.begin(aws)
                with closing(SqliteStore(self.path, must_exist=True)) as self._own_store:
                    await self._stand()
        finally:
            await aws.stop()
            await self._clock.close()

    def _job(self, work: Path) -> tuple[Job, Any]:
        scenario = scenarios.load(SCENARIO)
        write_zones(scenario, self.out / ZONE_FILE)
        arguments = argparse.Namespace(gateways=None, weather=None, broker="embedded")
        job = replace(job_of(scenario, arguments, work, self.out), is_live=True)
        issue_identities(job, [gateway.gateway_id for gateway in scenario.farm.gateways])
        return job, participants_of(scenario)

    async def _stand(self) -> None:
        """Until the end: what is ordered is obeyed at once, and time stands."""
        while not self._over.is_set():
            async with self._lock:
                await self._clock.stand()
                self._beat()
            self._ready.set()
            await asyncio.sleep(LOOK_EVERY_S)

    def _beat(self, age_s: float = 0.0) -> None:
        """That the service lives, or lived so many of the world's seconds ago."""
        if COMPUTE not in self._away or age_s:
            self._own_store.journal.beat(Beat(self.now, time.time() - age_s, 0.0))

    async def _go_on(self, seconds: float, condition: Condition) -> bool:
        async with self._lock:
            end_ms = self._clock.now_ms + round(seconds * 1000)
            is_reached = await self._clock.go_on(end_ms, lambda: condition(self._own_store))
            self._beat()
            return is_reached

    async def _kill(self, name: str) -> None:
        async with self._lock:
            await self._group.supervisor.kill(name)
            self._clock.part_with(name)
            self._away.add(name)
            if name == COMPUTE:
                self._beat(age_s=3600)

    async def _start(self, name: str) -> None:
        async with self._lock:
            await self._group.start(name)
            await self._group.joined(name)
            self._clock.expect_again(name)
            self._away.discard(name)


@contextmanager
def field_in_hand(out: Path) -> Iterator[Field]:
    """The farm, on its first midnight."""
    field = Field(out)
    field.begin()
    try:
        yield field
    finally:
        field.end()


class ConsoleProcess:
    """`python -m console` on a farm's folder: killed and started again, it is found at the same address."""

    def __init__(self, folder: Path, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._folder, self._port = folder, port
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Returns once it listens."""
        words = ["--store", "compute.sqlite", "--access", "console.sqlite", "--zones", ZONE_FILE]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "firmware" / "lib")])}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "console", *words, "--port", str(self._port)],
            cwd=self._folder,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        assert self.address in self._process.stdout.readline()

    def is_up(self) -> bool:
        """Does it run?"""
        return self._process is not None

    def kill(self) -> None:
        """kill -9, if it runs."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()
        self._process = None
