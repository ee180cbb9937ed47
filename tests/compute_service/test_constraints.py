"""What keeps water back, and says why."""

from dataclasses import replace

import pytest

from compute_service.domain.conditions import Conditions
from compute_service.domain.constraints import (
    CONSTRAINTS,
    LimitError,
    Limits,
    Now,
    Wish,
    find,
    most_litres,
    seconds_left,
)
from compute_service.domain.forecast import Forecast, ForecastHour

AT = 1_750_000_000  # 2025-06-15 11:06:40 in Toronto
H = 3600
NOW = Now(at=AT, timezone="America/Toronto")
WISH = Wish(net_mm=14.0, litres=4000.0, duration_s=3600, spare_mm=3.0)
STRICT = Limits(
    daily_l=10_000,
    seasonal_l=200_000,
    hours=((20 * H, 8 * H), (11 * H, 12 * H)),
    frost_c=2.0,
    wind_m_s=4.0,
    rain_now_mm_h=1.0,
)


def forecast(age_s: int = H, rain_mm: float = 0.0, temperature_c: float = 20.0, wind_m_s: float = 1.0) -> Forecast:
    """48 hours of one weather."""
    first = AT // H * H
    return Forecast(AT - age_s, tuple(ForecastHour(first + n * H, rain_mm, temperature_c, wind_m_s) for n in range(48)))


def shower(rain_mm: float) -> Forecast:
    """All of its rain in one hour."""
    dry = forecast()
    return replace(dry, hours=(*dry.hours[:5], dry.hours[5]._replace(rain_mm=rain_mm), *dry.hours[6:]))


def failed(limits: Limits = STRICT, now: Now = NOW, wish: Wish = WISH) -> dict[str, str]:
    return {finding.name: finding.why for finding in find(limits, now, wish) if not finding.passed}


def test_nothing_known_keeps_nothing_back() -> None:
    """With no station, no forecast and nothing used, in an allowed hour, a zone gets its water; so without limits."""
    assert failed() == {}
    assert failed(Limits(), replace(NOW, at=AT + 5 * H)) == {}


@pytest.mark.parametrize(
    ("now", "name", "says"),
    [
        ({"used_today_l": 10_000}, "daily_budget", "0 l of the day's budget of 10000 l is left"),
        ({"used_season_l": 199_990}, "seasonal_budget", "10 l of the season's budget"),
        ({"at": AT + H}, "allowed_hour", "it is 12:06, and watering is allowed from 20:00 to 08:00, 11:00 to 12:00"),
        ({"conditions": Conditions(temperature_c=1.5)}, "no_frost", "1.5 degrees are measured"),
        ({"forecast": forecast(temperature_c=-1.0)}, "no_frost", "-1.0 degrees are forecast"),
        ({"conditions": Conditions(wind_m_s=6.0)}, "calm", "wind of 6.0 m/s"),
        ({"forecast": forecast(wind_m_s=7.0)}, "calm", "wind of 7.0 m/s"),
        ({"conditions": Conditions(rain_hour_mm=2.5)}, "no_rain_now", "2.5 mm in the last hour"),
        ({"forecast": forecast(rain_mm=1.0)}, "no_rain_ahead", "24 mm of rain are forecast in 24 h"),
    ],
)
def test_each_constraint_says_why(now: dict[str, object], name: str, says: str) -> None:
    """One thing that is wrong is one finding, with the value and the limit in words."""
    [(found, why)] = failed(now=replace(NOW, **now)).items()  # type: ignore[arg-type]
    assert found == name
    assert says in why


def test_frost_soon_after_the_run_keeps_the_water_back() -> None:
    """Wet leaves freeze: the hour after a run of an hour counts, the next one does not."""
    first = AT // H * H
    for hour, keeps in ((1, True), (2, True), (3, False)):
        mild = forecast()
        cold = [each._replace(temperature_c=-1.0) if each.at == first + hour * H else each for each in mild.hours]
        assert ("no_frost" in failed(now=replace(NOW, forecast=replace(mild, hours=tuple(cold))))) == keeps


def test_a_mild_station_hides_no_forecast_of_frost() -> None:
    """The colder of what is measured and what is forecast counts, whichever it is."""
    mild, cold = Conditions(temperature_c=8.0), Conditions(temperature_c=-1.0)
    assert "no_frost" in failed(now=replace(NOW, conditions=mild, forecast=forecast(temperature_c=-1.0)))
    assert "no_frost" in failed(now=replace(NOW, conditions=cold, forecast=forecast(temperature_c=8.0)))


def test_a_crop_that_cannot_wait_is_watered_before_the_rain() -> None:
    """Rain tomorrow keeps no water from a crop that suffers today, nor does rain that would not do."""
    rainy = replace(NOW, forecast=forecast(rain_mm=1.0))
    assert "no_rain_ahead" in failed(now=rainy)
    assert failed(now=rainy, wish=WISH._replace(spare_mm=-0.1)) == {}
    assert failed(now=rainy, wish=WISH._replace(net_mm=20.0)) == {}


