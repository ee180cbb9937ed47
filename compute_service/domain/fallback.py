"""The plan that a zone's board may water by while it has no cloud: its bounds, and when it wants another one. Pure.

A board goes by the mean of what its own probes tell, so each that is heard must be one to believe. Times are Unix
seconds, moisture is m3 of water per m3 of soil.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from agronomy.probes import DEAD, DRIFTING, PERCENT, STUCK
from agronomy.units import DAY_S
from compute_service.domain.constraints import MIN_RUN_S
from compute_service.domain.decide import ADVICE, VOLUME_MARGIN, Decision, span
from compute_service.domain.zone import Zone

if TYPE_CHECKING:
    from protocol.messages import Command

ULID_LETTERS = 26
AGAIN_S = DAY_S  # a board that took no plan is offered the next one so long after
MOVED_VWC = 0.01  # so far the refill point may move before the plan is another
MOVED_L = 0.9  # and to so much of its litres a budget may shrink
NOT_TO_GO_BY = (STUCK, DRIFTING, DEAD, PERCENT)
CHECKS = ("fresh_reading", "believable_probes", "nothing_under_way")


class PlanRun(NamedTuple):
    """A run of a plan: the plan's command_id, and which of its runs, from 1 on."""

    plan_id: str
    number: int


def run_of(command_id: str) -> PlanRun | None:
    """The run that a board gave this name; None for a command that was given: a ULID has no hyphen."""
    plan_id, _, number = command_id.partition("-")
    is_ulid = len(plan_id) == ULID_LETTERS and plan_id.isascii() and plan_id.isalnum() and plan_id == plan_id.upper()
    is_number = number.isascii() and number.isdecimal() and not number.startswith("0") and len(number) < 3
    return PlanRun(plan_id, int(number)) if is_ulid and is_number else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a plan allows: seconds and litres in any 24 h, on so many days, below a moisture, for so long."""

    duration_s: int
    max_volume_l: float
    days: int
    after_offline_s: int
    below_vwc: float
    valid_s: int

    @property
    def reason(self) -> str:
        """The same in words."""
        return (
            f"{self.duration_s} s a day from {span(self.after_offline_s)} without the cloud,"
            f" while the probes are below the refill point {self.below_vwc:.4f}"
        )


def bounds(zone: Zone, decision: Decision) -> Bounds | None:
    """What a plan of the zone would allow now; None where it has none, or nothing that a board could go by."""
    settings, receipt = zone.fallback, decision.receipt
    if settings is None or zone.mode == ADVICE or decision.intent or not receipt or receipt["day"] < 0:
        return None
    if not {check.name for check in decision.checks if check.passed}.issuperset(CHECKS):
        return None
    if any(kind in NOT_TO_GO_BY for kind in receipt["probes"].values()):
        return None
    duration_s = min(settings.run_s, zone.max_run_s, zone.daily_cap_s)
    volume_l = _most_litres(zone, duration_s, receipt)
    if volume_l < zone.flow_l_min * MIN_RUN_S / 60:
        return None
    return Bounds(
        duration_s=duration_s,
        max_volume_l=volume_l,
        days=settings.days,
        after_offline_s=settings.after_offline_s,
        below_vwc=_refill_vwc(zone, receipt),
        valid_s=2 * (settings.after_offline_s + settings.days * DAY_S),
    )


def _most_litres(zone: Zone, duration_s: int, receipt: Mapping[str, Any]) -> float:
    """Of a day: what bounds a burst pipe, the day's budget, and the day's part of what the season's has left."""
    assert zone.fallback is not None
    litres = [zone.flow_l_min * duration_s / 60 * VOLUME_MARGIN]
    if zone.limits.daily_l is not None:
        litres.append(zone.limits.daily_l)
    if zone.limits.seasonal_l is not None:
        litres.append(max(zone.limits.seasonal_l - receipt["used_season_l"], 0.0) / zone.fallback.days)
    return math.floor(10 * min(litres)) / 10


def _refill_vwc(zone: Zone, receipt: Mapping[str, Any]) -> float:
    """What the probes read where water is due: what they read too much together is in it."""
    vwc = zone.field_capacity - receipt["due_mm"] / (1000 * receipt["roots_m"]) + receipt["offset"]
    return float(round(min(max(vwc, zone.wilting_point), zone.field_capacity), 4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is known of the last plan: its state, whether nothing has deleted it since, and the days that are left.

    `days_left` None is not known; 0 is none left, or that its board has no such plan.
    """

    message: "Command"
    state: str
    is_waited_for: bool
    is_newest: bool
    days_left: int | None


def is_due(plan: Bounds, last: Held | None, now: int) -> bool:
    """Is it time for another plan? None where the last one waits for its answer, or holds and is half used at most."""
    if last is None:
        return True
    message, age_s = last.message, now - last.message["issued_at"]
    if last.is_waited_for:
        return False
    if last.state != "done":  # an older board says nothing at all
        return age_s >= AGAIN_S
    if not last.is_newest:
        return True
    if any(message.get(name) != getattr(plan, name) for name in ("duration_s", "days", "after_offline_s")):
        return True
    return age_s >= AGAIN_S and (_is_half_used(message, last.days_left, now) or _has_moved(plan, message))


def _is_half_used(message: "Command", days_left: int | None, now: int) -> bool:
    begin, end, days = message["valid_from"], message["valid_until"], message["days"]
    assert begin is not None and end is not None and days is not None
    return now >= (begin + end) / 2 or (days_left is not None and days_left <= days / 2)


def _has_moved(plan: Bounds, message: "Command") -> bool:
    below_vwc, volume_l = message["below_vwc"], message["max_volume_l"]
    assert below_vwc is not None and volume_l is not None
    return abs(plan.below_vwc - below_vwc) >= MOVED_VWC or plan.max_volume_l < MOVED_L * volume_l
