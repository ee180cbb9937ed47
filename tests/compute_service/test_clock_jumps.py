"""A clock that jumps, both ways, for a moment or for good: no run in the future, and nothing that waits for it."""

from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from compute_service.adapters.forecast_source import Forecasts
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.ports import Beat, Store
from compute_service.steady_clock import SURE_AFTER_S, SteadyClock
from tests.compute_service.bench import NOON, Bench, zone
from tests.compute_service.in_memory.store import InMemoryStore
from tests.compute_service.people import People

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
YEAR_S = 365 * DAY_S
JUMPS = (10 * MINUTE_S, 5 * HOUR_S, 3 * DAY_S, 2 * YEAR_S)


def runs_until(bench: Bench, end: int) -> None:
    """Field days: a dry reading each hour, a tick each minute of its first five, and every open is obeyed."""
    while bench.now < end:
        bench.hear_reading("a")
        for _ in range(5):
            bench.tick(MINUTE_S)
            for command in bench.commands():
                if command["action"] == "open" and bench.state_of(command) in {"pending", "sent"}:
                    bench.hear_ack(command, "done", duration_s=600)
        bench.now += HOUR_S - 5 * MINUTE_S


def futures(store: Store, now: int) -> list[Any]:
    """Whatever of the store is later than now, or waits for such a time."""
    runs = [row.ended_at for row in store.commands.deliveries()]
    waits = [row.give_up_at for row in store.commands.open() if row.message["action"] == "open"]
    state = store.zones.zone_state(zone("a"), 0, 0, 0)
    return [
        *(at for at in (*runs, *(run.ended_at for run in state.runs)) if at > now),
        *(at for at in waits if at is not None and at > now + DAY_S),
        *(at for at in store.zones.due().values() if at > now + MINUTE_S),
    ]


@pytest.mark.parametrize("jump_s", [sign * jump for jump in JUMPS for sign in (1, -1)])
@pytest.mark.parametrize("moment", ["idle", "reading", "under way", "acked"])
def test_a_jump_of_one_tick_changes_nothing_for_long(jump_s: int, moment: str) -> None:
    """Whatever the service was at when its clock was wrong for a moment: it waters on, and within cooldown and cap."""
    bench = Bench(InMemoryStore(), (zone("a"),))
    runs_until(bench, NOON + 3 * HOUR_S)
    command = None
    if moment in {"under way", "acked"}:
        bench.now += HOUR_S
        command = bench.water("a")
    bench.now += jump_s
    if moment == "reading":
        bench.hear_reading("a", at=bench.now - jump_s)
    if moment == "acked" and command:
        bench.hear_ack(command, "done", duration_s=600, at=command["issued_at"] + 600)
    bench.tick()
    bench.now -= jump_s
    begun, count = bench.now, len(bench.commands())
    bench.tick(1)
    bench.tick(SURE_AFTER_S + 1)
    assert futures(bench.store, bench.now) == []
    if command and moment == "under way":
        bench.hear_ack(command, "done", duration_s=600)
    runs_until(bench, begun + 2 * DAY_S)
    after = bench.commands()[count:]
    assert len(after) >= 2
    issues = sorted(one["issued_at"] for one in bench.commands())
    assert all(later - earlier >= zone("a").cooldown_s for earlier, later in pairwise(issues))
    assert all(at <= bench.now for at in issues)
    assert futures(bench.store, bench.now) == []


def test_a_clock_that_was_ahead_for_days_is_put_right() -> None:
    """Set right after days, a clock that was years ahead leaves a farm that is watered within the hour."""
    bench = Bench(InMemoryStore(), (zone("a"),), now=NOON + 2 * YEAR_S)
    runs_until(bench, NOON + 2 * YEAR_S + 2 * DAY_S)
    count = len(bench.commands())
    bench.now = NOON + 2 * DAY_S
    runs_until(bench, bench.now + 6 * HOUR_S)
    assert len(bench.commands()) > count
    assert futures(bench.store, bench.now) == []
    assert bench.store.updates.counters()["clock_went_back"] == 1


