"""When a root zone is to be watered, and how much: by what it lacks, what the crop bears, and how far the season is.

Pure and without a forecast. Every number that was tuned is in `Strategy`; docs/water.md says on what, and how well.
All depths in mm over the whole area, days from planting.
"""

from dataclasses import dataclass

from compute_service.balance import Account, Soil
from compute_service.crops import Crop, Kc
from compute_service.fusion import Belief


@dataclass(frozen=True, slots=True)
class Strategy:
    """How much of the readily available water may be used in each stage, and of all water at any time.

    A young crop has fewer roots than the tables give it, and a leaf that it did not grow is missed for long; what comes
    late costs little.
    """

    initial: float = 0.8  # of the readily available water, at the end of a day like the last; and so in each stage
    development: float = 0.7
    mid: float = 1.4
    late: float = 1.5
    most: float = 1.5  # of what is readily available where the crop takes 5 mm, however cool it is, and at the harvest
    always: float = 0.3  # of all available water, that stays in the soil
    least: float = 0.2  # of the readily available water: less is not worth opening a valve for


STRATEGY = Strategy()


@dataclass(frozen=True, slots=True)
class Aim:
    """Water is due beyond a depletion of `due_mm`, and brings it down to `left_mm`."""

    due_mm: float
    left_mm: float


def aim(  # noqa: PLR0913, PLR0917  # the arguments of `want`, which are all that a decision rests on
    soil: Soil, kc: Kc, account: Account, belief: Belief, day: float, crop: Crop, strategy: Strategy = STRATEGY
) -> Aim:
    """The depletion at which water is due, and that which it leaves. `account` is of the last whole day."""
    del belief  # how dry the soil is does not move the aim
    readily, available = account.readily_available_mm, soil.available_mm(kc.roots_m)
    most = min(strategy.most * kc.depletion, 1 - strategy.always) * available
    a_day_mm = wanted_mm(account)
    to_harvest = 0.0 if crop.perennial else most - a_day_mm * max(sum(crop.days) - day, 0.0)
    left = max(to_harvest, 0.0)
    used: float = getattr(strategy, kc.stage)
    due = min(used * readily, most) - a_day_mm
    return Aim(max(due, left + strategy.least * readily), left)


def wanted_mm(account: Account) -> float:
    """What such a day takes where water is not short: a thirsty crop takes less, and would seem to need less."""
    return account.evaporation_mm + account.transpiration_mm / max(account.stress, 0.1)


def want(  # noqa: PLR0913, PLR0917  # as above
    soil: Soil, kc: Kc, account: Account, belief: Belief, day: float, crop: Crop, strategy: Strategy = STRATEGY
) -> float:
    """The net depth to give now; 0 if none is due. `account` is of the last whole day."""
    aimed = aim(soil, kc, account, belief, day, crop, strategy)
    lacking = belief.depletion_mm
    return max(lacking - aimed.left_mm, 0.0) if lacking > aimed.due_mm else 0.0
