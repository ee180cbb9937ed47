"""Plans of zones that share a pump: runs that would be more than it gives come one after the other. Pure.

Each zone is planned by itself, see `plan`; here the runs are put in the order in which they are due. What is likely and
what is latest are two queues: the latest of all is when everybody is late. The earliest stays, for the others may be
rained off. Times are Unix seconds, flows l/min.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from compute_service.domain import constraints
from compute_service.domain.constraints import Now, Wish
from compute_service.domain.forecast import Forecast
from compute_service.domain.plan import PlannedRun, ZonePlan
from compute_service.domain.zone import Zone

LOOK_EVERY_S = 900  # for an hour that is allowed


class Use(NamedTuple):
    """The pump gives so much from `begin` to `end`."""

    begin: int
    end: int
    flow_l_min: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pump:
    """What it gives, what the valves that are open now take of it, and the forecast that runs go by."""

    gives_l_min: float
    uses: tuple[Use, ...] = ()
    forecast: Forecast | None = None


def share(plans: Iterable[ZonePlan], zones: Mapping[str, Zone], pump: Pump) -> dict[str, ZonePlan]:
    """The plans of a pump's zones by name, none of which counts on more than the pump gives."""
    by_zone = {one.zone_id: one for one in plans}
    likely = _queue(by_zone, zones, pump, "likely")
    latest = _queue(by_zone, zones, pump, "latest")
    return {
        name: replace(one, runs=tuple(_moved(one, likely, latest))) if one.runs else one
        for name, one in by_zone.items()
    }


def _moved(plan: ZonePlan, likely: "_Times", latest: "_Times") -> Iterator[PlannedRun]:
    for number, run in enumerate(plan.runs):
        begins, at_last = likely[plan.zone_id, number], latest[plan.zone_id, number]
        if begins is None or at_last is None:
            yield replace(run, likely=begins, latest=None)
        else:
            yield replace(run, likely=begins, latest=max(begins, at_last))


_Times = Mapping[tuple[str, int], int | None]


def _queue(plans: Mapping[str, ZonePlan], zones: Mapping[str, Zone], pump: Pump, edge: str) -> _Times:
    """When each run begins, if that edge of every band came true; None is beyond the horizon."""
    times: dict[tuple[str, int], int | None] = {}
    free_at: dict[str, int] = {}
    wishes: list[tuple[int, str, int]] = []
    for name, one in plans.items():
        for number, run in enumerate(one.runs):
            at = getattr(run, edge)
            times[name, number] = None
            if at is not None:
                wishes.append((at, name, number))
    uses = list(pump.uses)
    for at, name, number in sorted(wishes):
        zone, run = zones[name], plans[name].runs[number]
        uses = [use for use in uses if use.end > at]
        begin = _slot(zone, max(at, free_at.get(name, at)), run.duration_s, uses, pump)
        if begin is None or begin >= plans[name].until:
            continue
        times[name, number] = begin
        free_at[name] = begin + run.duration_s
        uses.append(Use(begin, begin + run.duration_s, zone.flow_l_min))
    return times


def _slot(zone: Zone, at: int, duration_s: int, uses: list[Use], pump: Pump) -> int | None:
    """When a run can begin at the earliest: as soon as it may, and others leave enough."""
    for begin in sorted({at, *(use.end for use in uses if use.end > at)}):
        allowed_at = begin if begin == at else _allowed(zone, begin, duration_s, pump.forecast)
        if allowed_at is None:
            return None
        if _peak(allowed_at, allowed_at + duration_s, uses) + zone.flow_l_min <= pump.gives_l_min:
            return allowed_at
    return None


def _peak(begin: int, end: int, uses: list[Use]) -> float:
    """The most that is taken at once in a time."""
    inside = [use for use in uses if use.begin < end and use.end > begin]
    moments = {begin, *(use.begin for use in inside if use.begin > begin)}
    return max(sum(use.flow_l_min for use in inside if use.begin <= at < use.end) for at in moments)


def _allowed(zone: Zone, at: int, duration_s: int, forecast: Forecast | None) -> int | None:
    """From a time on, when the zone's hours, and the frost and wind of the forecast, let a run begin within a day."""
    wish = Wish(0.0, 0.0, duration_s, 0.0)
    for begin in range(at, at + 86400, LOOK_EVERY_S):
        now = Now(at=begin, timezone=zone.timezone, forecast=forecast and Forecast(begin, forecast.hours))
        if all(check.passed for check in constraints.find(zone.limits, now, wish)):
            return begin
    return None
