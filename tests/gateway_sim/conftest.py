"""The gateway's broker and clock, and a small weather file."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.gateway.conftest import broker, pki, pytest_pyfunc_call
from tests.gateway_sim.logger_bench import Logger

__all__ = ["broker", "pki", "pytest_pyfunc_call"]

HEADER = (
    "datetime_local,Air temperature (degC),Dew point temperature (degC),Relative humidity (%),"
    "Wind speed (km.h-1),Atmospheric pressure (kPa),Shortwave radiation (W.m-2),Precipitation (mm)"
)


@pytest.fixture
def logger(tmp_path: Path) -> Logger:
    return Logger(tmp_path)


def weather_rows(start: str, hours: int, rain_mm: float = 0.0) -> list[str]:
    """Hourly rows of dry (or evenly wet) sunny days, by the clock on the wall."""
    first = datetime.fromisoformat(start)
    return [_row(first + timedelta(hours=number), rain_mm) for number in range(hours)]


def weather_file(folder: Path, rows: list[str], header: str = HEADER) -> Path:
    path = folder / "weather.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def _row(at: datetime, rain_mm: float) -> str:
    sun = max(0, 800 - 100 * abs(at.hour - 13))
    return f"{at:%Y-%m-%d} {at.hour}:00,{18 + at.hour / 4},NA,60,7.2,101.3,{sun},{rain_mm}"
