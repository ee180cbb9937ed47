"""How much water a root zone lacks, by its balance and its probes together, and how sure that is.

A small Kalman filter over three unknowns: the depletion (mm), the crop's demand over what the tables say, and what the
probes are off together (m3/m3: their calibration, and an error of the configured field capacity). The balance says how
depletion moves, the probes where it is. Below the reach of the deepest one only the balance knows: the crop drinks
there as the soil above dries, and no water comes down before that is full. A full root zone keeps no more, but a
surplus takes days to drain, and the crop drinks from it; there the probes' offset shows. A surprise that lasts is
believed, and makes the balance unsure: rain that nobody measured, a run that never came.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from operator import mul
from typing import Any

from compute_service.domain.balance import Account
from compute_service.domain.kalman import Gauss, update
from compute_service.domain.probes import DRIFTING, Probe, Verdict, drying, judge, taken_below, watch, weights

DAY_S = 86400
REACH_M = 0.15  # above and below itself a probe speaks for the soil


@dataclass(frozen=True, slots=True)
class Tuning:
    """Standard deviations: what is known before, what a day or an event adds, and what probes are wrong by."""

    first_mm: float = 10.0
    demand: float = 0.15
    offset: float = 0.02
    demand_a_day: float = 0.008
    offset_a_day: float = 0.0008
    daily_mm: float = 0.5
    of_crop: float = 0.10  # of a day's evapotranspiration
    of_rain: float = 0.10
    of_run: float = 0.05
    probe: float = 0.015  # of a probe's daily reading, with its place
    shape: float = 0.10  # of the depletion: the soil between the probes
    gap: float = 0.05  # of the share of the root zone that is far from any probe
    hidden_a_day: float = 0.002  # of that share: what is out of sight goes its own way, for long
    soaking: float = 3.0  # times as wrong while water soaks in
    soaking_s: int = 2 * DAY_S
    surprise: float = 2.0  # standard deviations that are too many
    surely: float = 2.0  # standard deviations that leave no doubt
    drained_days: float = 1.7  # in so many a surplus falls to 1/e
    drains_s: int = 3 * DAY_S  # after the last water
    holds: float = 0.3  # of the available water: a greater surplus is gone at once
    least_demand: float = 0.6
    most_demand: float = 1.5


@dataclass(frozen=True, slots=True)
class Belief:
    """Depletion (mm), demand and offset, and how sure they are; `used` are the probes that it last went by.

    In `known` a depletion below 0 is a surplus, which drains.
    """

    known: Gauss
    at: int = 0  # of the newest reading that it knows
    wet_at: int = 0  # when water last came
    full_at: int = 0  # when the root zone last was surely full
    used: tuple[str, ...] = ()
    surprised: int = 0
    reach_m: float = 0.0  # how deep they speak for the soil
    below_mm: float = 0.0  # what the soil below lacks, of the depletion
    deep: float = 0.0  # the share of its water that the crop now takes from there

    @property
    def depletion_mm(self) -> float:
        """What is missing to field capacity; 0 while there is more."""
        return max(self.known.mean[0], 0.0)

    @property
    def sigma_mm(self) -> float:
        """Its standard deviation."""
        return math.sqrt(self.known.cov[0])

    @property
    def demand(self) -> float:
        """What the crop takes, over what ET0 and the tables say: multiply ET0 by it."""
        return self.known.mean[1]

    @property
    def offset(self) -> float:
        """What the probes read too much, together, m3/m3."""
        return -self.known.mean[2]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and lists."""
        return {**asdict(self), "known": [list(self.known.mean), list(self.known.cov)], "used": list(self.used)}

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Belief":
        """What `to_json` gave, perhaps by way of a text."""
        mean, cov = kept["known"]
        return cls(**{**kept, "known": Gauss(tuple(mean), tuple(cov)), "used": tuple(kept["used"])})


TUNING = Tuning()


def begin(depletion_mm: float = 0.0, tuning: Tuning = TUNING) -> Belief:
    """What is believed before anything was measured."""
    first, demand, offset = tuning.first_mm, tuning.demand, tuning.offset
    return Belief(Gauss((depletion_mm, 1.0, 0.0), (first**2, 0.0, 0.0, demand**2, 0.0, offset**2)))


