"""Balance and probes together know a root zone better than the balance alone, and are not led astray by either."""

import json
import math
from dataclasses import replace
from functools import cache
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agronomy import balance, fusion
from agronomy.probes import Probe, hear
from tests.compute_service.plot import CROP, GROUND, SOIL, Told, live
from tests.compute_service.seasons import ROOTS_M, START, WILTING_POINT, Hour, season

SEEDS = range(4)


@cache
def believed(seed: int, *, et0_factor: float = 1.0, fuse: bool = True) -> Told:
    """A season with honest probes and gauge, lived once for all tests that hold another against it."""
    return live(season(seed), et0_factor=et0_factor, fuse=fuse)


@pytest.mark.parametrize("et0_factor", [0.8, 1.2])
def test_a_wrong_et0_is_found_out(et0_factor: float) -> None:
    """With ET0 wrong by a fifth all season, the belief errs by at most 0.7 of what the balance alone does, in the mean.

    It also learns which way the demand is wrong.
    """
    alone = [believed(seed, et0_factor=et0_factor, fuse=False).rms_mm for seed in SEEDS]
    fused = [believed(seed, et0_factor=et0_factor) for seed in SEEDS]
    assert fmean(told.rms_mm for told in fused) < 0.7 * fmean(alone)
    demand = fmean(told.belief.demand for told in fused)
    assert (demand > 1.05) if et0_factor < 1 else (demand < 0.97)


def test_right_numbers_are_not_made_worse() -> None:
    """Where ET0 is right the belief is as good as the balance, to within 2 mm."""
    alone = fmean(believed(seed, fuse=False).rms_mm for seed in SEEDS)
    assert fmean(believed(seed).rms_mm for seed in SEEDS) < alone + 2


@pytest.mark.parametrize("bias", [-0.03, 0.03])
def test_probes_that_are_all_off_are_found_out(bias: float) -> None:
    """All three read 0.03 wrong, which is 18 mm of water: the belief errs by less than 12, and knows its sign."""
    told = [live(season(seed), lambda _at, read: tuple(vwc + bias for vwc in read)) for seed in SEEDS]
    assert fmean(one.rms_mm for one in told) < 12
    assert math.copysign(1, fmean(one.belief.offset for one in told)) == math.copysign(1, bias)


def test_rain_that_nobody_measured_is_seen_by_the_probes() -> None:
    """Without a rain gauge the balance ends far off; the belief errs by less than half as much."""

    def no_gauge(hour: Hour) -> tuple[float, float]:
        return 0.0, hour.run_mm

    alone = fmean(live(season(seed), gauge=no_gauge, fuse=False).rms_mm for seed in SEEDS)
    fused = fmean(live(season(seed), gauge=no_gauge).rms_mm for seed in SEEDS)
    assert fused < alone / 2


def test_a_run_that_never_came_is_seen_by_the_probes() -> None:
    """The meter claims 30 mm that no soil ever got: three days later the belief is back within 10 mm, in the mean."""
    begun, later = zip(*(lied_to(seed) for seed in range(5)), strict=True)
    assert fmean(begun) > 20
    assert fmean(later) < 10


def lied_to(seed: int) -> tuple[float, float]:
    """How wrong the belief is as the meter lies, in the driest hour of the season, and three days later, mm."""
    hours = season(seed)
    dry = max(range(20 * 24, 80 * 24), key=lambda index: hours[index].depletion_mm)

    def lying(hour: Hour) -> tuple[float, float]:
        return hour.rain_mm, hour.run_mm + (30.0 if hour.at == hours[dry].at else 0.0)

    errors = live(hours, gauge=lying).errors
    return abs(errors[dry]), abs(errors[dry + 72])


