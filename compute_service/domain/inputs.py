"""All that a decision is made from, as it is kept with it; and the one step from there to the decision.

`conclude` is pure: the service calls it once, `replay` calls it again, and both must come to the same, bit for bit.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from typing import Any

from agronomy.crops import Crop
from agronomy.site import Site
from agronomy.units import HOUR_S
from compute_service.domain.conditions import Conditions
from compute_service.domain.constraints import Limits
from compute_service.domain.decide import Decision, Run, ZoneState, decide
from compute_service.domain.forecast import Forecast, ForecastHour
from compute_service.domain.orders import Hold, ManualRun
from compute_service.domain.tables import columns, rows
from compute_service.domain.zone import Config, FallbackSettings, PlacedProbe, Zone, zone_of
from compute_service.domain.zone_model import Sample, Water, WeatherHour, ZoneModel, advance, commanded

UNKNOWN = ZoneState()
AHEAD_S = 50 * HOUR_S  # no limit looks farther
_SETTINGS = tuple(one.name for one in fields(Zone) if one.name != "place")  # which follows from them


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What is new since the zone's last decision, how its valves stand (a state without model), and the forecast."""

    hours: tuple[WeatherHour, ...] = ()
    water: tuple[Water, ...] = ()
    samples: tuple[Sample, ...] = ()
    state: ZoneState = UNKNOWN
    forecast: Forecast | None = None
    manual: ManualRun | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, texts, lists and dicts."""
        by_hand = {} if self.manual is None else {"manual": self.manual._asdict()}
        return {
            **by_hand,
            "hours": columns(self.hours),
            "water": columns(self.water),
            "samples": columns(self.samples),
            "state": _state_row(self.state),
            "forecast": self.forecast
            and {"fetched_at": self.forecast.fetched_at, "hours": columns(self.forecast.hours)},
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "Inputs":
        """What `to_json` gave, by way of a text; or what a service before it kept, by position."""
        state = row["state"]
        return cls(
            hours=rows(WeatherHour, row["hours"]),
            water=rows(Water, row["water"]),
            samples=rows(Sample, row["samples"]),
            state=_state_of_list(state) if isinstance(state, list) else _state_of(state),
            forecast=row["forecast"] and _forecast(row["forecast"]),
            manual=ManualRun(**row["manual"]) if "manual" in row else None,
        )


def _state_row(state: ZoneState) -> dict[str, Any]:
    holds = (
        {"holds": [asdict(hold) for hold in state.holds]} if state.holds else {}
    )  # most decisions are made while nothing holds
    latched = {"latched": list(state.latched)} if state.latched else {}
    return {
        **holds,
        **latched,
        "under_way": state.under_way,
        "runs": columns(state.runs),
        "used_today_l": state.used_today_l,
        "used_season_l": state.used_season_l,
        "conditions": asdict(state.conditions),
        "pump_left_l_min": state.pump_left_l_min,
    }


def _state_of(row: Mapping[str, Any]) -> ZoneState:
    lists = {
        "runs": rows(Run, row["runs"]),
        "holds": tuple(Hold(**hold) for hold in row.get("holds", ())),
        "latched": tuple(row.get("latched", ())),
    }
    return ZoneState(**{**row, **lists, "conditions": Conditions(**row["conditions"])})


def _state_of_list(values: list[Any]) -> ZoneState:
    under_way, runs, used_today_l, used_season_l, temperature_c, wind_m_s, rain_hour_mm, pump_left_l_min = values
    return ZoneState(
        under_way=under_way,
        runs=rows(Run, runs),
        used_today_l=used_today_l,
        used_season_l=used_season_l,
        conditions=Conditions(temperature_c=temperature_c, wind_m_s=wind_m_s, rain_hour_mm=rain_hour_mm),
        pump_left_l_min=pump_left_l_min,
    )


def _forecast(row: Any) -> Forecast:
    if isinstance(row, list):
        fetched_at, hours = row
    else:
        fetched_at, hours = row["fetched_at"], row["hours"]
    return Forecast(fetched_at, rows(ForecastHour, hours))


def conclude(zone: Zone, model: ZoneModel | None, inputs: Inputs, now: int) -> tuple[Decision, ZoneModel]:
    """What is decided, and what is believed of the zone after it."""
    model = advance(zone, model, inputs.hours, inputs.water, inputs.samples, now)
    decision = decide(zone, replace(inputs.state, model=model), now, inputs.forecast, inputs.manual)
    if decision.intent:
        return decision, commanded(model, decision.refilling)
    return decision, replace(model, refilling=decision.refilling) if model.refilling else model


def ahead(forecast: Forecast | None, now: int) -> Forecast | None:
    """The part of a forecast that a decision can look at."""
    if forecast is None:
        return None
    hours = forecast.hours if forecast.is_fresh(now) else ()
    return Forecast(forecast.fetched_at, tuple(hour for hour in hours if -HOUR_S < hour.at - now < AHEAD_S))


def zone_text(zone: Zone) -> str:
    """A zone's settings as a text, from which `zone_from` makes the same zone."""
    settings = {name: getattr(zone, name) for name in _SETTINGS}
    nested = {"limits": asdict(zone.limits), "probes": [asdict(probe) for probe in zone.probes]}
    fallback = zone.fallback and asdict(zone.fallback)
    return json.dumps({**settings, "sown": zone.sown.isoformat(), **nested, "fallback": fallback})


def zone_from(text: str, crop_of: Callable[[str, str | None], Crop]) -> Zone:
    """The zone of the settings that `zone_text` gave. `crop_of` finds a crop by its name and calendar."""
    row = json.loads(text)
    limits = {**row["limits"], "hours": tuple((begin, end) for begin, end in row["limits"]["hours"])}
    probes = tuple(PlacedProbe(**probe) for probe in row["probes"])
    fallback = FallbackSettings(**row["fallback"]) if row.get("fallback") else None
    settings = {**row, "sown": date.fromisoformat(row["sown"]), "limits": Limits(**limits), "probes": probes}
    settings |= {"fallback": fallback}
    return zone_of(settings, crop_of(row["crop"], row.get("calendar")))


def config_text(config: Config) -> str:
    """A farm as a text, from which `config_from` makes the same farm."""
    zones = [json.loads(zone_text(zone)) for zone in config.zones]
    return json.dumps({**asdict(replace(config, zones=())), "zones": zones})


def config_from(text: str, crop_of: Callable[[str, str | None], Crop]) -> Config:
    """The farm of such a text."""
    row = json.loads(text)
    zones = tuple(zone_from(json.dumps(zone), crop_of) for zone in row["zones"])
    lists = {name: tuple(row.get(name, ())) for name in ("weather_stations", "nodes")}
    return Config(**{**row, "site": Site(**row["site"]), "zones": zones, **lists})


def digest(text: str) -> str:
    """A short name of a text that no other text has."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
