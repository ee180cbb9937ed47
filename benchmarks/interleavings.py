"""The long walk: millions of interleavings of bad luck on the real valve supervisor, and some on the whole house.

It walks through every scenario of `tests/safety` to the depth of the tests, then again and again the smallest one an
event deeper, until all together have as many interleavings as asked. Every depth in the table is walked exhaustively.
The promises are listed in `tests/safety/oracle.py`. Exits 1, with the story, if one is broken.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.safety.explorer import SCENARIOS, CounterExampleError, Explorer, Scenario, Tally, walk
from tests.safety.house import HOUSES, LONG_HOUSES
from tests.safety.story import tell

SHARE = 2  # events at the beginning of an interleaving by which the work is shared out
PROGRESS_S = 1 if sys.stderr.isatty() else 15


class Progress:
    """One line on stderr, now and then."""

    def __init__(self) -> None:
        self._begin = self._last_line_at = time.monotonic()
        self.walked = 0

    def count(self, interleavings: int, doing: str) -> None:
        """So many more were walked through."""
        self.walked += interleavings
        now = time.monotonic()
        if now - self._last_line_at >= PROGRESS_S:
            self._last_line_at = now
            end = "\r" if sys.stderr.isatty() else "\n"
            print(f"{self.walked:12,} walked, {self.rate():7,.0f}/s  {doing:60}", end=end, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Make room for what is not progress."""
        if sys.stderr.isatty():
            print(" " * 110, end="\r", file=sys.stderr, flush=True)

    def rate(self) -> float:
        """Interleavings a second since the start, on all processes together."""
        return self.walked / self.seconds()

    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._begin


def walk_through(pool: ProcessPoolExecutor, scenario: Scenario, depth: int, count: Callable[[int, str], None]) -> Tally:
    """Walk through a scenario on all processes. Raises CounterExampleError."""
    prefixes = Explorer(scenario).prefixes(min(SHARE, depth))
    work = [pool.submit(walk, scenario, prefix, depth) for prefix in prefixes]
    total = Tally()
    for future in as_completed(work):
        total.add(future.result())
        count(future.result().interleavings, f"{scenario.name}, depth {depth}")
    return total


def explore(pool: ProcessPoolExecutor, target: int, progress: Progress) -> None:
    """Walk until the scenarios have `target` interleavings, then through the houses; print the table."""
    depths = {scenario: scenario.depth for scenario in SCENARIOS}
    tallies = {scenario: walk_through(pool, scenario, depth, progress.count) for scenario, depth in depths.items()}
    while sum(tally.interleavings for tally in tallies.values()) < target:
        smallest = min(tallies, key=lambda scenario: tallies[scenario].interleavings)
        depths[smallest] += 1
        tallies[smallest] = walk_through(pool, smallest, depths[smallest], progress.count)
    progress.clear()
    print_table("the supervisor", tallies, depths)
    print(f"walked in all {progress.walked:,} in {progress.seconds():.0f} s: {progress.rate():,.0f} a second\n")
    houses: dict[Scenario, Tally] = {}
    for house in (*LONG_HOUSES, *HOUSES[len(LONG_HOUSES) :]):
        houses[house] = walk_through(pool, house, house.depth, progress.count)
    progress.clear()
    print_table("the whole house", houses, {house: house.depth for house in houses})
    print("no promise is broken")


def print_table(title: str, tallies: dict[Scenario, Tally], depths: dict[Scenario, int]) -> None:
    """A row for each scenario."""
    print(f"{title:30} depth interleavings  a valve opened  power cuts within an event")
    for scenario, tally in tallies.items():
        row = f"{scenario.name:30} {depths[scenario]:5} {tally.interleavings:13,}"
        print(f"{row} {tally.watered:15,} {tally.cuts.total():27,}")
    total = Tally()
    for tally in tallies.values():
        total.add(tally)
    print(f"{'in all':30}       {total.interleavings:13,} {total.watered:15,} {total.cuts.total():27,}", flush=True)


def main() -> int:
    """Read the arguments and walk."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--millions", type=float, default=5, help="interleavings of the supervisor (default: 5)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="default: one for each core")
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.processes, context) as pool:
        try:
            explore(pool, int(args.millions * 1e6), Progress())
        except CounterExampleError as example:
            pool.shutdown(cancel_futures=True)
            print(tell(example))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