def test_an_old_forecast_is_not_trusted_and_says_so() -> None:
    """Frost, storm and flood of a forecast of yesterday keep nothing back; the finding tells its age."""
    old = forecast(age_s=25 * H, rain_mm=9.0, temperature_c=-9.0, wind_m_s=30.0)
    findings = find(STRICT, replace(NOW, forecast=old), WISH)
    assert all(finding.passed for finding in findings)
    assert {finding.name: finding.value for finding in findings}["no_rain_ahead"] == "forecast 25 h old, not trusted"


def test_budgets_and_hours_bound_a_run() -> None:
    """The smaller budget counts; an hour's window tells the seconds until it ends, across midnight too."""
    assert most_litres(STRICT, replace(NOW, used_today_l=4000, used_season_l=199_000)) == 1000
    assert most_litres(Limits(), NOW) is None
    assert seconds_left(STRICT, NOW) == 12 * H - (11 * H + 400)
    assert seconds_left(STRICT, replace(NOW, at=AT + 12 * H)) == 9 * H - 400
    assert seconds_left(STRICT, replace(NOW, at=AT + 2 * H)) == 0
    assert seconds_left(Limits(), NOW) is None


MIDNIGHT = AT - (11 * H + 400)  # the farm's
EXTREMES: dict[str, list[tuple[Limits, dict[str, object], Wish]]] = {  # what each constraint just lets through
    "daily_budget": [
        (Limits(daily_l=5000), {"used_today_l": 5000 - 4000 / 60}, WISH),
        (Limits(daily_l=5000), {"used_today_l": 4960.0}, WISH._replace(litres=40.0, duration_s=30)),
        (Limits(daily_l=5000), {"used_today_l": 4999.0}, WISH._replace(litres=0.0, duration_s=0)),
        (Limits(daily_l=1), {}, WISH._replace(litres=0.0, duration_s=0)),
    ],
    "seasonal_budget": [(Limits(seasonal_l=1), {}, WISH._replace(litres=0.0, duration_s=0))],
    "allowed_hour": [(Limits(hours=((11 * H, 11 * H + 460),)), {}, WISH)],
    "no_frost": [
        (Limits(), {"conditions": Conditions(temperature_c=2.0)}, WISH),
        (Limits(), {"forecast": forecast(temperature_c=2.0)}, WISH),
    ],
    "calm": [
        (STRICT, {"conditions": Conditions(wind_m_s=4.0)}, WISH),
        (STRICT, {"conditions": Conditions(wind_m_s=1.0), "forecast": forecast(wind_m_s=7.0)}, WISH),
    ],
    "no_rain_now": [(Limits(), {"conditions": Conditions(rain_hour_mm=0.99)}, WISH)],
    "no_rain_ahead": [
        (STRICT, {"forecast": forecast(rain_mm=0.83)}, WISH),
        (STRICT, {"forecast": forecast(rain_mm=0.0)}, WISH._replace(net_mm=0.0)),
        (STRICT, {"forecast": forecast(rain_mm=1.0)}, WISH._replace(spare_mm=-0.01)),
    ],
}
TOO_FAR: dict[str, list[tuple[Limits, dict[str, object], Wish]]] = {  # and what it just keeps back
    "daily_budget": [
        (Limits(daily_l=5000), {"used_today_l": 5000 - 4000 / 60 + 0.1}, WISH),
        (Limits(daily_l=5000), {"used_today_l": 4960.1}, WISH._replace(litres=40.0, duration_s=30)),
        (Limits(daily_l=5000), {"used_today_l": 4999.1}, WISH._replace(litres=0.0, duration_s=0)),
    ],
    "allowed_hour": [(Limits(hours=((11 * H, 11 * H + 459),)), {}, WISH)],
    "no_frost": [(Limits(), {"conditions": Conditions(temperature_c=1.99)}, WISH)],
    "calm": [
        (STRICT, {"conditions": Conditions(wind_m_s=4.01)}, WISH),
        (STRICT, {"conditions": Conditions(wind_m_s=7.0), "forecast": forecast(wind_m_s=1.0)}, WISH),
    ],
    "no_rain_now": [(Limits(), {"conditions": Conditions(rain_hour_mm=1.0)}, WISH)],
    "no_rain_ahead": [
        (STRICT, {"forecast": forecast(rain_mm=0.84)}, WISH),
        (STRICT, {"forecast": shower(2.0)}, WISH._replace(net_mm=1.4)),  # 70 % of it would just do
        (STRICT, {"forecast": forecast(rain_mm=1.0)}, WISH._replace(net_mm=0.5)),
        (STRICT, {"forecast": forecast(rain_mm=1.0)}, WISH._replace(spare_mm=0.0)),
    ],
}


