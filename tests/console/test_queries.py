"""What the pages ask of the store: by an index, so that a page of a season is no slower than one of a first day."""

import re
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.console.farm import Size, fill
from benchmarks.console.queries import PAGES, console, queries
from compute_service.adapters.sqlite.store import SqliteStore
from console.rights import RIGHTS

# Tables of a row a zone, a gateway or a hold, or of one row: a season makes them no longer.
OF_THE_FARM = {"zones", "gateways", "holds", "farms", "beats", "sqlite_sequence"}
OF_THE_QUERY = {"CONSTANT", "parts"}  # what it makes itself: a row for each that it answers
OF_WHAT_IS_OPEN = {"commands_open", "orders_open", "alarms_open"}  # indexes of what is not at its end
# Routes that ask for nothing but one row by its key, or nothing of the store at all; and /metrics, which is no page: a
# machine scrapes it twice a minute at most, and its counters are sums of all time.
OTHERS = re.compile(
    r"GET /(metrics|settings|login|events|static|water.parquet|api/v1/(settings|openapi|orders|decisions))"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the store of a small farm after five days."""
    folder = tmp_path_factory.mktemp("farm")
    fill(folder / "compute.sqlite", Size(12, 5))
    return folder


def test_no_page_reads_a_table_from_end_to_end(folder: Path) -> None:
    """After a season every page comes as fast as on the first day: each query goes by an index to what it shows."""
    slow = []
    with console(folder / "compute.sqlite", folder / "console.sqlite") as get, queries() as calls:
        for page in PAGES:
            assert get(page.address).status_code == 200, page.address
    with closing(SqliteStore.reader(folder / "compute.sqlite")) as store:
        for query, values in {call.query: call.values for call in calls}.items():
            steps = store.database.connection.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall()
            slow += [(query, step) for *_, step in steps if is_slow(step, query)]
    assert slow == []


def test_every_page_is_looked_at() -> None:
    """A page that is new joins the list of those that are measured, and held against their indexes."""
    patterns = [
        re.sub(r"\{\w+\}", "[^/?]+", route.removeprefix("GET ")) for route in RIGHTS if route.startswith("GET ")
    ]
    missing = [
        pattern
        for pattern in patterns
        if not OTHERS.match(f"GET {pattern}")
        and not any(re.fullmatch(rf"{pattern}(\?.*)?", page.address) for page in PAGES)
    ]
    assert missing == []


def is_slow(step: str, query: str) -> bool:
    """Does it go through a table that grows, farther than to the last rows that are wanted?"""
    scan = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", step)
    if scan is None:
        return "TEMP B-TREE FOR ORDER BY" in step and "LIMIT" in query
    table, index = scan.groups()
    return table not in OF_THE_FARM | OF_THE_QUERY and index not in OF_WHAT_IS_OPEN and "LIMIT" not in query
