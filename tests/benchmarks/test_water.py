"""The water scorecard: the judge is AquaCrop as it comes, the instruments lie only as told, the sums are right."""

import builtins
import json
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import aquacrop  # type: ignore[import-untyped]  # it ships no types
import pandas as pd
import pytest
from aquacrop.utils import get_filepath, prepare_weather  # type: ignore[import-untyped]  # as above

from benchmarks.water import field, instruments
from benchmarks.water.instruments import FAULTS, NONE, PROBE_DEPTHS_M, Fault, Instruments, Seen
from benchmarks.water.score import Row, Sheet, judge, published, rows
from benchmarks.water.sites import SITES, Site, with_faults
from benchmarks.water.trial import FAULTY, ORACLES, POLICIES, Result, Task, carry_out

ROOT = Path(__file__).parents[2]
KEYS = ["policy", "climate", "soil", "crop", "seasons", "tuned_on", "fault"]
KEYS += ["yield_t_ha_mean", "yield_t_ha_min", "full_yield_t_ha", "irrigation_mm", "drainage_mm", "events"]
SITE = next(site for site in SITES if site.name == "tunis/SandyLoam/Tomato")
SOWN = date(1990, 4, 1)


@pytest.fixture(scope="module")
def frozen() -> bytes:
    return field.sow(SITE.climate.name, SITE.soil, SITE.crop, SOWN)


SMALL = [  # one season of a site with faults and of a tuned one without; of each kind of policy one or two
    *("--seasons", "1", "--sites", "suffolk/Loam/Tomato", "cordoba/Loam/Tomato", "--policies", "calendar_20_7"),
    *("calendar_eto", "shallow", "fao56", "fused", "oracle_smt_50", "oracle_smt_70"),
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("only", [SMALL, pytest.param([], marks=pytest.mark.soak)], ids=["small", "whole"])
def test_a_quick_run_writes_a_row_for_everything_that_was_tried(only: list[str], tmp_path: Path) -> None:
    """`--quick` ends well, and its file has the promised keys and each policy, site and fault once."""
    command = [sys.executable, "-m", "benchmarks", "water", "--quick", *only, "--output", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "water.json").read_text())
    assert all(list(row) == KEYS for row in found)
    names = [(row["policy"], row["climate"], row["soil"], row["crop"], row["fault"]) for row in found]
    assert len(names) == len(set(names))
    assert {"calendar_20_7", "calendar_eto", "shallow", "fao56", "oracle_smt"} <= {row["policy"] for row in found}
    assert {row["fault"] for row in found} == {"none", *(fault.name for fault in FAULTS)}
    assert {row["tuned_on"] for row in found} == {True, False}
    assert "## Judgement" in done.stdout
    assert len(json.loads((tmp_path / "water-frontier.json").read_text())) > len(
        [row for row in found if row["fault"] == "none"]
    )


