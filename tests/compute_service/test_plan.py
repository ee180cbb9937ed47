"""The watering plan: what it says of the days to come, how it moves with the weather, and whether it comes true."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agronomy.units import DAY_S, HOUR_S
from compute_service.__main__ import main
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.constraints import Limits
from compute_service.domain.forecast import Forecast, ForecastHour
from compute_service.domain.inputs import Inputs, conclude
from compute_service.domain.plan import HORIZON_S, HourAhead, PlannedRun, Standpoint, ZonePlan, plan, weather_ahead
from compute_service.domain.shared_pump import Pump, Use, share
from compute_service.domain.zone import Zone
from compute_service.domain.zone_model import Sample, WeatherHour, ZoneModel
from compute_service.plans import PlanMemo, Planner, hindsight
from tests.compute_service.bench import NOON, Bench, living, zone
from tests.compute_service.in_memory.store import InMemoryStore
from tests.compute_service.kept import hold

A = zone("a")
FIRST = NOON // HOUR_S * HOUR_S
SUNNY_MM = 0.25  # an hour
MOST_DECISIONS = 60  # of the time of a decision, that a plan may take


def model_of(vwc: float = 0.25, where: Zone = A) -> ZoneModel:
    """A zone whose probe has told the same for a day, so that the belief is near it."""
    model = None
    for quarter in range(96):
        at = NOON - DAY_S + 900 * quarter
        _, model = conclude(where, model, Inputs(samples=(Sample(where.sensor_id, at, vwc + quarter % 3 / 1e4),)), at)
    assert model is not None
    return model


def hours(et0_mm: float = SUNNY_MM, rain_mm: float = 0.0, spread: float = 0.2) -> tuple[HourAhead, ...]:
    return tuple(
        HourAhead(at, et0_mm, spread, rain_mm, 1.3 * rain_mm) for at in range(FIRST, FIRST + HORIZON_S, HOUR_S)
    )


def first_times(zone_plan: ZonePlan) -> list[float]:
    """When the first run comes at the earliest, likely, and at the latest; beyond the horizon is infinity."""
    run = zone_plan.runs[0] if zone_plan.runs else None
    times = (run.earliest, run.likely, run.latest) if run else (None, None, None)
    return [float("inf") if at is None else at for at in times]


MOIST = model_of(0.25)


# what it says


@given(st.floats(0, 0.5), st.floats(0, 2), st.floats(0.1, 0.5))
@settings(deadline=None, max_examples=25)
def test_a_band_is_in_its_order(et0_mm: float, rain_mm: float, spread: float) -> None:
    """Whatever the weather: not before the earliest, by the latest, and all of it within the horizon."""
    zone_plan = plan(A, MOIST, hours(et0_mm, rain_mm, spread), NOON)
    for run in zone_plan.runs:
        assert NOON <= run.earliest <= (run.likely or run.earliest) <= (run.latest or zone_plan.until)
        assert run.earliest < zone_plan.until == FIRST + HORIZON_S
        assert run.net_mm > 0
        assert run.duration_s <= A.daily_cap_s
    likely = [run.likely for run in zone_plan.runs if run.likely]
    assert likely == sorted(set(likely))


@given(st.floats(0.01, 0.4), st.floats(1.0, 2.0))
@settings(deadline=None, max_examples=25)
def test_a_drier_sky_brings_water_no_later(et0_mm: float, times: float) -> None:
    """More ET0 in every hour moves each edge of the first run's band forward, or leaves it."""
    mild, dry = (first_times(plan(A, MOIST, hours(et0_mm * factor), NOON)) for factor in (1.0, times))
    assert all(early <= late for early, late in zip(dry, mild, strict=True))


@given(st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None, max_examples=25)
def test_rain_brings_water_no_sooner(rain_mm: float, more_mm: float) -> None:
    """More rain in every hour moves each edge back, or leaves it; the earliest trusts in none."""
    before, after = (first_times(plan(A, MOIST, hours(rain_mm=mm), NOON)) for mm in (rain_mm, rain_mm + more_mm))
    assert all(early <= late for early, late in zip(before, after, strict=True))
    assert before[0] == after[0]


def test_none_within_the_horizon_is_said_as_such() -> None:
    """A moist zone under a dull sky has no run ahead; one that is nearly due has a first day, and no false last."""
    assert plan(A, model_of(0.285), hours(0.02), NOON).runs == ()
    [run, *_] = plan(A, MOIST, hours(0.12, rain_mm=0.12), NOON).runs
    assert run.earliest > NOON
    assert run.latest is None


