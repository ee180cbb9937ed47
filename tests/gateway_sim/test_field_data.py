"""The simulated soil against the measured one: plot E1 of Drummondville in the summer of 2020, as shipped.

The soil's constants were found on 2018 and 2019 alone, so this summer is new to them; docs/field.md has all periods.
"""

from benchmarks import field
from gateway_sim import weather as weathers

FIRST_DAY = "2020-06-09"
MEASURED = field.excerpt()
DAYS = field.simulate(weathers.load(), field.BEST, MEASURED.vwc[FIRST_DAY])[field.WARM_UP_DAYS :]


def test_moisture_at_7_5_cm_follows_the_probes() -> None:
    """Over 70 measured days the simulated soil is within 0.03 m3/m3 (RMSE), and goes up and down with the real one."""
    found = field.errors(MEASURED.moisture_pairs(DAYS))
    assert found.days == 70
    assert found.rmse < 0.03
    assert abs(found.bias) < 0.025
    assert found.correlation > 0.85


def test_percolation_comes_when_the_lysimeters_say() -> None:
    """Next to none in a dry June and July, all in a wet August; the total is right within a factor of 2.2."""
    months = MEASURED.months(DAYS)
    for simulated, measured in (months["2020-06"], months["2020-07"]):
        assert abs(simulated - measured) < 1
    simulated, measured = (sum(column) for column in zip(*months.values(), strict=True))
    assert measured / 2.2 < simulated < measured * 2.2


def test_a_wrong_soil_would_be_noticed() -> None:
    """The bounds above tell this soil from a clay: with other constants they do not hold."""
    clay = field.Constants(
        root_beta=0.9,
        wilting_point=0.22,
        field_capacity=0.36,
        saturation=0.50,
        conductivity_mm_h=2.0,
        kc=0.9,
        cover=0.9,
        depletion=0.5,
        rain_catch=1.0,
    )
    days = field.simulate(weathers.load(), clay, MEASURED.vwc[FIRST_DAY])[field.WARM_UP_DAYS :]
    assert field.errors(MEASURED.moisture_pairs(days)).rmse > 0.03


def test_days_without_a_measurement_count_nowhere() -> None:
    """A missing value is no zero: it is left out of both sides."""
    days = [field.Day("2020-06-20", 0.2, 1.0), field.Day("2020-06-21", 0.3, 5.0)]
    plot = field.Measured({"2020-06-20": 0.1}, {"2020-06-20": 2.0})
    assert plot.moisture_pairs(days) == [(0.2, 0.1)]
    assert plot.months(days) == {"2020-06": (1.0, 2.0)}
