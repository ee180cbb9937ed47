"""Real days of weather, out of what development packages and this repository carry.

- Canterbury, New Zealand: 5,821 days from 2000 of the package `eto` (Apache-2.0), its example data: radiation (MJ/m2),
  lowest and highest temperature, vapour pressure. Its own tests place them at 43.6 S, 172 E, 500 m. No wind.
- Champion, Nebraska: days from 1982 of the package `aquacrop` (MIT): temperatures, rain and ET0.
- Drummondville, Quebec: 84 days of summer 2020 that the simulator plays; see gateway_sim/data/README.md. No humidity.
"""

import csv
import io
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from agronomy.evapotranspiration import DayMeans, gather
from agronomy.site import Site

CANTERBURY = Site(-43.6, 172.0, 500.0)
DRUMMONDVILLE = Site(45.88, -72.48, 82.0, wind_height_m=10.0)
FIELD = Path(__file__).parents[2] / "gateway_sim" / "data" / "drummondville_2020_summer.csv"


@dataclass(frozen=True)
class Champion:
    """A day of Champion; rain and ET0 in mm."""

    year: int
    day_of_year: int
    rain_mm: float
    et0_mm: float


def canterbury(count: int) -> list[DayMeans]:
    """The first days that know everything the station measured."""
    archive = files("eto") / "datasets" / "example_daily.csv.zip"
    with archive.open("rb") as file, zipfile.ZipFile(file) as zipped, zipped.open("example_daily.csv") as inner:
        rows = [row for row in csv.DictReader(io.TextIOWrapper(inner)) if all(row.values())]
    return [
        DayMeans(
            day_of_year=datetime.fromisoformat(row["date"]).timetuple().tm_yday,
            temperature_min_c=float(row["T_min"]),
            temperature_max_c=float(row["T_max"]),
            vapour_pressure_kpa=float(row["e_a"]),
            solar_w_m2=float(row["R_s"]) * 1e6 / 86400,
        )
        for row in rows[:count]
    ]


def champion(years: range) -> dict[int, list[Champion]]:
    """By year, all days."""
    found: dict[int, list[Champion]] = {year: [] for year in years}
    for line in (files("aquacrop") / "data" / "champion_climate.txt").read_text().splitlines()[1:]:
        day, month, year, _, _, rain, et0 = line.split()
        if int(year) in years:
            day_of_year = datetime(int(year), int(month), int(day), tzinfo=UTC).timetuple().tm_yday
            found[int(year)].append(Champion(int(year), day_of_year, float(rain), float(et0)))
    return found


def drummondville() -> list[DayMeans]:
    """All 84 days, each gathered from its 24 hours as from a station's readings."""
    by_day: dict[int, list[dict[str, Any]]] = {}
    with FIELD.open() as file:
        for row in csv.DictReader(file):
            at = datetime.strptime(row["datetime_local"], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
            by_day.setdefault(at.timetuple().tm_yday, []).append(_sample(at, row))
    return [gather(samples, day) for day, samples in by_day.items()]


def _sample(at: datetime, row: dict[str, str]) -> dict[str, Any]:
    def number(column: str) -> float | None:
        return None if row[column] == "NA" else float(row[column])

    wind = number("Wind speed (km.h-1)")
    return {
        "measured_at": int(at.timestamp()),
        "air_temperature_c": number("Air temperature (degC)"),
        "solar_radiation_w_m2": number("Shortwave radiation (W.m-2)"),
        "wind_speed_m_s": None if wind is None else wind / 3.6,
        "pressure_kpa": number("Atmospheric pressure (kPa)"),
    }
