"""What keeps water back, and says why; and one pump that is never asked for more than it has."""

from collections.abc import Sequence
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_service.constraints import (
    CONSTRAINTS,
    Finding,
    LimitError,
    Limits,
    Now,
    Request,
    Slot,
    Wish,
    find,
    flow_at,
    most_litres,
    schedule,
    seconds_left,
)
from compute_service.decide import Check
from compute_service.forecast import Forecast, Hour

AT = 1_750_000_000  # 2025-06-15 11:06:40 in Toronto
H = 3600
NOW = Now(AT, "America/Toronto")
WISH = Wish(net_mm=14.0, litres=4000.0, duration_s=3600, spare_mm=3.0)
STRICT = Limits(10_000, 200_000, ((20 * H, 8 * H), (11 * H, 12 * H)), 2.0, 4.0, 1.0)


def forecast(age_s: int = H, rain_mm: float = 0.0, temperature_c: float = 20.0, wind_m_s: float = 1.0) -> Forecast:
    """48 hours of one weather."""
    first = AT // H * H
    return Forecast(AT - age_s, tuple(Hour(first + n * H, rain_mm, temperature_c, wind_m_s) for n in range(48)))


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
        ({"temperature_c": 1.5}, "no_frost", "1.5 degrees are measured"),
        ({"forecast": forecast(temperature_c=-1.0)}, "no_frost", "-1.0 degrees are forecast"),
        ({"wind_m_s": 6.0}, "calm", "wind of 6.0 m/s"),
        ({"forecast": forecast(wind_m_s=7.0)}, "calm", "wind of 7.0 m/s"),
        ({"rain_hour_mm": 2.5}, "no_rain_now", "2.5 mm in the last hour"),
        ({"forecast": forecast(rain_mm=1.0)}, "no_rain_ahead", "24 mm of rain are forecast in 24 h"),
    ],
)
def test_each_constraint_says_why(now: dict[str, object], name: str, says: str) -> None:
    """One thing that is wrong is one finding, with the value and the limit in words."""
    [(found, why)] = failed(now=replace(NOW, **now)).items()  # type: ignore[arg-type]
    assert found == name
    assert says in why


def test_a_crop_that_cannot_wait_is_watered_before_the_rain() -> None:
    """Rain tomorrow keeps no water from a crop that suffers today, nor does rain that would not do."""
    rainy = replace(NOW, forecast=forecast(rain_mm=1.0))
    assert "no_rain_ahead" in failed(now=rainy)
    assert failed(now=rainy, wish=replace(WISH, spare_mm=-0.1)) == {}
    assert failed(now=rainy, wish=replace(WISH, net_mm=20.0)) == {}


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


@pytest.mark.parametrize(
    "flaw", [{"daily_l": -1.0}, {"seasonal_l": -1.0}, {"hours": ((0, 90_000),)}, {"hours": ((5, 5),)}]
)
def test_limits_that_cannot_be_are_refused(flaw: dict[str, object]) -> None:
    """A budget below nothing, an hour after midnight that no clock shows, a window of no length."""
    with pytest.raises(LimitError):
        replace(STRICT, **flaw)  # type: ignore[arg-type]


def test_a_finding_is_a_check() -> None:
    """A finding has the fields of a decision's check, in their order, so that one becomes the other."""
    assert Finding._fields == tuple(field.name for field in fields(Check))
    assert (
        len(find(STRICT, NOW, WISH)) == len(CONSTRAINTS) == len({finding.name for finding in find(STRICT, NOW, WISH)})
    )


def test_zones_take_turns_at_the_pump() -> None:
    """60 l/min: two zones of 30 run at once, the third as soon as one is done, the one of 70 never."""
    requests = [Request("a", 600, 30, 1), Request("b", 900, 30, 2), Request("c", 300, 30, 0), Request("d", 60, 70, 9)]
    assert schedule(requests, 60, AT, AT + H) == (
        Slot("a", AT, AT + 600, 30),
        Slot("b", AT, AT + 900, 30),
        Slot("c", AT + 600, AT + 900, 30),
    )


def test_what_runs_already_is_counted() -> None:
    """A zone that has the pump keeps it, and what would end too late gets no turn."""
    running = [Slot("x", AT - 100, AT + 500, 60)]
    requests = [Request("a", 600, 30), Request("b", 3200, 30)]
    assert schedule(requests, 60, AT, AT + H, running) == (Slot("a", AT + 500, AT + 1100, 30),)


REQUESTS = st.lists(
    st.builds(Request, st.uuids().map(str), st.integers(1, 4000), st.floats(1, 80), st.floats(0, 5)), max_size=12
)
TAKEN = st.lists(
    st.builds(
        lambda after, seconds: Slot("taken", AT + after, AT + after + seconds, 5.0),
        st.integers(-900, 3000),
        st.integers(1, 2000),
    ),
    max_size=5,
)


@given(REQUESTS, TAKEN, st.floats(25, 100))
def test_the_pump_is_never_asked_for_more_than_it_has(
    requests: list[Request], taken: list[Slot], capacity: float
) -> None:
    """At no moment, whatever zones want and whatever runs already; nobody has two turns, or one outside the time.

    And the order in which requests come changes nothing.
    """
    slots = schedule(requests, capacity, AT, AT + 3 * H, taken)
    everything: Sequence[Slot] = [*slots, *taken]
    assert all(flow_at(everything, slot.begin) <= capacity + 1e-6 for slot in slots)
    assert len({slot.zone_id for slot in slots}) == len(slots)
    assert all(slot.begin >= AT and slot.end <= AT + 3 * H for slot in slots)
    assert schedule(requests[::-1], capacity, AT, AT + 3 * H, taken) == slots
    if requests and not taken and requests[0].flow_l_min <= capacity and len(requests) == 1:
        assert slots[0].begin == AT
