"""Layers of soil: every drop is accounted for, water moves as gravity and plants move it, and depth damps the day."""

import math
import random
import time

import pytest

from gateway_sim.soil import (
    ROOT_SHARES,
    STEPS_PER_H,
    Column,
    Layer,
    Plants,
    Warmth,
    infiltration_capacity_mm_h,
    stress,
    uniform,
)

GRASS = Plants(kc=1.0, depletion=0.5)
CONSTANTS = ("wilting_point", "field_capacity", "saturation", "conductivity_mm_h")
LOAM = (0.13, 0.27, 0.46, 15.0)  # wilting point, field capacity, saturation; mm/h
SOILS = {
    "sand": (0.05, 0.12, 0.40, 120.0),
    "loam": (0.13, 0.27, 0.46, 15.0),
    "clay loam": (0.19, 0.32, 0.48, 4.3),
}


def loam(initial_vwc: float = 0.2, plants: Plants = GRASS, conductivity_mm_h: float = LOAM[3]) -> Column:
    return Column(uniform(0.6, *LOAM[:3], conductivity_mm_h), plants, initial_vwc)


def hours(column: Column, count: int, rain_mm_h: float = 0.0, reference_mm_h: float = 0.0) -> None:
    for _ in range(count * STEPS_PER_H):
        column.step(rain_mm_h / STEPS_PER_H, 0.0, reference_mm_h)


@pytest.mark.parametrize("soil", SOILS.values(), ids=SOILS)
@pytest.mark.parametrize("seed", range(5))
def test_the_balance_closes_at_every_step(soil: tuple[float, float, float, float], seed: int) -> None:
    """Through storms, irrigation and drought, in minus out is the change of storage, and no layer leaves its limits."""
    draw = random.Random(seed)
    column = Column(uniform(draw.uniform(0.3, 1.0), *soil), GRASS, draw.uniform(soil[0], soil[2]))
    before = column.stored_mm
    rain = water = sun = 0.0
    for step in range(20 * 24 * STEPS_PER_H):
        if step % STEPS_PER_H == 0:
            rain = draw.choice((0.0,) * 20 + (1.0, 10.0, 80.0))
            water = draw.choice((0.0,) * 10 + (12.0,))
            sun = draw.uniform(0.0, 0.8)
        column.step(rain / STEPS_PER_H, water / STEPS_PER_H, sun)
        assert abs(column.stored_mm - before - column.account.net_mm) < 1e-6
        for layer, held in zip(column.layers, column.water_mm, strict=True):
            assert layer.wilting_point / 2 - 1e-9 <= held / layer.thickness_mm <= layer.saturation + 1e-9
    account = column.account
    assert min(account.rain_mm, account.irrigation_mm, account.evapotranspiration_mm) > 0
    assert min(account.percolation_mm, account.runoff_mm) >= 0


def test_the_top_layer_limits_what_gets_in() -> None:
    """Dry soil takes more than wet, and what neither takes runs off."""
    dry, wet = loam(0.15), loam(0.44)
    for column in (dry, wet):
        column.step(30 / STEPS_PER_H, 0.0, 0.0)
    capacity = infiltration_capacity_mm_h(dry.layers[0], 0.15 * 150)
    assert capacity > infiltration_capacity_mm_h(wet.layers[0], 0.44 * 150) > LOAM[3]
    assert dry.account.runoff_mm == pytest.approx(max(0.0, 30 - capacity) / STEPS_PER_H)
    assert wet.account.runoff_mm > dry.account.runoff_mm


def test_a_full_soil_sheds_everything() -> None:
    """A saturated, nearly tight profile lets no more in than it lets out below."""
    column = loam(0.46, conductivity_mm_h=0.001)
    hours(column, 10, rain_mm_h=5.0)
    assert column.account.runoff_mm == pytest.approx(50.0, abs=0.05)
    assert column.vwc == pytest.approx(0.46, abs=1e-4)


def test_water_sinks_to_field_capacity_and_stays_there() -> None:
    """Without roots and sun the surplus leaves below, faster at first; what field capacity holds stays."""
    column = loam(0.40)
    left = []
    for _ in range(4):
        before = column.account.percolation_mm
        hours(column, 5 * 24)
        left.append(column.account.percolation_mm - before)
    assert left[0] > left[1] > left[2] > left[3] > 0
    hours(column, 300 * 24)
    assert column.vwc == pytest.approx(0.27, abs=2e-3)
    assert column.vwc >= 0.27 - 1e-9


def test_a_wetting_front_takes_time_to_go_down() -> None:
    """Rain shows in the first layer at once, in the second later, and in the last last."""
    column = loam(0.20)
    first: dict[int, int] = {}
    for hour in range(72):
        hours(column, 1, rain_mm_h=8.0 if hour < 6 else 0.0)
        for index, held in enumerate(column.water_mm):
            if held / 150 > 0.25:
                first.setdefault(index, hour)
    assert first[0] < first[1]
    assert 3 not in first


def test_roots_drink_most_where_they_are() -> None:
    """From an evenly moist soil each layer gives by its share of roots."""
    column = loam(0.26, plants=Plants(1.0, 0.5, cover=1.0))
    before = list(column.water_mm)
    column.step(0.0, 0.0, 0.4)
    taken = [had - held for had, held in zip(before, column.water_mm, strict=True)]
    assert [loss / sum(taken) for loss in taken] == pytest.approx(ROOT_SHARES, rel=0.02)
    assert sum(taken) == pytest.approx(0.4 / STEPS_PER_H)


