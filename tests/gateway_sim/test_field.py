"""The soil of a zone: no water is lost or made, and it dries and fills as soil does."""

from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from gateway_sim import farm as farms
from gateway_sim import weather as weathers
from gateway_sim.farm import Zone
from gateway_sim.field import Field, reference_et_mm_h
from gateway_sim.hydraulics import Supply
from gateway_sim.weather import Weather
from tests.gateway_sim.conftest import weather_file, weather_rows

DAY_S = 86400
ZONES = farms.build(4, seed=3).zones


@pytest.fixture
def dry(tmp_path: Path) -> Weather:
    return weathers.load(weather_file(tmp_path, weather_rows("2020-07-01", 30 * 24)))


@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: zone.zone_id)
def test_the_balance_closes_over_a_real_summer(zone: Zone) -> None:
    """What came in, less what went out, is the change of storage to a thousandth of a millimetre."""
    weather = weathers.load()
    field = Field(zone, weather, weather.start)
    for day in range(84):
        at = weather.start + day * DAY_S
        field.set_valve((at + 6 * 3600) * 1000, True)
        field.set_valve((at + 6 * 3600 + 1234) * 1000, False)
        field.advance(at + DAY_S)
    account = field.account
    before_mm = zone.initial_vwc * zone.root_depth_m * 1000
    assert field.stored_mm - before_mm == pytest.approx(account.net_mm, abs=1e-3)
    assert account.rain_mm == pytest.approx(231.1)
    expected = 84 * 1234 / 3600 * zone.application_rate_mm_h * zone.efficiency
    assert account.irrigation_mm == pytest.approx(expected)
    assert field.litres(weather.end * 1000) == pytest.approx(expected / zone.efficiency * zone.area_m2)
    assert account.percolation_mm > 0


def test_dry_days_dry_the_soil_but_roots_leave_the_wilting_point(dry: Weather) -> None:
    """Every day it loses less, for a thirsty crop slows down; only the sun takes more, and from the top alone."""
    field = Field(ZONES[0], dry, dry.start)
    daily = []
    for day in range(1, 31):
        field.advance(dry.start + day * DAY_S)
        daily.append(field.vwc)
    losses = [before - after for before, after in pairwise(daily)]
    assert all(earlier >= later > 0 for earlier, later in pairwise(losses[8:]))
    wilting_point = ZONES[0].soil.wilting_point
    assert field.at(0.05) < wilting_point < field.at(0.4)
    assert daily[-1] > 0.9 * wilting_point


@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: zone.zone_id)
def test_irrigation_is_needed_within_a_dry_week(zone: Zone, dry: Weather) -> None:
    """A farm starts near where its crops begin to suffer, so that a demonstration has something to show."""
    field = Field(zone, dry, dry.start)
    soil = zone.soil
    thirsty_below = soil.field_capacity - zone.crop.depletion * (soil.field_capacity - soil.wilting_point)
    assert field.vwc >= round(thirsty_below, 4)
    field.advance(dry.start + 7 * DAY_S)
    assert field.vwc < thirsty_below


def test_it_does_not_matter_how_often_one_looks(dry: Weather) -> None:
    """Steps of a minute and one step of a week end in the same soil."""
    ends = []
    for step_s in (60, 900, 3607, 7 * DAY_S):
        field = Field(ZONES[1], dry, dry.start)
        edges = {100_000: True, 103_456: False}
        at = 0
        while at < 7 * DAY_S:
            upto = min(at + step_s, 7 * DAY_S)
            for when in [when for when in edges if at <= when < upto]:
                field.advance(dry.start + when)
                field.set_valve((dry.start + when) * 1000, edges[when])
            at = upto
            field.advance(dry.start + at)
        ends.append((field.vwc, field.account.net_mm, len(field.trace)))
    assert len(set(ends)) == 1


def test_water_above_field_capacity_drains_away(tmp_path: Path) -> None:
    """After a deluge the soil is full at most, sheds the rest as runoff, and drains down to field capacity."""
    rows = weather_rows("2020-07-01", 12, rain_mm=50.0) + weather_rows("2020-07-01T12:00", 10 * 24 - 12)
    weather = weathers.load(weather_file(tmp_path, rows))
    zone = replace(ZONES[0], initial_vwc=0.2)
    field = Field(zone, weather, weather.start)
    field.advance(weather.start + 12 * 3600)
    assert field.vwc <= zone.soil.saturation + 1e-9
    assert field.account.runoff_mm > 0
    field.advance(weather.start + 10 * DAY_S)
    assert field.vwc <= zone.soil.field_capacity + 0.01


def test_reference_evapotranspiration_of_a_summer_day() -> None:
    """A clear day of 28 MJ/m2 at 25 degC evaporates 5.5 mm (0.65 x 0.74 x 28 / 2.45), a night nothing."""
    daily = 24 * reference_et_mm_h(25.0, 28e6 / DAY_S)
    assert daily == pytest.approx(0.65 * 0.7374 * 28 / 2.45, rel=0.005)
    assert reference_et_mm_h(10.0, 0.0) == 0.0
    assert reference_et_mm_h(10.0, -3.0) == 0.0


def test_a_farm_is_drawn_from_its_seed() -> None:
    """The same seed gives the same farm, another gives another, and more gateways change none that were there."""
    assert farms.build(3, seed=7) == farms.build(3, seed=7)
    assert farms.build(3, seed=7).zones != farms.build(3, seed=8).zones
    assert farms.build(5, seed=7).gateways[:3] == farms.build(3, seed=7).gateways


def test_the_zones_document_agrees_with_the_soil() -> None:
    """Compute is told limits in their order, crops sown before, and shorter runs than the board would allow."""
    document = farms.zones_document(farms.build(2, seed=1), date(2020, 6, 9))
    assert [row["zone_id"] for row in document["zones"]] == [f"plot-{n}{letter}" for n in (1, 2) for letter in "abc"]
    for row in document["zones"]:
        assert row["wilting_point"] < row["field_capacity"]
        assert row["sown"] < "2020-06-09"
        assert row["max_run_s"] < farms.HARD_CAP_S
        assert row["sensor_id"] == f"{row['gateway_id']}.soil-{row['zone_id'][-1]}"


def test_valves_of_one_gateway_share_its_pump(dry: Weather) -> None:
    """Two zones watered together get less each than one after the other, and every litre is in the balance."""
    zones = ZONES[:2]
    flows = {zone.zone_id: zone.litres_per_minute for zone in zones}
    litres = []
    for lag_s in (0, 3600):
        supply = Supply(flows, dry.start * 1000)
        fields = [Field(zone, dry, dry.start, supply) for zone in zones]
        edges = [(number * lag_s + more, number, more == 0) for number in (0, 1) for more in (0, 1800)]
        for at, number, is_open in sorted(edges):
            fields[number].set_valve((dry.start + at) * 1000, is_open)
        for field in fields:
            field.advance(dry.start + DAY_S)
            roots = field.litres((dry.start + DAY_S) * 1000) / field.zone.area_m2 * field.zone.efficiency
            assert field.account.irrigation_mm == pytest.approx(roots)
        litres.append([field.litres((dry.start + DAY_S) * 1000) for field in fields])
    assert all(together < 0.97 * alone for together, alone in zip(*litres, strict=True))


def test_depths_differ(dry: Weather) -> None:
    """After a week the top is drier than the bottom, and warmer at midday."""
    field = Field(ZONES[0], dry, dry.start)
    field.advance(dry.start + 7 * DAY_S + 13 * 3600)
    assert field.at(0.05) < field.at(0.5)
    assert field.temperature_at(0.02) > field.temperature_at(0.5)
