"""What boards say of the runs that they did by a fallback plan: each once, at its own time, within what can be."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agronomy.units import DAY_S, HOUR_S
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.untrusted_reports import MOST_FLOW
from tests.compute_service.bench import GATEWAY, NOON, Bench
from tests.compute_service.in_memory.store import InMemoryStore
from tests.compute_service.people import online
from tests.compute_service.planned import OTHER, ULID, begun, litres, run, taken


@pytest.fixture
def farm() -> Bench:
    return begun(InMemoryStore())


# the water of its runs


Says = Callable[[Bench, dict[str, Any]], None]


def started(bench: Bench, command: dict[str, Any]) -> None:
    bench.hear_ack(command, "started", at=NOON + 3 * DAY_S)


def done(bench: Bench, command: dict[str, Any]) -> None:
    bench.hear_ack(command, "done", at=NOON + 3 * DAY_S + 600)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([started, done]), min_size=1, max_size=6),
    st.sets(st.integers(0, 5)),
    st.booleans(),
)
def test_a_run_is_settled_once(said: list[Says], deaths: set[int], store_is_lost: bool) -> None:
    """However often and in whatever order its acks come, over deaths of the service, and of its store."""
    bench = begun(InMemoryStore())
    command = run(taken(bench))
    if store_is_lost:
        bench = begun(InMemoryStore())
    bench.now = NOON + 4 * DAY_S
    for number, say in enumerate([*said, done]):
        if number in deaths:
            bench = begun(bench.store, now=bench.now + 1)
        say(bench, command)
    [delivery] = bench.store.commands.deliveries()
    assert (delivery.command_id, delivery.zone_id) == (command["command_id"], "plot-1a")
    assert (delivery.ended_at, delivery.duration_s, delivery.volume_l) == (NOON + 3 * DAY_S + 600, 600, 300.0)
    assert litres(bench) == 300.0
    assert [total.litres for total in bench.store.commands.totals()] == [300.0]


def test_a_run_that_is_settled_stays_so(farm: Bench) -> None:
    """A `started` that comes late begins nothing anew."""
    command = run(taken(farm))
    farm.now += DAY_S
    for state in ("done", "started", "done"):
        farm.hear_ack(command, state)
    assert farm.state_of(command) == "done"
    assert len(farm.store.commands.deliveries()) == 1


def test_a_run_counts_at_its_own_time(farm: Bench) -> None:
    """For the balance, the cap of its day and the time to soak in, not at the time when somebody heard of it."""
    command = run(taken(farm))
    farm.now += 3 * DAY_S
    began = farm.now - 900
    farm.hear_ack(command, "started", at=began)
    farm.hear_ack(command, "done", at=began + 600, duration_s=600, volume_l=2000.0)
    farm.hear_reading("a", vwc=0.18)
    farm.tick(10)
    [decision] = farm.store.decisions.last(1)
    checks = {check["name"]: check for check in decision["checks"]}
    assert checks["cooled_down"]["value"] == 310
    assert checks["within_daily_cap"]["value"] == 5400 - 600
    assert decision["receipt"]["used_today_l"] == 2000.0
    assert decision["receipt"]["irrigation_mm_24h"] == pytest.approx(15.0)
    notes = [note["body"]["state"] for note in farm.store.journal.last(9, ("ack",), "plot-1a")]
    assert notes == ["done", "started", "done"]  # of the plan, then of its run


def test_a_run_without_an_end_counts_in_full(farm: Bench) -> None:
    """As any other that nobody told the end of; and a late end corrects it."""
    command = run(taken(farm))
    farm.hear_ack(command, "started")
    farm.tick(2 * HOUR_S)
    assert litres(farm) == pytest.approx(farm.zones[0].flow_l_min * 20)
    farm.hear_ack(command, "done", at=farm.now)
    assert litres(farm) == 300.0


def test_each_run_of_a_plan_is_its_own(farm: Bench) -> None:
    """And none has more than the plan has days."""
    plan = taken(farm)
    for number in (2, 1, 5, 6):
        farm.now += DAY_S
        farm.hear_ack(run(plan, number), "done")
    assert len(farm.store.commands.deliveries()) == 3
    assert farm.store.updates.counters()["refusals"] == 1


def test_a_run_is_never_published(farm: Bench) -> None:
    """It is a board's own: a service that starts anew sends no open for it."""
    farm.hear_ack(run(taken(farm)), "started")
    count = len(farm.commands())
    again = begun(farm.store, *farm.zones, now=farm.now)
    assert len(farm.commands()) == count
    assert again.commands() == []


