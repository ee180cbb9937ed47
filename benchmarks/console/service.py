"""What open pages cost the service: CPU time and latency of a decision, with pages open and without, in turn."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.console.farm import AHEAD_S, USED_AN_HOUR, zones
from benchmarks.console.live import ROOT
from benchmarks.console.table import Ratio
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.ports import Beat
from compute_service.domain.zone import Zone
from protocol import topics
from tests.compute_service.bench import NOON, Bench

MOST_CPU, MOST_LATENCY = 1.1, 1.5
DECIDE_S = 10  # of field time, from a reading to its decision
VWC = 0.25


class DecisionCost(NamedTuple):
    """Seconds a decision: of CPU, and from the readings' arrival to the end of their decisions."""

    cpu_s: float
    latency_s: float


@dataclass
class Farm:
    """A real service on the store, in this thread; each round a part of the zones reports and is decided about."""

    store: SqliteStore
    zones: tuple[Zone, ...]
    rounds: int = 0
    bench: Bench = field(init=False)

    def __post_init__(self) -> None:
        self.bench = Bench(self.store, self.zones, now=NOON)
        self.bench.service.start()

    def round(self, count: int) -> DecisionCost:
        """So many zones report, and the service decides."""
        turns = len(self.zones) // count
        part = [zone for number, zone in enumerate(self.zones) if number % turns == self.rounds % turns][:count]
        self.rounds += 1
        self.bench.now += 900 // turns
        begin, cpu_begin = time.perf_counter(), time.thread_time()
        for zone in part:
            self._report(zone)
        self.bench.tick(DECIDE_S)
        self.store.journal.beat(Beat(self.bench.now, time.time() + AHEAD_S, 0.0))
        return DecisionCost((time.thread_time() - cpu_begin) / len(part), (time.perf_counter() - begin) / len(part))

    def _report(self, zone: Zone) -> None:
        vwc = VWC - USED_AN_HOUR * (self.bench.now - NOON) / 3600 % 0.02
        sample = {"seq": self.rounds, "measured_at": self.bench.now, "clock": "synced", "vwc": round(vwc, 4)}
        names = {"gateway_id": zone.gateway_id, "sensor_id": zone.sensor_id, "zone_id": zone.zone_id}
        self.bench.hear(topics.data(zone.sensor_id), {**names, "boot_id": "boot-2", "samples": [sample]})

    def serve(self, seconds: float, rate: float) -> DecisionCost:
        """Rounds of a second for so long; the medians."""
        count = min(round(rate), len(self.zones))
        costs = []
        for _ in range(max(round(seconds), 1)):
            begin = time.monotonic()
            costs.append(self.round(count))
            time.sleep(max(begin + count / rate - time.monotonic(), 0.0))
        return DecisionCost(*(statistics.median(column) for column in zip(*costs, strict=True)))


@contextmanager
def pages_open(address: str, count: int) -> Iterator[None]:
    """So many pages follow the farm for the time of the block."""
    words = [sys.executable, "-m", "benchmarks.console.clients", address, str(count)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        if process.stdout.readline() != "ready\n":
            raise SystemExit("console: the pages could not be opened")
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def measure(  # noqa: PLR0913  # what is measured, and how long
    address: str, path: Path, count: int, *, pages: int, seconds: float, rate: float, pairs: int
) -> list[Ratio]:
    """So many pairs, with the pages and without them in turn, after a round that warms up."""
    store = SqliteStore(path, must_exist=True)
    try:
        farm = Farm(store, zones(count))
        farm.serve(min(seconds, 5), rate)
        with_pages, without = [], []
        for pair in range(pairs):
            for is_open in (pair % 2 == 0, pair % 2 == 1):
                if is_open:
                    with pages_open(address, pages):
                        with_pages.append(farm.serve(seconds, rate))
                else:
                    without.append(farm.serve(seconds, rate))
    finally:
        store.close()
    pairs_of_costs = list(zip(with_pages, without, strict=True))
    cpu = [(one.cpu_s, other.cpu_s) for one, other in pairs_of_costs]
    latency = [(one.latency_s, other.latency_s) for one, other in pairs_of_costs]
    return [
        _row(f"service's CPU a decision, {pages} pages / none", cpu, MOST_CPU),
        _row(f"its median latency, {pages} pages / none", latency, MOST_LATENCY),
    ]


def _row(name: str, seconds: list[tuple[float, float]], most: float) -> Ratio:
    """The median of the pairs' ratios."""
    busy_ms, quiet_ms = (1e3 * statistics.median(side) for side in zip(*seconds, strict=True))
    note = f"{busy_ms:.2f} ms against {quiet_ms:.2f} ms, {len(seconds)} pairs"
    return Ratio(name, statistics.median(one / other for one, other in seconds), most, note)
