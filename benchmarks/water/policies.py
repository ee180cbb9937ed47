"""The policies that need no science of ours: fixed calendars, a calendar scaled by ET0, one shallow probe.

A policy is made for one season and is asked every evening; it answers with tomorrow's water.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from benchmarks.water.instruments import Known, Seen

CALENDAR_MM = (5, 10, 15, 20, 25, 30, 40)
CALENDAR_DAYS = (1, 2, 3, 5, 7, 10, 14)
CALENDAR_MM_A_WEEK = (7, 70)  # the frontier lies in between
ETO_DAYS, ETO_MOST = 3, 2.0  # a program of every third day, scaled to at most 200 %
SHALLOW_ROOTS_M = 0.5
SHALLOW_REFILL = 0.5  # water when less than this part of the available water is left
SOAK_DAYS = 1  # after a run, before the shallow probe is asked again


class Policy(Protocol):
    """What decides."""

    def water(self, view: Seen) -> float:
        """Millimetres for tomorrow, known what is seen this evening."""


@dataclass(slots=True)
class Calendar:
    """The same water every so many days, whatever the weather."""

    mm: float
    days: int

    def water(self, view: Seen) -> float:
        """Its depth when the day has come."""
        return self.mm if view.day % self.days == 0 else 0.0


@dataclass(slots=True)
class CalendarEto:
    """A calendar for the peak month, scaled by the last day's weather, as sprinkler controllers with ET0 do it."""

    normal_et0_mm: float

    def water(self, view: Seen) -> float:
        """The program's water, by the part of normal ET0 that yesterday's weather left over."""
        if view.day % ETO_DAYS:
            return 0.0
        part = (view.et0_mm - (view.rain_mm or 0.0)) / self.normal_et0_mm
        return self.normal_et0_mm * ETO_DAYS * min(max(part, 0.0), ETO_MOST)


@dataclass(slots=True)
class Shallow:
    """One probe near the surface: below the refill point, water the roots as if all of them were as dry."""

    field_capacity: float
    wilting_point: float
    rest_days: int = 0

    def water(self, view: Seen) -> float:
        """A refill, or nothing; silence is not dryness."""
        self.rest_days -= 1
        moisture = view.probes[0]
        refill_point = self.wilting_point + SHALLOW_REFILL * (self.field_capacity - self.wilting_point)
        if moisture is None or moisture >= refill_point or self.rest_days >= 0:
            return 0.0
        self.rest_days = SOAK_DAYS
        return (self.field_capacity - moisture) * SHALLOW_ROOTS_M * 1000


def calendars() -> dict[str, Callable[[Known], Policy]]:
    """The grid, by name, driest first."""
    grid = sorted((mm * 7 / days, mm, days) for mm in CALENDAR_MM for days in CALENDAR_DAYS)
    least, most = CALENDAR_MM_A_WEEK
    return {f"calendar_{mm}_{days}": _calendar(mm, days) for week, mm, days in grid if least <= week <= most}


def _calendar(mm: float, days: int) -> Callable[[Known], Policy]:
    return lambda _setup: Calendar(mm, days)


SIMPLE: dict[str, Callable[[Known], Policy]] = {
    "calendar_eto": lambda setup: CalendarEto(setup.normal_et0_mm),
    "shallow": lambda setup: Shallow(setup.field_capacity, setup.wilting_point),
}