def test_a_run_of_an_unknown_plan_is_water_all_the_same(farm: Bench) -> None:
    """The store was lost: what the ack says counts, within what the zone's valve and pipes can give."""
    flow_l_min = farm.zones[0].flow_l_min
    unknown = {"command_id": f"{ULID}-3", "device_id": GATEWAY, "zone_id": "plot-1a", "epoch": 7, "issued_at": NOON}
    farm.hear_ack(unknown, "done", duration_s=7000, volume_l=1e6)
    [delivery] = farm.store.commands.deliveries()
    assert delivery.duration_s == farm.zones[0].max_run_s
    assert delivery.volume_l == pytest.approx(flow_l_min * 30 * MOST_FLOW)
    farm.hear_ack({**unknown, "command_id": f"{ULID}-4"}, "done", at=farm.now - 41 * DAY_S)
    farm.hear_ack({**unknown, "command_id": f"{ULID}-5", "device_id": OTHER}, "done")
    farm.hear_ack({**unknown, "command_id": f"{ULID}-6", "zone_id": None}, "done")
    farm.hear_ack({**unknown, "command_id": f"{ULID}-0"}, "done")
    farm.hear_ack({**unknown, "command_id": "a-run-1"}, "done")
    assert len(farm.store.commands.deliveries()) == 1


def test_nobody_tells_of_runs_without_end(farm: Bench) -> None:
    """Who owns a gateway can claim water at its own zones, and no more of it than a few lines a day of the store."""
    for number in range(200):
        claim = {"command_id": f"{ULID[:-3]}{100 + number}-1", "device_id": GATEWAY, "zone_id": "plot-1a", "epoch": 1}
        farm.hear_ack({**claim, "issued_at": NOON}, "done")
    assert len(farm.store.commands.deliveries()) == 62


def test_no_gateway_tells_of_the_run_of_another(farm: Bench) -> None:
    """Nor of a zone of its own under another zone's plan."""
    plan = taken(farm)
    farm.hear_ack(run({**plan, "device_id": OTHER}), "done")
    farm.hear_ack(run({**plan, "zone_id": "plot-1b"}), "done")
    assert farm.store.commands.deliveries() == []


@pytest.mark.parametrize("order", [("status", "ack"), ("ack", "status"), ("ack", "status", "ack")])
def test_a_lost_store_counts_a_run_once(order: tuple[str, ...]) -> None:
    """The status tells of seconds in the last day, the ack of the run: together they are one run."""
    bench = begun(InMemoryStore())
    unknown = {"command_id": f"{ULID}-1", "device_id": GATEWAY, "zone_id": "plot-1a", "epoch": 7, "issued_at": NOON}
    ended_at = bench.now - 5 * HOUR_S
    for word in order:
        if word == "ack":
            bench.hear_ack(unknown, "done", at=ended_at, duration_s=600, volume_l=2000.0)
        else:
            ends = {"plot-1a": ended_at}
            online(bench, epochs={"plot-1a": 7}, watered_24h_s={"plot-1a": 600}, last_end_at=ends)
        bench.now += 60
    assert litres(bench) == 2000.0
    state = bench.store.zones.zone_state(bench.zones[0], bench.now - DAY_S, bench.now - DAY_S, 0)
    assert sum(one.duration_s for one in state.runs) == 600


def test_a_store_of_an_older_service_has_no_plans(tmp_path: Path) -> None:
    """And takes them up as it is brought up to date."""
    with closing(SqliteStore(tmp_path / "store")) as store:
        bench = begun(store)
        assert store.commands.last_plans() == []
        plan = taken(bench)
        assert [row.command_id for row in store.commands.last_plans()] == [plan["command_id"]]
