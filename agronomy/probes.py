"""What to think of a moisture probe: healthy, or outlier, stuck, drifting, silent, dead or in percent, and why.

Each verdict rests on what a soil and a probe can do, and on the probe's own cadence; none on a reading alone. A probe's
memory is small, frozen and of plain numbers, so that it is kept as JSON. Moisture in m3/m3, times in Unix seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from agronomy.units import DAY_S, HOUR_S

HEALTHY, OUTLIER, STUCK, DRIFTING = "healthy", "outlier", "stuck", "drifting"
SILENT, DEAD, PERCENT = "silent", "dead", "percent"
VERDICTS = (HEALTHY, OUTLIER, STUCK, DRIFTING, SILENT, DEAD, PERCENT)

SATURATION = 0.65  # no mineral soil holds more
DRIEST_SHARE = 0.4  # of the wilting point: air-dry soil at the surface; less is a probe in air, or off
BAD_IN_A_ROW = 3  # fewer unbelievable readings are a hiccup
FALL_AT_ONCE, FALL_AN_HOUR = 0.08, 0.02  # how fast soil around a probe can dry: drainage at once, then roots
RISE_AT_ONCE = 0.25  # from dry to saturated, when a wetting front passes
CONFIRMED_WITHIN = 0.03  # a leap that the next reading repeats was none
SAME = 5e-5  # values closer than this are one value again
STUCK_SAMPLES, STUCK_S = 3, DAY_S
STUCK_SWING = 0.025  # by so much the soil at the probe must have moved meanwhile
SILENT_INTERVALS, SILENT_LEAST_S = 4.0, 2.0 * HOUR_S
UPTAKE = (1.6, 1.2, 0.8, 0.4)  # roots take 40, 30, 20, 10 % from the quarters of their depth (NEH 652, figure 3-3)
DRAINED_S = (1.0 * DAY_S, 3.0 * DAY_S)  # so long after a soaking rain the soil is at field capacity
DRIFT = 0.035  # by so much must a probe read otherwise in a full soil than when it was full first
DRIFT_DAYS, DRIFT_APART_S = 3, 20 * DAY_S  # so many days in a full soil each time, and so long apart
DRIFT_LATER = 0.3  # the weight of the newest of the later days
REACH_M = 0.15  # above and below itself a probe speaks for the soil


@dataclass(frozen=True, slots=True)
class Probe:
    """All that is remembered of a probe. `vwc` is its newest believable reading, at `at`.

    `low` and `high` are between what the zone's mean depletion (m3/m3) moved while it gave the same value. `full_first`
    and `full_last` are what it read over field capacity whenever the soil was surely full: at first, and lately.
    """

    depth_m: float
    _: KW_ONLY
    vwc: float | None = None
    at: int = 0
    heard_at: int = 0  # of any reading, believable or not
    interval_s: float = 0.0  # between two readings, as usual
    same_since: int = 0
    repeats: int = 0
    low: float | None = None
    high: float | None = None
    unbelievable: int = 0
    percent: int = 0
    doubted: float | None = None  # a leap that waits for the next reading to confirm it
    full_days: int = 0
    full_first: float = 0.0
    full_first_at: int = 0
    full_last: float = 0.0
    full_at: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and lists."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "Probe":
        """What `to_json` gave, perhaps by way of a text."""
        return cls(**row)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a probe is, and in words why; a healthy one needs none."""

    kind: str
    why: str = ""

    @property
    def usable(self) -> bool:
        """A single outlier does not spoil the reading before it; a drift is slow, and known."""
        return self.kind in {HEALTHY, OUTLIER, DRIFTING}


def hear(probe: Probe, vwc: float | None, at: int, wilting_point: float) -> Probe:
    """Take in a reading; one that is not newer than the last changes nothing."""
    if at <= probe.heard_at:
        return probe
    interval = _usual_interval(probe, at)
    if vwc is None or not DRIEST_SHARE * wilting_point <= vwc <= SATURATION:
        in_percent = vwc is not None and vwc > 1 and DRIEST_SHARE * wilting_point <= vwc / 100 <= SATURATION
        return replace(
            probe,
            heard_at=at,
            interval_s=interval,
            unbelievable=probe.unbelievable + 1,
            percent=probe.percent + 1 if in_percent else 0,
        )
    if _leaps(probe, vwc, at):
        return replace(probe, heard_at=at, interval_s=interval, unbelievable=0, percent=0, doubted=vwc)
    again = probe.vwc is not None and abs(vwc - probe.vwc) < SAME
    return replace(
        probe,
        vwc=vwc,
        at=at,
        heard_at=at,
        interval_s=interval,
        same_since=probe.same_since if again else at,
        repeats=probe.repeats + 1 if again else 1,
        low=probe.low if again else None,
        high=probe.high if again else None,
        unbelievable=0,
        percent=0,
        doubted=None,
    )


