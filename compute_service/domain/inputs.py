"""All that a decision is made from, as it is kept with it; and the one step from there to the decision.

`conclude` is pure: the service calls it once, `replay` calls it again, and both must come to the same, bit for bit.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from compute_service.domain.decide import Decision, Run, ZoneState, decide
from compute_service.domain.forecast import Forecast
from compute_service.domain.forecast import Hour as ToCome
from compute_service.domain.zone import Limits, Probe, Zone
from compute_service.domain.zone_model import HOUR_S, Hour, Sample, Water, ZoneModel, advance, commanded

UNKNOWN = ZoneState()
AHEAD_S = 50 * HOUR_S  # no limit looks farther


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is new since the zone's last decision, how its valves stand (a state without model), and the forecast."""

    hours: tuple[Hour, ...] = ()
    water: tuple[Water, ...] = ()
    samples: tuple[Sample, ...] = ()
    state: ZoneState = UNKNOWN
    forecast: Forecast | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, texts, lists and dicts."""
        state, forecast = self.state, self.forecast
        return {
            "hours": self.hours,
            "water": self.water,
            "samples": self.samples,
            "state": [
                *(state.under_way, state.runs, state.used_today_l, state.used_season_l),
                *(state.temperature_c, state.wind_m_s, state.rain_hour_mm, state.pump_left_l_min),
            ],
            "forecast": forecast
            and [
                forecast.fetched_at,
                [[hour.at, hour.rain_mm, hour.temperature_c, hour.wind_m_s, hour.et0_mm] for hour in forecast.hours],
            ],
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Inputs":
        """What `to_json` gave, by way of a text."""
        under_way, runs, *rest = kept["state"]
        forecast = kept["forecast"]
        return cls(
            tuple(Hour(*row) for row in kept["hours"]),
            tuple(Water(*row) for row in kept["water"]),
            tuple(Sample(*row) for row in kept["samples"]),
            ZoneState(None, under_way, tuple(Run(*row) for row in runs), *rest),
            forecast and Forecast(forecast[0], tuple(ToCome(*row) for row in forecast[1])),
        )


def conclude(zone: Zone, model: ZoneModel | None, inputs: Inputs, now: int) -> tuple[Decision, ZoneModel]:
    """What is decided, and what is believed of the zone after it."""
    model = advance(zone, model, inputs.hours, inputs.water, inputs.samples, now)
    decision = decide(zone, replace(inputs.state, model=model), now, inputs.forecast)
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
    return json.dumps({**asdict(zone), "sown": zone.sown.isoformat()})


def zone_from(text: str) -> Zone:
    """The zone that `zone_text` told of."""
    row = json.loads(text)
    limits = {**row["limits"], "hours": tuple((begin, end) for begin, end in row["limits"]["hours"])}
    made = {"sown": date.fromisoformat(row["sown"]), "limits": Limits(**limits)}
    return Zone(**{**row, **made, "probes": tuple(Probe(**probe) for probe in row["probes"])})


def digest(text: str) -> str:
    """A short name of a text that no other text has."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
