"""A decision to the letter: what each check says it went by, where it turns, and what is left of a refill."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from agronomy.probes import DEAD, STUCK, Verdict
from agronomy.units import DAY_S
from compute_service.domain.constraints import Check, Limits
from compute_service.domain.decide import FUTURE_S, Decision, Run, ZoneState, decide, span
from compute_service.domain.orders import ManualRun
from compute_service.domain.zone import PlacedProbe, Zone
from compute_service.domain.zone_model import Refilling, commanded
from tests.compute_service.bench import NOON, zone
from tests.compute_service.test_decide import CHECKS, DUE_MM, believed, failed, lacking, state

BEGUN_AT = NOON - 6000
TWO_PROBES = zone(probes=(PlacedProbe("irrigation-gateway-1.soil-a-40cm", 0.4),))


def row(decision: Decision, name: str) -> Check:
    [check] = [check for check in decision.checks if check.name == name]
    return check


def refilled(mm: float, rest: Refilling, **known: Any) -> ZoneState:
    """A zone whose roots lack so much, in the middle of a refill."""
    lacked = lacking(mm, **known)
    assert lacked.model is not None
    return replace(lacked, model=commanded(lacked.model, rest))


def told_by(zone_: Zone, **changes: Any) -> ZoneState:
    """A dry zone about whose probes something else is known."""
    known = lacking(60.0, zone_=zone_)
    assert known.model is not None
    return replace(known, model=replace(known.model, **changes))


# where a check turns


@pytest.mark.parametrize(
    ("zone_", "known", "name"),
    [
        (zone(), state(at=NOON - 3600), "fresh_reading"),
        (zone(), state(at=NOON + FUTURE_S), "fresh_reading"),
        (zone(), state(runs=(Run(NOON - 3600, 9),)), "cooled_down"),
        (zone(), state(runs=(Run(NOON - 3600, 5340),)), "within_daily_cap"),
        (zone(), state(pump_left_l_min=200.0), "pump_free"),
        (zone(), state(pump_left_l_min=200.0 - 1e-6), "pump_free"),
        (zone(limits=Limits(daily_l=5000)), state(used_today_l=4800), "daily_budget"),
    ],
    ids=["age", "clock ahead", "cooldown", "cap", "pump", "pump but for rounding", "budget"],
)
def test_what_is_just_enough_is_enough(zone_: Zone, known: ZoneState, name: str) -> None:
    """Exactly the oldest reading, the shortest rest, a minute of the cap, the pump's flow or a minute's litres do."""
    decision = decide(zone_, known, NOON)
    assert row(decision, name).passed
    assert decision.intent is not None
    assert decision.intent.duration_s >= 60


def test_a_budget_that_is_short_of_a_minute_says_so() -> None:
    """200 l are the zone's minute: with 198 l left the budget is the reason, not a run that is too short."""
    decision = decide(zone(limits=Limits(daily_l=5000)), state(used_today_l=4802), NOON)
    assert "198 l of the day's budget of 5000 l is left" in decision.sentence
    wet = decide(zone(limits=Limits(daily_l=5000)), state(0.28, used_today_l=4998), NOON)
    assert failed(wet) == ["needs_water"]  # two litres are enough for nothing


def test_water_is_due_beyond_the_depletion_only() -> None:
    """At the depletion itself nothing is due yet; a hair beyond it is."""
    assert failed(decide(zone(), lacking(DUE_MM), NOON)) == ["needs_water"]
    assert failed(decide(zone(), lacking(DUE_MM + 0.001), NOON)) == []


