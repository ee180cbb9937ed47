"""Plans that boards hold and nobody wants: by what their statuses name, whatever was sent, and one board at a time."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agronomy.units import DAY_S, HOUR_S
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.ports import Store
from compute_service.domain.zone import FallbackSettings
from tests.compute_service.bench import GATEWAY, Bench, zone
from tests.compute_service.in_memory.store import InMemoryStore
from tests.compute_service.people import People, online, stop_ack
from tests.compute_service.planned import OTHER, begun, dry, moist, planned, plans, taken
from tests.compute_service.test_fallback import changed


@pytest.fixture
def farm() -> Bench:
    return begun(InMemoryStore())


def names_it(bench: Bench, gateway_id: str = GATEWAY, epoch: int = 1, **days: int) -> list[dict[str, Any]]:
    """A board says that it holds a plan; gives the closes that follow."""
    before = len(bench.commands())
    online(bench, gateway_id, fallback_days=days or {"plot-1a": 5}, epochs={"plot-1a": epoch})
    return bench.commands()[before:]


def an_open_was_lost(bench: Bench) -> None:
    """So that the store takes the plan for deleted, and its board holds it."""
    dry(bench)
    bench.tick(HOUR_S)


def a_stop_was_taken_back(bench: Bench) -> None:
    """Before its board had heard it."""
    people = People(bench)
    people.order("stop")
    people.order("resume")


@pytest.mark.parametrize("missed", [an_open_was_lost, a_stop_was_taken_back])
@pytest.mark.parametrize("moment", ["while it runs", "while it was away"])
def test_what_a_board_never_heard_has_not_deleted_its_plan(missed: Callable[[Bench], None], moment: str) -> None:
    """It lost its session: the plan that the settings have no more is closed all the same."""
    farm = begun(InMemoryStore())
    plan = taken(farm)
    missed(farm)
    if moment == "while it runs":
        [close] = changed(farm, zone(), zone("b"))
    else:
        farm = begun(farm.store, zone(), zone("b"), now=farm.now + HOUR_S)
        [close] = farm.commands()
    assert (close["action"], close["device_id"], close["zone_id"]) == ("close", GATEWAY, "plot-1a")
    assert close["epoch"] > plan["epoch"]
    assert close["valid_until"] == plan["valid_until"]


@pytest.mark.parametrize(
    "settings",
    [{"fallback": None}, {"mode": "advice"}, {"zone_id": "plot-9z"}],
    ids=["no fallback", "advice", "no such zone"],
)
def test_a_plan_that_a_status_names_is_ended(settings: dict[str, Any]) -> None:
    """The store knows of none: it was brought back from a copy, and the settings were changed since."""
    bench = begun(InMemoryStore(), planned(**settings), zone("b"))
    [close] = names_it(bench, epoch=7)
    assert (close["action"], close["zone_id"], close["epoch"]) == ("close", "plot-1a", 8)
    assert "no fallback plan" in close["reason"]


def test_a_plan_that_nobody_here_gave_is_ended(farm: Bench) -> None:
    """The store was brought back from a copy: nobody knows the plan's bounds, so it ends, and a new one comes."""
    taken(farm)
    [close] = names_it(farm, epoch=7)
    assert (close["epoch"], close["reason"]) == (8, "its board holds a fallback plan that this service did not give")
    stop_ack(farm, close)
    [plan] = moist(farm)
    assert (plan["action"], plan["epoch"]) == ("fallback", 9)


def test_a_plan_that_is_wanted_is_left(farm: Bench) -> None:
    """Also an older one, while the next one is on its way, or never came."""
    taken(farm)
    assert names_it(farm) == []
    changed(farm, planned(fallback=FallbackSettings(run_s=600, days=5)), zone("b"))
    [second] = moist(farm)
    assert names_it(farm) == []
    farm.tick(HOUR_S)
    assert farm.state_of(second) == "expired"
    assert names_it(farm) == []


def test_a_plan_ends_while_somebody_keeps_the_zone_shut(farm: Bench) -> None:
    """The board answered to the stop, and names the plan all the same: a worn flash, perhaps."""
    taken(farm)
    People(farm).order("stop")
    stop_ack(farm, farm.commands()[-1])
    farm.now += HOUR_S
    [close] = names_it(farm)
    assert close["reason"] == "somebody keeps the zone shut, and its board holds a fallback plan"


