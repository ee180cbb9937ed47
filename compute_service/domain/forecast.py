"""The weather to come, hour by hour, and how old that knowledge is. It is never required."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from agronomy.units import HOUR_S

FRESH_S = 6 * HOUR_S  # weather models run every 6 h


class ForecastHour(NamedTuple):
    """One hour that begins at `at` (Unix s). None is what the document does not tell; wind is at 2 m."""

    at: int
    rain_mm: float | None = None
    temperature_c: float | None = None
    wind_m_s: float | None = None
    et0_mm: float | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """The hours to come, and when they were fetched (Unix s); in words, what of the document cannot be."""

    fetched_at: int
    hours: tuple[ForecastHour, ...]
    flaws: tuple[str, ...] = ()

    def is_fresh(self, now: int, most_s: int = FRESH_S) -> bool:
        """False once it is older than that, or from a clock that is ahead."""
        return 0 <= now - self.fetched_at <= most_s

    def age(self, now: int) -> str:
        """How old it is, for people."""
        return f"{(now - self.fetched_at) / HOUR_S:.0f} h old"

    def rain_mm(self, begin: int, end: int) -> float | None:
        """All rain of that time; None unless every hour of it is known. Of an hour that only touches it, its share."""
        return self._sum(begin, end, lambda hour: hour.rain_mm)

    def et0_mm(self, begin: int, end: int) -> float | None:
        """All reference evapotranspiration of that time; None unless every hour of it is known."""
        return self._sum(begin, end, lambda hour: hour.et0_mm)

    def lowest_c(self, begin: int, end: int) -> float | None:
        """The lowest temperature of the hours that touch that time; None if none is known."""
        return min(self._values(begin, end, lambda hour: hour.temperature_c), default=None)

    def windiest_m_s(self, begin: int, end: int) -> float | None:
        """The strongest hourly wind of that time, at 2 m; None if none is known."""
        return max(self._values(begin, end, lambda hour: hour.wind_m_s), default=None)

    def _values(self, begin: int, end: int, of: Callable[[ForecastHour], float | None]) -> list[float]:
        values = (of(hour) for hour in self.hours if hour.at < end and hour.at + HOUR_S > begin)
        return [value for value in values if value is not None]

    def _sum(self, begin: int, end: int, of: Callable[[ForecastHour], float | None]) -> float | None:
        total, covered_s = 0.0, 0
        for hour in self.hours:
            share = min(hour.at + HOUR_S, end) - max(hour.at, begin)
            value = of(hour)
            if share > 0 and value is not None:
                total += value * share / HOUR_S
                covered_s += share
        return total if covered_s >= end - begin else None