def watch(probe: Probe, depletion_m3_m3: float, field_capacity: float, full_at: int) -> Probe:
    """Hold the probe against the zone's mean depletion as it is believed; call it as often as it is decided.

    `full_at` is when the root zone last was surely full; 0 if never.
    """
    if probe.vwc is None:
        return probe
    low = depletion_m3_m3 if probe.low is None else min(probe.low, depletion_m3_m3)
    high = depletion_m3_m3 if probe.high is None else max(probe.high, depletion_m3_m3)
    if (low, high) != (probe.low, probe.high):
        probe = replace(probe, low=low, high=high)
    is_drained = full_at > 0 and DRAINED_S[0] <= probe.at - full_at <= DRAINED_S[1]
    if is_drained and probe.vwc is not None and probe.at - probe.full_at >= DAY_S:
        return _in_full_soil(probe, probe.vwc - field_capacity + depletion_m3_m3)
    return probe


def _in_full_soil(probe: Probe, over: float) -> Probe:
    """Remember a day's reading over field capacity in a soil that is full."""
    days = probe.full_days + 1
    if days <= DRIFT_DAYS:
        first = probe.full_first + (over - probe.full_first) / days
        return replace(
            probe, full_days=days, full_first=first, full_first_at=probe.at, full_last=first, full_at=probe.at
        )
    last = probe.full_last + (over - probe.full_last) * DRIFT_LATER
    return replace(probe, full_days=days, full_last=last, full_at=probe.at)


def judge(probe: Probe, now: int, roots_m: float) -> Verdict:
    """What to think of a probe now, in a zone with such roots."""
    for suspicion in SUSPICIONS:
        verdict = suspicion(probe, now, roots_m)
        if verdict is not None:
            return verdict
    return Verdict(HEALTHY)


def _percent(probe: Probe, _now: int, _roots_m: float) -> Verdict | None:
    if not probe.percent:
        return None
    return Verdict(PERCENT, "it reports percent where a fraction is wanted; set it up, its readings are not used")


def _dead(probe: Probe, _now: int, _roots_m: float) -> Verdict | None:
    if probe.unbelievable < BAD_IN_A_ROW:
        return None
    return Verdict(DEAD, f"its last {probe.unbelievable} readings are none that soil can give; look at its cable")


def _silent(probe: Probe, now: int, _roots_m: float) -> Verdict | None:
    if not probe.heard_at:
        return Verdict(SILENT, "it was never heard")
    age, most = now - probe.heard_at, max(SILENT_LEAST_S, SILENT_INTERVALS * probe.interval_s)
    if age <= most:
        return None
    return Verdict(SILENT, f"it was last heard {age / HOUR_S:.0f} h ago, and should be every {most / HOUR_S:.0f} h")


def _stuck(probe: Probe, _now: int, roots_m: float) -> Verdict | None:
    if probe.low is None or probe.high is None or probe.repeats < STUCK_SAMPLES or probe.depth_m > roots_m:
        return None
    swing = (probe.high - probe.low) * uptake(probe.depth_m / roots_m)
    if probe.at - probe.same_since < STUCK_S or swing < STUCK_SWING:
        return None
    days = (probe.at - probe.same_since) / DAY_S
    return Verdict(STUCK, f"it told the same for {days:.1f} days, while its soil must have moved by {swing:.3f}")


def _drifting(probe: Probe, _now: int, _roots_m: float) -> Verdict | None:
    apart_s, drift = probe.full_at - probe.full_first_at, probe.full_last - probe.full_first
    if probe.full_days < 2 * DRIFT_DAYS or apart_s < DRIFT_APART_S or abs(drift) < DRIFT:
        return None
    return Verdict(DRIFTING, f"in full soil it reads {drift:+.3f} of what it read {apart_s / DAY_S:.0f} days before")


def _outlier(probe: Probe, _now: int, _roots_m: float) -> Verdict | None:
    if probe.doubted is not None:
        return Verdict(OUTLIER, f"its last reading, {probe.doubted:.3f}, leaps from {probe.vwc:.3f}")
    if probe.unbelievable:
        return Verdict(OUTLIER, "its last reading is none that soil can give")
    return None


# The first that holds is the verdict: what says most comes first.
SUSPICIONS = (_percent, _dead, _silent, _stuck, _outlier, _drifting)


