"""What may keep water from a zone that needs it: budgets, hours, frost, wind, rain.

Each constraint is a row of CONSTRAINTS and gives a Check, passed or not. What nobody measured or forecast keeps
nothing back: a forecast is never required, and one that is old says so and is not trusted.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from compute_service.domain.forecast import Forecast
from compute_service.domain.zone import DAY_S, MIN_RUN_S, Limits

RAIN_TRUST = 0.7  # of forecast rain that is counted on: forecasts promise more than falls


class Now(NamedTuple):
    """What is known at `at` (Unix s). None is not measured."""

    at: int
    timezone: str
    used_today_l: float = 0.0
    used_season_l: float = 0.0
    temperature_c: float | None = None
    wind_m_s: float | None = None
    rain_hour_mm: float | None = None  # in the last 60 minutes
    forecast: Forecast | None = None


class Wish(NamedTuple):
    """What a zone wants: net depth, and gross litres in so many seconds; `spare_mm` is left before the crop suffers."""

    net_mm: float
    litres: float
    duration_s: int
    spare_mm: float


class Check(NamedTuple):
    """One reason: the value that was found, the threshold it was held against, and in words why it will not do.

    `why` is empty for a check that passed.
    """

    name: str
    value: float | str | None
    threshold: float | tuple[float, float] | None
    passed: bool
    why: str = ""


def find(limits: Limits, now: Now, wish: Wish) -> tuple[Check, ...]:
    """All constraints, passed or not, in their order."""
    return tuple([constraint(limits, now, wish) for constraint in CONSTRAINTS])


def most_litres(limits: Limits, now: Now) -> float | None:
    """What the budgets leave for a run; None is no limit."""
    if limits.daily_l is None and limits.seasonal_l is None:
        return None
    lefts = (_left(limits.daily_l, now.used_today_l), _left(limits.seasonal_l, now.used_season_l))
    return min(left for left in lefts if left is not None)


def seconds_left(limits: Limits, now: Now) -> int | None:
    """Until the allowed hours end; 0 outside of them, None if every hour is allowed."""
    if not limits.hours:
        return None
    second = local_second(now.at, now.timezone)
    return max(
        ((end - second) % DAY_S or DAY_S for begin, end in limits.hours if _within(begin, end, second)), default=0
    )


def local_second(at: int, timezone: str) -> int:
    """Seconds that a clock on the farm's wall shows after midnight."""
    local = datetime.fromtimestamp(at, ZoneInfo(timezone))
    return local.hour * 3600 + local.minute * 60 + local.second


def _within(begin: int, end: int, second: int) -> bool:
    return begin <= second < end if begin < end else second >= begin or second < end


def _left(budget: float | None, used: float) -> float | None:
    return None if budget is None else max(budget - used, 0.0)


def _budget(name: str, told: str, budget: float | None, used: float, wish: Wish) -> Check:
    """A run may be cut to what is left, but not to less than the shortest useful one."""
    if budget is None:
        return Check(name, None, None, True)
    left = max(budget - used, 0.0)
    least = wish.litres * min(1.0, MIN_RUN_S / wish.duration_s) if wish.duration_s else 0.0
    if left >= max(least, 1.0):
        return Check(name, left, budget, True)
    return Check(name, left, budget, False, f"{left:.0f} l of the {told} budget of {budget:.0f} l is left")


def _daily_budget(limits: Limits, now: Now, wish: Wish) -> Check:
    return _budget("daily_budget", "day's", limits.daily_l, now.used_today_l, wish)


def _seasonal_budget(limits: Limits, now: Now, wish: Wish) -> Check:
    return _budget("seasonal_budget", "season's", limits.seasonal_l, now.used_season_l, wish)


def _allowed_hour(limits: Limits, now: Now, _wish: Wish) -> Check:
    left = seconds_left(limits, now)
    if left is None or left >= MIN_RUN_S:
        return Check("allowed_hour", left, MIN_RUN_S, True)
    allowed = ", ".join(f"{_clock(begin)} to {_clock(end)}" for begin, end in limits.hours)
    why = f"it is {_clock(local_second(now.at, now.timezone))}, and watering is allowed from {allowed}"
    return Check("allowed_hour", left, MIN_RUN_S, False, why)


def _no_frost(limits: Limits, now: Now, wish: Wish) -> Check:
    coldest = _lowest(now, wish)
    if limits.frost_c is None or coldest is None or coldest >= limits.frost_c:
        return Check("no_frost", coldest, limits.frost_c, True)
    told = "measured" if coldest == now.temperature_c else "forecast"
    return Check("no_frost", coldest, limits.frost_c, False, f"{coldest} degrees are {told}, and water would freeze")


def _calm(limits: Limits, now: Now, wish: Wish) -> Check:
    wind = now.wind_m_s
    if wind is None and (forecast := _trusted(now)):
        wind = forecast.windiest_m_s(now.at, now.at + max(wish.duration_s, 1))
    if limits.wind_m_s is None or wind is None or wind <= limits.wind_m_s:
        return Check("calm", wind, limits.wind_m_s, True)
    why = f"the wind of {wind:.1f} m/s would carry the water off, at most {limits.wind_m_s} m/s is allowed"
    return Check("calm", wind, limits.wind_m_s, False, why)


def _no_rain_now(limits: Limits, now: Now, _wish: Wish) -> Check:
    rain, most = now.rain_hour_mm, limits.rain_now_mm_h
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
    rain = forecast.rain_mm(now.at, now.at + limits.rain_ahead_h * 3600)
    if rain is None or rain < threshold or wish.net_mm <= 0 or wish.spare_mm < 0:
        return Check("no_rain_ahead", rain, threshold, True)
    why = f"{rain:.0f} mm of rain are forecast in {limits.rain_ahead_h} h, and the crop can wait for them"
    return Check("no_rain_ahead", rain, threshold, False, why)


def _trusted(now: Now) -> Forecast | None:
    return now.forecast if now.forecast and now.forecast.is_fresh(now.at) else None


def _lowest(now: Now, wish: Wish) -> float | None:
    """The coldest that is measured now, or forecast until an hour after the run: wet leaves freeze later."""
    forecast = _trusted(now)
    if forecast is None:
        return now.temperature_c
    ahead = forecast.lowest_c(now.at, now.at + wish.duration_s + 3600)
    return min((value for value in (now.temperature_c, ahead) if value is not None), default=None)


def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second % 3600 // 60:02d}"


CONSTRAINTS: tuple[Callable[[Limits, Now, Wish], Check], ...] = (
    _daily_budget,
    _seasonal_budget,
    _allowed_hour,
    _no_frost,
    _calm,
    _no_rain_now,
    _no_rain_ahead,
)
