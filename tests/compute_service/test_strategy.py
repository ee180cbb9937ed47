"""When water is due and how much: by the stage, within what the soil holds, and no more than the season still takes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agronomy import balance, crops, fusion, strategy
from agronomy.balance import Account, Soil, State, Weather
from agronomy.strategy import STRATEGY, Need, aim, want
from compute_service.adapters import crops_table

SOIL = Soil(0.30, 0.12)
TOMATO = replace(crops_table.crop("tomato"), roots_m=1.0)
EVER = replace(TOMATO, perennial=True)
HARDY = replace(EVER, depletion_fraction=0.7, closes=0.85)
SEASON = sum(TOMATO.days)
MID, LAST = 90, SEASON - 1


def account(day: float, crop: crops.Crop = TOMATO, et0_mm: float = 5.0) -> Account:
    """Of a dry day from field capacity."""
    kc = crops.kc(crop, day)
    return balance.step(SOIL, State(), kc, Weather(et0_mm, crop_mm_d=kc.single * et0_mm))[1]


def wanted(day: float, depletion_mm: float, crop: crops.Crop = TOMATO, et0_mm: float = 5.0) -> float:
    return want(need(day, believed(depletion_mm), crop, et0_mm))


def need(day: float, belief: fusion.Belief, crop: crops.Crop = TOMATO, et0_mm: float = 5.0) -> Need:
    kc = crops.kc(crop, day)
    return Need(soil=SOIL, crop=crop, day=day, kc=kc, account=account(day, crop, et0_mm), belief=belief)


def believed(depletion_mm: float, reach_m: float = 1.0) -> fusion.Belief:
    """By probes that see all of the roots, if nothing else is said."""
    return replace(fusion.begin(depletion_mm), reach_m=reach_m)


def test_a_wet_soil_gets_nothing_and_a_dry_one_is_filled() -> None:
    """In mid season the whole depletion is given back, once the next day would close the stomata."""
    bears = TOMATO.bears + account(MID).depletion_fraction - TOMATO.depletion_fraction
    due = STRATEGY.mid * bears * account(MID).available_mm - account(MID).evapotranspiration_mm
    assert wanted(MID, due - 0.1) == 0
    assert wanted(MID, due + 0.1) == pytest.approx(due + 0.1)


def test_young_crops_are_watered_before_old_ones() -> None:
    """Of what is readily available, a growing crop may use less than a grown one, and that less than a ripe one."""
    shares = [aim(need(day, believed(0.0))).due_mm / account(day).readily_available_mm for day in (45, MID, 118)]
    assert shares == sorted(shares)
    assert shares[0] < 0.7 < shares[1]


def test_roots_that_no_probe_sees_are_not_counted_on_at_once() -> None:
    """With probes that see half of the roots, water is due earlier as mid season begins, and no longer as it ends."""

    def due_mm(day: int, reach_m: float, crop: crops.Crop = TOMATO) -> float:
        return aim(need(day, believed(0.0, reach_m), crop)).due_mm

    begins, ends = sum(TOMATO.days[:2]), sum(TOMATO.days[:3])
    part = 0.5 + 0.5 * STRATEGY.counted
    a_day = account(begins).evapotranspiration_mm
    assert due_mm(begins, 0.5) + a_day == pytest.approx(part * (due_mm(begins, 1.0) + a_day))
    assert due_mm(begins, 0.5) < due_mm((begins + ends) // 2, 0.5) < due_mm(ends, 0.5) == due_mm(ends, 1.0)
    assert due_mm(begins, 0.5, EVER) == due_mm(begins, 1.0, EVER), "a tree's roots are where they are"


def test_what_the_season_no_longer_takes_is_not_given() -> None:
    """Half of the water is missing: in mid season a refill, a day before the harvest nothing, a week before a part."""
    half = SOIL.available_mm(1.0) / 2
    almost = SOIL.available_mm(1.0) * (1 - STRATEGY.always)
    assert wanted(MID, almost) == pytest.approx(almost)
    assert wanted(LAST, half) == 0
    assert 0 < wanted(SEASON - 8, almost) < almost


def test_a_perennial_has_no_harvest_to_wait_for() -> None:
    """Coffee is filled on the last day of its cycle as on any other."""
    coffee = replace(crops_table.crop("coffee"), roots_m=1.0)
    assert wanted(364, 150.0, coffee) == pytest.approx(150.0)


def test_however_cool_the_day_some_water_always_stays() -> None:
    """On a cool day more is readily available, and times its share too much: what a day of 5 mm bears is the most.

    That is not all of what a hardy crop's soil holds either.
    """
    for crop, share in ((EVER, STRATEGY.most * EVER.bears), (HARDY, 1 - STRATEGY.always)):
        full = SOIL.available_mm(1.0)
        cooler = account(MID, crop, et0_mm=0.1).depletion_fraction - crop.depletion_fraction
        assert STRATEGY.mid * (crop.bears + cooler) > share
        assert wanted(MID, share * full, crop, et0_mm=0.1) == share * full
        assert wanted(MID, share * full - 1, crop, et0_mm=0.1) == 0


@given(day=st.floats(0, 2 * SEASON), depletion=st.floats(0, 400), et0=st.floats(0, 12))
def test_never_more_than_is_missing_and_never_a_drop(day: float, depletion: float, et0: float) -> None:
    """A refill is at most what is missing, and at least the part of the readily available water that is worth a run."""
    mm = wanted(day, depletion, et0_mm=et0)
    least = STRATEGY.least * account(day, et0_mm=et0).readily_available_mm
    assert mm == 0 or least - 1e-9 <= mm <= depletion


def test_the_aim_is_what_want_goes_by() -> None:
    """At every depletion `want` gives water just where `aim` says that it is due, and down to what it leaves."""
    for depletion in range(0, 180, 7):
        belief = fusion.begin(float(depletion))
        ripe = need(120, belief)
        aimed = aim(ripe)
        expected = depletion - aimed.left_mm if depletion > aimed.due_mm else 0.0
        assert strategy.want(ripe) == pytest.approx(expected)
