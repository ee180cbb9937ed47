"""When a root zone is to be watered, and how much: by what it lacks, what the crop bears, and how far the season is.

Pure and without a forecast. Every number that was tuned is in `Strategy`; docs/water.md says on what, and how well.
All depths in mm over the whole area, days from planting.
"""

from dataclasses import dataclass

from agronomy.balance import Account, Soil
from agronomy.crops import Crop, Kc
from agronomy.fusion import Belief


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How much of its water a crop may use in each stage, and at any time.

    A leaf that a young crop did not grow is missed for long; a grown one bears dryness until its stomata close; what
    comes late costs little.
    """

    initial: float = 0.9  # of the readily available water, at the end of a day like the last
    development: float = 0.7  # of the same
    mid: float = 0.9  # of the water at which its stomata close
    late: float = 0.95  # of the same
    most: float = 1.0  # of what closes them where the crop takes 5 mm, however cool it is, and at the harvest
    always: float = 0.2  # of all available water, that stays in the soil
    counted: float = 0.3  # of the roots that no probe sees, as mid season begins; all of them at its end
    least: float = 0.2  # of the readily available water: less is not worth opening a valve for


STRATEGY = Strategy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """All that a strategy goes by: soil and crop on a `day` since planting, and what is believed of the depletion.

    `account` is of the last whole day.
    """

    soil: Soil
    crop: Crop
    day: float
    kc: Kc
    account: Account
    belief: Belief


@dataclass(frozen=True, slots=True)
class Aim:
    """Water is due beyond a depletion of `due_mm`, and brings it down to `left_mm`."""

    due_mm: float
    left_mm: float


def aim(need: Need, strategy: Strategy = STRATEGY) -> Aim:
    """The depletion at which water is due, and that which it leaves."""
    kc, crop, account = need.kc, need.crop, need.account
    whole_mm = need.soil.available_mm(kc.roots_m)
    most_mm = min(strategy.most * crop.bears, 1 - strategy.always) * whole_mm
    a_day_mm = demand_mm(account)
    to_harvest_mm = 0.0 if crop.perennial else most_mm - a_day_mm * max(sum(crop.days) - need.day, 0.0)
    left_mm = max(to_harvest_mm, 0.0)
    p = account.depletion_fraction
    share = p if kc.stage in {"initial", "development"} else crop.bears + p - kc.depletion_fraction
    share_of_stage: float = getattr(strategy, kc.stage)
    due_mm = min(share_of_stage * share * need.soil.available_mm(_counted_m(need, strategy)), most_mm) - a_day_mm
    return Aim(max(due_mm, left_mm + strategy.least * account.readily_available_mm), left_mm)


def _counted_m(need: Need, strategy: Strategy) -> float:
    """How deep the roots are taken for: the tables have them full grown in mid season, and some crops' are later."""
    roots_m, days = need.kc.roots_m, need.crop.days
    if need.crop.perennial:
        return roots_m
    seen_m = min(need.belief.reach_m, roots_m)
    growth = min(max((need.day - sum(days[:2])) / max(days[2], 1), 0.0), 1.0)
    trust = strategy.counted + (1 - strategy.counted) * growth
    return seen_m + trust * (roots_m - seen_m)


def demand_mm(account: Account) -> float:
    """What such a day takes where water is not short: a thirsty crop takes less, and would seem to need less."""
    return account.evaporation_mm + account.transpiration_mm / max(account.stress, 0.1)


def want(need: Need, strategy: Strategy = STRATEGY) -> float:
    """The net depth to give now; 0 if none is due."""
    target, depletion_mm = aim(need, strategy), need.belief.depletion_mm
    return max(depletion_mm - target.left_mm, 0.0) if depletion_mm > target.due_mm else 0.0