def test_a_crop_counts_from_the_first_second_of_its_day() -> None:
    """On the day of sowing a dry field is watered; a second before, it is not, and the receipt tells the day before."""
    one = zone(sown=date(2025, 6, 15))
    at = one.place.sown_at
    for second, day in ((-1, -1), (0, 0), (DAY_S // 2, 0), (DAY_S, 1)):
        dry = decide(one, state(0.13, at + second - 60, one), at + second)
        assert (dry.intent is not None, dry.receipt["day"]) == (second >= 0, day)
        wet = decide(one, state(0.29, at + second - 60, one), at + second)
        assert ("tomato is sown in" in wet.sentence) == (second < 0)


def test_one_probe_that_is_heard_is_enough() -> None:
    """A second probe that fell silent days ago makes no reading of the first old."""
    model = believed(TWO_PROBES)
    for name in TWO_PROBES.sensor_ids:
        silent = {**model.probes, name: replace(model.probes[name], heard_at=NOON - 2 * DAY_S)}
        fresh = row(decide(TWO_PROBES, ZoneState(model=replace(model, probes=silent)), NOON), "fresh_reading")
        assert (fresh.value, fresh.threshold, fresh.passed) == (60, 3600, True)


def test_the_balance_helps_out_for_a_stuck_probe_beside_a_dead_one() -> None:
    """One stuck probe is enough for ten days on the balance, whatever else is broken; on the tenth day it ends."""
    one, other = TWO_PROBES.sensor_ids
    verdicts = {one: Verdict(DEAD, "it tells nothing"), other: Verdict(STUCK, "it told the same")}
    known = told_by(TWO_PROBES, verdicts=verdicts)
    assert row(decide(TWO_PROBES, known, NOON), "believable_probes") == (
        *("believable_probes", "stuck: by the balance alone", 1, True, ""),
    )
    assert known.model is not None
    for age_s, passed in ((10 * DAY_S - 1, True), (10 * DAY_S, False)):
        old = replace(known.model.belief, at=NOON - age_s)
        check = row(decide(TWO_PROBES, told_by(TWO_PROBES, verdicts=verdicts, belief=old), NOON), "believable_probes")
        assert (check.threshold, check.passed) == (1, passed)
    good = row(decide(TWO_PROBES, lacking(60.0, zone_=TWO_PROBES), NOON), "believable_probes")
    assert good == ("believable_probes", 2, 1, True, "")


# what a row and a receipt say


def test_a_row_says_what_it_went_by() -> None:
    """Depletions to a hundredth of a mm, flows to a thousandth of a l/min, what is left of the cap, and the run."""
    odd = zone(area_m2=99.87654, efficiency=0.7)
    decision = decide(odd, lacking(60.12345, runs=(Run(NOON - 7200, 4000),)), NOON)
    needs, cap, run = (row(decision, name) for name in ("needs_water", "within_daily_cap", "bounded_run"))
    assert (needs.value, needs.threshold) == (60.12, round(DUE_MM, 2))
    assert row(decision, "pump_free").threshold == 199.753
    assert (cap.value, cap.threshold) == (1400, 60)
    assert decision.intent is not None
    assert (run.value, run.threshold, decision.intent.duration_s) == (1400, 60, 1400)
    litres = 1400 * 120 * 99.87654 / 3600
    assert decision.intent.max_volume_l == round(litres * 1.5, 1)
    assert decision.intent.depth_mm == 32.67
    overrun = decide(odd, state(runs=(Run(NOON - 7200, 6000),)), NOON)
    assert row(overrun, "within_daily_cap").value == 0


def test_a_run_that_nobody_needs_is_not_too_short() -> None:
    """Where there is nothing to give, only that is the reason; where there is a little, a whole run is bounded."""
    moist = decide(zone(), state(0.28), NOON)
    assert failed(moist) == ["needs_water"]
    assert row(moist, "bounded_run").value == 1800
    little = decide(zone(), refilled(2.6, Refilling(BEGUN_AT, 2.0, 0.1, 0)), NOON)
    assert failed(little) == []
    assert row(little, "bounded_run").value == 60
    by_hand = decide(zone(), state(0.28), NOON, manual=ManualRun("O1", "ana", 600, None))
    assert row(by_hand, "bounded_run").value == 600


def test_advice_stands_only_where_nothing_else_refuses() -> None:
    """A moist zone that is only advised about gets the reasons of any other."""
    advised = zone(mode="advice")
    assert tuple(check.name for check in decide(advised, state(0.28), NOON).checks) == CHECKS
    assert failed(decide(advised, state(), NOON)) == ["not_only_advised"]


def test_a_decision_is_recorded_in_plain_numbers() -> None:
    """The record has names for the intent's parts, and no number of the receipt beyond a thousandth."""
    decision = decide(zone(), lacking(60.123456), NOON)
    record = json.loads(json.dumps(decision.to_json()))
    assert decision.intent is not None
    assert record["intent"] == {
        "duration_s": decision.intent.duration_s,
        "max_volume_l": decision.intent.max_volume_l,
        "depth_mm": decision.intent.depth_mm,
    }
    assert record["receipt"]["depletion_mm"] == 60.123
    assert record["receipt"]["net_mm"] == round(decision.receipt["net_mm"], 3) != decision.receipt["net_mm"]
    assert (record["receipt"]["used_today_l"], record["receipt"]["used_season_l"]) == (0, 0)
    assert decide(zone(), state(0.28), NOON).to_json()["intent"] is None


def test_the_next_water_is_looked_for_in_two_weeks() -> None:
    """What is overdue is due now, deep roots have more than two weeks, and a field that takes nothing lasts."""
    deep = zone(root_depth_m=5.0)
    assert decide(zone(), lacking(60.0), NOON).receipt["next_water_in_h"] == 0
    assert decide(deep, state(0.28, zone_=deep), NOON).receipt["next_water_in_h"] == 14 * 24
    moist = state(0.25)
    assert moist.model is not None
    day = moist.model.day
    still = replace(day, account=replace(day.account, evaporation_mm=0.0, transpiration_mm=0.0))
    asleep = replace(moist, model=replace(moist.model, day=still))
    assert decide(zone(), asleep, NOON).receipt["next_water_in_h"] == 14 * 24


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (2 * DAY_S - 1, "48 h")),
        *((2 * DAY_S, "2 d"), (-119, "-119 s"), (-120, "-2 min")),
    ],
)
def test_a_span_is_told_as_a_person_would(seconds: float, words: str) -> None:
    """From two of a unit on it is told in that unit."""
    assert span(seconds) == words