def test_a_board_that_goes_on_naming_a_plan_is_told_once_an_hour(farm: Bench) -> None:
    """However often it says so, and however often the service begins anew: no storm, and no end before its own."""
    changed(farm, zone(), zone("b"))
    closes = set()
    for _ in range(3 * 60):
        farm = begun(farm.store, zone(), zone("b"), now=farm.now + 60)
        names_it(farm)
        for close in farm.commands():
            closes.add(close["command_id"])
            stop_ack(farm, close)
    assert len(closes) == 3
    online(farm, fallback_days={}, epochs={"plot-1a": 9})
    farm.now += 2 * HOUR_S
    assert begun(farm.store, zone(), zone("b"), now=farm.now).commands() == []


def test_a_close_that_is_not_answered_is_said_again_and_not_given_again(farm: Bench) -> None:
    """Each time its board connects, for days, by its one name."""
    taken(farm)
    [close] = changed(farm, zone(), zone("b"))
    for _ in range(5):
        farm.now += DAY_S
        assert names_it(farm) == [close]


def test_a_will_ends_nothing(farm: Bench) -> None:
    """It is older than what its board did since."""
    taken(farm)
    [close] = changed(farm, zone(), zone("b"))
    names_it(farm)
    stop_ack(farm, close)
    farm.now += 2 * HOUR_S
    online(farm, state="offline")
    assert farm.commands()[-1] == close
    assert begun(farm.store, zone(), zone("b"), now=farm.now).commands() == []


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_the_commands_of_a_place(kind: str, tmp_path: Path) -> None:
    """In whatever state, with what is for the whole gateway, from a time on; either store says the same."""
    with closing(SqliteStore(tmp_path / "store")) as store:
        farm = begun(store if kind == "sqlite" else InMemoryStore())
        plan = taken(farm)
        farm.now += HOUR_S
        people = People(farm)
        people.order("stop")
        people.order("close", "plot-1b")
        place, log = (GATEWAY, "plot-1a"), farm.store.commands
        assert [row.message["action"] for row in log.in_states(place=place)] == ["fallback", "stop_all"]
        assert [row.command_id for row in log.in_states("done", place=place)] == [plan["command_id"]]
        assert [row.message["action"] for row in log.in_states(place=place, since=farm.now)] == ["stop_all"]
        assert log.in_states(place=(OTHER, "plot-1a")) == []


# gateways that are no more of the farm


def test_a_gateway_that_left_the_farm_is_rid_of_its_plan(farm: Bench) -> None:
    """Its zones are gone, or another's, and nothing else of it is heard: its status and the ack of its close are."""
    taken(farm)
    [close] = changed(farm, zone("c", gateway_id=OTHER, sensor_id=f"{OTHER}.soil-c"))
    assert (close["device_id"], close["zone_id"]) == (GATEWAY, "plot-1a")
    refused = farm.store.updates.counters().get("refusals", 0)
    assert names_it(farm) == [close]
    stop_ack(farm, close)
    assert farm.state_of(close) == "done"
    assert farm.store.updates.counters().get("refusals", 0) == refused
    farm.hear_reading("a")
    assert farm.store.updates.counters()["refusals"] == refused + 1


def test_a_stranger_has_no_plan_to_end(farm: Bench) -> None:
    """A gateway that this farm never had is refused, whatever it says it holds."""
    assert names_it(farm, "irrigation-gateway-9") == []
    assert farm.store.updates.counters()["refusals"] == 1


# one board at a time


def moved(bench: Bench, **settings: Any) -> None:
    """The zone is another board's from now on."""
    changed(bench, planned(gateway_id=OTHER, sensor_id=f"{OTHER}.soil-a", **settings), zone("b"))


def moist_there(bench: Bench) -> list[dict[str, Any]]:
    """The zone's new board measures; gives the plans that follow."""
    before = len(plans(bench))
    bench.now += 900
    bench.hear_reading("a", vwc=0.27, gateway_id=OTHER, sensor_id=f"{OTHER}.soil-a")
    bench.tick(10)
    return plans(bench)[before:]


def test_a_zone_that_moved_has_its_plan_once_the_old_board_has_none(farm: Bench) -> None:
    """The old board's is ended first; then the new one has its plan with the next reading, not a day later."""
    taken(farm)
    moved(farm)
    close = farm.commands()[-1]
    assert (close["action"], close["device_id"]) == ("close", GATEWAY)
    assert moist_there(farm) == []
    stop_ack(farm, close)
    [plan] = moist_there(farm)
    assert plan["device_id"] == OTHER
    assert moist_there(farm) == []


def test_a_status_without_the_plan_frees_the_zone(farm: Bench) -> None:
    """Its board lost it, and says so."""
    taken(farm)
    moved(farm)
    farm.now += HOUR_S
    assert moist_there(farm) == []
    online(farm, fallback_days={}, epochs={"plot-1a": 1})
    assert len(moist_there(farm)) == 1


