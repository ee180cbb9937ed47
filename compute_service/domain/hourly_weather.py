"""The weather of a farm by the hour: ET0 and rain from a station's samples, and what stands in where they are missing.

An hour is reckoned once, when it is over, and then stays as it is. Its `source` says where ET0 is from: `measured`;
`estimated`, with humidity, wind or sunshine guessed; `forecast`; `yesterday`, the same hour of the day before; or
`assumed`, 5 mm a day in the course of the sun.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from compute_service.domain.evapotranspiration import HOUR_S, WeatherError, hourly_et0, hourly_means
from compute_service.domain.evapotranspiration import Hour as Sky
from compute_service.domain.forecast import Forecast
from compute_service.domain.zone import Site
from compute_service.domain.zone_model import ASSUMED_ET0_MM_D, Hour

SUNNY_HOURS = sum(max(0.0, math.cos(math.pi * (hour - 11.5) / 12)) for hour in range(24))

Samples = Sequence[Mapping[str, Any]]  # of one station, oldest first: `measured_at` and quantities


@dataclass(frozen=True, slots=True)
class Reckoned:
    """An hour, and the clearness of its sky (measured over clear-sky radiation), which the night after goes by."""

    hour: Hour
    sun_ratio: float | None = None


def reckon(  # noqa: PLR0913, PLR0917  # an hour's place and time, and all that may tell of it
    site: Site,
    at: int,
    samples: Samples,
    sun_ratio: float | None,
    yesterday: Hour | None,
    forecast: Forecast | None,
) -> Reckoned:
    """The hour that begins at `at`, from the `samples` of the 24 hours until its end."""
    rain_mm = sum(sample.get("rain_mm") or 0.0 for sample in samples if sample["measured_at"] >= at)
    try:
        et0 = hourly_et0(_sky(at, samples), site, sun_ratio)
    except WeatherError:
        mm, source = _stand_in(site, at, yesterday, forecast)
        return Reckoned(Hour(at, mm, rain_mm, source), sun_ratio)
    return Reckoned(Hour(at, et0.mm, rain_mm, "estimated" if et0.estimated else "measured"), et0.sun_ratio)


def _sky(at: int, samples: Samples) -> Sky:
    means = hourly_means(sample for sample in samples if sample["measured_at"] >= at).get(at, {})
    time = datetime.fromtimestamp(at, UTC)
    known = ("air_temperature_c", "relative_humidity_pct", "wind_speed_m_s", "solar_radiation_w_m2")
    temperature, humidity, wind, solar = (means.get(name) for name in known)
    coldest = warmest = None
    if humidity is None or solar is None:
        range_c = [sample["air_temperature_c"] for sample in samples if sample.get("air_temperature_c") is not None]
        coldest, warmest = min(range_c, default=None), max(range_c, default=None)
    return Sky(time.timetuple().tm_yday, time.hour, temperature, humidity, wind, solar, coldest, warmest)


def _stand_in(site: Site, at: int, yesterday: Hour | None, forecast: Forecast | None) -> tuple[float, str]:
    told = forecast.et0_mm(at, at + HOUR_S) if forecast and forecast.is_fresh(at + HOUR_S) else None
    if told is not None:
        return told, "forecast"
    if yesterday is not None and yesterday.source != "assumed":
        return yesterday.et0_mm, "yesterday"
    solar_hour = (at / HOUR_S + site.longitude_deg / 15) % 24
    return ASSUMED_ET0_MM_D * max(0.0, math.cos(math.pi * (solar_hour - 11.5) / 12)) / SUNNY_HOURS, "assumed"


@dataclass(frozen=True, slots=True)
class Outside:
    """The weather of the last hour until now; None was not measured."""

    temperature_c: float | None = None
    wind_m_s: float | None = None
    rain_hour_mm: float | None = None


def outside(samples: Samples, now: int) -> Outside:
    """The newest temperature and wind, and all rain, of the last hour."""
    last = [sample for sample in samples if now - HOUR_S < sample["measured_at"] <= now]
    rains = [sample["rain_mm"] for sample in last if sample.get("rain_mm") is not None]
    return Outside(
        _newest(last, "air_temperature_c"), _newest(last, "wind_speed_m_s"), round(sum(rains), 3) if rains else None
    )


def _newest(samples: Samples, name: str) -> float | None:
    return next((sample[name] for sample in reversed(samples) if sample.get(name) is not None), None)
