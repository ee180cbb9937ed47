"""The zones' models, and how to get on with them: what is new about a zone goes in, a decision comes out.

`next_decision` reads, `keep` writes inside the caller's transaction, and only after it is committed `remember` takes it
over: so a transaction that fails leaves nothing behind, not even in memory.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from agronomy.units import DAY_S
from compute_service.domain import hourly_weather, model_check
from compute_service.domain.conditions import Conditions
from compute_service.domain.decide import Decision, ZoneState
from compute_service.domain.hourly_weather import GatewayWeather, HourRecord
from compute_service.domain.inputs import Inputs, ahead, conclude, digest, zone_text
from compute_service.domain.model_check import ModelError
from compute_service.domain.orders import ManualRun, in_force
from compute_service.domain.ports import DecisionBook, Store
from compute_service.domain.zone import Config, Zone
from compute_service.domain.zone_model import ZoneModel

LOOK_BACK_S = 2 * DAY_S  # surely holds the farm's local day


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """A decision, what it was made from (as it is kept), what is believed after it, and hours that are new."""

    zone: Zone
    decision: Decision
    inputs: dict[str, Any]
    model: ZoneModel
    hours: tuple[HourRecord, ...]


class ZoneModels:
    """The zones' models in memory."""

    def __init__(self, config: Config, store: Store) -> None:
        self._memory, self._commands, self._decisions = store.zones, store.commands, store.decisions
        self._orders = store.orders
        self._pump_l_min = config.pump_l_min
        self._count = store.updates.count
        self._models = {zone.zone_id: self._taken_up(zone) for zone in config.zones}
        self._whole_on: dict[str, int] = {}  # of a zone: the day on which its whole model was last kept as an input
        self._zones = {zone.zone_id: zone for zone in config.zones}
        self._settings = {zone.zone_id: zone_text(zone) for zone in config.zones}
        self._digests = {zone_id: digest(text) for zone_id, text in self._settings.items()}

    def _taken_up(self, zone: Zone) -> ZoneModel | None:
        """What was believed of a zone before; what cannot be is made anew from the book of decisions, and told."""
        try:
            return self._memory.model(zone)
        except ModelError as error:
            self._tell(zone, error)
            return rebuilt(self._decisions, zone)

    def _tell(self, zone: Zone, error: Exception) -> None:
        log.error("what was believed of %s cannot be (%s); it is made anew", zone.zone_id, error)
        self._count("models_rebuilt")

    def bring_back(self, now: int) -> None:
        """The clock was ahead: what was believed then is made anew from the decisions until `now`."""
        for zone_id, model in self._models.items():
            if model and model.at > now:
                self._models[zone_id] = rebuilt(self._decisions, self._zones[zone_id], now)

    def heard_at(self, zone_id: str, sensor_id: str) -> int:
        """The time of the newest sample of a probe that the zone's model knows; 0 if it knows none."""
        model = self._models[zone_id]
        probe = model.probes.get(sensor_id) if model else None
        return probe.heard_at if probe else 0

    def in_turn(self, zone_ids: Iterable[str]) -> list[str]:
        """The order to decide in: by name, but where a pump is shared the driest first."""
        if self._pump_l_min is None:
            return sorted(zone_ids)
        return sorted(zone_ids, key=lambda zone_id: (-self._dryness(zone_id), zone_id))

    def _dryness(self, zone_id: str) -> float:
        model = self._models.get(zone_id)
        if model is None:
            return 0.0
        place = self._zones[zone_id].place
        allowed_mm = place.soil.available_mm(model.state.roots_m) * place.crop.depletion_fraction
        return model.belief.depletion_mm / allowed_mm

    def weather_begins(self, zone_ids: Iterable[str], now: int) -> dict[str, int]:
        """From when the weather at the gateways of these zones is news to one of their models."""
        begins: dict[str, int] = {}
        for zone_id in zone_ids:
            if zone_id in self._zones:
                gateway_id, model = self._zones[zone_id].gateway_id, self._models[zone_id]
                begins[gateway_id] = min(begins.get(gateway_id, now), model.at if model else now)
        return begins

    def next_decision(  # all that a decision is made from
        self,
        zone: Zone,
        weather: GatewayWeather,
        now: int,
        manual: ManualRun | None = None,
        latched: tuple[str, ...] = (),
    ) -> Work:
        """Decide about a zone, from its model and all that is new, or about a run by hand; nothing is written yet.

        `latched`: where its gateway saw a leak, so that it opens nothing.
        """
        model = self._models[zone.zone_id]
        state = replace(self._state(zone, weather.conditions, now), latched=latched)
        news = self._memory.news(zone)
        hours = weather.since(model.at if model else now)
        inputs = Inputs(
            hours=tuple(record.hour for record in hours),
            water=news.water,
            samples=tuple(sample for sample in news.samples if sample.sensor_id in zone.sensor_ids),
            state=state,
            forecast=ahead(weather.forecast, now),
            manual=manual,
        )
        row = {**inputs.to_json(), "zone": self._digests[zone.zone_id]}
        if self._whole_on.get(zone.zone_id) != now // DAY_S:
            row["model"] = model.to_json() if model else None
        try:
            decision, after = _concluded(zone, model, inputs, now)
        except ModelError as error:
            self._tell(zone, error)
            inputs = Inputs(state=state, manual=manual)  # one of the others made it so
            row = {**inputs.to_json(), "zone": self._digests[zone.zone_id], "model": None}
            decision, after = conclude(zone, None, inputs, now)
        return Work(zone, decision, row, after, hours)

    def keep(self, work: Work) -> None:
        """Write what is believed now, and that what was new is known. Call inside a transaction."""
        zone_id = work.zone.zone_id
        if zone_id not in self._whole_on:
            self._decisions.save_settings(self._digests[zone_id], self._settings[zone_id])
        self._memory.save_model(work.zone, work.model, work.hours)

    def remember(self, work: Work) -> None:
        """All of it is in the store."""
        self._models[work.zone.zone_id] = work.model
        self._whole_on[work.zone.zone_id] = work.decision.at // DAY_S

    def _state(self, zone: Zone, conditions: Conditions, now: int) -> ZoneState:
        farm = ZoneInfo(zone.timezone)
        today = datetime.fromtimestamp(now, farm).replace(hour=0, minute=0, second=0)
        since = now - max(LOOK_BACK_S, zone.cooldown_s)
        pump_left_l_min = self._pump_left_l_min(zone.zone_id)
        state = self._memory.zone_state(zone, since, int(today.timestamp()), zone.place.season_begun(now))
        holds = in_force(self._orders.holds(), zone.zone_id, now)
        return replace(state, conditions=conditions, pump_left_l_min=pump_left_l_min, holds=holds)

    def _pump_left_l_min(self, zone_id: str) -> float | None:
        """What the pump has left while every command that is not at its end takes its zone's flow."""
        if self._pump_l_min is None:
            return None
        rows = [row for row in self._commands.open() if row.message["action"] == "open"]
        open_zones = {row.zone_id for row in rows if row.zone_id is not None} - {zone_id}
        flow_l_min = sum(self._zones[other].flow_l_min for other in sorted(open_zones) if other in self._zones)
        return self._pump_l_min - flow_l_min


