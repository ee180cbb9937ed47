"""What any store must keep for people, held against each of them."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.ports import (
    Store,
)
from tests.compute_service.bench import GATEWAY, NOON
from tests.compute_service.in_memory.store import InMemoryStore
from tests.compute_service.kept import (
    A,
    status,
)


@pytest.fixture(params=["sqlite", "in memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    either = SqliteStore(tmp_path / "store") if request.param == "sqlite" else InMemoryStore()
    with closing(either):
        yield either


def test_the_journal_never_uses_a_number_again(store: Store) -> None:
    """Whoever goes on from the last number that was seen misses nothing, also when what is old was forgotten."""
    numbers = [store.journal.add(NOON + n, kind, None, None, {}) for n, kind in enumerate(("ack", "order", "ack"))]
    assert store.journal.forget(["ack"], NOON + 3) == 2
    numbers.append(store.journal.add(NOON, "ack", A.zone_id, GATEWAY, {"state": "done"}))
    assert numbers == sorted(set(numbers))
    assert [row["seq"] for row in store.journal.after(0)] == [numbers[1], numbers[3]]
    assert store.journal.after(numbers[1]) == store.journal.last(1) == store.journal.last(5, zone_id=A.zone_id)
    assert store.journal.newest() == numbers[3]


def test_the_last_claim_of_a_gateway_holds(store: Store) -> None:
    """By name, one row each, and things are counted by name."""
    for gateway_id, state, at in (("gw-2", "online", 2), ("gw-1", "online", 1), ("gw-2", "offline", 1)):
        store.updates.save_gateway(status(state, gateway_id, at), 10 - at)
        store.updates.count(state)
    rows = [(row["gateway_id"], row["state"], row["at"], row["heard_at"]) for row in store.updates.gateways()]
    assert rows == [("gw-1", "online", 1, 9), ("gw-2", "offline", 1, 9)]
    assert store.updates.gateways()[0]["status"] == status("online", "gw-1", 1)
    assert [row["state"] for row in store.updates.statuses("gw-2", 0, 10)] == ["online", "offline"]
    assert store.updates.statuses("gw-2", 9, 10) == store.updates.gateways()[1:]
    assert store.updates.counters() == {"online": 2, "offline": 1}
