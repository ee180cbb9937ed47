"""The weather to come, from a document in the shape of Open-Meteo's, by file or URL. It is never required.

What is read keeps the time at which it was fetched: an old forecast says that it is old, and is not to be trusted.
Units are taken from the document itself (Open-Meteo's wind is in km/h unless asked otherwise).
"""

import json
import logging
import math
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http.client import HTTPException
from itertools import pairwise
from pathlib import Path
from typing import Any

from compute_service.domain.forecast import Forecast, ForecastHour
from compute_service.domain.units import HOUR_S
from compute_service.errors import ComputeError

TIMEOUT_S = 10
MOST_BYTES = 4 * 1024 * 1024
MOST_HOURS = 24 * 40
FETCH_EVERY_S, TRY_AGAIN_S = HOUR_S, 600

log = logging.getLogger(__name__)


class ForecastError(ComputeError):
    """A forecast that cannot be fetched or read; the text says from where, and what is wrong."""


class Forecasts:
    """The newest forecast of a source, fetched once an hour; one that cannot be fetched is told, and tried again."""

    def __init__(self, source: str | None) -> None:
        self.newest: Forecast | None = None
        self._source = source
        self._due_at = 0

    def refresh(self, now: int) -> None:
        """Fetch it if that is due; this may take `TIMEOUT_S`."""
        if self._source is None or now < self._due_at:
            return
        try:
            self.newest = load(self._source, now)
            self._due_at = now + FETCH_EVERY_S
        except ForecastError as error:
            log.warning("%s; it is tried again in %d min", error, TRY_AGAIN_S // 60)
            self._due_at = now + TRY_AGAIN_S


def load(source: str, now: int, timeout_s: float = TIMEOUT_S) -> Forecast:
    """Read a forecast from a file, which is as old as its last change, or fetch it from an http(s) URL now."""
    if source.lower().startswith(("http://", "https://")):
        return parse(_fetched(source, timeout_s), now, source)
    path = Path(source)
    try:
        text, modified_at = path.read_bytes(), int(path.stat().st_mtime)
    except OSError as error:
        raise ForecastError(f"{source}: {error.strerror}; give a file or an http(s) URL") from error
    return parse(text, modified_at, source)


def _fetched(url: str, timeout_s: float) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:  # noqa: S310  # http or https, see `load`
            text: bytes = answer.read(MOST_BYTES + 1)
    except (OSError, ValueError, HTTPException) as error:  # urllib's own are OSErrors; a bad URL is a ValueError
        raise ForecastError(f"{url}: cannot be fetched: {error}") from error
    if len(text) > MOST_BYTES:
        raise ForecastError(f"{url}: more than {MOST_BYTES} bytes; ask for fewer days")
    return text


def parse(text: bytes, fetched_at: int, source: str = "forecast") -> Forecast:
    """Read Open-Meteo's JSON: `hourly` with `time` and quantities, `hourly_units`, `utc_offset_seconds`."""
    try:
        document = json.loads(text)
        return _read(document, fetched_at)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        shape = 'want {"hourly": {"time": [...], "precipitation": [...]}, "hourly_units": {...}}'
        raise ForecastError(f"{source}: is no forecast: {type(error).__name__} {error}; {shape}") from error


def _read(document: Mapping[str, Any], fetched_at: int) -> Forecast:
    hourly, units = document["hourly"], document.get("hourly_units", {})
    offset = int(document.get("utc_offset_seconds", 0))
    times = [_unix(time, offset) for time in hourly["time"][:MOST_HOURS]]
    if any(later - early != HOUR_S for early, later in pairwise(times)):
        raise ValueError("times are not an hour apart")
    columns = {field: _column(hourly, units, names, table, len(times)) for field, (names, table) in QUANTITIES.items()}
    # Open-Meteo's sums are of the hour that ends at its time, so rain told at 15:00 fell from 14:00 on.
    rain, et0 = ([*values[1:], None] for values in (columns["rain_mm"], columns["et0_mm"]))
    rows = zip(times, rain, columns["temperature_c"], columns["wind_m_s"], et0, strict=True)
    return Forecast(fetched_at, tuple(ForecastHour(*row) for row in rows))


def _unix(time: str | int, offset_s: int) -> int:
    """A time of the document: Unix seconds, or the place's own time in ISO 8601."""
    if isinstance(time, int):
        return time
    return int(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp()) - offset_s


def _column(
    hourly: Mapping[str, Any], units: Mapping[str, str], names: Mapping[str, float], table: "Units", count: int
) -> list[float | None]:
    """The first of the names that is told, in our unit; all None if none is."""
    for name, factor in names.items():
        if name in hourly:
            unit = units.get(name, next(iter(table)))
            if unit not in table:
                raise ValueError(f"{name} is in {unit!r}, known: {', '.join(table)}")
            times, plus = table[unit]
            return _numbers(hourly[name], count, factor * times, factor * plus)
    return [None] * count


def _numbers(values: Sequence[Any], count: int, times: float, plus: float) -> list[float | None]:
    if len(values) < count:
        raise ValueError(f"{count} times, but {len(values)} values")
    return [_number(value, times, plus) for value in values[:count]]


def _number(value: Any, times: float, plus: float) -> float | None:
    if value is None or isinstance(value, bool) or not math.isfinite(float(value)):
        return None
    return float(value) * times + plus


Units = Mapping[str, tuple[float, float]]
MILLIMETRES: Units = {"mm": (1.0, 0.0), "inch": (25.4, 0.0)}
DEGREES: Units = {"°C": (1.0, 0.0), "°F": (5 / 9, -160 / 9)}
SPEED: Units = {
    "km/h": (1 / 3.6, 0.0),
    "m/s": (1.0, 0.0),
    "mp/h": (0.44704, 0.0),
    "mph": (0.44704, 0.0),
    "kn": (0.514444, 0.0),
}
FROM_10_M = 4.87 / math.log(67.8 * 10 - 5.42)  # to 2 m (FAO-56, equation 47, p. 56)

# Our field: Open-Meteo's names, the first that is there counts, each with a factor; and the units it may come in, of
# which the first is meant where none is told.
QUANTITIES: dict[str, tuple[dict[str, float], Units]] = {
    "rain_mm": ({"precipitation": 1.0, "rain": 1.0}, MILLIMETRES),
    "temperature_c": ({"temperature_2m": 1.0}, DEGREES),
    "wind_m_s": ({"wind_speed_10m": FROM_10_M, "windspeed_10m": FROM_10_M}, SPEED),
    "et0_mm": ({"et0_fao_evapotranspiration": 1.0}, MILLIMETRES),
}
