"""The watering plan of a farm from its store, and how well plans of past days foresaw what then was done.

It reads only, so that a page or a shell plans beside the running service. A zone's plan changes with its next decision:
whoever shows many keeps them by the zone and `ZonePlan.at`.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

from compute_service import commands
from compute_service.adapters import crops_table
from compute_service.domain.decide import ZoneState
from compute_service.domain.forecast import Forecast
from compute_service.domain.inputs import Inputs, conclude, zone_from
from compute_service.domain.model_check import ModelError
from compute_service.domain.orders import Hold, in_force
from compute_service.domain.plan import HORIZON_S, HourAhead, Standpoint, ZonePlan, plan, weather_ahead
from compute_service.domain.ports import Store
from compute_service.domain.refill import net_mm
from compute_service.domain.units import DAY_S, HOUR_S
from compute_service.domain.zone import Zone
from compute_service.domain.zone_model import WeatherHour, ZoneModel

USUAL_S = 3 * DAY_S  # of the last weather that stands for what no forecast tells


class Planner:
    """Plans of one moment, from a store that may be read only; the weather is gathered once a gateway."""

    def __init__(self, store: Store, now: int, forecast: Forecast | None = None) -> None:
        self._store, self._now, self._forecast = store, now, forecast
        self._holds = store.orders.holds()
        self._ahead: dict[str, tuple[HourAhead, ...]] = {}
        under_way = [row for row in store.commands.open() if commands.opens(row)]
        self._coming_s = {row.zone_id: row.message.get("duration_s") or 0 for row in under_way}

    def plan(self, zone: Zone) -> ZonePlan | None:
        """What comes at a zone; None while nothing is known of it, or nothing that can be."""
        try:
            model = self._store.zones.model(zone)
        except ModelError:
            return None
        if model is None:
            return None
        if zone.gateway_id not in self._ahead:
            usual = usual_hours(self._store, zone.gateway_id, self._now)
            self._ahead[zone.gateway_id] = weather_ahead(self._now, self._forecast, usual)
        state = self._store.zones.zone_state(
            zone, self._now - 2 * DAY_S, midnight(zone, self._now), zone.place.season_begun(self._now)
        )
        litres = self._coming_s.get(zone.zone_id, 0) * zone.flow_l_min / 60
        holds = in_force(self._holds, zone.zone_id, self._now)
        stand = standpoint(zone, state, holds, self._now, net_mm(zone.place.emitters, litres))
        return plan(zone, model, self._ahead[zone.gateway_id], self._now, stand, self._forecast)


def usual_hours(store: Store, gateway_id: str, now: int) -> list[WeatherHour]:
    """The hours of weather at a gateway in the days before."""
    end = now // HOUR_S * HOUR_S
    records = (store.zones.hour(gateway_id, at) for at in range(end - USUAL_S, end, HOUR_S))
    return [record.hour for record in records if record]


def midnight(zone: Zone, now: int) -> int:
    """When the farm's day began."""
    local = datetime.fromtimestamp(now, ZoneInfo(zone.timezone))
    return int(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())


def standpoint(zone: Zone, state: ZoneState, holds: tuple[Hold, ...], now: int, coming_mm: float) -> Standpoint:
    """How a zone stands, of what its decisions know of it."""
    since = midnight(zone, now)
    untils = [hold.until for hold in holds]
    return Standpoint(
        used_today_s=sum(run.duration_s for run in state.runs if run.ended_at >= since),
        used_today_l=state.used_today_l,
        used_season_l=state.used_season_l,
        last_run_at=max((run.ended_at for run in state.runs), default=None),
        coming_mm=coming_mm,
        is_held=bool(holds),
        held_until=None if None in untils else max((until for until in untils if until), default=None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindsight:
    """A plan of the past, and when its zone was first opened after it; None if that did not happen by `known_until`."""

    plan: ZonePlan
    opened_at: int | None
    known_until: int

    @property
    def is_within(self) -> bool:
        """Did the first run come within its band, to the hour? Its end beyond the horizon allows all that is later."""
        end = min(self.plan.until, self.known_until)
        first = self.plan.runs[0] if self.plan.runs else None
        at = self.opened_at if self.opened_at is not None and self.opened_at < end else None
        if first is None:
            return at is None
        if at is None:
            return first.latest is None or first.latest + HOUR_S > end
        return first.earliest <= at and (first.latest is None or at < first.latest + HOUR_S)


def hindsight(store: Store, begin: int, end: int, every_s: int = 6 * HOUR_S) -> Iterator[Hindsight]:
    """The plans that could have been made in a time, from what was known then, each against what was done."""
    rows = list(store.decisions.with_inputs(begin, end + HORIZON_S))
    openings: dict[str, list[int]] = {}
    for row, _ in rows:
        if row["intent"]:
            openings.setdefault(row["zone_id"], []).append(row["at"])
    known_until = max((row["at"] for row, _ in rows), default=begin)

    @cache
    def zone_of(digest: str) -> Zone:
        return zone_from(store.decisions.settings(digest), crops_table.crop)

    models: dict[str, ZoneModel | None] = {}
    planned_at: dict[str, int] = {}
    for row, inputs in rows:
        zone, now = zone_of(inputs["zone"]), row["at"]
        if "model" in inputs:
            models.pop(zone.zone_id, None)
            with suppress(ModelError):
                models[zone.zone_id] = ZoneModel.from_json(zone.place, inputs["model"]) if inputs["model"] else None
        if zone.zone_id not in models or now >= end:
            continue
        what = Inputs.from_json(inputs)
        decision, model = conclude(zone, models[zone.zone_id], what, now)
        models[zone.zone_id] = model
        if now - planned_at.get(zone.zone_id, 0) < every_s:
            continue
        planned_at[zone.zone_id] = now
        ahead = weather_ahead(now, what.forecast, usual_hours(store, zone.gateway_id, now))
        coming_mm = decision.intent.depth_mm if decision.intent else 0.0
        stand = standpoint(zone, what.state, what.state.holds, now, coming_mm)
        opened_at = next((at for at in openings.get(zone.zone_id, ()) if at > now), None)
        yield Hindsight(
            plan=plan(zone, model, ahead, now, stand, what.forecast), opened_at=opened_at, known_until=known_until
        )
