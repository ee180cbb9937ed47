"""The watering plan: a zone's runs of the days to come, by the same balance run forward. Pure.

Three futures are gone through: a dry one, the likely one, and a wet one. They differ in what nobody knows for sure: how
much the zone lacks now, what its crop takes, and the weather, by its forecast where there is one and by the last days
else. The n-th run of each makes a band; a run that does not come within the horizon is said to be beyond it. A plan
promises nothing: the decision of the day goes by what is measured then. Times are Unix seconds, water mm over the zone.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from statistics import mean, pstdev
from typing import NamedTuple

from agronomy import balance, crops, strategy
from agronomy.balance import Account, Weather
from agronomy.crops import Kc
from agronomy.fusion import TUNING
from agronomy.refill import net_mm, refill
from agronomy.strategy import Aim, Need
from agronomy.units import DAY_S, HOUR_S
from compute_service.domain import constraints
from compute_service.domain.constraints import MIN_RUN_S, RAIN_TRUST, Now, Wish
from compute_service.domain.decide import ADVICE, REFILL_S, REST_MM, REST_SHARE
from compute_service.domain.forecast import Forecast
from compute_service.domain.orders import Hold, clock, end_of_day, hold_check
from compute_service.domain.zone import Zone
from compute_service.domain.zone_model import ASSUMED_ET0_MM_D, Refilling, WeatherHour, ZoneModel

HORIZON_S = 5 * DAY_S
STEP_H = 3  # hours of the balance at once; within them a run begins at a full hour
OF_FORECAST, OF_FORECAST_A_DAY = 0.10, 0.03  # by so much of its ET0 a forecast may be wrong, and more each day
OF_USUAL = 0.20  # and the usual weather, at least
MOST_RAIN = 1.3  # of what is forecast
OF_RAIN = 0.5  # of the last days' rain may come again


@dataclass(frozen=True, slots=True)
class HourAhead:
    """An hour that is to come: ET0 and rain (mm), each with what it may be at least and at most."""

    at: int
    et0_mm: float
    et0_spread: float  # of its ET0
    rain_mm: float
    most_rain_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """A refill to come, from the hour in which it begins: not before `earliest`, and None is beyond the horizon.

    `net_mm` and `litres` are what it would bring in all its openings, of `duration_s` together.
    """

    earliest: int
    likely: int | None
    latest: int | None
    net_mm: float
    litres: float
    duration_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ZonePlan:
    """What comes at a zone until `until`; no `runs`: none within it, or what `holds` it has no end.

    `advice`: the runs of a zone in advice mode, which nobody opens but a person; it has no `runs`.
    """

    zone_id: str
    at: int
    until: int
    runs: tuple[PlannedRun, ...]
    holds: tuple[Hold, ...] = ()
    is_advice: bool = False
    advice: tuple[PlannedRun, ...] = ()

    def notes(self, timezone: str) -> tuple[str, ...]:
        """What keeps the service from opening, in words: who holds it until when, or that it only advises."""
        end = held_until(self.holds)
        then = "no run" if end is None else f"no run before {clock(end, timezone)}"
        whys = [f"held: {hold_check(hold, timezone).why}: {then}" for hold in self.holds]
        return (*whys, *(["advice only: nothing opens unless a person orders it"] if self.is_advice else []))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standpoint:
    """How a zone stands besides its model: what is used up, when its last run ended, what is on its way, holds."""

    used_today_s: float = 0.0
    used_today_l: float = 0.0
    used_season_l: float = 0.0
    last_run_at: int | None = None
    coming_mm: float = 0.0  # of a command under way
    holds: tuple[Hold, ...] = ()


def held_until(holds: Iterable[Hold]) -> int | None:
    """When the last of them ends (Unix s); None if one has no end, and if there is none."""
    untils = [hold.until for hold in holds]
    return None if None in untils else max((until for until in untils if until is not None), default=None)


class _Future(NamedTuple):
    """How far off the likely it is: what the zone lacks and the crop takes, in standard deviations; ET0 and rain."""

    lacks: float
    takes: float
    et0: float
    rain: float


SIGMAS = 0.6  # what is believed next follows the probes, and strays less than it is unsure
DRY = _Future(SIGMAS, SIGMAS / 2, 1.0, -1.0)
LIKELY = _Future(0.0, 0.0, 0.0, 0.0)
WET = _Future(-SIGMAS, -SIGMAS / 2, -1.0, 1.0)


class _Refill(NamedTuple):
    """A refill in one future: when its first opening begins, and what all of them bring."""

    at: int
    net_mm: float
    litres: float
    seconds: int


def weather_ahead(
    now: int, forecast: Forecast | None, usual: Iterable[WeatherHour], horizon_s: int = HORIZON_S
) -> tuple[HourAhead, ...]:
    """The hours to come: by a forecast that is fresh, and beyond its end by the same hours of the last days."""
    by_time = {hour.at: hour for hour in forecast.hours} if forecast and forecast.is_fresh(now) else {}
    by_hour, spread, rainy_day_mm = _usual(usual)
    hours = []
    first = now // HOUR_S * HOUR_S
    for at in range(first, first + horizon_s, HOUR_S):
        forecast_hour, usually_mm = by_time.get(at), by_hour[at // HOUR_S % 24]
        days = (at - now) / DAY_S
        et0_mm, of_et0 = usually_mm, spread
        if forecast_hour and forecast_hour.et0_mm is not None:
            et0_mm, of_et0 = forecast_hour.et0_mm, OF_FORECAST + OF_FORECAST_A_DAY * days
        rain_mm, most_rain_mm = 0.0, OF_RAIN * rainy_day_mm / 24
        if forecast_hour and forecast_hour.rain_mm is not None:
            rain_mm, most_rain_mm = RAIN_TRUST * forecast_hour.rain_mm, MOST_RAIN * forecast_hour.rain_mm
        hours.append(HourAhead(at, et0_mm, of_et0, rain_mm, most_rain_mm))
    return tuple(hours)


def _usual(hours: Iterable[WeatherHour]) -> tuple[dict[int, float], float, float]:
    """The mean ET0 of each hour of the day (UTC), by how much days differ, and the rain that a day brings (mm)."""
    by_hour: dict[int, list[float]] = {}
    days: dict[int, list[WeatherHour]] = {}
    for hour in hours:
        by_hour.setdefault(hour.at // HOUR_S % 24, []).append(hour.et0_mm)
        days.setdefault(hour.at // DAY_S, []).append(hour)
    assumed = dict.fromkeys(range(24), ASSUMED_ET0_MM_D / 24)
    means = assumed | {hour: mean(values) for hour, values in by_hour.items()}
    whole = [day for day in days.values() if len(day) == 24]
    sums = [sum(hour.et0_mm for hour in day) for day in whole]
    spread = pstdev(sums) / mean(sums) if len(sums) > 1 and mean(sums) > 0 else 0.0
    rain_mm = mean(sum(hour.rain_mm for hour in day) for day in whole) if whole else 0.0
    return means, min(max(spread, OF_USUAL), 0.5), rain_mm


def plan(  # noqa: PLR0913, PLR0917  # what is known, and what is to come
    zone: Zone,
    model: ZoneModel,
    ahead: tuple[HourAhead, ...],
    now: int,
    standpoint: Standpoint = Standpoint(),
    forecast: Forecast | None = None,
) -> ZonePlan:
    """The runs that come, by the model as it is believed now, in the order in which they come.

    Frost and wind of the forecast's hours keep water back as they will; a forecast that is old says nothing.
    """
    holds, is_advice = standpoint.holds, zone.mode == ADVICE
    forecast = forecast if forecast and forecast.is_fresh(now) else None
    until = ahead[-1].at + HOUR_S if ahead else now
    plan_of = ZonePlan(
        zone_id=zone.zone_id,
        at=now,
        until=until,
        runs=(),
        holds=holds,
        is_advice=is_advice,
    )
    if holds and held_until(holds) is None:
        return plan_of
    futures = [_Walk(zone, model, future, standpoint, now, forecast).through(ahead) for future in (DRY, LIKELY, WET)]
    runs = tuple(_bands(*futures))
    return replace(plan_of, advice=runs) if is_advice else replace(plan_of, runs=runs)


def _bands(dry: list[_Refill], likely: list[_Refill], wet: list[_Refill]) -> Iterator[PlannedRun]:
    """The first run also where only a dry future has it: so that it can be said before when none comes."""
    for number, first in enumerate(dry[: max(len(likely), 1)]):
        usual_run = likely[number] if number < len(likely) else None
        size = usual_run or first
        last = wet[number] if number < len(wet) else None
        times = [one.at for one in (first, usual_run) if one]
        yield PlannedRun(
            earliest=min(times),
            likely=usual_run.at if usual_run else None,
            latest=max(last.at, times[-1]) if last and usual_run else None,
            net_mm=round(size.net_mm, 1),
            litres=round(size.litres),
            duration_s=size.seconds,
        )


class _Walk:
    """A zone on its way through one future."""

    def __init__(  # noqa: PLR0913, PLR0917  # where it begins, and into what
        self,
        zone: Zone,
        model: ZoneModel,
        future: _Future,
        standpoint: Standpoint,
        now: int,
        forecast: Forecast | None,
    ) -> None:
        belief, account = model.belief, model.day.account
        depletion_mm, demand, _ = belief.estimate.mean
        self._zone, self._future, self._now, self._belief = zone, future, now, belief
        self._forecast = forecast if future.rain >= 0 else None
        available_mm = zone.place.soil.available_mm(model.state.roots_m)
        lacks_mm = depletion_mm + future.lacks * belief.sigma_mm - standpoint.coming_mm
        self._depletion_mm = min(max(lacks_mm, -TUNING.holds * available_mm), available_mm)
        takes = demand + future.takes * math.sqrt(belief.estimate.cov[3])
        self._demand = min(max(takes, TUNING.least_demand), TUNING.most_demand)
        self._state = model.state
        steps = 24 // STEP_H
        a_step = (model.day.et0_mm / steps, strategy.demand_mm(account) / steps)
        self._last_day = deque([a_step] * steps, maxlen=steps)
        self._rest: Refilling | None = model.refilling
        self._used_s, self._used_l = standpoint.used_today_s, standpoint.used_today_l
        self._season_l = standpoint.used_season_l
        self._midnight = end_of_day(now, zone.timezone)
        last_at = standpoint.last_run_at
        self._free_at = max(now, held_until(standpoint.holds) or now, last_at + zone.cooldown_s if last_at else now)
        self._a_day_mm = strategy.demand_mm(account)
        self._refills: list[_Refill] = []

    def through(self, ahead: tuple[HourAhead, ...]) -> list[_Refill]:
        """All refills that begin on the way."""
        for number in range(0, len(ahead), STEP_H):
            hours = ahead[number : number + STEP_H]
            before_mm = self._depletion_mm
            aim = self._step(hours)
            rise_mm = (self._depletion_mm - before_mm) / len(hours)
            given_mm = 0.0
            for index, hour in enumerate(hours):
                at = max(hour.at, self._now)
                given_mm += self._open(at, before_mm + rise_mm * (index + 1) - given_mm, aim)
            self._depletion_mm -= given_mm
        return self._refills

    def _step(self, hours: tuple[HourAhead, ...]) -> Aim:
        """On by some hours of the balance; gives when water is due then."""
        place, future, at = self._zone.place, self._future, hours[0].at
        et0_mm = sum(hour.et0_mm * (1 + hour.et0_spread * future.et0) for hour in hours)
        rain_mm = sum(_rain_mm(hour, future.rain) for hour in hours)
        kc = crops.kc(place.crop, place.day(at))
        a_day_et0_mm = sum(et0 for et0, _ in self._last_day)
        state = replace(self._state, depletion_mm=max(self._depletion_mm, 0.0))
        weather = Weather(et0_mm * self._demand, rain_mm=rain_mm, crop_mm_d=kc.single * a_day_et0_mm)
        self._state, account = balance.step(place.soil, state, kc, weather)
        after_mm = self._depletion_mm + account.grown_mm + account.evapotranspiration_mm - rain_mm + account.runoff_mm
        if after_mm < 0:  # a surplus takes days to drain, and the crop drinks from it
            after_mm *= math.exp(-len(hours) / 24 / TUNING.drained_days)
        self._depletion_mm = min(max(after_mm, -TUNING.holds * account.available_mm), account.available_mm)
        self._last_day.append((et0_mm, strategy.demand_mm(account)))
        a_day_mm = sum(mm for _, mm in self._last_day)
        p = balance.adjusted_p(kc.depletion_fraction, kc.single * sum(et0 for et0, _ in self._last_day))
        of_day = replace(
            account,
            evaporation_mm=0.0,
            transpiration_mm=a_day_mm,
            stress=1.0,
            depletion_fraction=p,
            readily_available_mm=p * account.available_mm,
        )
        return self._aim(of_day, at, kc)

    def _aim(self, account: Account, at: int, kc: Kc) -> Aim:
        place = self._zone.place
        need = Need(soil=place.soil, crop=place.crop, day=place.day(at), kc=kc, account=account, belief=self._belief)
        self._a_day_mm = strategy.demand_mm(account)
        return strategy.aim(need, place.strategy) if need.day >= 0 else Aim(math.inf, 0.0)

    def _open(self, at: int, depletion_mm: float, aim: Aim) -> float:
        """Open if that is due and allowed; gives what the roots get of it, mm."""
        rest = self._rest
        if rest and at - rest.begun_at >= REFILL_S:
            rest = self._rest = None
        aim = Aim(rest.left_mm + rest.least_mm, rest.left_mm) if rest else aim
        if depletion_mm <= aim.due_mm or at < self._free_at:
            return 0.0
        if at >= self._midnight:
            self._used_s = self._used_l = 0.0
            self._midnight = end_of_day(at, self._zone.timezone)
        missing_mm = depletion_mm - aim.left_mm
        seconds, soak_s = self._seconds(at, missing_mm, aim.due_mm + self._a_day_mm - depletion_mm)
        if seconds < MIN_RUN_S:
            return 0.0
        litres = seconds * self._zone.flow_l_min / 60
        given_mm = net_mm(self._zone.place.emitters, litres)
        self._book(at, given_mm, litres, seconds)
        least_mm = rest.least_mm if rest else max(REST_MM, REST_SHARE * missing_mm)
        begun_at = rest.begun_at if rest else at
        is_whole = missing_mm - given_mm <= least_mm
        self._rest = None if is_whole else Refilling(begun_at, aim.left_mm, least_mm, soak_s)
        self._free_at = at + seconds + (soak_s if self._rest and soak_s else self._zone.cooldown_s)
        return given_mm

    def _seconds(self, at: int, missing_mm: float, spare_mm: float) -> tuple[int, int]:
        """How long it may open now, and how long that soaks in; 0 if something is against it."""
        zone = self._zone
        cycle = refill(zone.place.emitters, missing_mm).cycles[0]
        cycle_s = min(cycle.open_s, zone.max_run_s)
        now = Now(
            at=at,
            timezone=zone.timezone,
            used_today_l=self._used_l,
            used_season_l=self._season_l,
            forecast=self._forecast and Forecast(at, self._forecast.hours),  # there will be one as good then
        )
        wish = Wish(missing_mm, cycle_s * zone.flow_l_min / 60, cycle_s, spare_mm)
        if not all(check.passed for check in constraints.find(zone.limits, now, wish)):
            return 0, 0
        most_s = constraints.most_seconds(zone.limits, now, zone.flow_l_min)
        left_s = zone.daily_cap_s - self._used_s
        return int(min(zone.max_run_s, left_s, max(cycle_s, MIN_RUN_S), most_s)), cycle.soak_s

    def _book(self, at: int, given_mm: float, litres: float, seconds: int) -> None:
        self._used_s += seconds
        self._used_l += litres
        self._season_l += litres
        if self._rest and self._refills:
            first = self._refills.pop()
            self._refills.append(
                _Refill(first.at, first.net_mm + given_mm, first.litres + litres, first.seconds + seconds)
            )
        else:
            self._refills.append(_Refill(at, given_mm, litres, seconds))


def _rain_mm(hour: HourAhead, rain: float) -> float:
    """None in a dry future, and the most in a wet one."""
    if rain < 0:
        return 0.0
    return hour.most_rain_mm if rain > 0 else hour.rain_mm
