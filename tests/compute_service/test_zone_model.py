"""What is believed of a zone: the balance by the hour, water as it is settled, probes that see it or do not."""

import json
from dataclasses import replace
from datetime import date

import pytest

from agronomy.strategy import demand_mm
from agronomy.units import HOUR_S
from compute_service.domain.zone import PlacedProbe, Zone
from compute_service.domain.zone_model import (
    Sample,
    Water,
    WeatherHour,
    ZoneModel,
    advance,
    begin,
    commanded,
)
from tests.compute_service.bench import NOON, zone

BEGIN = NOON // HOUR_S * HOUR_S
SENSOR = zone().sensor_id


def after(
    hours: int,
    *,
    one: Zone | None = None,
    model: ZoneModel | None = None,
    et0_mm: float = 0.2,
    rain_mm: float = 0.0,
    vwc: float | None = None,
) -> ZoneModel:
    """A zone some hours on; its probe speaks at the end, or not at all."""
    one = one or zone()
    model = model or advance(one, None, (), (), [Sample(one.sensor_id, BEGIN, 0.25)], BEGIN)
    news = [WeatherHour(model.at + n * HOUR_S, et0_mm, rain_mm / hours, "measured") for n in range(hours)]
    end = model.at + hours * HOUR_S
    samples = [] if vwc is None else [Sample(one.sensor_id, end - 60, vwc)]
    return advance(one, model, news, (), samples, end)


def test_the_first_reading_begins_the_belief() -> None:
    """Nothing is believed before; then about what the probe says, and not more than soil can lack."""
    silent = advance(zone(), None, (), (), (), BEGIN)
    assert (silent.belief.at, silent.verdicts[SENSOR].kind) == (0, "silent")
    assert after(0).belief.depletion_mm == pytest.approx(20, abs=2)
    late = advance(zone(), silent, (), (), [Sample(SENSOR, BEGIN + 60, 0.25)], BEGIN + 60)
    assert late.belief.depletion_mm == pytest.approx(20, abs=2)
    driest = advance(zone(), None, (), (), [Sample(SENSOR, BEGIN, 0.06)], BEGIN)
    assert driest.belief.depletion_mm <= 85


def test_hours_and_rain_move_it() -> None:
    """A day of the crop's demand makes the roots lack so much more, and rain so much less; each hour counts once."""
    dry, wet = after(24), after(24, rain_mm=12.0)
    assert dry.belief.depletion_mm - after(0).belief.depletion_mm == pytest.approx(24 * 0.2 * 1.15, abs=1)
    assert dry.belief.depletion_mm - wet.belief.depletion_mm == pytest.approx(12, abs=1.5)  # wet soil evaporates more
    again = advance(zone(), wet, [WeatherHour(BEGIN, 9.0, 9.0, "measured")], (), (), wet.at)
    assert again.belief == wet.belief
    assert wet.day.account.rain_mm == pytest.approx(12, abs=0.01)
    assert wet.day.sources == {"measured": 24}


def test_the_balance_closes() -> None:
    """While no probe speaks: what is missing is what was missing, plus what was taken, less what came and stayed."""
    model = after(0)
    begun = model.belief.depletion_mm
    for _ in range(10):
        model = after(5, model=model, rain_mm=1.0)
    account = model.day.account
    assert len(model.fluxes) == 24
    assert account.evapotranspiration_mm == pytest.approx(24 * 0.2 * 1.15, rel=0.15)
    assert model.belief.depletion_mm == pytest.approx(begun + 50 / 24 * account.evapotranspiration_mm - 10, abs=1)


def test_water_counts_as_litres() -> None:
    """Litres become millimetres by area and efficiency, at once; what turns out not to have come is taken back."""
    model = advance(zone(), None, (), (), [Sample(SENSOR, BEGIN, 0.18)], BEGIN)
    watered = advance(zone(), model, (), [Water(BEGIN + 60, 2000.0)], (), BEGIN + 600)
    assert model.belief.depletion_mm - watered.belief.depletion_mm == pytest.approx(15, abs=0.5)
    assert watered.day.account.irrigation_mm == pytest.approx(15)
    back = advance(zone(), watered, (), [Water(BEGIN + 600, -2000.0)], (), BEGIN + 700)
    assert back.belief.depletion_mm == pytest.approx(model.belief.depletion_mm, abs=0.5)


@pytest.mark.parametrize(("risen_to", "unseen_mm"), [(0.28, 0.0), (0.251, 15.0)])
def test_a_run_is_confirmed_by_the_probes_or_not(risen_to: float, unseen_mm: float) -> None:
    """Three hours after it was settled: one that made no probe rise is told, until another is seen."""
    model, before = commanded(after(0), None), [Sample(SENSOR, BEGIN + 900, 0.251)]
    model = advance(zone(), model, (), [Water(BEGIN + 1800, 2000.0)], before, BEGIN + 1810)
    for quarter in range(3, 16):
        now = BEGIN + quarter * 900
        model = advance(zone(), model, (), (), [Sample(SENSOR, now, risen_to)], now)
        assert model.unseen_mm == (unseen_mm if quarter >= 14 else 0.0)
    assert model.watch is None
    model = advance(zone(), commanded(model, None), (), [Water(now, 2000.0)], (), now)
    model = advance(zone(), model, (), (), [Sample(SENSOR, now + 86400, risen_to + 0.03)], now + 86400)
    assert model.unseen_mm == 0.0


