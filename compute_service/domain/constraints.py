"""What may keep water from a zone that needs it: budgets, hours, frost, wind, rain.

Each constraint is a row of CONSTRAINTS, with what would lift it, and gives a Check, passed or not. What nobody measured
or forecast keeps nothing back: a forecast is never required, and one that is old says so and is not trusted.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from agronomy.units import DAY_S, HOUR_S
from compute_service.domain.conditions import Conditions
from compute_service.domain.forecast import Forecast
from compute_service.errors import ComputeError

MIN_RUN_S = 60  # a shorter run fills the pipes and waters nothing
RAIN_TRUST = 0.7  # of forecast rain that is counted on: forecasts promise more than falls


class LimitError(ComputeError):
    """A limit that cannot be; the text says which, and what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is allowed; None is no limit. `hours` are pairs of seconds after local midnight, and may pass it."""

    daily_l: float | None = None
    seasonal_l: float | None = None
    hours: tuple[tuple[int, int], ...] = ()
    frost_c: float | None = 2.0
    wind_m_s: float | None = None  # at 2 m; sprinklers lose a fifth or more above 4
    rain_now_mm_h: float | None = 1.0
    rain_ahead_h: int = 24

    def __post_init__(self) -> None:
        for name in ("daily_l", "seasonal_l", "wind_m_s", "rain_now_mm_h"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise LimitError(f"{name} {value}: want 0 or more, or leave it away")
        for begin, end in self.hours:
            if not (0 <= begin <= DAY_S and 0 <= end <= DAY_S) or begin == end:
                raise LimitError(
                    f"hours from {begin} to {end}: want two different times of 0 to {DAY_S} s after midnight"
                )


NO_LIMITS = Limits()
NOTHING_MEASURED = Conditions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """What stands around a zone at `at` (Unix s): the farm's time, litres since its midnight and season, weather."""

    at: int
    timezone: str
    used_today_l: float = 0.0
    used_season_l: float = 0.0
    conditions: Conditions = NOTHING_MEASURED
    forecast: Forecast | None = None


class Wish(NamedTuple):
    """What a zone wants: net depth, and gross litres in so many seconds; `spare_mm` is left before the crop suffers."""

    net_mm: float
    litres: float
    duration_s: int
    spare_mm: float


class Check(NamedTuple):
    """One reason: the value, the threshold that it is held against, and in words why it will not do.

    `why` is empty for a check that passed.
    """

    name: str
    value: float | str | None
    threshold: float | tuple[float, float] | None
    passed: bool
    why: str = ""


def find(limits: Limits, now: Now, wish: Wish) -> tuple[Check, ...]:
    """All constraints, passed or not, in their order."""
    return tuple([constraint.check(limits, now, wish) for constraint in CONSTRAINTS])


def most_litres(limits: Limits, now: Now) -> float | None:
    """What the budgets leave for a run; None is no limit."""
    if limits.daily_l is None and limits.seasonal_l is None:
        return None
    rests = (_rest(limits.daily_l, now.used_today_l), _rest(limits.seasonal_l, now.used_season_l))
    return min(rest for rest in rests if rest is not None)


def seconds_left(limits: Limits, now: Now) -> int | None:
    """Until the allowed hours end; 0 outside of them, None if every hour is allowed."""
    if not limits.hours:
        return None
    second = local_second(now.at, now.timezone)
    return max(
        ((end - second) % DAY_S or DAY_S for begin, end in limits.hours if _within(begin, end, second)), default=0
    )


def most_seconds(limits: Limits, now: Now, flow_l_min: float) -> float:
    """What the allowed hours and the budgets leave for a run at such a flow; infinite if there is no limit."""
    hours_s, litres = seconds_left(limits, now), most_litres(limits, now)
    by_hours_s = math.inf if hours_s is None else hours_s
    return by_hours_s if litres is None else min(by_hours_s, int(litres / flow_l_min * 60))


def local_second(at: int, timezone: str) -> int:
    """Seconds that a clock on the farm's wall shows after midnight."""
    local = datetime.fromtimestamp(at, ZoneInfo(timezone))
    return local.hour * HOUR_S + local.minute * 60 + local.second


def _within(begin: int, end: int, second: int) -> bool:
    return begin <= second < end if begin < end else second >= begin or second < end


def _rest(budget_l: float | None, used_l: float) -> float | None:
    return None if budget_l is None else max(budget_l - used_l, 0.0)


def _budget(name: str, period: str, budget_l: float | None, used_l: float, wish: Wish) -> Check:
    """A run may be cut to what is left, but not to less than the shortest useful one."""
    if budget_l is None:
        return Check(name, None, None, True)
    rest_l = max(budget_l - used_l, 0.0)
    least_l = wish.litres * (MIN_RUN_S / max(wish.duration_s, MIN_RUN_S))
    if rest_l >= max(least_l, 1.0):
        return Check(name, rest_l, budget_l, True)
    return Check(name, rest_l, budget_l, False, f"{rest_l:.0f} l of the {period} budget of {budget_l:.0f} l is left")


