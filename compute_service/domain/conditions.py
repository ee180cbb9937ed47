"""The weather of the last hour, as a zone's decision looks at it: what is measured, and how it comes from samples.

A further quantity is a further field of `Conditions` and a line of `conditions`; checks find it by its name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agronomy.units import HOUR_S
from protocol.physics import LIMITS

# What of a station's samples is kept: for ET0 by the hour, and for the conditions of a decision.
STATION_QUANTITIES = (
    "air_temperature_c",
    "relative_humidity_pct",
    "wind_speed_m_s",
    "solar_radiation_w_m2",
    "rain_mm",
)

MOST_RAIN_MM = LIMITS["hour_rain_mm"][2]

Samples = Sequence[Mapping[str, Any]]  # of one station, oldest first: `measured_at` and quantities


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The weather of the last hour until now; None was not measured."""

    temperature_c: float | None = None
    wind_m_s: float | None = None
    rain_hour_mm: float | None = None


def conditions(samples: Samples, now: int) -> Conditions:
    """The newest temperature and wind, and all rain, of the last hour."""
    last = [sample for sample in samples if now - HOUR_S < sample["measured_at"] <= now]
    rains = [sample["rain_mm"] for sample in last if sample.get("rain_mm") is not None]
    return Conditions(
        temperature_c=_newest(last, "air_temperature_c"),
        wind_m_s=_newest(last, "wind_speed_m_s"),
        rain_hour_mm=min(round(sum(rains), 3), MOST_RAIN_MM) if rains else None,
    )


def _newest(samples: Samples, name: str) -> float | None:
    return next((sample[name] for sample in reversed(samples) if sample.get(name) is not None), None)