def test_a_forecast_counts_while_it_is_fresh() -> None:
    """Its hours stand for theirs, and beyond its end the same hours of the last days; an old one for nothing."""
    usual = [WeatherHour(FIRST - DAY_S + hour * HOUR_S, 0.1, 0.0, "measured") for hour in range(24)]
    cool = Forecast(NOON, tuple(ForecastHour(FIRST + hour * HOUR_S, 1.0, 15.0, 1.0, 0.05) for hour in range(48)))
    ahead = weather_ahead(NOON, cool, usual)
    assert [(hour.et0_mm, hour.rain_mm) for hour in (ahead[0], ahead[47], ahead[48])] == [
        (0.05, 0.7),
        (0.05, 0.7),
        (0.1, 0),
    ]
    assert len(ahead) == HORIZON_S // HOUR_S
    assert weather_ahead(NOON + 7 * HOUR_S, cool, usual)[3].et0_mm == 0.1
    assert sum(hour.et0_mm for hour in weather_ahead(NOON, None, ())[:24]) == pytest.approx(5.0)


def test_runs_come_in_allowed_hours_only() -> None:
    """A zone that may be watered from 04:00 to 08:00 of the farm's clock has no run planned at noon."""
    night = zone("a", limits=Limits(hours=((4 * HOUR_S, 8 * HOUR_S),)))
    runs = plan(night, model_of(0.2, night), hours(), NOON).runs
    assert runs
    for run in runs:
        for at in (run.earliest, run.likely, run.latest):
            assert at is None or 8 <= at // HOUR_S % 24 < 12  # Toronto is 4 h behind UTC


def test_a_budget_spreads_a_refill_over_days() -> None:
    """Where a day has 2,000 litres, no plan counts on more before the farm's next midnight."""
    thrifty = zone("a", limits=Limits(daily_l=2000.0))
    dry = model_of(0.18)
    free, bound = (plan(one, dry, hours(), NOON) for one in (A, thrifty))
    assert free.runs[0].litres > 2000 >= plan(thrifty, dry, hours()[:6], NOON).runs[0].litres
    assert sum(run.litres for run in bound.runs) <= 6 * 2000


def test_what_is_held_comes_after_the_hold() -> None:
    """Paused until tomorrow: not before; stopped until somebody resumes: none, and it says so."""
    dry = model_of(0.18)
    until = NOON + DAY_S
    pause, stop = hold("pause", A.zone_id, NOON, until), hold("stop", None, NOON, None)
    paused = plan(A, dry, hours(), NOON, Standpoint(holds=(pause,)))
    assert paused.runs[0].earliest >= until
    [note] = paused.notes(A.timezone)
    assert note.startswith("held: ana paused it at 2025-06-15 11:06, until 2025-06-16 11:06")
    assert note.endswith(": no run before 2025-06-16 11:06")
    stopped = plan(A, dry, hours(), NOON, Standpoint(holds=(stop, pause)))
    assert stopped.runs == ()
    assert stopped.notes(A.timezone)[0].endswith("until somebody resumes: no run")


def test_advice_plans_no_run_that_nobody_opens() -> None:
    """A zone that only advises has the same times as advice, no runs, and says so."""
    adviser, dry = zone("a", mode="advice"), model_of(0.18)
    advised = plan(adviser, dry, hours(), NOON)
    assert (advised.runs, advised.advice) == ((), plan(A, dry, hours(), NOON).runs)
    assert advised.notes(A.timezone) == ("advice only: nothing opens unless a person orders it",)


@pytest.mark.parametrize(
    ("limits", "weather"),
    [
        (Limits(frost_c=2.0), {"temperature_c": -1.0}),
        (Limits(wind_m_s=4.0), {"wind_m_s": 9.0}),
    ],
    ids=["frost", "wind"],
)
def test_frost_and_wind_of_the_forecast_put_a_run_off(limits: Limits, weather: dict[str, float]) -> None:
    """While the forecast has frost or wind the likely run waits, and comes when it has none; not by an old forecast."""
    windy = zone("a", limits=limits)
    dry = model_of(0.18, windy)
    bad_hours = 30
    usual = {"temperature_c": 15.0, "wind_m_s": 1.0}
    told = tuple(
        ForecastHour(FIRST + hour * HOUR_S, rain_mm=0.0, **{**usual, **(weather if hour < bad_hours else {})})
        for hour in range(50)
    )
    likely = {
        fetched_at: plan(windy, dry, hours(), NOON, forecast=Forecast(fetched_at, told)).runs[0].likely
        for fetched_at in (NOON, NOON - 12 * HOUR_S)
    }
    assert (likely[NOON] or 0) >= FIRST + (bad_hours - 1) * HOUR_S
    assert likely[NOON - 12 * HOUR_S] == plan(windy, dry, hours(), NOON).runs[0].likely == NOON


# one pump


def dry_zones(count: int, **overrides: object) -> dict[str, Zone]:
    zones = [zone(letter, **overrides) for letter in "abcdef"[:count]]
    return {one.zone_id: one for one in zones}


