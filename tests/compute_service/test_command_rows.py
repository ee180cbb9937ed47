"""Commands to the letter: when each is given up, what is written of it, and what its ack books."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from compute_service import commands
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.decide import Run, ZoneState, decide
from compute_service.domain.zone_model import Sample, Water, advance
from tests.compute_service.bench import GATEWAY, NOON, Bench, ack, zone
from tests.compute_service.in_memory.store import InMemoryStore
from tests.compute_service.people import People, online, stop_ack

PROBE = zone().sensor_id
MODEL = advance(zone(), None, (), (), [Sample(PROBE, NOON - 60, 0.18)], NOON - 60)


@pytest.mark.parametrize(("puback", "state"), [(True, "sent"), (False, "pending")])
def test_an_open_that_nobody_answers_is_over_after_seven_minutes(bench: Bench, puback: bool, state: str) -> None:
    """Five minutes in which it may begin, two in which its ack may be on its way; whether the broker had it or not."""
    command = bench.water("a")
    if puback:
        bench.published[-1][2]()
    bench.tick(419)
    assert bench.state_of(command) == state
    bench.tick(1)
    assert bench.state_of(command) == "expired"


def test_a_command_may_hold_its_valve_open_until_its_last_second(bench: Bench) -> None:
    """It began as late as it could, ran as long as it may, and its ack was on its way; a stop opens nothing."""
    command = bench.water("a")
    [row] = bench.store.commands.open()
    last = bench.now + 300 + command["duration_s"] + 120
    assert [commands.may_be_open(row, at) for at in (bench.now, last - 1, last)] == [True, True, False]
    People(bench).order("stop")
    [stop] = commands.unanswered_stops(bench.store.commands)
    assert not commands.may_be_open(stop, bench.now)


def test_a_puback_of_what_is_forgotten_changes_nothing(bench: Bench) -> None:
    """The broker may answer for a command of a store that was lost."""
    commands.on_puback(bench.store.commands, "C-unknown")
    assert bench.store.commands.counts() == {}


def test_a_stop_that_the_broker_has_is_still_said(bench: Bench) -> None:
    """Neither a PUBACK nor the gateway's first word ends the wait for the ack of a stop: nothing but its end does."""
    row = People(bench).order("stop")
    [stop] = bench.commands()
    bench.published[-1][2]()
    for state in (None, "received"):
        if state:
            stop_ack(bench, stop, state)
        online(bench)
        assert bench.commands()[-1] == stop
    assert len(bench.commands()) == 3
    assert People(bench).again(row).state == "under_way"
    bench.tick(30 * 86400)
    assert bench.state_of(stop) == "received"


def test_each_stop_is_said_again_at_its_own_minute(bench: Bench) -> None:
    """Of two stops of a gateway only the one that is a minute old is repeated, and none in the second it was said."""
    people = People(bench)
    people.order("stop")
    bench.hear_reading("a", vwc=0.27)  # in the same second
    bench.now += 30
    people.order("close", "plot-1a")
    told = []
    for seconds in (29, 1, 1, 29, 30):
        bench.now += seconds
        before = len(bench.commands())
        bench.hear_reading("b", vwc=0.27)
        told.append([one["action"] for one in bench.commands()[before:]])
    assert told == [[], ["stop_all"], [], ["close"], ["stop_all"]]


def test_a_stop_that_another_process_said_is_said_again(store: InMemoryStore) -> None:
    """Nobody knows when a stop was last published that this process never sent: its gateway hears it as it connects."""
    commands.remember_stop(store.commands, GATEWAY, None, "ana", NOON, "C1")
    repeats = commands.StopRepeats(store.commands)
    assert repeats.due(GATEWAY, NOON, is_new_connection=False) == []  # it does not know of any
    other = commands.StopRepeats(store.commands)
    assert [row.command_id for row in other.due(GATEWAY, NOON, is_new_connection=True)] == ["C1"]
    commands.remember_stop(store.commands, GATEWAY, "plot-1a", "ana", NOON, "C2")
    repeats.sent(commands.unanswered_stops(store.commands)[1].message, NOON)
    assert [row.command_id for row in repeats.due(GATEWAY, NOON + 1, is_new_connection=False)] == ["C1"]


