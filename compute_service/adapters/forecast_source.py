"""The weather to come, from a document in the shape of Open-Meteo's, by file or URL. It is never required.

What is read keeps the time at which it was fetched: an old forecast says that it is old, and is not to be trusted.
Units are taken from the document itself (Open-Meteo's wind is in km/h unless asked otherwise). A value that cannot be
(`protocol.physics`) is not told: -9999 for "missing", NaN, a number of 400 digits. A day of more rain than ever fell,
or of more ET0 than the sun could give, spoils that whole quantity.
"""

import json
import logging
import math
import os
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http.client import HTTPException
from itertools import pairwise
from pathlib import Path
from typing import Any

from agronomy.units import DAY_S, HOUR_S
from compute_service.domain.extraterrestrial import most_et0_mm_d
from compute_service.domain.forecast import Forecast, ForecastHour
from compute_service.errors import ComputeError
from protocol import messages, physics

TIMEOUT_S = 10
MOST_BYTES = 4 * 1024 * 1024
MOST_HOURS = 24 * 40
FETCH_EVERY_S, TRY_AGAIN_S = HOUR_S, 600
DAY_H = DAY_S // HOUR_S

log = logging.getLogger(__name__)


class ForecastError(ComputeError):
    """A forecast that cannot be fetched or read; the text says from where, and what is wrong."""


