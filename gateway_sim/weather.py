"""Hourly weather from a file, with its faults kept as facts: nothing is invented in silence."""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway_sim.errors import WeatherError
from gateway_sim.farm import TIMEZONE
from protocol import physics

EXCERPT = Path(__file__).parent / "data" / "drummondville_2020_summer.csv"
HOUR_S = 3600
MOST_GAP_H = 3

# Column -> (name here, factor, the row of `physics.LIMITS` that bounds it, may be missing).
TIME_COLUMN = "datetime_local"
COLUMNS = {
    "Air temperature (degC)": ("air_temperature_c", 1.0, "weather_temperature_c", False),
    "Relative humidity (%)": ("relative_humidity_pct", 1.0, "relative_humidity_pct", True),
    "Wind speed (km.h-1)": ("wind_speed_m_s", 1 / 3.6, "weather_wind_m_s", False),
    "Shortwave radiation (W.m-2)": ("solar_radiation_w_m2", 1.0, "solar_radiation_w_m2", False),
    "Precipitation (mm)": ("rain_mm", 1.0, "hour_rain_mm", False),
}
REQUIRED = tuple(name for name, _, _, optional in COLUMNS.values() if not optional)

Values = dict[str, float | None]


@dataclass
class Weather:
    """Weather from `start` (Unix s) on, one row an hour.

    `repeated_hours` counts the rows that repeated a local hour, of which the first was taken. `gaps` lists
    (Unix s, hours) where rows were missing and `missing_values` counts single missing values, by name; there the values
    of the hour before stand, without its rain.
    """

    start: int
    hours: list[Values]
    repeated_hours: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)
    missing_values: dict[str, int] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """Unix s at which the last hour ends."""
        return self.start + len(self.hours) * HOUR_S

    def at(self, unix_s: float) -> Values:
        """The values of the hour that holds this time. Raises WeatherError outside the file."""
        if not self.start <= unix_s <= self.end:
            raise WeatherError(
                f"no weather at {_show(unix_s)}: the file covers {_show(self.start)} to {_show(self.end)}"
            )
        return self.hours[min(int(unix_s - self.start) // HOUR_S, len(self.hours) - 1)]

    def value(self, name: str, unix_s: float) -> float:
        """One value that is never missing."""
        value = self.at(unix_s)[name]
        assert value is not None, f"{name} may be missing"
        return value

    def rain_mm(self, begin: float, end: float) -> float:
        """Rain between two times (Unix s), even within each hour."""
        total = 0.0
        while begin < end:
            until = min(end, (begin - self.start) // HOUR_S * HOUR_S + HOUR_S + self.start)
            total += self.value("rain_mm", begin) * (until - begin) / HOUR_S
            begin = until
        return total


def load(path: Path = EXCERPT, days: int | None = None, timezone: str = TIMEZONE, first: date | None = None) -> Weather:
    """Read `days` days (default: all) of an hourly CSV file in local time, from `first` on. Raises WeatherError."""
    start = -math.inf if first is None else datetime.combine(first, time(), ZoneInfo(timezone)).timestamp()
    rows, repeats = _read(path, days, timezone, start)
    if not rows:
        raise WeatherError(f"{path}: no rows{f' from {first} on' if first else ''}; give an hourly weather file")
    weather = Weather(min(rows), [], repeats)
    if weather.start - start >= 24 * HOUR_S and first:
        raise WeatherError(f"{path}: begins at {_show(weather.start)}, which is after {first}; start later")
    hours = (max(rows) - weather.start) // HOUR_S + 1
    if days is not None and hours < days * 24:
        raise WeatherError(
            f"{path}: {hours / 24:.1f} days of weather, {days} were asked for; ask for fewer or give a longer file"
        )
    _fill(weather, rows, hours, path)
    return weather


def _read(path: Path, days: int | None, timezone: str, start: float) -> tuple[dict[int, Values], int]:
    rows: dict[int, Values] = {}
    repeats = 0
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for line, row in _rows(path, csv.DictReader(file)):
                at = _hour(path, line, row[TIME_COLUMN], timezone)
                if at < start:
                    continue
                if days is not None and rows and at >= min(rows) + days * 24 * HOUR_S:
                    break
                if at in rows:
                    repeats += 1
                else:
                    rows[at] = _values(path, line, row)
    except (OSError, ValueError, csv.Error) as error:  # no text; a path with a NUL
        raise WeatherError(f"{path}: cannot be read: {error}") from error
    return rows, repeats


def _rows(path: Path, reader: "csv.DictReader[str]") -> Iterator[tuple[int, dict[str, str]]]:
    columns = reader.fieldnames or []
    for name in (TIME_COLUMN, *COLUMNS):
        if name not in columns:
            similar = [other for other in columns if other.split(" (")[0] == name.split(" (")[0]]
            raise WeatherError(
                f"{path}: no column {name!r}" + (f", found {similar[0]!r}: wrong unit" if similar else "")
            )
    for row in reader:
        yield reader.line_num, row


def _hour(path: Path, line: int, text: str, timezone: str) -> int:
    try:
        local = datetime.strptime(text or "", "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(timezone))
        at = int(local.timestamp())
    except (ValueError, OverflowError) as error:
        raise WeatherError(f"{path}, line {line}: {TIME_COLUMN} {text!r} is not a time as 2020-06-09 0:00") from error
    if at % HOUR_S:
        raise WeatherError(f"{path}, line {line}: {text!r} is not a full hour")
    return at


def _values(path: Path, line: int, row: dict[str, str]) -> Values:
    return {COLUMNS[column][0]: _value(path, line, column, row[column]) for column in COLUMNS}


def _value(path: Path, line: int, column: str, text: str | None) -> float | None:
    if text in {"NA", "", None}:
        return None
    _, factor, limit, _ = COLUMNS[column]
    try:
        value = float(str(text))
    except ValueError as error:
        raise WeatherError(f"{path}, line {line}: {column} is {text!r}, want a number") from error
    if why := physics.why_not(limit, value * factor):
        raise WeatherError(f"{path}, line {line}: {column} is {value}, which {why}: wrong unit?")
    return value * factor


def _fill(weather: Weather, rows: dict[int, Values], hours: int, path: Path) -> None:
    absent = dict.fromkeys(REQUIRED, 0)
    for index in range(hours):
        at = weather.start + index * HOUR_S
        row = rows.get(at)
        if row is None:
            _note_gap(weather, at)
        weather.hours.append(_filled(weather, row, absent, f"{path}, at {_show(at)}"))


def _filled(weather: Weather, row: Values | None, absent: dict[str, int], place: str) -> Values:
    values = dict(row) if row else dict.fromkeys((name for name, *_ in COLUMNS.values()), None)
    for name in REQUIRED:
        absent[name] = absent[name] + 1 if values[name] is None else 0
        if absent[name] > MOST_GAP_H or (absent[name] and not weather.hours):
            raise WeatherError(f"{place}: {name} is missing for more than {MOST_GAP_H} h; choose days without the gap")
        if absent[name]:
            values[name] = 0.0 if name == "rain_mm" else weather.hours[-1][name]
            if row:
                weather.missing_values[name] = weather.missing_values.get(name, 0) + 1
    return values


def _note_gap(weather: Weather, at: int) -> None:
    if weather.gaps and weather.gaps[-1][0] + weather.gaps[-1][1] * HOUR_S == at:
        begin, hours = weather.gaps.pop()
        weather.gaps.append((begin, hours + 1))
    else:
        weather.gaps.append((at, 1))


def _show(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
