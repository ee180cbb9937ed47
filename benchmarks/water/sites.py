"""Where and what is grown: climates, soils, crops and sowing days, and which of them constants were tuned on.

A site is a climate, a soil and a crop. Two climates are for tuning and four for the report, so a reported figure comes
from weather that no constant has seen. Where rain alone would keep the harvest there is nothing to irrigate and nothing
to judge, so a wet climate grows sugar beet instead of maize.
"""

import dataclasses
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product

from benchmarks.water import field

SOILS = ("SandyLoam", "Loam", "ClayLoam")
TUNED_EVERY = 3  # of the seasons for tuning, one in so many: enough to tune on, and soon lived


@dataclass(frozen=True, slots=True)
class Climate:
    """One of AquaCrop's packaged climates, and when each crop is sown there (month, day)."""

    name: str
    tuned_on: bool
    sowing: dict[str, tuple[int, int]] = dataclasses.field(hash=False)


CLIMATES = (
    Climate("champion", False, {"Maize": (5, 1), "Tomato": (5, 20), "Potato": (5, 1)}),  # Nebraska
    Climate("tunis", False, {"Maize": (4, 1), "Tomato": (4, 1), "Potato": (2, 15)}),
    Climate("hyderabad", False, {"Maize": (11, 1), "Tomato": (11, 15), "Potato": (11, 1)}),  # after the monsoon
    Climate("suffolk", False, {"SugarBeet": (4, 10), "Tomato": (5, 20), "Potato": (4, 20)}),
    Climate("cordoba", True, {"Maize": (9, 1), "Tomato": (8, 15), "Potato": (8, 1)}),  # Argentina, before the rains
    Climate("brussels", True, {"SugarBeet": (4, 10), "Tomato": (5, 20), "Potato": (4, 20)}),
)


@dataclass(frozen=True, slots=True)
class Site:
    """A climate, a soil and a crop."""

    climate: Climate
    soil: str
    crop: str

    @property
    def name(self) -> str:
        """Such as `tunis/Loam/Tomato`."""
        return f"{self.climate.name}/{self.soil}/{self.crop}"

    @property
    def tuned_on(self) -> bool:
        """Were constants tuned on this site?"""
        return self.climate.tuned_on

    def seasons(self) -> list[date]:
        """The days of sowing whose season the climate's records cover, all of them where it is reported."""
        first, last = field.climate_days(self.climate.name)
        month, day = self.climate.sowing[self.crop]
        sown = (date(year, month, day) for year in range(first.year, last.year + 1))
        length = timedelta(days=field.cycle_days(self.crop) + field.SPARE_DAYS)
        covered = [start for start in sown if first <= start and start + length <= last]
        return covered[:: TUNED_EVERY if self.tuned_on else 1]


SITES = tuple(
    Site(climate, soil, crop) for climate in CLIMATES for soil, crop in product(SOILS, climate.sowing)
)  # in the order of the table


def with_faults(site: Site) -> bool:
    """Is this one of the sites where faults are tried? Three of nine in every climate, each soil and each crop once."""
    turn = CLIMATES.index(site.climate) + SOILS.index(site.soil)
    return turn % len(SOILS) == list(site.climate.sowing).index(site.crop)
