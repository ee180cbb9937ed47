"""A plan that a board keeps for days without the cloud: when it is given, when not, and the water of its runs."""

from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from agronomy.units import DAY_S, HOUR_S
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.constraints import Limits
from compute_service.domain.fallback import Bounds, Held, is_due
from compute_service.domain.zone import PlacedProbe, Zone
from compute_service.settings import Change, Document
from tests.compute_service.bench import GATEWAY, NOON, Bench, zone
from tests.compute_service.in_memory.store import InMemoryStore
from tests.compute_service.people import People, online, stop_ack
from tests.compute_service.planned import PLAN, begun, dry, litres, moist, planned, plans, taken


@pytest.fixture
def farm() -> Bench:
    return begun(InMemoryStore())


# when there is one


def test_a_plan_has_every_bound(farm: Bench) -> None:
    """Seconds and litres a day, days, when it holds, and the moisture at which the zone's own model wants water."""
    plan = taken(farm)
    flow_l_min = farm.zones[0].flow_l_min
    assert (plan["zone_id"], plan["device_id"], plan["epoch"]) == ("plot-1a", GATEWAY, 1)
    assert (plan["duration_s"], plan["days"], plan["after_offline_s"]) == (1200, 5, DAY_S)
    assert plan["max_volume_l"] == pytest.approx(1.5 * flow_l_min * 20)
    assert (plan["valid_from"], plan["valid_until"]) == (farm.now, farm.now + 12 * DAY_S)
    [decision] = farm.store.decisions.last(1)
    receipt = decision["receipt"]
    due = 0.29 - receipt["due_mm"] / 1000 / receipt["roots_m"] + receipt["offset"]
    assert plan["below_vwc"] == pytest.approx(due, abs=1e-3)  # a receipt is rounded
    assert 0.12 < plan["below_vwc"] < 0.27
    assert plan["decision_id"] == decision["decision_id"]
    assert decision["command_id"] is None  # it decided for no run
    assert "1200 s a day from 24 h without the cloud" in plan["reason"]


def test_no_plan_unless_somebody_asked_for_it(farm: Bench) -> None:
    """It is off by default: the other zone of the farm has none."""
    assert moist(farm, "b") == []


@pytest.mark.parametrize(
    ("overrides", "seconds", "volume_l"),
    [
        ({"max_run_s": 900}, 900, None),
        ({"limits": Limits(daily_l=1000.0)}, 1200, 1000.0),
        ({"limits": Limits(seasonal_l=2000.0)}, 1200, 400.0),
    ],
    ids=["the longest run", "the day's budget", "the season's budget"],
)
def test_a_plan_keeps_within_the_zones_caps(overrides: dict[str, Any], seconds: int, volume_l: float | None) -> None:
    """Whatever the fallback asks for, the zone's own bounds are none of its board's to break."""
    bench = begun(InMemoryStore(), planned(**overrides))
    [plan] = moist(bench)
    assert plan["duration_s"] == seconds
    assert volume_l is None or plan["max_volume_l"] == volume_l


@pytest.mark.parametrize(
    "overrides",
    [
        {"mode": "advice"},
        {"limits": Limits(daily_l=100.0)},
        {"sown": zone().sown.replace(year=2026)},
        {"max_reading_age_s": 60},
    ],
    ids=["advice", "no litres for a run", "not sown", "old readings"],
)
def test_no_plan_where_there_would_be_no_run(overrides: dict[str, Any]) -> None:
    """A zone that only advises, has no litres, has no crop, or whose reading is old."""
    bench = begun(InMemoryStore(), planned(**overrides))
    bench.hear_reading("a", at=bench.now - 300, vwc=0.27)
    bench.tick(10)
    assert bench.store.decisions.last(1) != []
    assert plans(bench) == []


def test_no_plan_while_a_probe_cannot_be_gone_by() -> None:
    """A board goes by the mean of all that its probes tell, the bad one too; the service knows better."""
    second = PlacedProbe(f"{GATEWAY}.soil-a2", 0.3)
    bench = begun(InMemoryStore(), planned(probes=(second,)))
    for number in range(30):
        bench.now += HOUR_S
        bench.hear_reading("a", vwc=0.27)
        bench.hear_reading("a", vwc=0.01, sensor_id=second.sensor_id)
        bench.tick(10)
        if number == 4:
            count = len(plans(bench))
            online(bench, fallback_days={})  # it would be given another by and by
    probes = bench.store.decisions.last(1)[0]["receipt"]["probes"]
    assert sorted(probes.values()) == ["dead", "healthy"]
    assert len(plans(bench)) == count