def test_one_probe_is_better_than_none_and_three_than_one() -> None:
    """With ET0 a fifth too low: no probe, the middle one alone, all three, each errs less than the one before."""

    def only_middle(_at: int, read: tuple[float, ...]) -> tuple[float | str, ...]:
        return ("", read[1], "")

    none = fmean(believed(seed, et0_factor=0.8, fuse=False).rms_mm for seed in SEEDS)
    one = fmean(live(season(seed), only_middle, et0_factor=0.8).rms_mm for seed in SEEDS)
    three = fmean(believed(seed, et0_factor=0.8).rms_mm for seed in SEEDS)
    assert three < one < none


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_probe_that_is_lost_does_not_take_the_belief_with_it(lost: int) -> None:
    """Over 6 seasons, one of three probes silent from day 30: 1.5 mm (rms) worse than with all, 30 of 102 mm at most.

    With an offset that may wander faster (0.0012 a day) one of these seasons errs by 48 mm: so it may not.
    """

    def without(at: int, read: tuple[float, ...]) -> tuple[float | str, ...]:
        return tuple("" if place == lost and at >= START + 30 * 86400 else vwc for place, vwc in enumerate(read))

    told = [live(season(seed), without) for seed in range(6)]
    whole = [believed(seed) for seed in range(6)]
    assert fmean(one.rms_mm for one in told) < fmean(one.rms_mm for one in whole) + 1.5
    assert max(abs(error) for one in told for error in one.errors) < 30


def test_belief_goes_on_from_its_json() -> None:
    """Kept as JSON after every hour and read again, a season ends with the very same belief."""
    hours = season(1)[:480]
    whole = live(hours)
    told, state = Told(), balance.State(roots_m=ROOTS_M)
    for hour in hours:
        told.belief = fusion.Belief.from_json(json.loads(json.dumps(told.belief.to_json())))
        told.probes = {
            name: Probe.from_json(json.loads(json.dumps(probe.to_json()))) for name, probe in told.probes.items()
        }
        weather = balance.Weather(hour.et0_mm * told.belief.demand, rain_mm=hour.rain_mm, irrigation_mm=hour.run_mm)
        state, account = balance.step(SOIL, replace(state, depletion_mm=told.belief.depletion_mm), CROP, weather)
        told.belief = fusion.predict(told.belief, account, hour.at, 1 / 24)
        for (name, probe), vwc in zip(told.probes.items(), hour.read, strict=True):
            told.probes[name] = hear(probe, vwc, hour.at, WILTING_POINT)
        told.belief, told.probes, _ = fusion.observe(told.belief, told.probes, GROUND, hour.at)
    assert told.belief == whole.belief
    assert told.probes == whole.probes


HOURS = st.lists(
    st.tuples(
        st.integers(60, 5 * 86400),
        st.floats(0, 12),
        st.floats(0, 100),
        st.floats(0, 100),
        st.lists(st.none() | st.floats(allow_nan=True) | st.floats(0, 0.7), min_size=3, max_size=3),
    ),
    max_size=30,
)


@given(st.floats(0, 1), HOURS, st.sampled_from([ROOTS_M, 3 * ROOTS_M]))
def test_belief_is_always_a_number_that_can_be(
    first: float, hours: list[tuple[int, float, float, float, list[float | None]]], roots_m: float
) -> None:
    """Whatever the probes, the sky and the clock do: depletion within what roots can take, sigma and demand finite.

    What lacks below the probes is a part of it.
    """
    available_mm, ground = SOIL.available_mm(roots_m), replace(GROUND, roots_m=roots_m)
    crop, state = replace(CROP, roots_m=roots_m), balance.State(roots_m=roots_m)
    belief, at = fusion.begin(first * available_mm), START
    probes = {str(depth): Probe(depth) for depth in (0.1, 0.3, 0.5)}
    for seconds, et0, rain, run, read in hours:
        at += seconds
        weather = balance.Weather(et0 * belief.demand, rain_mm=rain, irrigation_mm=run)
        state, account = balance.step(SOIL, replace(state, depletion_mm=belief.depletion_mm), crop, weather)
        belief = fusion.predict(belief, account, at, seconds / 86400)
        assert 0 <= belief.below_mm <= belief.depletion_mm
        probes = {
            name: hear(probe, vwc, at, WILTING_POINT) for (name, probe), vwc in zip(probes.items(), read, strict=True)
        }
        belief, probes, verdicts = fusion.observe(belief, probes, ground, at)
        assert 0 <= belief.depletion_mm <= available_mm + 1e-6
        assert belief.below_mm >= 0
        assert 0 <= belief.deep < 1
        assert 0 <= belief.sigma_mm < 1000
        assert 0.6 <= belief.demand <= 1.5
        assert -0.5 < belief.offset < 0.5
        assert set(verdicts) == set(probes)