def test_a_close_takes_an_epoch_of_its_own(bench: Bench) -> None:
    """A gateway obeys only what is newer: the close, and then the open after it. A stop of all needs no epoch."""
    people = People(bench)
    people.order("close", "plot-1a")
    stop_ack(bench, bench.commands()[-1])
    people.order("resume", "plot-1a")
    bench.water("a")
    people.order("stop")
    assert [(one["action"], one["epoch"]) for one in bench.commands()] == [("close", 1), ("open", 2), ("stop_all", 0)]


def test_a_long_reason_is_cut_to_what_a_message_holds(store: InMemoryStore) -> None:
    """400 characters: one more, and the gateway would refuse the command."""
    decision = replace(decide(zone(), ZoneState(model=MODEL), NOON), sentence="x" * 500)
    opening = commands.remember(store.commands, zone(), decision, "D1", "C1")
    assert opening is not None
    stop = commands.remember_stop(store.commands, GATEWAY, None, "y" * 500, NOON, "C2")
    assert (opening["reason"], stop["reason"]) == ("x" * 400, "y" * 400)


def test_a_ulid_takes_eighty_random_bits() -> None:
    """More of them change nothing."""
    assert commands.ulid(0, bytes(10) + b"\xff") == "0" * 26


@pytest.mark.parametrize(
    ("told", "litres", "runs"),
    [
        ({"duration_s": 600, "volume_l": 300.0}, [300.0], [600]),
        ({"duration_s": 600, "volume_l": None, "volume_source": "none"}, [2000.0], [600]),  # 200 l a minute
        ({"duration_s": 0, "volume_l": 7.0}, [7.0], []),
        ({"duration_s": 0, "volume_l": 0.0}, [], []),
    ],
    ids=["measured", "by its time", "only litres", "nothing"],
)
def test_what_an_ack_tells_is_in_the_zones_book(
    bench: Bench, told: dict[str, object], litres: list[float], runs: list[int]
) -> None:
    """Measured litres, or the time at the zone's flow, count once towards day, season and belief."""
    command = bench.water("a")
    bench.hear_ack(command, "done", **told)
    [zone_] = [one for one in bench.zones if one.zone_id == "plot-1a"]
    state = bench.store.zones.zone_state(zone_, 0, 0, 0)
    assert bench.store.zones.news(zone_).water == tuple(Water(bench.now, amount) for amount in litres)
    assert (state.used_today_l, state.used_season_l) == (sum(litres), sum(litres))
    assert state.runs == tuple(Run(bench.now, seconds) for seconds in runs)


@pytest.fixture
def sqlite_bench() -> Iterator[Bench]:
    with closing(SqliteStore(":memory:")) as store:
        yield Bench(store, (zone("a"),))


def test_a_stop_that_was_rejected_as_stale_moves_no_epoch(sqlite_bench: Bench) -> None:
    """A stop of all is of no zone: what its ack says of an epoch is nobody's."""
    People(sqlite_bench).order("stop")
    stop_ack(sqlite_bench, sqlite_bench.commands()[0], "rejected", code="stale_epoch", held_epoch=9)
    assert sqlite_bench.store.commands.epoch("plot-1a") == 0
    assert sqlite_bench.state_of(sqlite_bench.commands()[0]) == "rejected"


def test_epochs_double_for_a_gateway_that_does_not_tell_its_own(bench: Bench) -> None:
    """Each try goes on from twice the epoch that was refused."""
    for _ in range(4):
        bench.hear_ack(bench.water("a"), "rejected", code="stale_epoch")
        bench.tick(4000)
    assert [one["epoch"] for one in bench.commands()] == [1, 3, 7, 15]


def test_the_largest_epoch_is_still_heard(store: InMemoryStore) -> None:
    """2**52 is a count that a gateway may hold, one more is none."""
    assert commands.hear_epoch(store.commands, "plot-1a", 2**52) is True
    assert commands.hear_epoch(store.commands, "plot-1a", 2**52 + 1) is False
    assert store.commands.epoch("plot-1a") == 2**52


def test_an_ack_says_whether_it_changed_anything(bench: Bench) -> None:
    """The first does, its repeat does not."""
    command = bench.water("a")
    row = bench.store.commands.get(command["command_id"])
    assert row is not None
    started = ack(command, "started")
    assert commands.acknowledge(bench.store.commands, bench.store.zones, row, started, bench.now) is True  # type: ignore[arg-type]
    row = bench.store.commands.get(command["command_id"])
    assert row is not None
    assert commands.acknowledge(bench.store.commands, bench.store.zones, row, started, bench.now) is False  # type: ignore[arg-type]