class Forecasts:
    """The newest forecast of a source, fetched once an hour; one that cannot be fetched is told, and tried again.

    `latitude_deg` is the farm's. `count` takes the name of what happened: a forecast, or values of one, refused.
    """

    def __init__(
        self, source: str | None, latitude_deg: float | None = None, count: Callable[[str], None] = lambda _name: None
    ) -> None:
        self.newest: Forecast | None = None
        self._source, self._latitude_deg, self._count = source, latitude_deg, count
        self._due_at = 0

    def refresh(self, now: int) -> None:
        """Fetch it if that is due; this may take `TIMEOUT_S`."""
        if self._source is None or self._due_at - FETCH_EVERY_S <= now < self._due_at:
            return  # one that is due later than that was reckoned by a clock that was ahead
        try:
            self.newest = load(self._source, now, latitude_deg=self._latitude_deg)
            self._due_at = now + FETCH_EVERY_S
            if self.newest.flaws:
                self._count("forecasts_with_values_refused")
        except ForecastError as error:
            log.warning("%s; it is tried again in %d min", error, TRY_AGAIN_S // 60)
            self._count("forecasts_refused")
            self._due_at = now + TRY_AGAIN_S


def load(source: str, now: int, timeout_s: float = TIMEOUT_S, latitude_deg: float | None = None) -> Forecast:
    """Read a forecast from a file, which is as old as its last change, or fetch it from an http(s) URL now."""
    if source.lower().startswith(("http://", "https://")):
        return parse(_fetched(source, timeout_s), now, source, latitude_deg)
    path = Path(source)
    try:
        with path.open("rb") as file:
            text, modified_at = file.read(MOST_BYTES + 1), int(os.fstat(file.fileno()).st_mtime)
    except (OSError, ValueError) as error:  # a path with a NUL is a ValueError
        raise ForecastError(
            f"{source}: {getattr(error, 'strerror', None) or error}; give a file or an http(s) URL"
        ) from error
    return parse(_of_size(text, source), modified_at, source, latitude_deg)


def _fetched(url: str, timeout_s: float) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:  # noqa: S310  # http or https, see `load`
            text: bytes = answer.read(MOST_BYTES + 1)
    # urllib's own are OSErrors; a bad URL is a ValueError, one with a port above 65,535 an OverflowError
    except (OSError, ValueError, OverflowError, HTTPException) as error:
        raise ForecastError(f"{url}: cannot be fetched: {error}") from error
    return _of_size(text, url)


def _of_size(text: bytes, source: str) -> bytes:
    if len(text) > MOST_BYTES:
        raise ForecastError(f"{source}: more than {MOST_BYTES} bytes; ask for fewer days")
    return text


def parse(text: bytes, fetched_at: int, source: str = "forecast", latitude_deg: float | None = None) -> Forecast:
    """Read Open-Meteo's JSON: `hourly` with `time` and quantities, `hourly_units`, `utc_offset_seconds`.

    Tells what it refused of it. Raises ForecastError for what is none.
    """
    try:
        document = json.loads(text)
        forecast = _read(document, fetched_at, latitude_deg)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        shape = 'want {"hourly": {"time": [...], "precipitation": [...]}, "hourly_units": {...}}'
        raise ForecastError(f"{source}: is no forecast: {type(error).__name__} {error!s:.200}; {shape}") from error
    for one in forecast.flaws:
        log.warning("%s: refused: %s", source, one)
    return forecast


def _read(document: Mapping[str, Any], fetched_at: int, latitude_deg: float | None) -> Forecast:
    hourly, units = document["hourly"], document.get("hourly_units", {})
    offset = document.get("utc_offset_seconds", 0)
    if why := physics.why_not("utc_offset_s", offset):
        raise ValueError(f"utc_offset_seconds {offset!r:.40} {why}")
    times = [_unix(time, int(offset)) for time in hourly["time"][:MOST_HOURS]]
    if any(later - early != HOUR_S for early, later in pairwise(times)):
        raise ValueError("times are not an hour apart")
    columns, flaws = {}, []
    for field, (names, table) in QUANTITIES.items():
        columns[field], why = _possible(field, _column(hourly, units, names, table, len(times)), times, latitude_deg)
        flaws += [why] if why else []
    # Open-Meteo's sums are of the hour that ends at its time, so rain told at 15:00 fell from 14:00 on.
    rain, et0 = ([*values[1:], None] for values in (columns["rain_mm"], columns["et0_mm"]))
    rows = zip(times, rain, columns["temperature_c"], columns["wind_m_s"], et0, strict=True)
    return Forecast(fetched_at, tuple(ForecastHour(*row) for row in rows), tuple(flaws))


def _unix(time: str | int, offset_s: int) -> int:
    """A time of the document: Unix seconds, or the place's own time in ISO 8601."""
    at = time if isinstance(time, int) else _instant(datetime.fromisoformat(time), offset_s)
    if isinstance(time, bool) or not messages.EARLIEST <= at < messages.LATEST:
        raise ValueError(f"time {time!r:.40} is none of this century")
    return at


def _instant(time: datetime, offset_s: int) -> int:
    """A time that says its own offset needs none of the document's."""
    return int(time.timestamp()) if time.tzinfo else int(time.replace(tzinfo=UTC).timestamp()) - offset_s


def _possible(
    field: str, values: list[float | None], times: Sequence[int], latitude_deg: float | None
) -> tuple[list[float | None], str]:
    """The values that can be, None in place of the others, and in words what was refused."""
    limit = LIMIT_OF[field]
    bad = [number for number, value in enumerate(values) if value is not None and not physics.can_be(limit, value)]
    possible = [None if number in set(bad) else value for number, value in enumerate(values)] if bad else values
    if field in DAY_LIMITS and (why := _too_much(field, possible, times, latitude_deg)):
        return [None] * len(values), why
    first = f"{values[bad[0]]:g} {physics.why_not(limit, values[bad[0]])}" if bad else ""
    return possible, f"{len(bad)} values of {field}, the first: {first}" if bad else ""


def _too_much(field: str, values: Sequence[float | None], times: Sequence[int], latitude_deg: float | None) -> str:
    """Why no 24 hours on Earth have so much of something, of the first that would; nothing if all could be."""
    unit, _, most, _ = physics.LIMITS[DAY_LIMITS[field]]
    amounts = [value or 0.0 for value in values]
    for end in range(1, len(amounts) + 1):
        begin = max(end - DAY_H, 0)
        if field == "et0_mm" and latitude_deg is not None and begin % DAY_H == 0:
            most = most_et0_mm_d(latitude_deg, times[begin])
        if (total := sum(amounts[begin:end])) > most:
            return f"all of {field}: {total:g} mm within a day; {most:.4g} {unit} can be"
    return ""


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


def _numbers(values: Any, count: int, times: float, plus: float) -> list[float | None]:
    if not isinstance(values, list):
        raise TypeError(f"want a list of values, got {values!r:.40}")
    if len(values) < count:
        raise ValueError(f"{count} times, but {len(values)} values")
    return [_number(value, times, plus) for value in values[:count]]


def _number(value: Any, times: float, plus: float) -> float | None:
    """A value in our unit; NaN for what is none of a number, or too big to be one."""
    if value is None:
        return None
    if isinstance(value, str):  # "1_0" is ten to this language alone
        raise TypeError(f"{value!r:.40} is a text, and no number")
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) > MOST_NUMBER):
        return math.nan
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
MOST_NUMBER = 10**9  # in any unit; a float has no room for each int
FROM_10_M = 4.87 / math.log(67.8 * 10 - 5.42)  # to 2 m (FAO-56, equation 47, p. 56)

# Our field: Open-Meteo's names, the first that is there counts, each with a factor; and the units it may come in, of
# which the first is meant where none is told.
QUANTITIES: dict[str, tuple[dict[str, float], Units]] = {
    "rain_mm": ({"precipitation": 1.0, "rain": 1.0}, MILLIMETRES),
    "temperature_c": ({"temperature_2m": 1.0}, DEGREES),
    "wind_m_s": ({"wind_speed_10m": FROM_10_M, "windspeed_10m": FROM_10_M}, SPEED),
    "et0_mm": ({"et0_fao_evapotranspiration": 1.0}, MILLIMETRES),
}

LIMIT_OF = {
    "rain_mm": "hour_rain_mm",
    "temperature_c": "weather_temperature_c",
    "wind_m_s": "weather_wind_m_s",
    "et0_mm": "hour_et0_mm",
}
DAY_LIMITS = {"rain_mm": "day_rain_mm", "et0_mm": "day_et0_mm"}