def to_go_by(probes: Mapping[str, Probe], verdicts: Mapping[str, Verdict], since: int) -> dict[str, Probe]:
    """The probes to go by, from the top down; a drifting one only where there is no other. None without any news."""
    usable = {name: probe for name, probe in probes.items() if verdicts[name].usable and probe.vwc is not None}
    steady = [name for name in usable if verdicts[name].kind != DRIFTING]
    names = sorted(steady or usable, key=lambda name: (probes[name].depth_m, name))
    has_news = any(probes[name].at > since for name in names)
    return {name: probes[name] for name in names} if has_news else {}


# How probes and roots share the soil


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What probes see of the roots. Below `reach_m` they see nothing, and `weights` are their shares of what is above.

    `coverage` is the share of the root zone that is near a probe. Of the `below_m` of roots that are deeper,
    `dryness_below` is how dry they are of what the deepest probe lacks, and `uptake_below` the share of their water
    that roots in moist soil take from there.
    """

    reach_m: float
    weights: list[float]
    coverage: float
    below_m: float
    dryness_below: float
    uptake_below: float


def sight(depths_m: Sequence[float], roots_m: float) -> Sight:
    """What probes at such depths, which must rise, see of such roots."""
    reach_m = min(depths_m[-1] + REACH_M, roots_m)
    return Sight(
        reach_m=reach_m,
        weights=weights(depths_m, reach_m),
        coverage=_coverage(depths_m, roots_m),
        below_m=max(roots_m - depths_m[-1] - REACH_M, 0.0),
        dryness_below=drying(depths_m[-1], roots_m, REACH_M),
        uptake_below=taken_below(reach_m / roots_m),
    )


def _coverage(depths_m: Sequence[float], roots_m: float) -> float:
    """The share of the root zone within a probe's reach."""
    covered_m, bottom_m = 0.0, 0.0
    for depth_m in depths_m:
        top_m, end_m = max(depth_m - REACH_M, bottom_m, 0.0), min(depth_m + REACH_M, roots_m)
        covered_m += max(0.0, end_m - top_m)
        bottom_m = max(bottom_m, end_m)
    return covered_m / roots_m


def uptake(share_of_depth: float) -> float:
    """How much faster than their mean the roots dry the soil at a share (0..1) of their depth."""
    return UPTAKE[min(max(int(share_of_depth * 4), 0), 3)]


def weights(depths_m: Sequence[float], roots_m: float) -> list[float]:
    """The share of the root zone that each probe stands for, from the middle to the one above to that below.

    They sum to 1. Depths must rise; a probe below all of the roots stands for nothing, unless it is the only one.
    """
    middles = [(above + below) / 2 for above, below in pairwise(depths_m)]
    edges = [0.0, *(min(middle, roots_m) for middle in middles), roots_m]
    return [(below - above) / roots_m for above, below in pairwise(edges)]


def drying(deepest_m: float, roots_m: float, reach_m: float) -> float:
    """How dry the soil below the deepest probe's reach is, of what that probe lacks: the roots there are fewer.

    It is 1 where the roots end within its reach, and 0.25 at the least.
    """
    top = deepest_m + reach_m
    if top >= roots_m:
        return 1.0
    below = top / roots_m
    return min(1.0, taken_below(below) / (1 - below) / uptake(deepest_m / roots_m))


def taken_below(share_of_depth: float) -> float:
    """The share of their water that roots in moist soil take from below a share (0..1) of their depth."""
    quarters = enumerate(UPTAKE)
    return sum(max(0.0, (number + 1) / 4 - max(number / 4, share_of_depth)) * part for number, part in quarters)


def responded(
    before: Sequence[float], after: Sequence[float], share: Sequence[float], run_mm: float, roots_m: float
) -> bool:
    """Did the zone's probes see a run? True if one rose clearly, or all together by a third of what the run brought."""
    rises = [late - early for early, late in zip(before, after, strict=True)]
    together = sum(rise * part for rise, part in zip(rises, share, strict=True))
    return max(rises, default=0.0) >= 0.02 or together * roots_m * 1000 >= run_mm / 3


def _usual_interval(probe: Probe, at: int) -> float:
    """A slow mean of the intervals; a gap counts as little more than an interval, or silence would become usual."""
    if not probe.heard_at:
        return 0.0
    interval = float(at - probe.heard_at)
    if not probe.interval_s:
        return interval
    return probe.interval_s + (min(interval, 2 * probe.interval_s) - probe.interval_s) / 8


def _leaps(probe: Probe, vwc: float, at: int) -> bool:
    """Farther than soil can go since the last reading, and not what the reading before said already."""
    if probe.vwc is None or (probe.doubted is not None and abs(vwc - probe.doubted) < CONFIRMED_WITHIN):
        return False
    fall = FALL_AT_ONCE + FALL_AN_HOUR * (at - probe.at) / HOUR_S
    return not -fall <= vwc - probe.vwc <= RISE_AT_ONCE
