"""The weather of a farm by the hour: ET0 and rain from a station's samples, and what stands in where they are missing.

An hour is reckoned once, when it is over, and then stays as it is. Its `source` says where ET0 is from: `measured`;
`estimated`, with humidity, wind or sunshine guessed; `forecast`; `yesterday`, the same hour of the day before; or
`assumed`, 5 mm a day in the course of the sun.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from agronomy.evapotranspiration import HourMeans, WeatherError, hourly_et0, hourly_means
from agronomy.site import Site
from agronomy.units import HOUR_S
from compute_service.domain.conditions import Conditions, Samples
from compute_service.domain.forecast import Forecast
from compute_service.domain.zone_model import ASSUMED_ET0_MM_D, WeatherHour
from protocol import physics

MOST_RAIN_MM = physics.LIMITS["hour_rain_mm"][2]
SUNNY_HOURS = sum(max(0.0, math.cos(math.pi * (hour - 11.5) / 12)) for hour in range(24))


@dataclass(frozen=True, slots=True)
class HourRecord:
    """An hour, and the clearness of its sky (measured over clear-sky radiation), which the night after goes by."""

    hour: WeatherHour
    sun_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class GatewayWeather:
    """The whole hours of a time, each by when it begins, the conditions at its end, and the forecast."""

    hours: dict[int, HourRecord]
    conditions: Conditions
    forecast: Forecast | None

    def since(self, begin: int) -> tuple[HourRecord, ...]:
        """The hours from `begin` on, the oldest first."""
        return tuple(record for at, record in self.hours.items() if at >= begin)


def can_be(hour: WeatherHour) -> bool:
    """True for an hour of weather that the Earth can have: a store may hold another, of a service before this one."""
    return physics.can_be("hour_et0_mm", hour.et0_mm) and physics.can_be("hour_rain_mm", hour.rain_mm)


def reckon(  # noqa: PLR0913, PLR0917  # an hour's place and time, and all that may tell of it
    site: Site,
    at: int,
    samples: Samples,
    sun_ratio: float | None,
    yesterday: WeatherHour | None,
    forecast: Forecast | None,
) -> HourRecord:
    """The hour that begins at `at`, from the `samples` of the 24 hours until its end."""
    rain_mm = min(sum(sample.get("rain_mm") or 0.0 for sample in samples if sample["measured_at"] >= at), MOST_RAIN_MM)
    means = _means(at, samples)
    try:
        et0 = hourly_et0(means, site, sun_ratio)
    except WeatherError:
        mm, source = _stand_in(site, at, yesterday, forecast)
        return HourRecord(WeatherHour(at, mm, rain_mm, source), sun_ratio)
    return HourRecord(WeatherHour(at, et0.mm, rain_mm, "estimated" if et0.guesses else "measured"), et0.sun_ratio)


def _means(at: int, samples: Samples) -> HourMeans:
    means = hourly_means(sample for sample in samples if sample["measured_at"] >= at).get(at, {})
    time = datetime.fromtimestamp(at, UTC)
    humidity_pct, solar_w_m2 = means.get("relative_humidity_pct"), means.get("solar_radiation_w_m2")
    coldest_c = warmest_c = None
    if humidity_pct is None or solar_w_m2 is None:
        range_c = [sample["air_temperature_c"] for sample in samples if sample.get("air_temperature_c") is not None]
        coldest_c, warmest_c = min(range_c, default=None), max(range_c, default=None)
    return HourMeans(
        day_of_year=time.timetuple().tm_yday,
        utc_hour=time.hour,
        temperature_c=means.get("air_temperature_c"),
        humidity_pct=humidity_pct,
        wind_m_s=means.get("wind_speed_m_s"),
        solar_w_m2=solar_w_m2,
        day_min_c=coldest_c,
        day_max_c=warmest_c,
    )


def _stand_in(site: Site, at: int, yesterday: WeatherHour | None, forecast: Forecast | None) -> tuple[float, str]:
    et0_mm = forecast.et0_mm(at, at + HOUR_S) if forecast and forecast.is_fresh(at + HOUR_S) else None
    if et0_mm is not None:
        return et0_mm, "forecast"
    if yesterday is not None and yesterday.source != "assumed":
        return yesterday.et0_mm, "yesterday"
    solar_hour = (at / HOUR_S + site.longitude_deg / 15) % 24
    return ASSUMED_ET0_MM_D * max(0.0, math.cos(math.pi * (solar_hour - 11.5) / 12)) / SUNNY_HOURS, "assumed"
