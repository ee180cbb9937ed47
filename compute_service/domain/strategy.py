"""When a root zone is to be watered, and how much: by what it lacks, what the crop bears, and how far the season is.

Pure and without a forecast. Every number that was tuned is in `Strategy`; docs/water.md says on what, and how well.
All depths in mm over the whole area, days from planting.
"""

from dataclasses import dataclass

from compute_service.domain.balance import Account, Soil
from compute_service.domain.crops import Crop, Kc
from compute_service.domain.fusion import Belief


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Aim:
    """Water is due beyond a depletion of `due_mm`, and brings it down to `left_mm`."""

    due_mm: float
    left_mm: float


def aim(  # noqa: PLR0913, PLR0917  # the arguments of `want`, which are all that a decision rests on
    soil: Soil, kc: Kc, account: Account, belief: Belief, day: float, crop: Crop, strategy: Strategy = STRATEGY
) -> Aim:
    """The depletion at which water is due, and that which it leaves. `account` is of the last whole day."""
    whole, p = soil.available_mm(kc.roots_m), account.depletion_share
    most = min(strategy.most * crop.bears, 1 - strategy.always) * whole
    a_day_mm = wanted_mm(account)
    to_harvest = 0.0 if crop.perennial else most - a_day_mm * max(sum(crop.days) - day, 0.0)
    left = max(to_harvest, 0.0)
    share = p if kc.stage in {"initial", "development"} else crop.bears + p - kc.depletion
    used: float = getattr(strategy, kc.stage)
    due = min(used * share * soil.available_mm(_counted_m(kc, crop, belief, day, strategy)), most) - a_day_mm
    return Aim(max(due, left + strategy.least * account.readily_available_mm), left)


def _counted_m(kc: Kc, crop: Crop, belief: Belief, day: float, strategy: Strategy) -> float:
    """How deep the roots are taken for: the tables have them full grown in mid season, and some crops' are later."""
    if crop.perennial:
        return kc.roots_m
    seen_m = min(belief.reach_m, kc.roots_m)
    begun, mid = sum(crop.days[:2]), crop.days[2]
    grown = min(max((day - begun) / max(mid, 1), 0.0), 1.0)
    counted = strategy.counted + (1 - strategy.counted) * grown
    return seen_m + counted * (kc.roots_m - seen_m)


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