def _concluded(zone: Zone, model: ZoneModel | None, inputs: Inputs, now: int) -> tuple[Decision, ZoneModel]:
    """As `conclude`; raises ModelError where what is believed then cannot be."""
    try:
        decision, after = conclude(zone, model, inputs, now)
    except (ArithmeticError, ValueError) as error:  # no number can be had from these
        raise ModelError(f"{type(error).__name__} {error}") from error
    model_check.check(after)
    return decision, after


def rebuilt(book: DecisionBook, zone: Zone, now: int | None = None) -> ZoneModel | None:
    """What the inputs of the zone's last day of decisions make of it again; None if that is nothing that can be.

    Hours of weather that cannot have been are left out: they may be what spoiled it.
    """
    last = book.last(1, zone.zone_id)
    if not last:
        return None
    until, model, is_known = last[0]["at"] if now is None else now, None, False
    for row, inputs_row in book.with_inputs(until // DAY_S * DAY_S, until + 1):
        if row["zone_id"] != zone.zone_id:
            continue
        try:
            if "model" in inputs_row:
                model, is_known = (
                    ZoneModel.from_json(zone.place, inputs_row["model"]) if inputs_row["model"] else None,
                    True,
                )
            inputs = Inputs.from_json(inputs_row)
            hours = tuple(hour for hour in inputs.hours if hourly_weather.can_be(hour))
            if is_known:
                _, model = _concluded(zone, model, replace(inputs, hours=hours), row["at"])
        except ModelError:
            model, is_known = None, False
    return model