def test_a_thirsty_crop_drinks_less() -> None:
    """FAO-56 equation 84: full demand until `depletion` of the available water is gone, then ever less."""
    assert stress(1.0, GRASS) == stress(0.5, GRASS) == 1.0
    assert stress(0.25, GRASS) == pytest.approx(0.5)
    assert stress(0.0, GRASS) == 0.0
    column = loam(0.25)
    losses = []
    for _ in range(90):
        before = column.stored_mm
        hours(column, 24, reference_mm_h=0.2)
        losses.append(before - column.stored_mm)
    assert losses[0] == pytest.approx(4.8 * (0.85 + 1.1 * 0.15), rel=0.01)
    assert losses[89] < 0.1 * losses[0]


def test_the_sun_dries_only_the_top() -> None:
    """Bare soil loses water from its first layer, down to half the wilting point, and deep layers follow slowly."""
    column = loam(0.27, plants=Plants(1.0, 0.5, cover=0.0))
    hours(column, 60 * 24, reference_mm_h=0.2)
    shares = [held / 150 for held in column.water_mm]
    assert shares[0] < 0.13
    assert shares[0] < shares[1] < shares[3] < 0.27
    assert shares[3] > 0.22


def test_capillarity_lifts_a_little_and_never_turns_the_profile_over() -> None:
    """A dry top draws on a moist layer below it, until both pull equally; no water is made."""
    column = Column(uniform(0.6, *LOAM), GRASS, [0.14, 0.26, 0.26, 0.26])
    before = column.stored_mm
    hours(column, 30 * 24)
    top, second = column.water_mm[0] / 150, column.water_mm[1] / 150
    assert 0.15 < top < second < 0.26
    assert column.stored_mm == pytest.approx(before)


def test_depth_is_read_between_layers() -> None:
    """The middle of a layer says that layer; halfway to the next, the mean of both; ends are level."""
    column = Column(uniform(0.6, *LOAM), GRASS, [0.10, 0.20, 0.30, 0.40])
    assert column.at(0.075) == pytest.approx(0.10)
    assert column.at(0.15) == pytest.approx(0.15)
    assert [column.at(0.0), column.at(2.0)] == pytest.approx([0.10, 0.40])
    assert column.vwc == pytest.approx(0.25)


def test_campbell_meets_the_points_that_define_it() -> None:
    """Tension is 33 kPa at field capacity and 1500 kPa at wilting; conductivity is full at saturation only."""
    layer = Layer(thickness_mm=150.0, roots=1.0, **dict(zip(CONSTANTS, LOAM, strict=True)))
    assert layer.head_mm(0.27) / layer.head_mm(0.13) == pytest.approx(33 / 1500)
    assert layer.conductivity(0.46) == pytest.approx(15.0)
    assert layer.conductivity(0.27) < 0.2


def test_the_daily_wave_fades_and_lags_with_depth() -> None:
    """At the damping depth, 0.117 m here, 37 % of the swing is left, and it comes 3.8 h late [C, equation 8.7]."""
    warmth = Warmth(18.0)
    depths = (0.0, 0.05, math.sqrt(2 * 5e-7 / (2 * math.pi / 86400)), 0.3)
    days: dict[float, list[float]] = {depth: [] for depth in depths}
    for hour in range(30 * 24):
        warmth.hour(18 + 6 * math.sin(hour * math.pi / 12), 0.0)
        for depth in depths:
            days[depth].append(warmth.at(depth, 1.0))
    swing = {depth: (max(day[-24:]) - min(day[-24:])) / 2 for depth, day in days.items()}
    peak = {depth: day[-24:].index(max(day[-24:])) for depth, day in days.items()}
    assert swing[0.0] == pytest.approx(6.0)
    assert swing[depths[2]] / 6 == pytest.approx(math.exp(-1), abs=0.12)
    assert 2 <= peak[depths[2]] - peak[0.0] <= 5
    assert swing[0.3] < 0.15 * swing[0.05]
    assert sum(days[0.3][-24:]) / 24 == pytest.approx(18.0, abs=0.3)


def test_warmth_moves_smoothly_within_an_hour() -> None:
    """The end of one hour is the beginning of the next, and halfway is between."""
    warmth = Warmth(10.0)
    warmth.hour(20.0, 500.0)
    end = warmth.at(0.1, 1.0)
    assert warmth.at(0.1, 0.5) == pytest.approx((warmth.at(0.1, 0.0) + end) / 2)
    warmth.hour(5.0, 0.0)
    assert warmth.at(0.1, 0.0) == end


def test_a_farm_of_24_zones_for_60_days_is_quick() -> None:
    """A tenth of that season takes a tenth of three seconds, with room for a busy machine."""
    columns = [loam(0.2) for _ in range(24)]
    began = time.process_time()
    for column in columns:
        for hour in range(6 * 24):
            hours(column, 1, 3.0 if hour % 50 < 3 else 0.0, max(0.0, 0.5 * math.sin(hour * math.pi / 12)))
    assert time.process_time() - began < 1.0
