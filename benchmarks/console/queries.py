"""What pages ask of the store, on a big farm with a season behind it against a small one in its first days.

The cost is CPU time: of a page's queries together, and of the whole page with template and gzip. Where it tells of many
zones the time for one of them counts, since a page of 500 zones says more than one of 12. The query that is slowed most
is named, by the time for a row of its answer.
"""

import argparse
import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import httpx

from agronomy.units import DAY_S
from benchmarks.console.farm import Size
from benchmarks.console.table import Ratio
from compute_service.adapters.sqlite.database import Database
from console.__main__ import house_of
from console.app import make_app
from console.pages import LANES
from tests.compute_service.bench import NOON
from web.access import Access
from web.serve import Listen

MOST = 3.0
ALL = 1_000_000
PORT = 8080  # a name only: nothing listens
HEADERS = {"Accept": "text/html, */*", "Accept-Encoding": "gzip"}
FARMS_TEXT = "SELECT config FROM farms"  # one row that holds every zone

Get = Callable[[str], httpx.Response]


class Page(NamedTuple):
    """A page's address, and of how many zones it tells at most."""

    address: str
    zones: int = 1


PAGES = (
    Page("/", zones=ALL),
    Page("/zones/zone-003"),
    Page("/zones/zone-003?days=150"),
    Page("/timeline", zones=LANES),
    Page("/gateways", zones=ALL),
    Page("/gateways/gateway-001"),
    Page("/alarms"),
    Page("/water", zones=ALL),
    Page("/water.csv", zones=ALL),
    Page("/zones/zone-003/history.csv"),
    Page("/people"),
    Page("/api/v1/farm"),
    Page("/api/v1/zones", zones=ALL),
    Page("/api/v1/zones/zone-003"),
    Page(f"/api/v1/zones/zone-003/history?from={NOON - 7 * DAY_S}&points=480"),
    Page(f"/api/v1/zones/zone-003/history?from={NOON - 150 * DAY_S}&points=480"),
    Page(f"/api/v1/zones/zone-003/history?from={NOON - 150 * DAY_S}&points=48"),
    Page("/api/v1/zones/zone-003/decisions"),
    Page("/api/v1/runs", zones=ALL),
    Page("/api/v1/gateways", zones=ALL),
    Page("/api/v1/gateways/gateway-001/statuses"),
    Page("/api/v1/journal"),
    Page("/api/v1/alarms"),
    Page("/api/v1/plan", zones=ALL),
)


class Call(NamedTuple):
    """A query of a page: its text, values by position or by name, CPU seconds, and rows of its answer."""

    query: str
    values: Any
    cpu_s: float
    rows: int


@contextmanager
def queries() -> Iterator[list[Call]]:
    """Every query of this process for the time of the block."""
    calls: list[Call] = []
    ask = Database.all

    def meter(self: Database, query: str, *values: object, **by_name: object) -> list[tuple[Any, ...]]:
        begin = time.thread_time()
        rows = ask(self, query, *values, **by_name)
        calls.append(Call(query, by_name or values, time.thread_time() - begin, len(rows)))
        return rows

    with patch.object(Database, "all", meter):
        yield calls


@contextmanager
def console(store: Path, access_file: Path) -> Iterator[Get]:
    """The console's own application on a store, without a server; whoever asks sits at its machine."""
    address = f"http://127.0.0.1:{PORT}"
    words = argparse.Namespace(store=store, zones=None, oidc=None)
    with closing(Access(access_file, time.time)) as access:
        app = make_app(house_of(words, access, Listen(port=PORT), address))
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
        with asyncio.Runner() as runner:
            client = httpx.AsyncClient(transport=transport, base_url=address, headers=HEADERS)
            yield lambda path: runner.run(client.get(path))
            runner.run(client.aclose())


class PageCost(NamedTuple):
    """CPU seconds of a page: of all its queries, of the whole, and of each query a row of its answer."""

    asking_s: float
    cpu_s: float
    by_query: dict[str, float]


def cost(get: Get, page: Page, size: Size) -> PageCost:
    """Load a page once."""
    with queries() as calls:
        begin = time.process_time()
        answer = get(page.address)
        used_s = time.process_time() - begin
    if answer.status_code != 200:
        raise SystemExit(f"console: {page.address} answers {answer.status_code}: {answer.text[:200]}")
    costs = defaultdict(list)
    for call in calls:
        rows = size.zones if call.query == FARMS_TEXT else max(call.rows, 1)
        costs[call.query].append(call.cpu_s / rows)
    by_query = {query: statistics.median(times) for query, times in costs.items()}
    return PageCost(sum(call.cpu_s for call in calls), used_s, by_query)


def measure(big: tuple[Path, Size], small: tuple[Path, Size], folder: Path, rounds: int) -> list[Ratio]:
    """Every page on both farms in turn; medians. The first time of each page is not counted: it fills caches."""
    with (
        console(big[0], folder / "big-access.sqlite") as one,
        console(small[0], folder / "small-access.sqlite") as other,
    ):
        return [row for page in PAGES for row in _page_rows(page, (one, big[1]), (other, small[1]), rounds)]


def _page_rows(page: Page, big: tuple[Get, Size], small: tuple[Get, Size], rounds: int) -> Iterator[Ratio]:
    first, *costs = (tuple(cost(get, page, size) for get, size in (big, small)) for _ in range(rounds + 1))
    counts = [min(size.zones, page.zones) for _, size in (big, small)]
    asking = [[pair[side].asking_s for pair in costs] for side in (0, 1)]
    whole = [[pair[side].cpu_s for pair in costs] for side in (0, 1)]
    of_zones = "" if page.zones == 1 else f", {counts[0]} zones and {counts[1]}"
    slowest, query = max(_ratios(costs), default=(1.0, ""))
    yield _row(
        f"{page.address}: its queries, a zone", asking, counts, f"{of_zones}; most: {slowest:.1f}, `{_short(query)}`"
    )
    yield _row(
        f"{page.address}: whole, a zone", whole, counts, f"{of_zones}; the first time {1e3 * first[0].cpu_s:.0f} ms"
    )


def _row(name: str, seconds: list[list[float]], counts: list[int], note: str) -> Ratio:
    big, small = (statistics.median(side) for side in seconds)
    figures = f"{1e3 * big:.1f} ms against {1e3 * small:.1f}"
    return Ratio(name, big / counts[0] / (small / counts[1]), MOST, f"{figures}{note}")


def _ratios(costs: list[tuple[PageCost, ...]]) -> Iterator[tuple[float, str]]:
    """How much slower each query is on the big farm."""
    for query in set(costs[0][0].by_query) & set(costs[0][1].by_query):
        sides = [statistics.median(pair[side].by_query[query] for pair in costs) for side in (0, 1)]
        yield sides[0] / sides[1], query


def _short(query: str) -> str:
    text = query.partition(" FROM ")[2]
    return text if len(text) <= 80 else f"{text[:77]}..."
