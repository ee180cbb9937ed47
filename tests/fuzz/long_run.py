"""Many documents for a reader, in a process for each core; and what of its branches a sample reaches."""

import os
import resource
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

from tests.fuzz.branches import Trace
from tests.fuzz.room import FoundError, made, run, silence
from tests.fuzz.table import TABLE

TASK = 20_000  # documents that a process takes at once, at most


class Result(NamedTuple):
    """What a run came to."""

    name: str
    total: int
    accepted: int
    cpu_s: float

    def __str__(self) -> str:
        a_second = self.total / max(self.cpu_s, 1e-9)
        return f"{self.name}: {self.total:,} documents, {self.accepted:,} accepted, {a_second:,.0f} in a second of CPU"


def long_run(name: str, seed: int, count: int, processes: int = 0) -> Result:
    """Read so many documents in several processes. Raises FoundError at the first fault."""
    tasks = list(_tasks(count, TABLE[name].reader.batch))
    accepted, cpu_s = 0, 0.0
    workers = processes or os.cpu_count() or 1
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            for part, seconds in pool.map(_task, *zip(*((name, seed, task) for task in tasks), strict=True)):
                accepted += part
                cpu_s += seconds
        except FoundError:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return Result(name, count, accepted, cpu_s)


def _tasks(count: int, batch: int) -> Iterator[range]:
    size = max(batch, TASK // batch * batch)
    for begin in range(0, count, size):
        yield range(begin, min(begin + size, count))


def _task(name: str, seed: int, indexes: range) -> tuple[int, float]:
    before = _cpu_s()
    accepted = run(name, TABLE[name].reader, seed, indexes)
    return accepted, _cpu_s() - before


def _cpu_s() -> float:
    """Of this process, and of the boards that it has started."""
    rows = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(row.ru_utime + row.ru_stime for row in rows)


def reached(name: str, seed: int, count: int) -> Trace:
    """The branches that a sample takes."""
    reader = TABLE[name].reader
    with silence():
        documents = [made(reader, seed, index) for index in range(count)]
        with Trace(reader.code) as trace:
            reader.judge(documents)
    return trace