def test_the_probes_correct_the_balance() -> None:
    """A crop that takes twice what the tables say is found out by the probe, day by day."""
    model, vwc = after(0), 0.25
    for _ in range(80):
        vwc -= 2 * 3 * 0.1 * 1.15 / 500
        model = after(3, model=model, et0_mm=0.1, vwc=vwc)
    truth = (0.29 - vwc) * 500
    alone = after(10 * 24, et0_mm=0.1).belief.depletion_mm
    assert abs(model.belief.depletion_mm - truth) < abs(alone - truth)
    assert model.belief.demand > 1.05


def test_order_and_repeats_within_a_step() -> None:
    """Samples are taken by their time; one that is not newer than what was heard changes nothing."""
    samples = [Sample(SENSOR, BEGIN + n * 900, 0.25 - n * 0.001) for n in range(4)]
    once = advance(zone(), after(0), (), (), samples, BEGIN + 3000)
    twice = advance(zone(), once, (), (), samples[:3], BEGIN + 3000)
    assert (twice.probes[SENSOR].vwc, twice.probes[SENSOR].heard_at) == (0.247, BEGIN + 2700)
    assert twice.belief == once.belief


def test_settings_become_soil_crop_and_emitters() -> None:
    """Roots and allowed depletion are the field's, stages those of the calendar, days of the farm's own midnight."""
    place = zone(allowed_depletion=0.33, calendar="arid_october").place
    assert (place.crop.depletion_fraction, place.crop.roots_m, place.crop.days) == (0.33, 0.5, (35, 45, 70, 30))
    assert place.day(place.sown_at + 86400) == 1.0
    assert place.sown_at % 86400 == 4 * HOUR_S  # in Toronto
    sand = zone(field_capacity=0.08, wilting_point=0.03, zone_id="sand").place
    assert sand.soil.readily_evaporable_mm < sand.soil.evaporable_mm
    turf = zone(crop="turf", sown=date(2023, 1, 1), zone_id="turf").place
    assert 0 <= NOON - turf.season_begun(NOON) < 366 * 86400
    assert place.season_begun(NOON) == place.sown_at


def test_probes_may_come_and_go_with_the_zones_file() -> None:
    """A new probe joins the belief, one that is gone leaves it, and what is known of the others stays."""
    model = after(0)
    deep = zone(probes=(PlacedProbe("irrigation-gateway-1.soil-a-20cm", 0.2),))
    more = advance(deep, model, (), (), (), BEGIN + 60)
    assert list(more.probes) == list(deep.sensor_ids)
    assert more.probes[SENSOR].vwc == 0.25
    assert list(advance(zone(), more, (), (), (), BEGIN + 120).probes) == [SENSOR]


def test_a_thirsty_crop_does_not_seem_to_need_less() -> None:
    """Of a day's weather a crop in dry soil takes less than one in moist soil, but asks for as much."""
    begun = {vwc: advance(zone(), None, (), (), [Sample(SENSOR, BEGIN, vwc)], BEGIN) for vwc in (0.28, 0.14)}
    moist, dry = (after(24, model=model).day.account for model in begun.values())
    assert dry.transpiration_mm < 0.6 * moist.transpiration_mm
    asked = [account.transpiration_mm / account.stress for account in (moist, dry)]
    assert asked[1] == pytest.approx(asked[0], rel=0.02)
    assert demand_mm(dry) == pytest.approx(dry.evaporation_mm + asked[1])
    kept = json.loads(json.dumps(after(24, model=begun[0.14]).to_json()))
    assert ZoneModel.from_json(zone().place, kept).day.account == dry


def test_an_empty_model_says_what_is_usual() -> None:
    """Before any hour is known, a day takes 5 mm of ET0."""
    day = begin(zone(), NOON).day
    assert (day.et0_mm, day.sources) == (5.0, {})
    assert day.account.evapotranspiration_mm == pytest.approx(5 * day.kc.single)
    assert replace(day).account.irrigation_mm == 0


def test_a_flooded_field_is_full() -> None:
    """Water that stands above field capacity for a day, as under an open valve, never looks like dryness."""
    model, vwc = after(0), 0.25
    for hour in range(1, 30):
        vwc = min(vwc + 0.02, 0.45)
        now, at = BEGIN + hour * HOUR_S, model.at
        water = [Water(now - 900, 2000.0)]
        model = advance(
            zone(), model, [WeatherHour(at, 0.2, 0.0, "measured")], water, [Sample(SENSOR, now - 60, vwc)], now
        )
        assert model.belief.depletion_mm < 12
    assert model.belief.depletion_mm < 1
    assert model.belief.sigma_mm < 10
    assert model.probes[SENSOR].vwc == 0.45
