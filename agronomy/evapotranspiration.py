"""Reference evapotranspiration (ET0) of a day or an hour, by FAO-56's Penman-Monteith equation, from what was measured.

The equations and their stand-ins for missing values are those of the library `eto`: equation 6 (p. 24) for a day,
equation 53 (p. 74) for an hour, in FAO's own form, which gives up to 5 % less by day than the ASCE's. What was missing
is named with the result: humidity is taken from the lowest temperature (equation 48, p. 58), sunshine from the range of
temperature (equation 50, p. 60), wind as 2 m/s (p. 63). Without a temperature there is no ET0.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agronomy.errors import AgronomyError
from agronomy.site import Site
from agronomy.units import DAY_S, HOUR_S

MOST_MM_D = 15.0  # no day on record needed more; so much is a fault of a sensor
ENOUGH = 20 / 24  # of the hours of a day must know a quantity, or its mean, least and greatest would mislead
DRY_DEW_C = 2.0  # in arid places the dew point lies this far below the lowest temperature (FAO-56, p. 58)


class WeatherError(AgronomyError):
    """The weather that is known does not give an evapotranspiration; the text says what is missing or impossible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayMeans:
    """The weather of a day. None is missing; of the four ways to tell humidity the first that is known counts."""

    day_of_year: int
    temperature_min_c: float | None
    temperature_max_c: float | None
    vapour_pressure_kpa: float | None = None
    dewpoint_c: float | None = None
    humidity_min_pct: float | None = None
    humidity_max_pct: float | None = None
    humidity_mean_pct: float | None = None
    wind_m_s: float | None = None
    solar_w_m2: float | None = None  # mean of the 24 hours
    sunshine_h: float | None = None
    pressure_kpa: float | None = None
    soil_heat_mj_m2: float = 0.0  # G of equation 6: nothing in a day (equation 42, p. 54)


@dataclass(frozen=True, slots=True, kw_only=True)
class HourMeans:
    """The mean weather of an hour that begins at `utc_hour` (0..23); the day's range stands in for what is missing."""

    day_of_year: int  # of the hour in UTC
    utc_hour: int
    temperature_c: float | None
    humidity_pct: float | None = None
    wind_m_s: float | None = None
    solar_w_m2: float | None = None
    day_min_c: float | None = None
    day_max_c: float | None = None


@dataclass(frozen=True, slots=True)
class Et0:
    """Millimetres of water that reference grass takes; `guesses` names what was not measured.

    `sun_ratio` of an hour (measured over clear-sky radiation) is what a following night goes by.
    """

    mm: float
    guesses: tuple[str, ...] = ()
    sun_ratio: float = 1.0


def daily_et0(day: DayMeans, site: Site) -> Et0:
    """ET0 of a day, mm; raises WeatherError without its lowest and highest temperature (FAO-56, equation 6, p. 24)."""
    if day.temperature_min_c is None or day.temperature_max_c is None:
        raise WeatherError("no ET0 without the day's lowest and highest air temperature; is there a weather station?")
    if day.temperature_min_c > day.temperature_max_c:
        raise WeatherError(f"lowest temperature {day.temperature_min_c} is above the highest, {day.temperature_max_c}")
    quantities = {
        "T_min": day.temperature_min_c,
        "T_max": day.temperature_max_c,
        "e_a": day.vapour_pressure_kpa,
        "T_dew": day.dewpoint_c,
        "RH_min": _percent(day.humidity_min_pct),
        "RH_max": _percent(day.humidity_max_pct),
        "RH_mean": _percent(day.humidity_mean_pct),
        "U_z": day.wind_m_s,
        "R_s": _energy(day.solar_w_m2, DAY_S),
        "n_sun": day.sunshine_h,
        "P": day.pressure_kpa,
        "G": day.soil_heat_mj_m2,
    }
    humid = ("e_a", "T_dew", "RH_max", "RH_mean")  # a lowest humidity alone says little
    guesses = _missing(quantities, humidity=humid, wind=("U_z",), sunshine=("R_s", "n_sun"))
    if "humidity" in guesses and site.arid:
        quantities["T_dew"] = day.temperature_min_c - DRY_DEW_C
    result = _eto(quantities, "D", site, day.day_of_year)
    return Et0(_mm(result, MOST_MM_D), guesses)


def hourly_et0(hour: HourMeans, site: Site, sun_ratio: float | None = None) -> Et0:
    """ET0 of an hour, mm; raises WeatherError without a temperature (FAO-56, equation 53, p. 74).

    `sun_ratio` is that of the hour before, which a night goes by; None takes the sky for clear.
    """
    if hour.temperature_c is None:
        raise WeatherError("no ET0 without the hour's air temperature; is there a weather station?")
    quantities = {
        "T_mean": hour.temperature_c,
        "RH_mean": _percent(hour.humidity_pct),
        "U_z": hour.wind_m_s,
        "R_s": _energy(hour.solar_w_m2, HOUR_S),
        "T_min": hour.day_min_c,
        "T_max": hour.day_max_c,
    }
    guesses = _missing(quantities, humidity=("RH_mean",), wind=("U_z",), sunshine=("R_s",))
    if "humidity" in guesses:
        quantities["e_a"] = _saturation_kpa(_day_min(hour) - (DRY_DEW_C if site.arid else 0.0))
    if "sunshine" in guesses and (hour.day_min_c is None or hour.day_max_c is None):
        raise WeatherError("no ET0 without the hour's radiation, or the day's range of temperature to guess it from")
    result = _eto(quantities, "h", site, hour.day_of_year, hour.utc_hour, 1.0 if sun_ratio is None else sun_ratio)
    return Et0(_mm(result, MOST_MM_D / 8), guesses, float(result.rs_rso_last))