def _daily_budget(limits: Limits, now: Now, wish: Wish) -> Check:
    return _budget("daily_budget", "day's", limits.daily_l, now.used_today_l, wish)


def _seasonal_budget(limits: Limits, now: Now, wish: Wish) -> Check:
    return _budget("seasonal_budget", "season's", limits.seasonal_l, now.used_season_l, wish)


def _allowed_hour(limits: Limits, now: Now, _wish: Wish) -> Check:
    rest_s = seconds_left(limits, now)
    if rest_s is None or rest_s >= MIN_RUN_S:
        return Check("allowed_hour", rest_s, MIN_RUN_S, True)
    spans = ", ".join(f"{_clock(begin)} to {_clock(end)}" for begin, end in limits.hours)
    why = f"it is {_clock(local_second(now.at, now.timezone))}, and watering is allowed from {spans}"
    return Check("allowed_hour", rest_s, MIN_RUN_S, False, why)


def _no_frost(limits: Limits, now: Now, wish: Wish) -> Check:
    coldest = _lowest(now, wish)
    if limits.frost_c is None or coldest is None or coldest >= limits.frost_c:
        return Check("no_frost", coldest, limits.frost_c, True)
    source = "measured" if coldest == now.conditions.temperature_c else "forecast"
    return Check("no_frost", coldest, limits.frost_c, False, f"{coldest} degrees are {source}, and water would freeze")


def _calm(limits: Limits, now: Now, wish: Wish) -> Check:
    wind = now.conditions.wind_m_s
    if wind is None and (forecast := _trusted(now)):
        wind = forecast.windiest_m_s(now.at, now.at + max(wish.duration_s, 1))
    if limits.wind_m_s is None or wind is None or wind <= limits.wind_m_s:
        return Check("calm", wind, limits.wind_m_s, True)
    why = f"the wind of {wind:.1f} m/s would carry the water off, at most {limits.wind_m_s} m/s is allowed"
    return Check("calm", wind, limits.wind_m_s, False, why)


def _no_rain_now(limits: Limits, now: Now, _wish: Wish) -> Check:
    rain, most = now.conditions.rain_hour_mm, limits.rain_now_mm_h
    if most is None or rain is None or rain < most:
        return Check("no_rain_now", rain, most, True)
    return Check("no_rain_now", rain, most, False, f"it rains: {rain} mm in the last hour")


def _no_rain_ahead(limits: Limits, now: Now, wish: Wish) -> Check:
    """Waiting is worth it if the rain would do, and the crop has the time."""
    threshold = wish.net_mm / RAIN_TRUST
    if now.forecast is None:
        return Check("no_rain_ahead", None, threshold, True)
    forecast = _trusted(now)
    if forecast is None:
        return Check("no_rain_ahead", f"forecast {now.forecast.age(now.at)}, not trusted", threshold, True)
    rain = forecast.rain_mm(now.at, now.at + limits.rain_ahead_h * HOUR_S)
    if rain is None or rain < threshold or wish.net_mm <= 0 or wish.spare_mm < 0:
        return Check("no_rain_ahead", rain, threshold, True)
    why = f"{rain:.0f} mm of rain are forecast in {limits.rain_ahead_h} h, and the crop can wait for them"
    return Check("no_rain_ahead", rain, threshold, False, why)


def _trusted(now: Now) -> Forecast | None:
    return now.forecast if now.forecast and now.forecast.is_fresh(now.at) else None


def _lowest(now: Now, wish: Wish) -> float | None:
    """The coldest that is measured now, or forecast until an hour after the run: wet leaves freeze later."""
    forecast = _trusted(now)
    now_c = now.conditions.temperature_c
    if forecast is None:
        return now_c
    ahead = forecast.lowest_c(now.at, now.at + wish.duration_s + HOUR_S)
    return min((value for value in (now_c, ahead) if value is not None), default=None)


def _clock(second: int) -> str:
    return f"{second // HOUR_S:02d}:{second % HOUR_S // 60:02d}"


class Constraint(NamedTuple):
    """A check by its name, and in words what would have let water through, of a check's {value} and {threshold}."""

    name: str
    check: Callable[[Limits, Now, Wish], Check]
    remedy: str


CONSTRAINTS = (
    Constraint("daily_budget", _daily_budget, "more than {value} l left of the day's budget of {threshold} l"),
    Constraint("seasonal_budget", _seasonal_budget, "more than {value} l left of the season's budget of {threshold} l"),
    Constraint("allowed_hour", _allowed_hour, "an hour in which watering is allowed"),
    Constraint("no_frost", _no_frost, "{threshold} degrees or more instead of {value}"),
    Constraint("calm", _calm, "a wind of at most {threshold} m/s instead of {value}"),
    Constraint("no_rain_now", _no_rain_now, "less rain than {threshold} mm in the hour instead of {value}"),
    Constraint("no_rain_ahead", _no_rain_ahead, "less rain in the forecast than {threshold} mm instead of {value}"),
)
