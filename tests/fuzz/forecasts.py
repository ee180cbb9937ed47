"""Forecasts: what Open-Meteo answers, spoiled; and what may be believed of it, read from the same text once more."""

import calendar
import json
import math
import random
import re
from typing import Any

from compute_service.adapters import forecast_source
from compute_service.adapters.forecast_source import ForecastError
from compute_service.domain.forecast import Forecast
from protocol import physics
from tests.compute_service.test_forecast import NOON, NOW, document
from tests.fuzz.room import Reader, one_by_one
from tests.fuzz.spoiling import json_text

FROM_10_M = 0.747951  # FAO-56, equation 47
# Our field: its name in the document, how many hours later it is told, a record of the Earth either way, and its units.
FIELDS: dict[str, tuple[tuple[str, ...], int, float, float, dict[str, tuple[float, float]]]] = {
    "rain_mm": (("precipitation", "rain"), 1, 0, 401, {"mm": (1, 0), "inch": (25.4, 0)}),
    "et0_mm": (("et0_fao_evapotranspiration",), 1, 0, 2.1, {"mm": (1, 0), "inch": (25.4, 0)}),
    "temperature_c": (("temperature_2m",), 0, -90, 60, {"°C": (1, 0), "°F": (1 / 1.8, -32 / 1.8)}),
    "wind_m_s": (
        *(("wind_speed_10m", "windspeed_10m"), 0, 0, 114),
        {"km/h": (1 / 3.6, 0), "m/s": (1, 0), "mp/h": (0.44704, 0), "mph": (0.44704, 0), "kn": (1.852 / 3.6, 0)},
    ),
}
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(Z|([+-])(\d\d):(\d\d))?", re.ASCII)
A_DAY = {"rain_mm": 1825.0, "et0_mm": 20.0}  # mm that no 24 hours have exceeded


def _unix() -> dict[str, Any]:
    """Six hours with Unix times, in the other units."""
    hourly = {
        "time": [NOON + 3600 * hour for hour in range(6)],
        "rain": [0, 0.1, 0.2, None, 2, 15.7],
        "temperature_2m": [70, 72.5, -100, 140, 68.1, 32],
        "windspeed_10m": [1, 20, 0, 12.5, 340, 3],
        "et0_fao_evapotranspiration": [0.01, 0.02, 0, 0.08, 0.01, 0.005],
    }
    units = {"rain": "inch", "temperature_2m": "°F", "windspeed_10m": "kn", "et0_fao_evapotranspiration": "inch"}
    return {"hourly": hourly, "hourly_units": units}


def _days() -> dict[str, Any]:
    """Two days, so much of everything that a little more is too much."""
    hourly = {
        "time": [f"2025-06-{15 + hour // 24}T{hour % 24:02}:00" for hour in range(48)],
        "precipitation": [76.0] * 48,
        "temperature_2m": [59.5, -89.5] * 24,
        "wind_speed_10m": [113.0, 0.0] * 24,
        "et0_fao_evapotranspiration": [0.5] * 48,
    }
    return {"hourly": hourly, "hourly_units": {"wind_speed_10m": "m/s"}, "utc_offset_seconds": 12 * 3600}


def _with_offsets() -> dict[str, Any]:
    """Times that say their own offset."""
    hourly = {"time": [f"2025-06-15T{hour}:00{zone}" for hour, zone in ((12, "-03:00"), (16, "Z"), (22, "+05:00"))]}
    return {"hourly": hourly | {"rain": [1, 2, 3.5]}, "utc_offset_seconds": -10800}


TEXTS = tuple(json.dumps(row) for row in (*[document()] * 6, *[_unix()] * 5, _with_offsets(), _days()))


def make(draw: random.Random) -> bytes:
    """An answer, with what may be wrong with it."""
    return json_text(draw, TEXTS)


def read(data: bytes) -> bool:
    """True if it is a forecast; then all of it can be, and says what the document does."""
    try:
        forecast = forecast_source.parse(data, NOW, "forecast", -23.5)
    except ForecastError as error:
        str(error).encode()
        return False
    _check(json.loads(data), forecast)
    return True


def _check(document_: Any, forecast: Forecast) -> None:
    hourly, units = document_["hourly"], document_.get("hourly_units", {})
    hours = forecast.hours
    assert forecast.fetched_at == NOW
    assert [hour.at - hours[0].at for hour in hours] == [3600 * number for number in range(len(hours))]
    offset_s = document_.get("utc_offset_seconds", 0)
    assert all(_is_then(time, hour.at, offset_s) for time, hour in zip(hourly["time"], hours, strict=True))
    assert all(type(hour.at) is int and 1420070400 <= hour.at < 4102444800 for hour in hours)
    for field, (names, later, least, most, factors) in FIELDS.items():
        values = [getattr(hour, field) for hour in hours]
        name = next((name for name in names if name in hourly), None)
        if name is None:
            assert set(values) <= {None}, field
            continue
        factor, plus = factors[units.get(name, next(iter(factors)))]
        factor *= FROM_10_M if field == "wind_m_s" else 1
        for number, value in enumerate(values):
            if value is not None:
                assert isinstance(value, float) and math.isfinite(value) and least <= value <= most, (field, value)
                told = hourly[name][number + later]
                assert isinstance(hourly[name], list) and type(told) in (int, float), (field, told)
                assert math.isclose(value, told * factor + plus, rel_tol=1e-5, abs_tol=1e-9), (field, value, told)
        if field in A_DAY:
            amounts = [value or 0.0 for value in values]
            assert all(sum(amounts[begin : begin + 24]) <= A_DAY[field] + 1e-9 for begin in range(len(amounts)))


def _is_then(time: Any, at: int, offset_s: float) -> bool:
    """Whether a time of the document is that one; another way to write it than Open-Meteo's is not reckoned here."""
    if not isinstance(time, str):
        return type(time) is int and time == at
    if not (parts := TIME.fullmatch(time)):
        return True
    *numbers, own, sign, hours, minutes = parts.groups()
    offset_s = int(offset_s) if own is None else 0
    if sign:
        offset_s = (int(hours) * 3600 + int(minutes) * 60) * (1 if sign == "+" else -1)
    return calendar.timegm((*map(int, numbers), 0)) - offset_s == at


READER = Reader(
    make=make,
    judge=one_by_one(read),
    batch=1000,
    code=(
        *(
            forecast_source.parse,
            forecast_source._read,
            forecast_source._unix,
            forecast_source._instant,
            forecast_source._possible,
        ),
        *(forecast_source._too_much, forecast_source._column, forecast_source._numbers, forecast_source._number),
        physics.why_not,
    ),
    sample=3000,
    share=0.9,
)