def predict(belief: Belief, account: Account, now: int, days: float, tuning: Tuning = TUNING) -> Belief:
    """Move on by a step of the balance that began at `belief.depletion_mm`, with ET0 times `belief.demand`."""
    depletion, demand, offset = belief.known.mean
    taken, run = account.evapotranspiration_mm, account.irrigation_mm
    rain = account.rain_mm - account.runoff_mm
    after = depletion + account.grown_mm + taken - rain - run
    dd, df, do, ff, fo, oo = _covariance_after(belief.known, account, days, tuning)
    wet_at = now if rain + run >= 1.0 else belief.wet_at
    mean, variance, kept = max(after, 0.0), dd, 1.0
    if wet_at and now - wet_at < tuning.drains_s:  # else there is no surplus to lose, and nothing to learn
        mean, variance, kept = _drained(after, dd, math.exp(-days / tuning.drained_days))
    mean = min(max(mean, -tuning.holds * account.available_mm), account.available_mm)
    known = Gauss((mean, demand, offset), (variance, df * kept, do * kept, ff, fo, oo))
    full_at = now if after < -tuning.surely * math.sqrt(dd) else belief.full_at
    below_mm = min(belief.below_mm + belief.deep * taken, max(mean, 0.0))  # a surplus above goes there
    return replace(belief, known=known, wet_at=wet_at, full_at=full_at, below_mm=below_mm)


def _covariance_after(known: Gauss, account: Account, days: float, tuning: Tuning) -> tuple[float, ...]:
    """What the step leaves of it. A thirsty crop takes less the drier it is, which makes surer."""
    (depletion, demand, _), (dd, df, do, ff, fo, oo) = known
    taken, left = account.evapotranspiration_mm, account.available_mm - depletion
    keep = 1 - min(account.transpiration_mm / left, 1.0) if account.stress < 1 and left > 0 else 1.0
    by_demand = taken / demand
    added = (tuning.of_crop * taken) ** 2 / min(max(days, 1 / 24), 1.0) + tuning.daily_mm**2 * days
    added += (tuning.of_rain * account.rain_mm) ** 2 + (tuning.of_run * account.irrigation_mm) ** 2
    return (
        keep * keep * dd + 2 * keep * by_demand * df + by_demand**2 * ff + added,
        keep * df + by_demand * ff,
        keep * do + by_demand * fo,
        ff + tuning.demand_a_day**2 * days,
        fo,
        oo + tuning.offset_a_day**2 * days,
    )


@dataclass(frozen=True, slots=True)
class Ground:
    """What the probes stand in, this day."""

    field_capacity: float
    wilting_point: float
    roots_m: float


def observe(
    belief: Belief, probes: Mapping[str, Probe], ground: Ground, now: int, tuning: Tuning = TUNING
) -> tuple[Belief, dict[str, Probe], dict[str, Verdict]]:
    """Hold the belief against the probes: the belief after it, the probes' memories, and what to think of each."""
    depletion = belief.depletion_mm / (1000 * ground.roots_m)
    watched = {name: watch(probe, depletion, ground.field_capacity, belief.full_at) for name, probe in probes.items()}
    verdicts = {name: judge(probe, now, ground.roots_m) for name, probe in watched.items()}
    used = _usable(watched, verdicts, belief.at)
    if used:
        belief = _learn(belief, [watched[name] for name in used], tuple(used), ground, now, tuning)
    return belief, watched, verdicts


def _usable(probes: Mapping[str, Probe], verdicts: Mapping[str, Verdict], since: int) -> list[str]:
    """The probes to go by, from the top down; a drifting one only where there is no other. None without any news."""
    usable = [name for name, probe in probes.items() if verdicts[name].usable and probe.vwc is not None]
    steady = [name for name in usable if verdicts[name].kind != DRIFTING]
    used = sorted(steady or usable, key=lambda name: (probes[name].depth_m, name))
    return used if any(probes[name].at > since for name in used) else []


def _learn(  # noqa: PLR0913, PLR0917  # a measurement, where and when
    belief: Belief, probes: list[Probe], used: tuple[str, ...], ground: Ground, now: int, tuning: Tuning
) -> Belief:
    depths = [probe.depth_m for probe in probes]
    lacks = [ground.field_capacity - (probe.vwc or 0.0) for probe in probes]
    if used != belief.used:
        below_mm = _dried_along(lacks[-1], depths[-1], ground)
        belief = replace(belief, known=_other_probes(belief.known, tuning), used=used, below_mm=below_mm)
    belief = replace(belief, reach_m=min(depths[-1] + REACH_M, ground.roots_m))
    share, whole = weights(depths, belief.reach_m), 1000 * ground.roots_m
    newest = max(probe.at for probe in probes)
    days = min((newest - belief.at) / DAY_S, 1.0) if belief.at else 1.0
    told = 1000 * belief.reach_m * sum(map(mul, lacks, share)) + belief.below_mm
    known = _less_sure(belief.known, depths, ground, days, tuning)
    variance = _variance(belief, share, depths, ground, now, tuning)
    (depletion, _, offset), (dd, _, do, _, _, oo) = known
    surprise = told - (depletion + whole * offset)
    expected = dd + 2 * whole * do + whole**2 * oo + variance
    if surprise**2 > tuning.surprise**2 * expected:
        if not belief.surprised:
            return replace(belief, known=known, at=newest, surprised=1)
        known = Gauss(known.mean, (dd + surprise**2, *known.cov[1:]))
    known = update(known, (1.0, 0.0, whole), told, variance / max(days, 0.01))
    return _with_uptake(replace(belief, known=_possible(known, ground, tuning), at=newest, surprised=0), ground)