@pytest.mark.parametrize(("extremes", "passed"), [(EXTREMES, True), (TOO_FAR, False)], ids=["just", "too far"])
def test_a_limit_holds_to_the_letter(
    extremes: dict[str, list[tuple[Limits, dict[str, object], Wish]]], passed: bool
) -> None:
    """What is exactly allowed is let through, and what is a trace beyond it is kept back, by that row alone."""
    for name, cases in extremes.items():
        for limits, now, wish in cases:
            found = failed(limits, replace(NOW, **now), wish)  # type: ignore[arg-type]
            assert set(found) == (set() if passed else {name}), (name, now, wish)


def test_what_has_no_limit_keeps_nothing_back() -> None:
    """Cold, storm and rain pass where the grower set no limit, and unknown rain ahead is none."""
    stormy = Conditions(temperature_c=-20.0, wind_m_s=30.0, rain_hour_mm=50.0)
    unlimited = Limits(frost_c=None, wind_m_s=None, rain_now_mm_h=None)
    assert failed(unlimited, replace(NOW, conditions=stormy)) == {}
    dry = forecast()
    unknown = replace(dry, hours=tuple(hour._replace(rain_mm=None) for hour in dry.hours))
    assert failed(now=replace(NOW, forecast=unknown)) == {}


@pytest.mark.parametrize(("later_s", "duration_s", "wind"), [(0, 3600, 9.0), (0, 60, 1.0), (3199, 0, 1.0)])
def test_the_wind_of_the_whole_run_counts(later_s: int, duration_s: int, wind: float) -> None:
    """A storm that begins while water would still run counts; one that comes after it, if only a second, does not."""
    calm = forecast()
    hours = tuple(hour._replace(wind_m_s=9.0 if hour.at > AT else 1.0) for hour in calm.hours)
    now = replace(NOW, at=AT + later_s, forecast=replace(calm, hours=hours))
    values = {check.name: check.value for check in find(STRICT, now, WISH._replace(duration_s=duration_s))}
    assert values["calm"] == wind


@pytest.mark.parametrize(
    ("hours", "lefts"),
    [
        (((6 * H, 8 * H),), {6 * H - 1: 0, 6 * H: 2 * H, 8 * H - 1: 1, 8 * H: 0}),
        (((22 * H, 5 * H),), {22 * H - 1: 0, 22 * H: 7 * H, 0: 5 * H, 5 * H - 1: 1, 5 * H: 0}),
        (((0, 24 * H),), {0: 24 * H, 24 * H - 1: 1}),
        (((20 * H, 0),), {20 * H - 1: 0, 20 * H: 4 * H, 24 * H - 1: 1, 0: 0}),
        (((24 * H, 4 * H),), {24 * H - 1: 0, 0: 4 * H}),
        (((6 * H, 8 * H), (7 * H, 10 * H)), {7 * H: 3 * H, 9 * H: H}),
    ],
)
def test_an_allowed_time_is_what_it_says(hours: tuple[tuple[int, int], ...], lefts: dict[int, int]) -> None:
    """Its first second is in it and its end is not, all day is all day, and of two at once the longer counts."""
    for second, left in lefts.items():
        assert seconds_left(Limits(hours=hours), replace(NOW, at=MIDNIGHT + second)) == left


def test_each_budget_bounds_alone() -> None:
    """Whichever budget is set counts, and one that is overspent leaves nothing, never less."""
    for limits in (Limits(daily_l=900), Limits(seasonal_l=900), Limits(daily_l=900, seasonal_l=900)):
        assert most_litres(limits, NOW) == 900
        assert most_litres(limits, replace(NOW, used_today_l=901.0, used_season_l=901.0)) == 0


@pytest.mark.parametrize(
    "flaw",
    [
        {"daily_l": -1.0},
        {"seasonal_l": -1.0},
        *(
            {"hours": (hours,)}
            for hours in ((0, 90_000), (90_000, 0), (-1, 5), (5, -1), (86_401, 5), (5, 86_401), (5, 5))
        ),
    ],
)
def test_limits_that_cannot_be_are_refused(flaw: dict[str, object]) -> None:
    """A budget below nothing, an hour after midnight that no clock shows, a window of no length."""
    with pytest.raises(LimitError):
        replace(STRICT, **flaw)  # type: ignore[arg-type]


def test_every_constraint_is_a_row() -> None:
    """All of them are found, each under the name of its row, and a good one needs no words."""
    checks = find(STRICT, NOW, WISH)
    assert [check.name for check in checks] == [row.name for row in CONSTRAINTS]
    assert len(checks) == len(CONSTRAINTS) == len({check.name for check in checks})
    assert {check.why for check in checks} == {""}