def test_one_surprise_is_waited_out_and_two_are_believed() -> None:
    """A reading far from all that is known moves nothing at first; when the next says the same, the soil is so."""
    belief = replace(fusion.begin(20.0), at=START)
    known_mm = []
    for hour in (1, 2):
        at = START + 3600 * hour
        probes = {"a": Probe(0.3, vwc=WILTING_POINT + 0.01, at=at, heard_at=at)}
        belief, _, _ = fusion.observe(
            belief, probes, GROUND, at, replace(fusion.TUNING, first_mm=1.0, surprise_sigmas=0.1)
        )
        known_mm.append(belief.depletion_mm)
    assert known_mm[0] == 20.0
    assert known_mm[1] > 30.0


def test_no_crop_is_believed_to_drink_beyond_reason() -> None:
    """Whatever the probes say, what a crop takes stays between 0.6 and 1.5 of what ET0 and the tables say."""
    for demand, most in ((9.0, 1.5), (0.01, 0.6)):
        begun = fusion.begin(20.0)
        mean = (20.0, demand, 0.0)
        belief = replace(begun, estimate=begun.estimate._replace(mean=mean), at=START)
        probes = {"a": Probe(0.3, vwc=GROUND.field_capacity - 0.03, at=START + 3600, heard_at=START + 3600)}
        belief, _, _ = fusion.observe(belief, probes, GROUND, START + 3600)
        assert belief.demand == most


def test_a_full_soil_lets_the_surplus_go() -> None:
    """100 mm on a soil that lacks 20: full, surely so; a few days later it is known to a few millimetres."""
    belief = fusion.begin(20.0)
    _, account = balance.step(SOIL, balance.State(20.0, roots_m=ROOTS_M), CROP, balance.Weather(4.0, rain_mm=100.0))
    belief = fusion.predict(belief, account, START, 1.0)
    assert belief.depletion_mm == 0
    assert belief.full_at == START
    still = balance.step(SOIL, balance.State(0.0, roots_m=ROOTS_M), CROP, balance.Weather(0.0))[1]
    for day in range(1, 5):
        belief = fusion.predict(belief, still, START + day * 86400, 1.0)
    assert belief.depletion_mm < 0.5
    assert belief.sigma_mm < 3


def test_the_crop_drinks_from_a_surplus_until_it_has_drained() -> None:
    """Of 40 mm too much a day's 4 mm leave nothing lacking the day after, and 4 mm a week after."""
    full = fusion.predict(fusion.begin(), _of(rain_mm=40.0), START, 1.0)
    drunk = fusion.predict(full, _of(et0_mm=4.0), START + 86400, 1.0)
    assert drunk.depletion_mm == 0
    for day in range(1, 8):
        full = fusion.predict(full, _of(), START + day * 86400, 1.0)
    took = _of(et0_mm=4.0)
    later = fusion.predict(full, took, START + 8 * 86400, 1.0)
    assert later.depletion_mm - full.depletion_mm == pytest.approx(took.evapotranspiration_mm)


def test_hours_drain_as_a_day_does() -> None:
    """A surplus that drains for a day is the same by the day and by the hour, for one that is surely there."""
    full = fusion.predict(fusion.begin(), _of(rain_mm=60.0), START, 1.0)
    by_day = fusion.predict(full, _of(), START + 86400, 1.0)
    for hour in range(1, 25):
        full = fusion.predict(full, _of(), START + hour * 3600, 1 / 24)
    assert full.estimate.mean[0] == pytest.approx(by_day.estimate.mean[0], rel=0.02)
    assert by_day.estimate.mean[0] < -5


def _of(et0_mm: float = 0.0, rain_mm: float = 0.0) -> balance.Account:
    """The account of a day on a soil at field capacity."""
    return balance.step(SOIL, balance.State(0.0, roots_m=ROOTS_M), CROP, balance.Weather(et0_mm, rain_mm=rain_mm))[1]