def test_a_board_that_is_away_keeps_the_zone_until_its_plan_is_over() -> None:
    """Nobody can tell it: it waters by its plan until then, so no other board gets one."""
    a_day = FallbackSettings(run_s=1200, days=1, after_offline_s=HOUR_S)
    farm = begun(InMemoryStore(), planned(fallback=a_day), zone("b"))
    plan = taken(farm)
    names_it(farm)
    moved(farm, fallback=a_day)
    farm.now = plan["valid_until"] - 1000
    assert moist_there(farm) == []
    assert len(moist_there(farm)) == 1


def test_a_plan_that_the_store_does_not_know_keeps_the_zone_too(farm: Bench) -> None:
    """The store was brought back from a copy of before the plan, and the zone moved: the old board's word counts."""
    names_it(farm, epoch=7)
    farm.hear_ack(farm.commands()[-1], "failed", code="storage_fault")
    moved(farm)
    assert moist_there(farm) == []
    farm.now += 2 * HOUR_S
    [close] = names_it(farm, epoch=8)
    assert (close["device_id"], close["epoch"]) == (GATEWAY, 9)
    stop_ack(farm, close)
    [plan] = moist_there(farm)
    assert plan["device_id"] == OTHER


def test_what_a_board_says_of_anothers_zone_uses_no_epoch_up(farm: Bench) -> None:
    """Who owns a gateway can name any zone: its own close alone has the epoch that it claims."""
    taken(farm)
    both = begun(farm.store, planned(), zone("c", gateway_id=OTHER, sensor_id=f"{OTHER}.soil-c"), now=farm.now + 10)
    [close] = names_it(both, OTHER, epoch=2**40)
    assert (close["device_id"], close["epoch"]) == (OTHER, 2**40 + 1)
    assert both.store.commands.epoch("plot-1a") == 1


def test_boards_of_one_pump_hold_plans_one_after_the_other() -> None:
    """Neither knows when the other waters: the plans of a board whose zones have none any more are ended first."""
    zones = planned(), zone("b", gateway_id=OTHER, sensor_id=f"{OTHER}.soil-b")
    store: Store = InMemoryStore()
    farm = Bench(store, zones, pump_l_min=500.0)
    farm.service.start()
    taken(farm)
    changed(farm, zone(), replace(zones[1], fallback=zones[0].fallback))
    close = farm.commands()[-1]
    for is_free in (False, True):
        farm.now += 900
        farm.hear_reading("b", vwc=0.27, gateway_id=OTHER, sensor_id=f"{OTHER}.soil-b")
        farm.tick(10)
        assert (plans(farm)[-1]["device_id"] == OTHER) == is_free
        stop_ack(farm, close)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_zone_that_moved_is_watered(kind: str, tmp_path: Path) -> None:
    """By its new board, although the old one, which is broken, never answers to the end of its plan."""
    with closing(SqliteStore(tmp_path / "store")) as store:
        farm = begun(store if kind == "sqlite" else InMemoryStore())
        taken(farm)
        moved(farm)
        for _ in range(20):
            farm.now += 900
            farm.hear_reading("a", gateway_id=OTHER, sensor_id=f"{OTHER}.soil-a")
            farm.tick(10)
        assert ("open", OTHER) in {(one["action"], one["device_id"]) for one in farm.commands()}


# a person's close


def test_a_persons_close_is_their_own(farm: Bench) -> None:
    """One that ends a plan waits for its board: who closes the zone meanwhile hears what became of their own order."""
    taken(farm)
    [ending] = changed(farm, zone(), zone("b"))
    people = People(farm)
    row = people.order("close", "plot-1a")
    close = farm.commands()[-1]
    assert close["command_id"] != ending["command_id"]
    assert close["epoch"] > ending["epoch"]
    stop_ack(farm, ending)
    assert people.again(row).state == "under_way"
    stop_ack(farm, close, "failed", code="valve_fault")
    assert people.again(row).state == "refused"
    assert "valve_fault" in people.again(row).reason


def test_who_resumes_takes_no_end_of_a_plan_back(farm: Bench) -> None:
    """The plan is nobody's wish any more, whoever lets the zone be watered again."""
    taken(farm)
    [ending] = changed(farm, zone(), zone("b"))
    people = People(farm)
    people.order("close", "plot-1a")
    people.order("resume", "plot-1a")
    assert farm.state_of(ending) == "pending"


def test_a_persons_close_goes_to_the_board_that_has_the_zone(farm: Bench) -> None:
    """One for the board that had it before is still not answered."""
    people = People(farm)
    people.order("close", "plot-1a")
    moved(farm)
    people.order("close", "plot-1a")
    assert [one["device_id"] for one in farm.commands() if one["action"] == "close"] == [GATEWAY, OTHER]
