"""What a crop takes, day by day: coefficients, height, roots and the depletion that it bears, from FAO-56's tables.

The tables are in `crops.yaml`, each with its page. Days count from planting, or from when a perennial's cycle begins.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from compute_service.errors import ComputeError

STAGES = ("initial", "development", "mid", "late")
SEED_ROOTS_M = 0.20  # of an annual crop at planting: 0.15 to 0.20 (FAO-56, p. 279)
SEED_HEIGHT_M = 0.05
CLOSES, MOST_BORNE = 1.2, 1.5  # times p: where stomata close if FAO does not say (the table's median), and the most
TALL_ENOUGH = 0.45  # a smaller coefficient is of sparse plants, and wind changes it little (FAO-56, p. 121)


class CropError(ComputeError):
    """A crop, or its calendar, that is not in the tables or cannot be; the text says which are."""


@dataclass(frozen=True, slots=True)
class Crop:
    """One crop. Lengths of the four stages in days; coefficients at the initial, mid and end of the late season."""

    name: str
    name_pt: str
    days: tuple[int, int, int, int]
    single: tuple[float, float, float]
    basal: tuple[float, float, float]
    height_m: float
    roots_m: float
    depletion: float
    perennial: bool = False
    closes: float | None = None  # the share of the available water that may be taken until its stomata close

    def __post_init__(self) -> None:
        if min(self.days) < 0 or sum(self.days) == 0:
            raise CropError(f"{self.name}: stages of {self.days} days; want four lengths, none negative, not all zero")
        if not 0 < self.roots_m <= 5:
            raise CropError(f"{self.name}: roots of {self.roots_m} m; want more than 0, at most 5 m")
        if not 0 < self.depletion < 1:
            raise CropError(f"{self.name}: depletion {self.depletion}; want a share between 0 and 1")

    @property
    def bears(self) -> float:
        """What a grown crop may use at 5 mm a day: until its stomata close, at most half as much again as p."""
        return min(self.closes or CLOSES * self.depletion, MOST_BORNE * self.depletion)


@dataclass(frozen=True, slots=True)
class Kc:
    """A crop on a day: its stage, its coefficients (single, and basal for the dual method), and what it is like.

    `depletion` is p: the share of the available water that it takes without stress, at 5 mm a day.
    """

    stage: str
    single: float
    basal: float
    height_m: float
    roots_m: float
    depletion: float


def names() -> tuple[str, ...]:
    """The crops of the tables, in their order."""
    return tuple(_tables())


def calendars(name: str) -> tuple[str, ...]:
    """Where, and when planted, the tables know the stages of a crop; the first is the default. Raises CropError."""
    return tuple(_row(name)[1]["days"])


def crop(name: str, calendar: str | None = None, *, rainfed: bool = False) -> Crop:
    """A crop of the tables by its English or Brazilian name; raises CropError.

    Rainfed roots go deeper than those that irrigation is planned for.
    """
    key, row = _row(name)
    days = row["days"]
    if calendar is not None and calendar not in days:
        raise CropError(f"{name}: no calendar {calendar!r}{_near(calendar, days)}; known: {', '.join(days)}")
    lengths = days[calendar] if calendar is not None else next(iter(days.values()))
    return Crop(
        key,
        row["pt"],
        tuple(lengths),
        tuple(row["kc"]),
        tuple(row["kcb"]),
        row["height"],
        row["roots"][rainfed],
        row["p"],
        row.get("cycle", False),
        row.get("closes"),
    )


def in_climate(crop: Crop, wind_m_s: float, humidity_min_pct: float) -> Crop:
    """The crop where it is windier or drier than the tables assume (2 m/s, 45 %), by the means of mid and late season.

    FAO-56, equations 62 (p. 121), 65 (p. 125) and 70 (p. 136). Beyond their limits the nearest limit counts.
    """
    wind, humidity = min(max(wind_m_s, 1.0), 6.0), min(max(humidity_min_pct, 20.0), 80.0)
    more = (0.04 * (wind - 2) - 0.004 * (humidity - 45)) * (min(max(crop.height_m, 0.1), 10.0) / 3) ** 0.3

    def adjusted(tabled: tuple[float, float, float]) -> tuple[float, float, float]:
        initial, mid, end = tabled
        return initial, mid + more if mid >= TALL_ENOUGH else mid, end + more if end >= TALL_ENOUGH else end

    return replace(crop, single=adjusted(crop.single), basal=adjusted(crop.basal))


def kc(crop: Crop, day: float) -> Kc:
    """The crop so many days after planting: initial before, and as at its end after the last stage.

    A perennial's days come round again, and its roots are full grown.
    """
    if crop.perennial:
        day %= sum(crop.days)
    initial, development, _, _ = crop.days
    grown = _share(day, initial + development)
    return Kc(
        _stage(crop.days, day),
        _curve(crop.single, crop.days, day),
        _curve(crop.basal, crop.days, day),
        crop.height_m if crop.perennial else _between(min(SEED_HEIGHT_M, crop.height_m), crop.height_m, grown),
        crop.roots_m if crop.perennial else _between(min(SEED_ROOTS_M, crop.roots_m), crop.roots_m, grown),
        crop.depletion,
    )


def _curve(at: tuple[float, float, float], days: tuple[int, int, int, int], day: float) -> float:
    """Level, a straight line, level, a straight line (FAO-56, equation 66, p. 132)."""
    initial, development, mid, late = days
    if day < initial + development + mid:
        return _between(at[0], at[1], _share(day - initial, development))
    return _between(at[1], at[2], _share(day - initial - development - mid, late))


def _stage(days: tuple[int, int, int, int], day: float) -> str:
    end = 0
    for stage, length in zip(STAGES, days, strict=True):
        end += length
        if day < end:
            return stage
    return STAGES[-1]


def _share(part: float, whole: float) -> float:
    if whole <= 0:
        return 1.0 if part >= 0 else 0.0
    return min(max(part / whole, 0.0), 1.0)


def _between(first: float, last: float, share: float) -> float:
    return first * (1 - share) + last * share


@cache
def _tables() -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = yaml.safe_load(
        (Path(__file__).parents[1] / "adapters" / "crops.yaml").read_bytes()
    )
    return rows


def _row(name: str) -> tuple[str, dict[str, Any]]:
    rows = _tables()
    found = next((key for key, row in rows.items() if name in {key, row["pt"]}), None)
    if found is None:
        raise CropError(f"no crop {name!r}{_near(name, rows)}; known: {', '.join(rows)}")
    return found, rows[found]


def _near(name: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""