@given(st.integers(1, 6), st.integers(1, 3), st.integers(0, 3000))
@settings(deadline=None, max_examples=25)
def test_no_plan_counts_on_more_than_the_pump_gives(count: int, at_once: int, busy_s: int) -> None:
    """However many zones are dry at once, the likely runs, and the latest, never take more than there is."""
    zones = dry_zones(count)
    run = PlannedRun(earliest=NOON, likely=NOON, latest=NOON + HOUR_S, net_mm=10.0, litres=1000, duration_s=1500)
    later = replace(run, likely=NOON + 4000, latest=NOON + 4 * HOUR_S)
    alone = [ZonePlan(zone_id=name, at=NOON, until=FIRST + HORIZON_S, runs=(run, later)) for name in zones]
    flow_l_min = A.flow_l_min
    pump = Pump(gives_l_min=at_once * flow_l_min, uses=(Use(NOON, NOON + busy_s, flow_l_min),) if busy_s else ())
    shared = share(alone, zones, pump)
    runs = [run for one in shared.values() for run in one.runs]
    for run in runs:
        assert run.earliest <= (run.likely or 0) <= (run.latest or 0)
    begins = [run.likely or 0 for run in runs]
    for at in begins:
        together = sum(begin <= at < begin + 1500 for begin in begins) + (at < NOON + busy_s)
        assert together <= at_once
    if at_once > count:
        assert [one.runs for one in alone] == [one.runs for one in shared.values()]


def test_a_run_that_waits_for_the_pump_waits_for_its_hour_too() -> None:
    """Where the allowed hour is over when the pump is free, the run comes in the next one."""
    an_hour = Limits(hours=((11 * HOUR_S, 12 * HOUR_S),))
    zones = dry_zones(2, limits=an_hour)
    run = PlannedRun(earliest=NOON, likely=NOON, latest=NOON, net_mm=10.0, litres=1000, duration_s=3600)
    alone = [ZonePlan(zone_id=name, at=NOON, until=FIRST + HORIZON_S, runs=(run,)) for name in zones]
    shared = share(alone, zones, Pump(gives_l_min=A.flow_l_min))
    first, second = (one.runs[0].likely for one in shared.values())
    assert first == NOON
    assert second
    assert 11 <= (second // HOUR_S - 4) % 24 < 12
    assert second > NOON + 20 * HOUR_S


def test_a_farm_with_one_pump_is_planned_in_turn() -> None:
    """From its store: two zones that are dry at once are not planned for the same hour."""
    store = InMemoryStore()
    bench = Bench(store, (zone("a"), zone("b")), pump_l_min=250.0)
    bench.service.start()
    for letter in "ab":
        bench.hear_reading(letter, vwc=0.24)
    bench.tick(10)
    plans = [Planner(store, bench.now).plan(one) for one in bench.zones]
    first, second = (one.runs[0] for one in plans if one)
    assert first.likely
    assert second.likely
    assert abs(first.likely - second.likely) >= min(first.duration_s, second.duration_s)


def test_a_planner_goes_by_the_forecast_of_the_last_decision() -> None:
    """A page has no forecast of its own, and still does not plan a run into the frost that the service knows of."""
    store = InMemoryStore()
    cold = tuple(ForecastHour(FIRST + hour * HOUR_S, 0.0, -3.0 if hour < 40 else 9.0, 1.0) for hour in range(50))
    bench = Bench(store, (A,), forecast=Forecast(NOON, cold))
    bench.service.start()
    bench.hear_reading("a", vwc=0.18)
    bench.tick(10)
    assert bench.commands() == []
    assert (Planner(store, bench.now).next_run_at(A) or 0) >= FIRST + 38 * HOUR_S


def test_a_plan_is_kept_until_something_is_another() -> None:
    """Asked again it is the same object; after a decision, or when a person holds the zone, it is made anew."""
    store = InMemoryStore()
    bench = Bench(store, (A,))
    bench.service.start()
    bench.hear_reading("a", vwc=0.25)
    bench.tick(10)
    memo: PlanMemo = {}
    plans = [Planner(store, bench.now, memo=memo).plan(A) for _ in range(2)]
    assert plans[0] is plans[1]
    store.orders.hold(hold("pause", A.zone_id, bench.now, bench.now + DAY_S))
    held = Planner(store, bench.now, memo=memo).plan(A)
    assert held
    assert held.holds


def test_water_under_way_is_counted() -> None:
    """What a valve gives now is not planned once more."""
    dry = model_of(0.2)
    times = [first_times(plan(A, dry, hours(), NOON, Standpoint(coming_mm=mm)))[1] for mm in (0.0, 60.0)]
    assert times[0] < times[1]


def test_before_sowing_nothing_comes() -> None:
    """A zone whose crop is not in the ground yet has no plan for it."""
    later = zone("a", sown=A.sown.replace(year=2026))
    assert plan(later, model_of(0.18, later), hours(), NOON).runs == ()


# does it come true


class Field:
    """A zone's soil that dries by day, and is refilled by what the service opens."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.vwc, self.answers = bench, 0.26, 0

    def play(self, days: int) -> None:
        for _ in range(days * 48):
            local_hour = (self.bench.now // HOUR_S - 4) % 24
            sun = max(0.0, 1 - abs(local_hour - 12.5) / 7)
            self.vwc -= 0.0009 * sun
            self.bench.hear_reading("a", vwc=round(self.vwc, 4))
            self.bench.tick(10)
            for command in self.bench.commands()[self.answers :]:
                litres = command["duration_s"] / 60 * A.flow_l_min
                done = {"duration_s": command["duration_s"], "volume_l": litres}
                self.bench.hear_ack(command, "done", at=self.bench.now + command["duration_s"], **done)
                self.vwc += litres * A.efficiency / A.area_m2 / (1000 * A.root_depth_m)
                self.answers += 1
            self.bench.tick(1790)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a farm that was watered for twelve days."""
    path = tmp_path_factory.mktemp("farm") / "compute.sqlite"
    with closing(SqliteStore(path)) as store:
        bench = Bench(store, (A,))
        bench.service.start()
        Field(bench).play(12)
        store.journal.beat(living(bench.now))
    return path


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore.reader(path)) as store:
        yield store