# what is left of a refill


@pytest.mark.parametrize(
    ("lacks_mm", "max_run_s", "least_mm"), [(60.0, 1800, 0.2), (60.0, 300, 0.2), (60.0, 5400, None)]
)
def test_what_a_run_does_not_bring_is_a_rest(lacks_mm: float, max_run_s: int, least_mm: float | None) -> None:
    """A fifth of the refill is worth another run, less is not; a run that brings it all leaves nothing."""
    decision = decide(zone(max_run_s=max_run_s), lacking(lacks_mm), NOON)
    net_mm = decision.receipt["net_mm"]
    rest = decision.refilling
    assert rest == (None if least_mm is None else Refilling(NOON, decision.receipt["left_mm"], least_mm * net_mm, 0))


def test_a_small_refill_leaves_no_rest_below_two_mm() -> None:
    """Of a refill of 8 mm a fifth is less than what a belief is wrong by."""
    shallow = zone(root_depth_m=0.05, max_run_s=60)
    decision = decide(shallow, state(0.13, zone_=shallow), NOON)
    assert decision.receipt["net_mm"] < 10
    assert decision.refilling is not None
    assert decision.refilling.least_mm == 2.0


def test_a_rest_that_is_not_worth_a_run_ends_the_refill() -> None:
    """At the least itself nothing is left to give; a trace above it there is."""
    before = refilled(60.0, Refilling(BEGUN_AT, 0.0, 3.0, 0))
    decision = decide(zone(), before, NOON)
    assert decision.intent is not None
    left_mm = decision.receipt["net_mm"] - decision.intent.depth_mm
    assert decide(zone(), refilled(60.0, Refilling(BEGUN_AT, 0.0, left_mm, 0)), NOON).refilling is None
    worthwhile = Refilling(BEGUN_AT, 0.0, left_mm - 0.01, 0)
    assert decide(zone(), refilled(60.0, worthwhile), NOON).refilling == worthwhile