def test_a_doubtful_soil_does_not_dry_by_doubt_alone() -> None:
    """A week that takes nothing from a nearly full soil of which little is known leaves its depletion as it was."""
    belief = fusion.begin(5.0)
    still = balance.step(SOIL, balance.State(5.0, roots_m=ROOTS_M), CROP, balance.Weather(0.0))[1]
    for day in range(7):
        belief = fusion.predict(belief, still, START + day * 86400, 1.0)
    assert belief.depletion_mm == pytest.approx(5.0)


@pytest.mark.parametrize(("roots_m", "most_mm"), [(0.4, 40.0), (0.8, 70.0), (2.0, 130.0)])
def test_probes_at_the_top_of_deep_roots_do_not_speak_for_all_of_it(roots_m: float, most_mm: float) -> None:
    """Each probe lacks 0.1: 40 mm in roots of 0.4 m, and in deeper ones less than that all the way down."""
    ground = fusion.Ground(0.29, 0.12, roots_m)
    probes = {str(depth): hear(Probe(depth), 0.19, START, WILTING_POINT) for depth in (0.1, 0.3)}
    vague = replace(fusion.begin(1000 * roots_m * 0.05), at=START - 86400)
    belief, _, _ = fusion.observe(vague, probes, ground, START, replace(fusion.TUNING, first_mm=1e3))
    assert belief.depletion_mm < most_mm


def test_water_that_stays_above_leaves_the_soil_below_as_dry() -> None:
    """Roots of 1.5 m dry for 40 days and get 80 mm, which their probes see: what lacks below them is still lacking.

    With water above again the crop leaves the soil below alone; 200 mm fill it too.
    """
    dried = _deep(fusion.begin(), range(1, 41), 0.29, -0.003)
    assert 10 < dried.below_mm < 50
    assert dried.deep > 0.1
    topped = _deep(dried, range(41, 42), 0.26, 0.0, rain_mm=80.0)
    assert topped.below_mm == pytest.approx(dried.below_mm, abs=1.5)
    assert topped.deep < dried.deep / 3
    filled = _deep(topped, range(42, 45), 0.29, 0.0, rain_mm=200.0)
    assert filled.below_mm < 1


def _deep(belief: fusion.Belief, days: range, vwc: float, more: float, rain_mm: float = 0.0) -> fusion.Belief:
    """The belief after days of 4 mm, whose rain all comes on the first, with probes at 0.1, 0.3 and 0.6 m."""
    crop, state = replace(CROP, roots_m=1.5), balance.State(roots_m=1.5)
    probes = {str(depth): Probe(depth) for depth in (0.1, 0.3, 0.6)}
    for number, day in enumerate(days):
        state = replace(state, depletion_mm=belief.depletion_mm)
        weather = balance.Weather(4.0, rain_mm=0.0 if number else rain_mm)
        state, account = balance.step(SOIL, state, crop, weather)
        now, told = START + day * 86400, max(vwc + more * number, WILTING_POINT)
        belief = fusion.predict(belief, account, now, 1.0)
        probes = {name: hear(probe, told + day % 2 / 1000, now, WILTING_POINT) for name, probe in probes.items()}
        belief, probes, _ = fusion.observe(belief, probes, replace(GROUND, roots_m=1.5), now)
    return belief


@pytest.mark.parametrize(("roots_m", "sees_all"), [(0.4, True), (2.0, False)])
def test_what_no_probe_sees_is_an_offset_that_nobody_knows(roots_m: float, sees_all: bool) -> None:
    """After 20 days of the same two probes their offset is as well known as ever, or less where roots go far below."""
    unsure = []
    for tuning in (fusion.TUNING, replace(fusion.TUNING, hidden_a_day=0.0)):
        ground, belief = fusion.Ground(0.29, 0.12, roots_m), fusion.begin()
        probes = {str(depth): Probe(depth) for depth in (0.1, 0.3)}
        for day in range(1, 21):
            now = START + day * 86400
            probes = {name: hear(probe, 0.25 + day % 2 / 1000, now, WILTING_POINT) for name, probe in probes.items()}
            belief, probes, _ = fusion.observe(belief, probes, ground, now, tuning)
        unsure.append(belief.estimate.cov[5])
    assert (unsure[0] == unsure[1]) is sees_all
    assert unsure[0] >= unsure[1]
