"""What the store forgets: it is bounded, and what people still ask for stays."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agronomy.units import DAY_S, HOUR_S
from compute_service.__main__ import main
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.orders import DONE, Order
from compute_service.domain.ports import Moment, Store
from compute_service.retention import Retention, shorten
from compute_service.service import Service
from tests.compute_service.bench import NOON, Bench, zone
from tests.compute_service.in_memory.store import InMemoryStore

A = zone("a")
HOUR = NOON // HOUR_S * HOUR_S


@pytest.fixture(params=["sqlite", "in memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Both stores, of a zone that was heard of."""
    if request.param == "in memory":
        store: Store = InMemoryStore()
        store.commands.raise_epoch(A.zone_id, 1)
        yield store
        return
    with closing(SqliteStore(tmp_path / "store")) as file:
        file.commands.raise_epoch(A.zone_id, 1)
        yield file


def moment(at: int, litres: float = 1.0) -> Moment:
    return Moment(zone_id=A.zone_id, at=at, vwc=0.2, depletion_mm=1.0, due_mm=2.0, sigma_mm=0.5, litres=litres)


def order(name: str, at: int) -> Order:
    return Order(order_id=name, action="stop", at=at, by="ana", via="shell")


def test_old_history_has_one_row_an_hour_with_all_its_litres(store: Store) -> None:
    """A season is whole; before it an hour has its last row, and sums over it are what they were; then nothing."""
    ages = {"whole": 100 * DAY_S, "hourly": 210 * DAY_S, "gone": 900 * DAY_S}
    begins = {name: HOUR - age for name, age in ages.items()}
    for begin in begins.values():
        for quarter in range(8):
            store.journal.add_moment(moment(begin + 900 * quarter, litres=1.0 + quarter))
    for _ in range(2):  # also a second time
        shorten(store, Retention(), NOON)
    rows = {name: store.journal.moments(A.zone_id, at, at + DAY_S) for name, at in begins.items()}
    assert [(row.at - begins["hourly"], row.litres) for row in rows["hourly"]] == [(2700, 10.0), (6300, 26.0)]
    assert rows["hourly"][0] == replace(moment(begins["hourly"] + 2700), litres=10.0)
    assert (len(rows["whole"]), rows["gone"]) == (8, [])


def test_orders_and_the_journal_have_their_days(store: Store) -> None:
    """What ended long ago is forgotten; an order that still waits is not, however old; nor is a zone's water."""
    old, new = NOON - 401 * DAY_S, NOON - 399 * DAY_S
    for name, at in (("old", old), ("new", new), ("waits", old)):
        store.orders.add(order(name, at))
        store.journal.add(at, "order", None, None, {"name": name})
        if name != "waits":
            store.orders.move(name, DONE, ended_at=at)
    shorten(store, Retention(), NOON)
    assert [row.order.order_id for row in store.orders.last()] == ["new", "waits"]
    assert [row["body"]["name"] for row in store.journal.last()] == ["new"]
    shorten(store, Retention(journal_days=7, orders_days=7), NOON)
    assert [row.order.order_id for row in store.orders.last()] == ["waits"]
    assert store.journal.last() == []


def test_decisions_have_their_days(store: Store) -> None:
    """A receipt can be read for two years and more."""
    for name, age in (("old", 801), ("new", 799)):
        at = NOON - age * DAY_S
        row = {"zone_id": A.zone_id, "at": at, "sentence": "", "intent": None, "checks": [], "receipt": {}}
        store.decisions.add(name, row, None, {})
    shorten(store, Retention(), NOON)
    assert [row["decision_id"] for row in store.decisions.last()] == ["new"]


def test_the_service_forgets_once_a_day() -> None:
    """It does so by itself, by the days that it was started with."""
    store = InMemoryStore()
    bench = Bench(store, (A,))
    bench.service = Service(
        bench.config, store, bench._publish, lambda: bench.now, bench.events.append, retention=Retention(journal_days=7)
    )
    bench.service.start()
    bench.tick()
    store.journal.add(NOON - 6 * DAY_S, "status", None, None, {})
    bench.tick(HOUR_S)
    assert len(store.journal.last(kinds=("status",))) == 1
    bench.tick(2 * DAY_S)
    assert store.journal.last(kinds=("status",)) == []


def test_days_that_cannot_be_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence says which there are."""
    with pytest.raises(SystemExit):
        main(["run", "--zones=zones.yaml", "--journal-days=3"])
    assert "'3': want days, from 7 to 36500" in capsys.readouterr().err