def test_a_plan_waits_for_the_end_of_a_run(farm: Bench) -> None:
    """A run deletes the plan on its board, and the next one comes only once it is settled."""
    first = taken(farm)
    opening = dry(farm)
    assert opening["epoch"] == first["epoch"] + 1
    farm.hear_ack(opening, "started")
    assert moist(farm) == []
    farm.hear_ack(opening, "done")
    [second] = moist(farm)
    assert (second["action"], second["epoch"]) == ("fallback", first["epoch"] + 2)


def test_a_plan_that_is_on_its_way_holds_no_run_up(farm: Bench) -> None:
    """A dry zone is watered although its board has not answered to the plan."""
    [plan] = moist(farm)
    opening = dry(farm, every_s=10)
    assert farm.state_of(plan) == "pending"
    assert (opening["action"], opening["epoch"]) == ("open", plan["epoch"] + 1)


def test_a_plan_that_is_held_is_not_given_again(farm: Bench) -> None:
    """Until it is half used: by its days, as its board tells them, or by its time."""
    taken(farm)
    for days_left, is_new in ((5, False), (3, False), (2, True)):
        farm.now += DAY_S
        online(farm, fallback_days={"plot-1a": days_left})
        assert bool(moist(farm)) == is_new


def held(**fields: Any) -> Held:
    message = begun_plan()
    return Held(
        **{"message": message, "state": "done", "is_waited_for": False, "is_newest": True, "days_left": 5, **fields}
    )


def begun_plan() -> Any:
    bounds = asdict(WANTED)
    return {**bounds, "issued_at": NOON, "valid_from": NOON, "valid_until": NOON + bounds.pop("valid_s")}


WANTED = Bounds(
    duration_s=1200, max_volume_l=900.0, days=5, after_offline_s=DAY_S, below_vwc=0.22, valid_s=2 * 6 * DAY_S
)


@pytest.mark.parametrize(
    ("wanted", "last", "after_s"),
    [
        (WANTED, held(), 6 * DAY_S),
        (WANTED, held(days_left=2), DAY_S),
        (WANTED, held(state="expired", is_newest=False), DAY_S),
        (WANTED, held(is_newest=False), 0),
        (replace(WANTED, duration_s=600), held(), 0),
        (replace(WANTED, below_vwc=0.231), held(), DAY_S),
        (replace(WANTED, max_volume_l=800.0), held(), DAY_S),
        (WANTED, held(is_waited_for=True), None),
        (replace(WANTED, below_vwc=0.225), held(days_left=3), None),
    ],
    ids=[
        *("half its time", "half its days", "no answer", "deleted", "other settings"),
        *("drier soil is due", "a smaller budget", "on its way", "good as it is"),
    ],
)
def test_when_another_plan_is_due(wanted: Bounds, last: Held, after_s: int | None) -> None:
    """At that very second, and not before; never while the last one waits for its answer."""
    due_at = NOON + (5 * DAY_S if after_s is None else after_s)
    assert is_due(wanted, last, due_at) == (after_s is not None)
    assert not is_due(wanted, last, due_at - 1) or after_s == 0


def test_a_board_that_lost_its_plan_gets_another(farm: Bench) -> None:
    """Its status knows of none; not before a day, whatever it says."""
    taken(farm)
    farm.now += HOUR_S
    online(farm, fallback_days={})
    assert moist(farm) == []
    farm.now += DAY_S
    online(farm, fallback_days={})
    assert len(moist(farm)) == 1


@pytest.mark.parametrize("answer", ["nothing", "rejected"])
def test_a_board_that_takes_no_plan_gets_one_a_day(farm: Bench, answer: str) -> None:
    """Older firmware says nothing at all; runs and readings in between change nothing about it."""
    for _ in range(3 * 24):
        for command in moist(farm, after_s=HOUR_S - 10):
            if answer == "rejected":
                stop_ack(farm, command, "rejected", code="unknown_zone")
    assert len(plans(farm)) == 3
    assert [one["epoch"] for one in plans(farm)] == [1, 2, 3]
    assert farm.store.commands.deliveries() == []
    assert litres(farm) == 0