def test_a_leap_forgets_no_history(bench: Bench) -> None:
    """A clock that is years ahead for a tick does not make the service forget the season."""
    bench.tick()
    runs_until(bench, NOON + 3 * HOUR_S)
    before = len(bench.store.decisions.last(100))
    bench.now += 5 * YEAR_S
    bench.tick()
    assert len(bench.store.decisions.last(100)) >= before > 0


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_close_while_the_clock_was_ahead_ends_with_its_day(kind: str, tmp_path: Path) -> None:
    """What a person closed for the day at a wrong date is not held until that date."""
    with closing(SqliteStore(tmp_path / "store") if kind == "file" else InMemoryStore()) as store:
        bench = Bench(store, (zone("a"),))
        bench.now += YEAR_S
        People(bench).order("close", "plot-1a")
        bench.tick()
        bench.hear_ack(bench.commands()[-1], "done", duration_s=None)
        bench.now -= YEAR_S
        bench.tick()
        bench.tick(SURE_AFTER_S + 1)
        assert futures(store, bench.now) == []
        runs_until(bench, NOON + 2 * DAY_S)
        assert [one["action"] for one in bench.commands()][-1] == "open"


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_what_people_ordered_while_the_clock_was_ahead(kind: str, tmp_path: Path) -> None:
    """An open of that time is never obeyed; a pause holds as of now, until its own date."""
    with closing(SqliteStore(tmp_path / "store") if kind == "file" else InMemoryStore()) as store:
        bench = Bench(store, (zone("a"), zone("b")))
        bench.now += DAY_S
        people = People(bench)
        people.order("pause", "plot-1b", until=bench.now + DAY_S)
        people.give("open", "plot-1a", duration_s=60)
        store.journal.beat(Beat(bench.now, 0.0, 1.0))
        bench = Bench(store, (zone("a"), zone("b")))  # started again, with the clock put right
        bench.service.start()
        bench.tick()
        bench.tick(SURE_AFTER_S + 1)
        assert [row.state for row in store.orders.last()] == ["done", "expired"]
        assert all(NOON <= (row.ended_at or 0) <= bench.now for row in store.orders.last())
        (pause,) = store.orders.holds()
        assert pause.since <= bench.now
        assert pause.until == NOON + 2 * DAY_S


def test_a_stop_while_the_clock_leaps_shuts_no_board_for_years() -> None:
    """A stop that falls into the moment of a wrong clock is of the right time, and what follows it may open again."""
    begun, passed_s = NOON, [0.0]
    bench = Bench(InMemoryStore(), (zone("a"),), elapsed=lambda: passed_s[0])
    bench.tick(0)
    passed_s[0] = 1.0
    bench.now += 2 * YEAR_S
    People(bench).order("stop")
    bench.tick(1)
    passed_s[0] = 2.0
    bench.now -= 2 * YEAR_S
    (stop,) = bench.commands()
    assert stop["action"] == "stop_all"
    assert begun <= stop["issued_at"] <= bench.now


@pytest.mark.parametrize("jump_s", JUMPS)
def test_a_leap_that_lasts_is_followed(jump_s: int) -> None:
    """A clock that was put right by years is believed after a minute; until then time goes on by itself."""
    shown, passed = [NOON], [0.0]
    clock = SteadyClock(lambda: shown[0], lambda: passed[0])
    assert clock.now() == NOON
    for seconds in range(1, SURE_AFTER_S + 10):
        shown[0], passed[0] = NOON + jump_s + seconds, float(seconds)
        is_sure = seconds > SURE_AFTER_S
        assert clock.now() == NOON + seconds + (jump_s if is_sure else 0)


def test_a_clock_that_came_back_is_no_leap() -> None:
    """After a moment in the past the right time counts at once."""
    shown, passed = [NOON], [0.0]
    clock = SteadyClock(lambda: shown[0], lambda: passed[0])
    clock.now()
    shown[0], passed[0] = NOON - YEAR_S, 1.0
    assert clock.now() == NOON
    shown[0], passed[0] = NOON + 2, 2.0
    assert clock.now() == NOON + 2


def test_a_forecast_waits_for_no_future(tmp_path: Path) -> None:
    """A clock that was years ahead when the forecast was fetched keeps the next one waiting for no year."""
    path = tmp_path / "forecast.json"
    counts: list[str] = []
    forecasts = Forecasts(str(path), count=counts.append)  # there is none, which is counted at each try
    for now in (NOON + 2 * YEAR_S, NOON, NOON + 1):
        forecasts.refresh(now)
    assert counts == ["forecasts_refused"] * 2
