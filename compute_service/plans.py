"""The watering plan of a farm from its store, and how well plans of past days foresaw what then was done.

It reads only, so that a page or a shell plans beside the running service. A zone's plan changes with its next decision:
whoever shows many keeps them by the zone and `ZonePlan.at`.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from typing import Any
from zoneinfo import ZoneInfo

from agronomy.refill import net_mm
from agronomy.units import DAY_S, HOUR_S
from compute_service import commands
from compute_service.adapters import crops_table
from compute_service.domain.decide import ZoneState
from compute_service.domain.forecast import Forecast
from compute_service.domain.inputs import Inputs, conclude, config_from, zone_from
from compute_service.domain.model_check import ModelError
from compute_service.domain.orders import Hold, in_force
from compute_service.domain.plan import HORIZON_S, HourAhead, Standpoint, ZonePlan, plan, weather_ahead
from compute_service.domain.ports import Store
from compute_service.domain.shared_pump import Pump, Use, share
from compute_service.domain.zone import Zone
from compute_service.domain.zone_model import WeatherHour, ZoneModel

USUAL_S = 3 * DAY_S  # of the last weather that stands for what no forecast tells


PlanMemo = dict[str, tuple[tuple[Any, ...], ZonePlan]]  # by zone: what a plan was made from, and the plan


class Planner:
    """Plans of one moment, from a store that may be read only; the weather is gathered once a gateway.

    What it needs is read when the first plan is asked for. Without a forecast it goes by the one that the last decision
    went by, while that is fresh. `memo` has plans of moments before, made anew only when the zone's belief, its holds,
    its settings, its run or the hour are others.
    """

    def __init__(self, store: Store, now: int, forecast: Forecast | None = None, memo: PlanMemo | None = None) -> None:
        self._store, self._now, self._given_forecast = store, now, forecast
        self._memo: PlanMemo = {} if memo is None else memo
        self._ahead: dict[str, tuple[HourAhead, ...]] = {}

    @cached_property
    def _forecast(self) -> Forecast | None:
        return self._given_forecast or last_forecast(self._store)

    @cached_property
    def _holds(self) -> Iterable[Hold]:
        return self._store.orders.holds()

    @cached_property
    def _coming_s(self) -> dict[str | None, int]:
        under_way = [row for row in self._store.commands.open() if commands.opens(row)]
        return {row.zone_id: row.message.get("duration_s") or 0 for row in under_way}

    @cached_property
    def _shared(self) -> dict[str, ZonePlan]:
        return self._share()

    def plan(self, zone: Zone) -> ZonePlan | None:
        """What comes at a zone, of a shared pump in turn; None while nothing is known of it, or nothing that can be."""
        return self._shared.get(zone.zone_id) or self._alone(zone)

    def next_run_at(self, zone: Zone) -> int | None:
        """When the next run is likely (Unix s); None where none is within the horizon, or nothing opens by itself."""
        zone_plan = self.plan(zone)
        return zone_plan.runs[0].likely if zone_plan and zone_plan.runs else None

    def _share(self) -> dict[str, ZonePlan]:
        """The plans of all zones where one pump waters them; else none, for each is its own affair."""
        text = self._store.updates.config()
        gives_l_min = json.loads(text).get("pump_l_min") if text else None
        if text is None or gives_l_min is None:
            return {}
        zones = {zone.zone_id: zone for zone in config_from(text, crops_table.crop).zones}
        uses = tuple(
            Use(self._now, self._now + seconds, zones[name].flow_l_min)
            for name, seconds in self._coming_s.items()
            if name in zones
        )
        plans = [one for zone in zones.values() if (one := self._alone(zone))]
        return share(plans, zones, Pump(gives_l_min=gives_l_min, uses=uses, forecast=self._forecast))

    def _alone(self, zone: Zone) -> ZonePlan | None:
        try:
            model = self._store.zones.model(zone)
        except ModelError:
            return None
        if model is None:
            return None
        holds = in_force(self._holds, zone.zone_id, self._now)
        source = (model.at, holds, zone, self._coming_s.get(zone.zone_id, 0), self._now // HOUR_S)
        entry = self._memo.get(zone.zone_id)
        if entry is None or entry[0] != source:
            entry = self._memo[zone.zone_id] = (source, self._anew(zone, model, holds))
        return entry[1]

    def _anew(self, zone: Zone, model: ZoneModel, holds: tuple[Hold, ...]) -> ZonePlan:
        if zone.gateway_id not in self._ahead:
            usual = usual_hours(self._store, zone.gateway_id, self._now)
            self._ahead[zone.gateway_id] = weather_ahead(self._now, self._forecast, usual)
        state = self._store.zones.zone_state(
            zone, self._now - 2 * DAY_S, midnight(zone, self._now), zone.place.season_begun(self._now)
        )
        litres = self._coming_s.get(zone.zone_id, 0) * zone.flow_l_min / 60
        stand = standpoint(zone, state, holds, self._now, net_mm(zone.place.emitters, litres))
        return plan(zone, model, self._ahead[zone.gateway_id], self._now, stand, self._forecast)


def usual_hours(store: Store, gateway_id: str, now: int) -> list[WeatherHour]:
    """The hours of weather at a gateway in the days before."""
    end = now // HOUR_S * HOUR_S
    records = (store.zones.hour(gateway_id, at) for at in range(end - USUAL_S, end, HOUR_S))
    return [record.hour for record in records if record]


def last_forecast(store: Store) -> Forecast | None:
    """The forecast that the last decision went by."""
    newest = next(iter(store.decisions.last(1)), None)
    if newest is None:
        return None
    inputs = store.decisions.inputs(newest["decision_id"])
    return Inputs.from_json(inputs).forecast if inputs else None


def midnight(zone: Zone, now: int) -> int:
    """When the farm's day began."""
    local = datetime.fromtimestamp(now, ZoneInfo(zone.timezone))
    return int(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())


def standpoint(zone: Zone, state: ZoneState, holds: tuple[Hold, ...], now: int, coming_mm: float) -> Standpoint:
    """How a zone stands, of what its decisions know of it."""
    since = midnight(zone, now)
    return Standpoint(
        used_today_s=sum(run.duration_s for run in state.runs if run.ended_at >= since),
        used_today_l=state.used_today_l,
        used_season_l=state.used_season_l,
        last_run_at=max((run.ended_at for run in state.runs), default=None),
        coming_mm=coming_mm,
        holds=holds,
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
