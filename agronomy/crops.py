"""What a crop takes, day by day: coefficients, height, roots and the depletion that it bears, from FAO-56's tables.

Who reads the tables makes the crops. Days count from planting, or from when a perennial's cycle begins.
"""

from dataclasses import dataclass

from agronomy.errors import AgronomyError

STAGES = ("initial", "development", "mid", "late")
SEED_ROOTS_M = 0.20  # of an annual crop at planting: 0.15 to 0.20 (FAO-56, p. 279)
SEED_HEIGHT_M = 0.05
CLOSES, MOST_BORNE = 1.2, 1.5  # times p: where stomata close if FAO does not say (the table's median), and the most


class CropError(AgronomyError):
    """A crop, or its calendar, that is not in the tables or cannot be; the text says which are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """One crop. Lengths of the four stages in days; coefficients at the initial, mid and end of the late season.

    `depletion_fraction` is p: the share of the available water that it takes without stress, at 5 mm a day.
    """

    name: str
    name_pt: str
    days: tuple[int, int, int, int]
    single: tuple[float, float, float]
    basal: tuple[float, float, float]
    height_m: float
    roots_m: float
    depletion_fraction: float
    perennial: bool = False
    closes: float | None = None  # the share of the available water that may be taken until its stomata close

    def __post_init__(self) -> None:
        if min(self.days) < 0 or sum(self.days) == 0:
            raise CropError(f"{self.name}: stages of {self.days} days; want four lengths, none negative, not all zero")
        if not 0 < self.roots_m <= 5:
            raise CropError(f"{self.name}: roots of {self.roots_m} m; want more than 0, at most 5 m")
        if not 0 < self.depletion_fraction < 1:
            raise CropError(f"{self.name}: depletion {self.depletion_fraction}; want a share between 0 and 1")

    @property
    def bears(self) -> float:
        """What a grown crop may use at 5 mm a day: until its stomata close, at most half as much again as p."""
        return min(self.closes or CLOSES * self.depletion_fraction, MOST_BORNE * self.depletion_fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kc:
    """A crop on a day: its stage, its coefficients (single, and basal for the dual method), and what it is like."""

    stage: str
    single: float
    basal: float
    height_m: float
    roots_m: float
    depletion_fraction: float


def kc(crop: Crop, day: float) -> Kc:
    """The crop so many days after planting: initial before, and as at its end after the last stage.

    A perennial's days come round again, and its roots are full grown.
    """
    if crop.perennial:
        day %= sum(crop.days)
    initial, development, _, _ = crop.days
    growth = _share(day, initial + development)
    return Kc(
        stage=_stage(crop.days, day),
        single=_curve(crop.single, crop.days, day),
        basal=_curve(crop.basal, crop.days, day),
        height_m=crop.height_m
        if crop.perennial
        else _between(min(SEED_HEIGHT_M, crop.height_m), crop.height_m, growth),
        roots_m=crop.roots_m if crop.perennial else _between(min(SEED_ROOTS_M, crop.roots_m), crop.roots_m, growth),
        depletion_fraction=crop.depletion_fraction,
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