def gather(samples: Iterable[Mapping[str, Any]], day_of_year: int) -> DayMeans:
    """The weather of a day, of the samples of a station's readings, which must all be of that day.

    A quantity counts if at least 20 hours know it: the mean of a morning is no mean of a day. Means are over hours, so
    that an hour with many samples does not weigh more.
    """
    hours = hourly_means(samples)
    temperature = _of_day(hours, "air_temperature_c")
    humidity = _of_day(hours, "relative_humidity_pct")
    wind = _of_day(hours, "wind_speed_m_s")
    solar = _of_day(hours, "solar_radiation_w_m2")
    pressure = _of_day(hours, "pressure_kpa")
    return DayMeans(
        day_of_year=day_of_year,
        temperature_min_c=min(temperature, default=None),
        temperature_max_c=max(temperature, default=None),
        humidity_min_pct=min(humidity, default=None),
        humidity_max_pct=max(humidity, default=None),
        wind_m_s=_mean(wind),
        solar_w_m2=_mean(solar),
        pressure_kpa=_mean(pressure) if all(50 < value < 110 for value in pressure) else None,
    )


def hourly_means(samples: Iterable[Mapping[str, Any]]) -> dict[int, dict[str, float]]:
    """Of each hour (by the Unix time at which it begins) the mean of each quantity; what is None is not there."""
    sums: dict[int, dict[str, tuple[float, int]]] = {}
    for sample in samples:
        hour = sums.setdefault(sample["measured_at"] // HOUR_S * HOUR_S, {})
        for name, value in _quantities(sample):
            total, count = hour.get(name, (0.0, 0))
            hour[name] = (total + value, count + 1)
    return {at: {name: total / count for name, (total, count) in hour.items()} for at, hour in sums.items()}


WEATHER = (
    "air_temperature_c",
    "relative_humidity_pct",
    "wind_speed_m_s",
    "solar_radiation_w_m2",
    "pressure_kpa",  # of the air only where it is between 50 and 110: a pipe's has the same name
)


def _quantities(sample: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name in WEATHER:
        value = sample.get(name)
        if value is not None:
            yield name, float(value)


def _of_day(hours: Mapping[int, Mapping[str, float]], name: str) -> list[float]:
    values = [hour[name] for hour in hours.values() if name in hour]
    return values if len(values) >= ENOUGH * 24 else []


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _percent(humidity: float | None) -> float | None:
    return None if humidity is None else min(max(humidity, 1.0), 100.0)  # a wet sensor says up to 105


def _energy(watts: float | None, seconds: int) -> float | None:
    """W/m2 over some time as MJ/m2; at night a pyranometer says a little less than nothing."""
    return None if watts is None else max(watts, 0.0) * seconds / 1e6


def _missing(quantities: Mapping[str, float | None], **ways: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(what for what, names in ways.items() if all(quantities[name] is None for name in names))


def _day_min(hour: HourMeans) -> float:
    if hour.day_min_c is None:
        raise WeatherError("no ET0 without the hour's humidity, or the day's lowest temperature to guess it from")
    return hour.day_min_c


def _saturation_kpa(temperature_c: float) -> float:
    """Saturation vapour pressure (FAO-56, equation 11, p. 36)."""
    import numpy as np  # noqa: PLC0415  # see _eto

    return float(0.6108 * np.exp(17.27 * temperature_c / (temperature_c + 237.3)))


def _eto(  # noqa: PLR0913, PLR0917  # the time is of three parts
    quantities: Mapping[str, float | None],
    freq: str,
    site: Site,
    day_of_year: int,
    hour: int = 0,
    sun_ratio: float = 1.0,
) -> Any:
    # numpy is half of what a command costs that only asks the store: it is loaded where there is something to compute.
    import numpy as np  # noqa: PLC0415  # see above
    from eto import ETo  # type: ignore[import-untyped] # noqa: PLC0415  # it ships no types

    data = {name: np.array([value]) for name, value in quantities.items() if value is not None}
    return ETo(
        data,
        freq,
        z_msl=site.elevation_m,
        lat=site.latitude_deg,
        lon=site.longitude_deg,
        TZ_lon=0.0,
        z_u=site.wind_height_m,
        K_rs=0.19 if site.coastal else 0.16,
        day_of_year=np.array([day_of_year]),
        hour=np.array([hour]),
        validate=False,  # it warns where we refuse
        rs_rso_init=sun_ratio,
    )


def _mm(result: Any, most: float) -> float:
    [mm] = result.eto_fao(max_ETo=None, min_ETo=0, decimals=None)
    if not 0 <= mm <= most:  # so is NaN
        raise WeatherError(f"ET0 would be {mm:.1f} mm, want 0 to {most:g}: a weather sensor is wrong")
    return float(mm)