def test_most_plans_come_true(store: SqliteStore) -> None:
    """Of the plans that could have been made on the way, the next run came within its band in four of five."""
    plans = list(hindsight(store, NOON + 2 * DAY_S, NOON + 12 * DAY_S))
    openings = {one.opened_at for one in plans if one.opened_at}
    assert len(plans) > 30
    assert len(openings) >= 2
    assert sum(one.is_within for one in plans) >= 0.8 * len(plans)


def test_hindsight_tells_a_bad_plan(store: SqliteStore) -> None:
    """A run before its band or after it, or where none was foreseen, is not within it."""
    one = next(one for one in hindsight(store, NOON + 2 * DAY_S, NOON + 12 * DAY_S) if one.plan.runs and one.opened_at)
    run = one.plan.runs[0]
    end = one.plan.until
    band = replace(run, earliest=end - 9 * HOUR_S, likely=end - 8 * HOUR_S, latest=end - 7 * HOUR_S)
    banded = replace(one, plan=replace(one.plan, runs=(band,)), known_until=end)
    expected = {-10: False, -9: True, -7: True, -6: False}
    assert {hour: replace(banded, opened_at=end + hour * HOUR_S).is_within for hour in expected} == expected
    assert not replace(banded, opened_at=None).is_within
    assert replace(banded, opened_at=None, known_until=end - 7 * HOUR_S).is_within
    assert not replace(banded, plan=replace(one.plan, runs=()), opened_at=end - HOUR_S).is_within


def test_a_person_reads_the_plan(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each zone with the time, the water and the band; and how well past plans held."""
    assert main(["plan", f"--store={path}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "plot-1a:"
    assert "not before 2025-06-" in lines[1]
    assert main(["plan", "--hindsight", "8", f"--store={path}"]) == 0
    assert capsys.readouterr().out.endswith("plans of the last 8 days held: the next run came within its band\n")


def test_a_planner_asks_for_the_weather_once_a_gateway(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A farm of many zones is planned without reading the same hours for each."""
    hour, count = store.zones.hour, [0]

    def counted(gateway_id: str, at: int) -> object:
        count[0] += 1
        return hour(gateway_id, at)

    monkeypatch.setattr(store.zones, "hour", counted)
    planner = Planner(store, NOON + 12 * DAY_S)
    for _ in range(3):
        assert planner.plan(A)
    assert count[0] == 72
    assert planner.plan(zone("b")) is None


# what it costs


def test_a_plan_costs_some_decisions() -> None:
    """Planning a zone five days ahead takes the CPU time of some dozen steps of its model, and not of hundreds."""
    inputs = Inputs(samples=(Sample(A.sensor_id, NOON, 0.25),))

    def cpu_s(work: object, times: int) -> float:
        begin = time.process_time()
        for _ in range(times):
            work()  # type: ignore[operator]
        return (time.process_time() - begin) / times

    ahead = hours()
    ratios = [
        cpu_s(lambda: plan(A, MOIST, ahead, NOON), 4) / cpu_s(lambda: conclude(A, MOIST, inputs, NOON), 60)
        for _ in range(5)
    ]
    assert median(ratios) < MOST_DECISIONS, ratios