def _dried_along(lack: float, deepest_m: float, ground: Ground) -> float:
    """What soil below the deepest probe's reach lacks, if it dried along with that probe: roots there are fewer."""
    below_m = max(ground.roots_m - deepest_m - REACH_M, 0.0)
    return 1000 * below_m * max(lack, 0.0) * drying(deepest_m, ground.roots_m, REACH_M)


def _with_uptake(belief: Belief, ground: Ground) -> Belief:
    """With the share that now comes from below: the roots' part there, times how dry the soil above them is."""
    below_mm = min(belief.below_mm, belief.depletion_mm)
    above_mm = 1000 * (ground.field_capacity - ground.wilting_point) * belief.reach_m
    dry = min((belief.depletion_mm - below_mm) / above_mm, 1.0)
    return replace(belief, below_mm=below_mm, deep=dry * taken_below(belief.reach_m / ground.roots_m))


def _less_sure(known: Gauss, depths: list[float], ground: Ground, days: float, tuning: Tuning) -> Gauss:
    """What no probe sees goes its own way, and for long: it is an offset that nobody knows."""
    hidden = tuning.hidden_a_day * max(0.0, 1 - _covered(depths, ground.roots_m))
    dd, df, do, ff, fo, oo = known.cov
    return Gauss(known.mean, (dd, df, do, ff, fo, oo + hidden**2 * days))


def _variance(  # noqa: PLR0913, PLR0917  # all that makes probes wrong
    belief: Belief, share: list[float], depths: list[float], ground: Ground, now: int, tuning: Tuning
) -> float:
    """Of what the probes say of the whole root zone in a day, mm2."""
    soaking = tuning.soaking if belief.wet_at and now - belief.wet_at < tuning.soaking_s else 1.0
    probes = (1000 * belief.reach_m * tuning.probe) ** 2 * sum(part * part for part in share)
    gap = 1000 * ground.roots_m * tuning.gap * max(0.0, 1 - _covered(depths, ground.roots_m))
    return soaking**2 * (probes + (tuning.shape * belief.depletion_mm) ** 2) + gap**2


def _covered(depths: list[float], roots_m: float) -> float:
    """The share of the root zone within a probe's reach."""
    covered, reached = 0.0, 0.0
    for depth in depths:
        top, bottom = max(depth - REACH_M, reached, 0.0), min(depth + REACH_M, roots_m)
        covered += max(0.0, bottom - top)
        reached = max(reached, bottom)
    return covered / roots_m


def _other_probes(known: Gauss, tuning: Tuning) -> Gauss:
    """Another set of probes is off by something else."""
    dd, df, do, ff, fo, oo = known.cov
    part = 0.5 if oo > 0 else 0.0
    return Gauss(known.mean, (dd, df, do * part, ff, fo * part, max(oo, tuning.offset**2 / 2)))


def _possible(known: Gauss, ground: Ground, tuning: Tuning) -> Gauss:
    depletion, demand, offset = known.mean
    available = 1000 * (ground.field_capacity - ground.wilting_point) * ground.roots_m
    demand = min(max(demand, tuning.least_demand), tuning.most_demand)
    return Gauss((min(max(depletion, -tuning.holds * available), available), demand, offset), known.cov)


def _drained(mean: float, variance: float, left: float) -> tuple[float, float, float]:
    """Mean and variance once of what is below 0 only such a part is left, and the share of it all that stays."""
    sigma = math.sqrt(variance)
    far = mean / sigma if sigma > 1e-9 else math.copysign(9.0, mean)
    if abs(far) > 6:
        share = left if far < 0 else 1.0
        return mean * share, variance * share * share, share
    above = 0.5 * math.erfc(-far / math.sqrt(2))
    density = math.exp(-far * far / 2) / math.sqrt(2 * math.pi)
    over = mean * above + sigma * density
    second = (mean * mean + variance) * above + mean * sigma * density
    first = over + left * (mean - over)
    second += left * left * (mean * mean + variance - second)
    return first, max(second - first * first, 0.0), above + left * (1 - above)