def test_a_site_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """A pattern that matches no site ends with a sentence that shows what a site looks like."""
    command = [sys.executable, "-m", "benchmarks", "water", "--sites", "moon/*", "--output", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no site matches moon/*" in done.stderr


# The judge


def test_a_season_lived_day_by_day_is_the_season_that_aquacrop_simulates(
    frozen: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Water given through `live`, with the quick rounding, comes to AquaCrop's own result, to the bit."""
    season = field.Season(frozen)
    day = 0
    while not season.over:
        season.live(12.3 if day % 4 == 0 else 0.0)
        day += 1
    lived = season.outcome()
    monkeypatch.setattr(sys.modules["aquacrop.solution.root_zone_water"], "round", builtins.round)
    dates = pd.date_range(SOWN, date(1990, 9, 30))
    schedule = pd.DataFrame({"Date": dates, "Depth": [0.0 if n % 4 else 12.3 for n in range(len(dates))]})
    model = _model(aquacrop.IrrigationManagement(irrigation_method=3, Schedule=schedule, MaxIrr=field.DAILY_CAP_MM))
    model.run_model(till_termination=True)
    stats = model.get_simulation_results().iloc[0]
    assert lived.yield_t_ha == stats["Dry yield (tonne/ha)"]
    assert lived.irrigation_mm == pytest.approx(stats["Seasonal irrigation (mm)"])
    assert lived.drainage_mm == model.get_water_flux()["DeepPerc"].sum()


def _model(management: object) -> aquacrop.AquaCropModel:
    return aquacrop.AquaCropModel(
        "1990/04/01",
        "1990/09/30",
        prepare_weather(get_filepath("tunis_climate.txt")),
        aquacrop.Soil(SITE.soil),
        aquacrop.Crop(SITE.crop, planting_date="04/01"),
        aquacrop.InitialWaterContent(value=["FC"]),
        management,
    )


def test_the_shortage_is_of_today(frozen: bytes) -> None:
    """A day after its shortage was refilled, a field lacks no more than that day took: the model's figure is stale."""
    season = field.Season(frozen)
    for _ in range(40):
        season.live(0)
    before = season.shortage_mm()
    assert before > 20
    season.live(before)
    assert season.shortage_mm() < 10


def test_no_installation_gives_more_than_its_daily_cap(frozen: bytes) -> None:
    """Whatever is asked, and nothing below zero."""
    season = field.Season(frozen)
    assert season.live(1000) == field.DAILY_CAP_MM
    assert season.live(-5) == 0


def test_water_keeps_the_harvest_and_drought_does_not() -> None:
    """The oracle on moist soil has the full yield of Tunis's tomatoes; rain alone has less than half of it."""
    task = Task(SITE, SOWN, (("oracle_smt_80", NONE), ("rainfed", NONE), ("calendar_40_7", NONE)))
    oracle, rainfed, calendar = carry_out(task)
    assert oracle.outcome.yield_t_ha == pytest.approx(oracle.full_yield_t_ha, rel=0.01)
    assert rainfed.outcome.yield_t_ha < rainfed.full_yield_t_ha / 2
    assert calendar.outcome.events == pytest.approx(calendar.outcome.irrigation_mm / 40)


# The instruments


def _evenings(frozen: bytes, fault: Fault, days: int = 60) -> list[Seen]:
    installation = Instruments(field.Season(frozen), fault, "luck")
    return [installation.live(20.0 if day % 5 == 0 else 0.0) for day in range(days)]


def test_a_healthy_installation_tells_the_truth_but_for_noise_and_lag(frozen: bytes) -> None:
    """Rain, ET0 and water are exact; a probe's mean error is small."""
    season = field.Season(frozen)
    installation = Instruments(season, NONE, "luck")
    errors = []
    for _ in range(40):
        weather = season.today()
        seen = installation.live(3.0)
        assert (seen.rain_mm, seen.et0_mm, seen.irrigation_mm) == (weather.rain_mm, weather.et0_mm, 3.0)
        assert None not in seen.probes
        errors += [
            (told or 0) - season.moisture(depth) for told, depth in zip(seen.probes, PROBE_DEPTHS_M, strict=True)
        ]
    assert abs(sum(errors) / len(errors)) < 0.004
    assert 0.007 < (sum(error**2 for error in errors) / len(errors)) ** 0.5 < 0.014


def test_the_same_luck_for_every_policy(frozen: bytes) -> None:
    """Twice the same season is seen twice alike, and other luck otherwise."""
    assert _evenings(frozen, NONE) == _evenings(frozen, NONE)
    other = Instruments(field.Season(frozen), NONE, "other luck").live(20.0)
    assert other.probes != _evenings(frozen, NONE, 1)[0].probes


def _moved(clean: list[Seen], faulty: list[Seen]) -> list[float]:
    pairs = [pair for a, b in zip(clean, faulty, strict=True) for pair in zip(a.probes, b.probes, strict=True)]
    return [told - honest for honest, told in pairs if honest is not None and told is not None]


BY_NAME = {fault.name: fault for fault in FAULTS}


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if not fault.undelivered], ids=lambda fault: fault.name)
def test_a_fault_of_what_is_told_changes_nothing_in_the_field(frozen: bytes, fault: Fault) -> None:
    """The same water in the same field; and only the probes, the station or the gauge tell it differently."""
    clean, faulty = _evenings(frozen, NONE), _evenings(frozen, fault)
    for a, b in zip(clean, faulty, strict=True):
        assert replace(a, et0_mm=0, rain_mm=0, probes=()) == replace(b, et0_mm=0, rain_mm=0, probes=())
    assert faulty != clean or instruments.known(SITE, fault) != instruments.known(SITE, NONE)


@pytest.mark.parametrize("name", ["et0_high", "et0_low"])
def test_a_wrong_station_is_wrong_by_a_fifth(frozen: bytes, name: str) -> None:
    """ET0 times 1.2 or 0.8, every day."""
    factor = {"et0_high": 1.2, "et0_low": 0.8}[name]
    told = [seen.et0_mm for seen in _evenings(frozen, BY_NAME[name])]
    assert told == pytest.approx([seen.et0_mm * factor for seen in _evenings(frozen, NONE)])


@pytest.mark.parametrize("name", ["soil_high", "soil_low"])
def test_wrong_soil_constants_are_both_wrong_by_a_fifth(name: str) -> None:
    """Field capacity and wilting point times 1.2 or 0.8; a probe does not know of it."""
    factor = {"soil_high": 1.2, "soil_low": 0.8}[name]
    honest, believed = instruments.known(SITE, NONE), instruments.known(SITE, BY_NAME[name])
    assert believed.field_capacity == pytest.approx(honest.field_capacity * factor)
    assert believed.wilting_point == pytest.approx(honest.wilting_point * factor)


@pytest.mark.parametrize(("name", "bias"), [("bias_high", 0.03), ("bias_low", -0.03)])
def test_a_biased_probe_is_off_by_the_same_every_day(frozen: bytes, name: str, bias: float) -> None:
    """By 0.03, all three of them."""
    assert _moved(_evenings(frozen, NONE), _evenings(frozen, BY_NAME[name])) == pytest.approx([bias] * 180)


@pytest.mark.parametrize(("name", "drift"), [("drift_high", 0.02), ("drift_low", -0.02)])
def test_a_drifting_probe_is_off_by_more_every_day(frozen: bytes, name: str, drift: float) -> None:
    """By 0.02 a month: after 60 days by 0.039."""
    moved = _moved(_evenings(frozen, NONE), _evenings(frozen, BY_NAME[name]))
    assert moved[0] == pytest.approx(drift / 30.4)
    assert moved[-1] == pytest.approx(drift * 60 / 30.4)


def test_a_noisy_probe_has_twice_the_noise(frozen: bytes) -> None:
    """Its deviation from an honest one is again as large as the honest one's noise."""
    moved = _moved(_evenings(frozen, NONE), _evenings(frozen, BY_NAME["noise"]))
    assert 0.008 < (sum(error**2 for error in moved) / len(moved)) ** 0.5 < 0.012


def test_one_of_three_probes_is_stuck_for_the_season(frozen: bytes) -> None:
    """It tells its first reading for ever, the others go on."""
    faulty = _evenings(frozen, BY_NAME["stuck"])
    assert sorted(len({seen.probes[probe] for seen in faulty}) for probe in range(3)) == [1, 60, 60]


def test_of_ten_runs_one_is_not_delivered_and_the_meter_says_so(frozen: bytes) -> None:
    """Of the twelve runs of 60 days a few are missing; none is half."""
    pairs = zip(_evenings(frozen, NONE), _evenings(frozen, BY_NAME["undelivered"]), strict=True)
    given = [faulty.irrigation_mm for clean, faulty in pairs if clean.irrigation_mm]
    assert set(given) == {0.0, 20.0}
    assert 1 <= given.count(0.0) <= 4


def test_where_no_gauge_is_rain_is_unknown(frozen: bytes) -> None:
    """Unknown, not zero."""
    assert {seen.rain_mm for seen in _evenings(frozen, BY_NAME["rain_unmeasured"])} == {None}


def test_silence_lasts_five_days(frozen: bytes) -> None:
    """A dropout is five days without any reading, unless two follow on each other."""
    told = "".join("." if seen.probes[0] is None else " " for seen in _evenings(frozen, Fault(dropouts=True), 90))
    assert "....." in told
    assert all(len(silence) % instruments.DROPOUT_DAYS == 0 for silence in told.rstrip(".").split())


# The sites


def test_there_are_enough_sites_and_all_seasons_of_those_reported() -> None:
    """Four climates by three soils by three crops not tuned on; on at least six of those, faults are tried."""
    reported = [site for site in SITES if not site.tuned_on]
    for climate in {site.climate for site in reported}:
        own = [site for site in reported if site.climate == climate]
        assert len({site.soil for site in own}) == len({site.crop for site in own}) == 3
        assert len(own) == 9
    assert len({site.climate for site in reported}) >= 4
    assert sum(with_faults(site) for site in reported) >= 6
    assert {len(site.seasons()) for site in reported if site.climate.name == "champion"} == {37}


def test_no_weather_is_both_tuned_on_and_reported() -> None:
    """The two kinds of sites share no climate."""
    tuned = {site.climate.name for site in SITES if site.tuned_on}
    assert tuned
    assert not tuned & {site.climate.name for site in SITES if not site.tuned_on}


# The sums


def _row(policy: str, mm: float, mean: float = 1.0, worst: float = 1.0, fault: str = "none") -> Row:
    return Row(
        site=SITE,
        policy=policy,
        fault=fault,
        seasons=2,
        yield_t_ha_mean=8 * mean,
        yield_t_ha_min=8 * worst,
        full_yield_t_ha=8.0,
        irrigation_mm=mm,
        drainage_mm=0.0,
        events=5.0,
        worst=worst,
    )


def _sheet(*own: Row) -> Sheet:
    return Sheet(SITE, list(own))


def test_the_smallest_calendar_is_the_driest_that_keeps_the_harvest() -> None:
    """A drier one that fails in the mean or in one season does not count, nor does the one scaled by ET0."""
    sheet = _sheet(
        _row("calendar_10_7", 200, mean=0.985),
        _row("calendar_15_7", 300, worst=0.97),
        _row("calendar_eto", 310),
        _row("calendar_20_7", 400),
        _row("calendar_25_7", 500),
    )
    assert (calendar := sheet.calendar())
    assert calendar.policy == "calendar_20_7"


def _good() -> list[Row]:
    others = [_row("calendar_20_7", 400), _row("fao56", 300), _row("oracle_smt_50", 250)]
    return [*others, _row("fused", 270), _row("fused", 280, mean=0.985, fault="noise")]


def test_a_policy_that_does_all_that_is_asked_passes() -> None:
    """Harvest, calendar, fao56, oracle and each fault."""
    verdicts = judge([_sheet(*_good())])
    assert len(verdicts) == 7
    assert all(verdict.passed for verdict in verdicts)


@pytest.mark.parametrize(
    ("worse", "asked"),
    [
        (_row("fused", 270, mean=0.98), "in the mean on every site"),
        (_row("fused", 270, worst=0.97), "in the worst season"),
        (_row("fused", 290), "less than the smallest calendar"),
        (_row("fused", 410), "never uses more"),
        (_row("fused", 301), "at or below fao56"),
        (_row("fused", 340), "within 35% of oracle_smt"),
        (_row("fused", 280, mean=0.97, fault="noise"), "noise"),
        (_row("fused", 401, mean=0.99, fault="noise"), "noise"),
    ],
)
def test_a_policy_that_fails_in_one_thing_is_told_so(worse: Row, asked: str) -> None:
    """The verdict about that thing, at least, is no."""
    kept = [row for row in _good() if (row.policy, row.fault) != (worse.policy, worse.fault)]
    (verdict,) = [verdict for verdict in judge([_sheet(*kept, worse)]) if asked in verdict.demand]
    assert not verdict.passed


def test_a_season_is_held_against_its_own_full_yield() -> None:
    """A poor year's full harvest is no failure, and a loss in a rich year is not hidden by a poor one."""
    results = [
        _result(1990, 4.0, full=4.0),
        _result(1991, 7.6, full=8.0),
    ]
    (row,) = rows(results)
    assert row.worst == pytest.approx(0.95)
    assert row.yield_t_ha_min == 4.0
    assert row.mean == pytest.approx(11.6 / 12)


def _result(year: int, dry_yield: float, full: float) -> Result:
    return Result(
        site=SITE,
        sown=date(year, 4, 1),
        policy="fused",
        fault="none",
        outcome=field.Outcome(dry_yield, 100, 0, 4),
        full_yield_t_ha=full,
    )


def test_one_oracle_is_published() -> None:
    """Of the oracle's thresholds the scorecard shows the driest that keeps the harvest, under its own name."""
    found = [_row("oracle_smt_30", 100, mean=0.9), _row("oracle_smt_50", 250), _row("oracle_smt_70", 300)]
    (row,) = published(found)
    assert (row["policy"], row["irrigation_mm"]) == ("oracle_smt", 250)


def test_every_policy_that_faults_are_tried_on_is_a_policy() -> None:
    """And no oracle has the name of another policy."""
    assert set(FAULTY) - {"fused"} <= set(POLICIES)
    assert not set(ORACLES) & set(POLICIES)
    assert isinstance(SITE, Site)