def test_a_plan_that_nobody_answers_is_no_water_and_no_alarm(farm: Bench) -> None:
    """It opens nothing by itself, so nothing counts as given, and nobody is told that a run was not answered."""
    [plan] = moist(farm)
    farm.tick(1800)
    assert farm.state_of(plan) == "expired"
    assert litres(farm) == 0
    assert farm.store.alarms.open() == []
    opening = dry(farm)
    [decision] = farm.store.decisions.last(1)
    assert opening["action"] == "open"
    assert next(check for check in decision["checks"] if check["name"] == "within_daily_cap")["value"] == 5400


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_plan_that_nobody_answers_is_no_run(kind: str, tmp_path: Path) -> None:
    """Neither the rest after a run nor the cap of a day counts it, in either store."""
    with closing(SqliteStore(tmp_path / "store")) as store:
        bench = begun(store if kind == "sqlite" else InMemoryStore())
        moist(bench)
        bench.tick(1800)
        state = bench.store.zones.zone_state(bench.zones[0], NOON, NOON, NOON)
        assert (state.runs, state.under_way) == ((), None)


def test_a_plan_is_repeated_unchanged_after_a_crash(farm: Bench) -> None:
    """It was on the disk before it was published: with its own id and epoch, until it expires."""
    [plan] = moist(farm)
    again = begun(farm.store, *farm.zones, now=farm.now + 5)
    assert again.commands() == [plan]
    late = begun(farm.store, *farm.zones, now=farm.now + 301)
    assert late.commands() == []


# when there is none any more


@pytest.mark.parametrize("hold", ["stop", "pause", "close"])
def test_no_plan_while_somebody_keeps_the_zone_shut(farm: Bench, hold: str) -> None:
    """What was held is deleted on the board, and none is given until somebody resumes."""
    first = taken(farm)
    people = People(farm)
    place = None if hold == "stop" else "plot-1a"
    until = {"until": farm.now + 30 * DAY_S} if hold == "pause" else {}
    people.order(hold, place, **until)
    ends = farm.commands()[-1]
    assert ends["action"] == ("stop_all" if hold == "stop" else "close")
    stop_ack(farm, ends)
    assert moist(farm) == []
    people.order("resume", place)
    [second] = moist(farm)
    assert second["epoch"] > first["epoch"]


def test_a_pending_plan_is_not_said_again_while_a_zone_is_held(farm: Bench) -> None:
    """The service died with a plan on its way, and somebody paused meanwhile: back again it sends the close alone."""
    moist(farm)
    People(farm).give("pause", "plot-1a", until=farm.now + DAY_S)
    later = begun(farm.store, *farm.zones, now=farm.now + 5)
    assert [one["action"] for one in later.commands()] == ["close"]


def changed(bench: Bench, *zones: Zone) -> list[dict[str, Any]]:
    """The zones file is another one; gives the commands that follow at once."""
    before = len(bench.commands())
    bench.config = replace(bench.config, zones=zones)
    bench.service.take_settings(Change(Document(Path("zones.yaml"), str(zones)), bench.config))
    return bench.commands()[before:]


def test_other_settings_are_another_plan(farm: Bench) -> None:
    """With the next decision."""
    taken(farm)
    assert changed(farm, planned(fallback=replace(PLAN, run_s=600)), zone("b")) == []
    [plan] = moist(farm)
    assert plan["duration_s"] == 600


@pytest.mark.parametrize("moment", ["while it runs", "while it was away"])
def test_a_plan_that_the_settings_have_no_more_is_closed(farm: Bench, moment: str) -> None:
    """At once: its board would water by it for days. It is told again until it answers, or until the plan is over."""
    plan = taken(farm)
    if moment == "while it runs":
        [close] = changed(farm, zone(), zone("b"))
    else:
        farm = begun(farm.store, zone(), zone("b"), now=farm.now + HOUR_S)
        [close] = farm.commands()
    assert (close["action"], close["zone_id"], close["epoch"]) == ("close", "plot-1a", plan["epoch"] + 1)
    assert moist(farm) == [close]  # the gateway is heard, and has not answered
    farm.now = plan["valid_until"] - 1
    farm.tick()
    assert farm.state_of(close) != "expired"
    farm.tick(1)
    assert farm.state_of(close) == "expired"
    assert "command_expired" not in [row.alarm.kind for row in farm.store.alarms.open()]
    assert litres(farm) == 0


def test_no_plan_for_a_gateway_that_saw_a_leak(farm: Bench) -> None:
    """Its board would refuse it; once the latch is gone there is one."""
    online(farm, latched=["plot-1b"])
    assert moist(farm) == []
    online(farm, latched=[])
    assert len(moist(farm)) == 1
