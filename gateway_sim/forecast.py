"""The weather to come, as a forecaster would have told it: the season's own weather, wrong as forecasts are.

The errors grow with the square root of the lead time and are drawn from the seed and the time of issue, so that a
season has the same forecasts in every run. Documents have the shape of Open-Meteo's hourly JSON.
"""

import math
import random
from typing import Any

from gateway_sim.farm import Place
from gateway_sim.field import reference_et_mm_h
from gateway_sim.weather import HOUR_S, Weather

ISSUED_EVERY_S = 6 * HOUR_S
AHEAD_H = 72
DAY_H = 24
# Of a good forecast, a day ahead: standard deviations, of factors by their logarithm.
TEMPERATURE_C = 1.5
WIND, ET0, RAIN = 0.25, 0.10, 0.45
SHIFT_H = 2.0
MISSED, INVENTED = 0.10, 0.08  # of days: rain that was not told, a shower that does not come
SHOWER_MM = 4.0
TO_10_M = math.log(67.8 * 10 - 5.42) / 4.87  # from the stations' 2 m (FAO-56, equation 47)


def document(weather: Weather, place: Place, issued_at: int, seed: int) -> dict[str, Any]:
    """What is told at `issued_at` (Unix s, a full hour) of the hours that follow, as far as the weather goes.

    Sums are of the hour that ends at their time, as Open-Meteo has them.
    """
    draw = random.Random(f"{seed}:forecast:{issued_at}")  # noqa: S311  # no secret: a season's forecasts repeat
    hours = max(0, min(AHEAD_H, (weather.end - issued_at) // HOUR_S))
    warmer, windier, thirstier = (draw.gauss(0.0, 1.0) for _ in range(3))
    rows = [_row(weather, issued_at + number * HOUR_S, _grown(number)) for number in range(hours)]
    rain = _rain(weather, issued_at, hours, draw)
    hourly = {
        "time": [issued_at + number * HOUR_S for number in range(hours)],
        "temperature_2m": [round(c + warmer * TEMPERATURE_C * error, 1) for c, _, _, error in rows],
        "wind_speed_10m": [round(m_s * TO_10_M * math.exp(windier * WIND * error), 1) for _, m_s, _, error in rows],
        "et0_fao_evapotranspiration": _ended([mm * math.exp(thirstier * ET0 * e) for _, _, mm, e in rows], 3),
        "precipitation": _ended(rain, 1),
    }
    units = {
        "time": "unixtime",
        "temperature_2m": "°C",
        "wind_speed_10m": "m/s",
        "et0_fao_evapotranspiration": "mm",
        "precipitation": "mm",
    }
    about = {"latitude": place.latitude, "longitude": place.longitude, "elevation": place.elevation_m}
    return {**about, "utc_offset_seconds": 0, "timezone": "GMT", "hourly_units": units, "hourly": hourly}


def _row(weather: Weather, at: int, error: float) -> tuple[float, float, float, float]:
    """Temperature, wind, reference evapotranspiration of the hour, and how much its error has grown."""
    air_c, solar = weather.value("air_temperature_c", at), weather.value("solar_radiation_w_m2", at)
    return air_c, weather.value("wind_speed_m_s", at), reference_et_mm_h(air_c, solar), error


def _grown(lead_h: int) -> float:
    """1 a day ahead."""
    return math.sqrt((lead_h + 1) / DAY_H)


def _rain(weather: Weather, issued_at: int, hours: int, draw: random.Random) -> list[float]:
    """Rain that comes too early or too late, more or less of it; some days it is missed, some days invented."""
    forecast_mm = [0.0] * hours
    for begin in range(0, hours, DAY_H):
        error = _grown(begin)
        shift, factor = round(draw.gauss(0.0, SHIFT_H * error)), math.exp(draw.gauss(0.0, RAIN * error))
        missed, invented, at = draw.random() < MISSED, draw.random() < INVENTED, draw.randrange(DAY_H)
        for number in range(begin, min(begin + DAY_H, hours)):
            mm = 0.0 if missed else weather.value("rain_mm", issued_at + number * HOUR_S) * factor
            if 0 <= number + shift < hours:
                forecast_mm[number + shift] += mm
        if invented and begin + at < hours:
            forecast_mm[begin + at] += SHOWER_MM
    return forecast_mm


def _ended(sums: list[float], decimals: int) -> list[float]:
    """Sums of the hour that begins at each time, as those of the hour that ends there; of the first nothing is told."""
    return [0.0, *(round(mm, decimals) for mm in sums[:-1])] if sums else []
