"""Where a decision is prepared: what the store has that is new about a zone, its model, the weather, the pump.

`conclude` reads, `keep` writes inside the caller's transaction, and only after it is committed `done` remembers: so a
transaction that fails leaves nothing behind, not even in memory.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from compute_service.domain import hourly_weather
from compute_service.domain.decide import Decision
from compute_service.domain.forecast import Forecast
from compute_service.domain.hourly_weather import Reckoned
from compute_service.domain.inputs import Inputs, ahead, conclude, digest, zone_text
from compute_service.domain.ports import CommandLog, DecisionBook, ZoneMemory
from compute_service.domain.zone import Config, Zone
from compute_service.domain.zone_model import DAY_S, HOUR_S, Hour, ZoneModel, place_of

LOOK_BACK_S = 2 * DAY_S  # surely holds the farm's local day
MOST_HOURS_S = 30 * DAY_S  # a longer absence is not made good hour by hour


@dataclass(frozen=True, slots=True)
class Work:
    """A decision, what it was made from (as it is kept), what is believed after it, and hours that are new."""

    zone: Zone
    decision: Decision
    inputs: dict[str, Any]
    model: ZoneModel
    hours: dict[int, tuple[str, Reckoned]]


class Desk:
    """The zones' models in memory, and how to get on with them. `forecast` gives the newest there is."""

    def __init__(
        self,
        config: Config,
        store: ZoneMemory,
        commands: CommandLog,
        decisions: DecisionBook,
        forecast: Callable[[], Forecast | None],
    ) -> None:
        self._config, self._store, self._forecast = config, store, forecast
        self._commands, self._decisions = commands, decisions
        self._models: dict[str, ZoneModel | None] = {}
        self._told_whole: dict[str, int] = {}  # of a zone: the day on which its whole model was last kept as an input
        self._zones = {zone.zone_id: zone for zone in config.zones}
        self._settings = {zone.zone_id: zone_text(zone) for zone in config.zones}
        self._digests = {zone_id: digest(text) for zone_id, text in self._settings.items()}

    def heard_at(self, zone: Zone, sensor_id: str) -> int:
        """The time of the newest sample of a probe that the zone's model knows; 0 if it knows none."""
        model = self._model(zone)
        probe = model.probes.get(sensor_id) if model else None
        return probe.heard_at if probe else 0

    def in_turn(self, zone_ids: Iterable[str]) -> list[str]:
        """The order to decide in: by name, but where a pump is shared the driest first."""
        if self._config.pump_l_min is None:
            return sorted(zone_ids)
        return sorted(zone_ids, key=lambda zone_id: (-self._dryness(zone_id), zone_id))

    def _dryness(self, zone_id: str) -> float:
        zone = self._zones.get(zone_id)
        model = self._model(zone) if zone else None
        if zone is None or model is None:
            return 0.0
        place = place_of(zone)
        return model.belief.depletion_mm / (place.soil.available_mm(model.state.roots_m) * place.crop.depletion)

    def conclude(self, zone: Zone, now: int) -> Work:
        """Decide about a zone, from its model and all that is new; nothing is written yet."""
        model = self._model(zone)
        hours = self._hours(zone.gateway_id, model, now)
        news = self._store.news(zone)
        inputs = Inputs(
            tuple(reckoned.hour for _, reckoned in hours.values()),
            news.water,
            tuple(sample for sample in news.samples if sample.sensor_id in zone.sensor_ids),
            self._state(zone, now),
            ahead(self._forecast(), now),
        )
        kept = {**inputs.to_json(), "zone": self._digests[zone.zone_id]}
        if self._told_whole.get(zone.zone_id) != now // DAY_S:
            kept["model"] = model.to_json() if model else None
        decision, model = conclude(zone, model, inputs, now)
        return Work(zone, decision, kept, model, hours)

    def keep(self, work: Work) -> None:
        """Write what is believed now, and that what was new is known. Call inside a transaction."""
        zone_id = work.zone.zone_id
        if zone_id not in self._told_whole:
            self._decisions.save_settings(self._digests[zone_id], self._settings[zone_id])
        self._store.save_model(zone_id, work.model, work.hours)

    def done(self, work: Work) -> None:
        """All of it is in the store."""
        self._models[work.zone.zone_id] = work.model
        self._told_whole[work.zone.zone_id] = work.decision.at // DAY_S

    def _model(self, zone: Zone) -> ZoneModel | None:
        if zone.zone_id not in self._models:
            self._models[zone.zone_id] = self._store.model(zone)
        return self._models[zone.zone_id]

    def _state(self, zone: Zone, now: int) -> Any:
        farm = ZoneInfo(zone.timezone)
        today = datetime.fromtimestamp(now, farm).replace(hour=0, minute=0, second=0)
        since = now - max(LOOK_BACK_S, zone.cooldown_s)
        season = place_of(zone).season_begun(now)
        state = self._store.zone_state(zone, since, int(today.timestamp()), season)
        outside = hourly_weather.outside(self._station(zone.gateway_id, now - HOUR_S + 1, now + 1), now)
        weather = (outside.temperature_c, outside.wind_m_s, outside.rain_hour_mm)
        return replace(
            state,
            temperature_c=weather[0],
            wind_m_s=weather[1],
            rain_hour_mm=weather[2],
            pump_left_l_min=self._pump_left(zone),
        )

    def _pump_left(self, zone: Zone) -> float | None:
        """What the pump has left while every command that is not at its end takes its zone's flow."""
        if self._config.pump_l_min is None:
            return None
        open_zones = {command.zone_id for command in self._commands.open()} - {zone.zone_id}
        taken = sum(self._zones[zone_id].flow_l_min for zone_id in sorted(open_zones) if zone_id in self._zones)
        return self._config.pump_l_min - taken

    # the weather by the hour

    def _hours(self, gateway_id: str, model: ZoneModel | None, now: int) -> dict[int, tuple[str, Reckoned]]:
        """The whole hours that the model has not gone through, each reckoned once for all zones of the gateway."""
        end = now // HOUR_S * HOUR_S
        begin = max(model.at, end - MOST_HOURS_S) if model else end
        found: dict[int, tuple[str, Reckoned]] = {}
        for at in range(begin, end, HOUR_S):
            known = self._store.hour(gateway_id, at)
            found[at] = gateway_id, known or self._reckon(gateway_id, at, found)
        return found

    def _reckon(self, gateway_id: str, at: int, found: dict[int, tuple[str, Reckoned]]) -> Reckoned:
        def earlier(by_s: int) -> Reckoned | None:
            if at - by_s in found:
                return found[at - by_s][1]
            return self._store.hour(gateway_id, at - by_s)

        before, yesterday = earlier(HOUR_S), earlier(DAY_S)
        samples = self._station(gateway_id, at + HOUR_S - DAY_S, at + HOUR_S, at)
        sun_ratio = before.sun_ratio if before else None
        usual: Hour | None = yesterday.hour if yesterday else None
        return hourly_weather.reckon(self._config.site, at, samples, sun_ratio, usual, self._forecast())

    def _station(self, gateway_id: str, begin: int, end: int, needed: int | None = None) -> list[dict[str, Any]]:
        """The samples of the gateway's own station, or of another of the farm where it is silent since `needed`."""
        since = begin if needed is None else needed
        samples = self._store.weather(gateway_id, begin, end)
        if samples and samples[-1]["measured_at"] >= since:
            return samples
        others = self._store.stations(since, end)
        return self._store.weather(others[0], begin, end) if others else samples