def test_a_refill_goes_down_to_what_it_began_for() -> None:
    """A refill that leaves 5 mm in the soil gives what is missing beyond them, whatever the day's own aim is."""
    decision = decide(zone(), refilled(20.0, Refilling(BEGUN_AT, 5.0, 3.0, 0)), NOON)
    assert (decision.receipt["left_mm"], decision.receipt["net_mm"]) == (5.0, 15.0)
    assert decision.receipt["due_mm"] == 8.0


def test_a_refill_that_must_wait_is_kept() -> None:
    """Half a mm that is still to come is not forgotten while the zone rests."""
    rest = Refilling(BEGUN_AT, 2.0, 0.1, 0)
    waits = decide(zone(), refilled(2.6, rest, runs=(Run(NOON - 60, 60),)), NOON)
    assert (failed(waits), waits.refilling) == (["cooled_down"], rest)


def test_a_refill_without_soaks_waits_as_long_as_the_grower_says() -> None:
    """Only an opening that ponds has a rest of its own; after any other the zone's cooldown counts."""
    for soak_s, most_s in ((0, 3600), (900, 900)):
        rest = Refilling(BEGUN_AT, 0.0, 3.0, soak_s)
        check = row(decide(zone(), refilled(60.0, rest, runs=(Run(NOON - 901, 60),)), NOON), "cooled_down")
        assert (check.value, check.threshold, check.passed) == (901, most_s, soak_s > 0)


def test_a_day_old_refill_is_a_new_one() -> None:
    """What was begun a day ago is given up: water that is due begins anew, and is told as such."""
    old = Refilling(NOON - DAY_S, 0.0, 3.0, 0)
    decision = decide(zone(), refilled(60.0, old), NOON)
    assert decision.receipt["refill_since"] is None
    assert decision.refilling is not None
    assert decision.refilling.begun_at == NOON
    kept = replace(old, begun_at=NOON - DAY_S + 1)
    assert decide(zone(), refilled(60.0, kept), NOON).receipt["refill_since"] == NOON - DAY_S + 1


def test_an_opening_that_is_cut_short_needs_no_soak() -> None:
    """Where soil lets in little an opening is followed by its rest; one that a budget cut is not."""
    slow = zone(infiltration_mm_h=30.0, daily_cap_s=86400)
    whole = decide(slow, lacking(55.0, zone_=slow), NOON)
    assert whole.refilling is not None
    assert whole.refilling.soak_s > 300
    short = replace(slow, limits=Limits(daily_l=350))
    cut = decide(short, lacking(55.0, zone_=slow), NOON)
    assert cut.refilling is not None
    assert cut.refilling.soak_s == 0


# by hand


def test_a_run_by_hand_ends_no_refill() -> None:
    """What a person gives meanwhile is beside it: the rest is still to come."""
    rest = Refilling(BEGUN_AT, 0.0, 3.0, 700)
    decision = decide(zone(), refilled(60.0, rest), NOON, manual=ManualRun("O1", "ana", 600, None))
    assert decision.intent is not None
    assert decision.refilling == rest


@pytest.mark.parametrize(
    ("duration_s", "volume_l", "seconds"),
    [
        (600, None, 600),
        (None, 500.0, 225),
        (600, 500.0, 225),
        (200, 500.0, 200),
        (None, 5000.0, 1800),
        (1900, None, 1800),
    ],
)
def test_the_smaller_bound_of_a_run_by_hand_counts(
    duration_s: int | None, volume_l: float | None, seconds: int
) -> None:
    """Of minutes, litres at half the flow again, and the zone's longest run, whichever ends first."""
    intent = decide(zone(), state(), NOON, manual=ManualRun("O1", "ana", duration_s, volume_l)).intent
    assert intent is not None
    assert intent.duration_s == seconds
