"""The console on a farm of 500 zones that changes 100 times a second, each cost as a ratio of this one run.

Parts: `live` (the page's main thread against one that polls), `ack` (how soon a valve that its board has opened reads
OPEN, on a farm at work), `heap` (after minutes), `chart` (a season's points),
`queries` (every page's, on a season of that farm against a small farm's first days), `service` (with pages open and
without). Exit code 1 if a ratio is beyond its limit. The season's store takes some 5 GB of the folder for temporary
files while it runs, and minutes to fill.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks.console import ack, chart, live, queries, service
from benchmarks.console.boards import farm_at_work
from benchmarks.console.browser import chromium
from benchmarks.console.farm import LIVED_DAYS, Size, fill
from benchmarks.console.table import Ratio, text
from tests.console.conftest import console_process

SMALL = Size(12, LIVED_DAYS)
PARTS = ("live", "ack", "heap", "chart", "queries", "service")


def main() -> int:
    """Measure the parts, print the table."""
    options = _options()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        rows = list(_Run(options, Path(folder)).rows())
    print(text(rows))
    return 0 if all(row.holds for row in rows) else 1


class _Run:
    """The parts that were asked for; farms of one size share their store."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options, self._folder = options, folder
        self._today = Size(options.zones, LIVED_DAYS)

    def rows(self) -> Iterator[Ratio]:
        parts = {
            "live": self._live,
            "ack": self._ack,
            "heap": self._heap,
            "chart": self._chart,
            "queries": self._queries,
            "service": self._service,
        }
        for part in self._options.parts:
            print(f"{part} ...", file=sys.stderr, flush=True)
            yield from parts[part]()

    def _live(self) -> list[Ratio]:
        with self._changing_farm() as (browser, address, store):
            return [live.measure_live(browser, address, store, self._options.seconds)]

    def _ack(self) -> list[Ratio]:
        folder = self._folder / "at-work"
        with (
            farm_at_work(folder, self._options.zones) as farm,
            console_process(folder) as (address, _),
            chromium() as browser,
        ):
            return ack.measure(browser, address, farm, self._options.runs)

    def _heap(self) -> list[Ratio]:
        with self._changing_farm() as (browser, address, store):
            return live.measure_heap(browser, address, store, self._options.minutes)

    @contextmanager
    def _changing_farm(self) -> Iterator[tuple[Browser, str, Path]]:
        store = self._store(self._today)
        changes = live.changes(store, self._options.zones, self._options.rate)
        with changes, console_process(store.parent) as (address, _), chromium() as browser:
            yield browser, address, store

    def _chart(self) -> list[Ratio]:
        days = self._options.days
        store = self._store(Size(SMALL.zones, days))
        with console_process(store.parent) as (address, _), chromium() as browser:
            return [chart.measure(browser, address, days, min(LIVED_DAYS, days // 2), self._options.rounds)]

    def _queries(self) -> list[Ratio]:
        big = Size(self._options.zones, self._options.days)
        stores = (self._store(big, self._options.store), big), (self._store(SMALL), SMALL)
        return queries.measure(*stores, self._folder, self._options.rounds)

    def _service(self) -> list[Ratio]:
        options, store = self._options, self._store(self._today)
        with console_process(store.parent) as (address, _):
            sizes = {"pages": options.pages, "rate": options.rate, "pairs": options.rounds}
            return service.measure(address, store, options.zones, seconds=options.seconds / 6, **sizes)

    def _store(self, size: Size, file: Path | None = None) -> Path:
        store = file or self._folder / str(size).replace(" ", "-") / "compute.sqlite"
        if not store.exists():
            print(f"  filling a store: {size}", file=sys.stderr, flush=True)
            store.parent.mkdir(parents=True, exist_ok=True)
            fill(store, size)
        return store


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks console", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="only these (default: all)")
    parser.add_argument("--zones", type=int, default=500)
    parser.add_argument("--days", type=int, default=150, help=f"of history, a multiple of {LIVED_DAYS}")
    parser.add_argument("--rate", type=float, default=live.CHANGES_A_SECOND, help="changes a second")
    parser.add_argument("--pages", type=int, default=20, help="open while the service decides")
    parser.add_argument(
        "--seconds", type=float, default=60, help="of the live page; a sixth of a half pair of `service`"
    )
    parser.add_argument("--runs", type=int, default=20, help="of `ack`, at most one of each zone")
    parser.add_argument("--minutes", type=float, default=3, help="of the heap; the promise is of 30")
    parser.add_argument("--rounds", type=int, default=5, help="of `queries` and pairs of `service`")
    parser.add_argument("--store", type=Path, help="the season's store: filled if it is not there, and kept")
    options = parser.parse_args()
    if options.days < LIVED_DAYS or options.days % LIVED_DAYS or options.zones < SMALL.zones:
        parser.error(f"days must be a multiple of {LIVED_DAYS}, and zones at least {SMALL.zones}")
    if not 0 < options.runs <= options.zones:
        parser.error("runs must be at least 1, and at most one of each zone")
    return options


if __name__ == "__main__":
    sys.exit(main())
