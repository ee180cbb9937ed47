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
from dataclasses import dataclass, fields, replace
from operator import mul
from typing import Any

from agronomy.balance import Account
from agronomy.kalman import Estimate, update
from agronomy.probes import Probe, Sight, Verdict, judge, sight, to_go_by, watch
from agronomy.units import DAY_S

BRIM_M3_M3 = 0.04  # over field capacity: farther off than this a good probe seldom is
# The filter's unknowns and their (co)variances, as they are named on disk.
UNKNOWNS = ("depletion_mm", "demand", "offset")
COVARIANCES = tuple(f"{a} {b}" for number, a in enumerate(UNKNOWNS) for b in UNKNOWNS[number:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Standard deviations: what is known before, what a day or an event adds, and what probes are wrong by.

    What has no unit in its name is a share (of 1).
    """

    first_mm: float = 10.0
    demand: float = 0.15  # of what the tables say
    offset_m3_m3: float = 0.02
    demand_a_day: float = 0.008
    offset_m3_m3_a_day: float = 0.0008
    mm_a_day: float = 0.5
    of_crop: float = 0.10  # of a day's evapotranspiration
    of_rain: float = 0.10  # of its millimetres
    of_run: float = 0.05  # of its millimetres
    probe_m3_m3: float = 0.015  # of a probe's daily reading, with its place
    shape: float = 0.10  # of the depletion: the soil between the probes
    gap: float = 0.05  # of the share of the root zone that is far from any probe
    hidden_a_day: float = 0.002  # of that share: what is out of sight goes its own way, for long
    times_soaking: float = 3.0  # so many times as wrong while water soaks in
    soaking_s: int = 2 * DAY_S
    surprise_sigmas: float = 2.0  # so many standard deviations are too many
    surely_sigmas: float = 2.0  # so many leave no doubt
    drained_days: float = 1.7  # in so many a surplus falls to 1/e
    drains_s: int = 3 * DAY_S  # after the last water
    holds: float = 0.3  # of the available water: a greater surplus is gone at once
    least_demand: float = 0.6
    most_demand: float = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """Depletion (mm), demand and offset, and how sure they are; `used` are the probes that it last went by.

    In `estimate` a depletion below 0 is a surplus, which drains.
    """

    estimate: Estimate
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
        return max(self.estimate.mean[0], 0.0)

    @property
    def sigma_mm(self) -> float:
        """Its standard deviation."""
        return math.sqrt(self.estimate.cov[0])

    @property
    def demand(self) -> float:
        """What the crop takes, over what ET0 and the tables say: multiply ET0 by it."""
        return self.estimate.mean[1]

    @property
    def offset(self) -> float:
        """What the probes read too much, together, m3/m3."""
        return -self.estimate.mean[2]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, texts, lists and dicts."""
        row = {name: getattr(self, name) for name in _BESIDE_THE_ESTIMATE}
        mean, cov = self.estimate
        estimate = {"mean": dict(zip(UNKNOWNS, mean, strict=True)), "cov": dict(zip(COVARIANCES, cov, strict=True))}
        return {"known": estimate, **row, "used": list(self.used)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "Belief":
        """What `to_json` gave, perhaps by way of a text; or a service before it, which kept the estimate as lists."""
        rest = {name: row[name] for name in _BESIDE_THE_ESTIMATE}
        return cls(estimate=_estimate(row["known"]), **{**rest, "used": tuple(row["used"])})


_BESIDE_THE_ESTIMATE = tuple(one.name for one in fields(Belief) if one.name != "estimate")


def _estimate(row: Any) -> Estimate:
    if isinstance(row, list):
        mean, cov = row
    else:
        mean, cov = map(row["mean"].__getitem__, UNKNOWNS), map(row["cov"].__getitem__, COVARIANCES)
    return Estimate(tuple(mean), tuple(cov))


TUNING = Tuning()


def begin(depletion_mm: float = 0.0, tuning: Tuning = TUNING) -> Belief:
    """What is believed before anything was measured."""
    first, demand, offset = tuning.first_mm, tuning.demand, tuning.offset_m3_m3
    return Belief(estimate=Estimate((depletion_mm, 1.0, 0.0), (first**2, 0.0, 0.0, demand**2, 0.0, offset**2)))


def predict(belief: Belief, account: Account, now: int, days: float, tuning: Tuning = TUNING) -> Belief:
    """Move on by a step of the balance that began at `belief.depletion_mm`, with ET0 times `belief.demand`."""
    depletion_mm, demand, offset = belief.estimate.mean
    crop_mm, run_mm = account.evapotranspiration_mm, account.irrigation_mm
    rain_mm = account.rain_mm - account.runoff_mm
    after_mm = depletion_mm + account.grown_mm + crop_mm - rain_mm - run_mm
    dd, df, do, ff, fo, oo = _covariance_after(belief.estimate, account, days, tuning)
    wet_at = now if rain_mm + run_mm >= 1.0 else belief.wet_at
    mean_mm, variance, share = max(after_mm, 0.0), dd, 1.0
    if wet_at and now - wet_at < tuning.drains_s:  # else there is no surplus to lose, and nothing to learn
        mean_mm, variance, share = _drained(after_mm, dd, math.exp(-days / tuning.drained_days))
    mean_mm = min(max(mean_mm, -tuning.holds * account.available_mm), account.available_mm)
    return Belief(
        estimate=Estimate((mean_mm, demand, offset), (variance, df * share, do * share, ff, fo, oo)),
        at=belief.at,
        wet_at=wet_at,
        full_at=now if after_mm < -tuning.surely_sigmas * math.sqrt(dd) else belief.full_at,
        used=belief.used,
        surprised=belief.surprised,
        reach_m=belief.reach_m,
        below_mm=min(belief.below_mm + belief.deep * crop_mm, max(mean_mm, 0.0)),  # a surplus above goes there
        deep=belief.deep,
    )


def _covariance_after(estimate: Estimate, account: Account, days: float, tuning: Tuning) -> tuple[float, ...]:
    """What the step leaves of it. A thirsty crop takes less the drier it is, which makes surer."""
    (depletion_mm, demand, _), (dd, df, do, ff, fo, oo) = estimate
    crop_mm, there_mm = account.evapotranspiration_mm, account.available_mm - depletion_mm
    keep = 1 - min(account.transpiration_mm / there_mm, 1.0) if account.stress < 1 and there_mm > 0 else 1.0
    by_demand = crop_mm / demand
    noise = (tuning.of_crop * crop_mm) ** 2 / min(max(days, 1 / 24), 1.0) + tuning.mm_a_day**2 * days
    noise += (tuning.of_rain * account.rain_mm) ** 2 + (tuning.of_run * account.irrigation_mm) ** 2
    return (
        keep * keep * dd + 2 * keep * by_demand * df + by_demand**2 * ff + noise,
        keep * df + by_demand * ff,
        keep * do + by_demand * fo,
        ff + tuning.demand_a_day**2 * days,
        fo,
        oo + tuning.offset_m3_m3_a_day**2 * days,
    )


@dataclass(frozen=True, slots=True)
class Ground:
    """What the probes stand in, this day."""

    field_capacity: float
    wilting_point: float
    roots_m: float


def believe(
    belief: Belief, probes: Mapping[str, Probe], ground: Ground, now: int
) -> tuple[Belief, dict[str, Probe], dict[str, Verdict]]:
    """As `observe`, but the first values that can be believed begin the belief, and no soil is fuller than full.

    What probes tell far beyond field capacity would only look like a surprise.
    """
    if not belief.at and (values := [probe.vwc for probe in probes.values() if probe.vwc is not None]):
        belief = _first(values, ground)
    most = ground.field_capacity + BRIM_M3_M3
    brim = {name: probe.vwc for name, probe in probes.items() if probe.vwc is not None and probe.vwc > most}
    within = {**probes, **{name: replace(probes[name], vwc=most) for name in brim}} if brim else probes
    belief, memories, verdicts = observe(belief, within, ground, now)
    for name, vwc in brim.items():
        memories[name] = replace(memories[name], vwc=vwc)
    return belief, memories, verdicts


def _first(values: list[float], ground: Ground) -> Belief:
    """By the mean of what probes read."""
    whole_mm = 1000 * ground.roots_m
    depletion_mm = (ground.field_capacity - sum(values) / len(values)) * whole_mm
    most_mm = (ground.field_capacity - ground.wilting_point) * whole_mm
    return begin(min(max(depletion_mm, 0.0), most_mm))


def observe(
    belief: Belief, probes: Mapping[str, Probe], ground: Ground, now: int, tuning: Tuning = TUNING
) -> tuple[Belief, dict[str, Probe], dict[str, Verdict]]:
    """Hold the belief against the probes: the belief after it, the probes' memories, and what to think of each."""
    mean_m3_m3, capacity = belief.depletion_mm / (1000 * ground.roots_m), ground.field_capacity
    memories = {name: watch(probe, mean_m3_m3, capacity, belief.full_at) for name, probe in probes.items()}
    verdicts = {name: judge(probe, now, ground.roots_m) for name, probe in memories.items()}
    basis = to_go_by(memories, verdicts, belief.at)
    if basis:
        view = sight([probe.depth_m for probe in basis.values()], ground.roots_m)
        belief = _learn(belief, basis, view, ground, now, tuning)
    return belief, memories, verdicts


def _learn(  # noqa: PLR0913, PLR0917  # a measurement, where and when
    belief: Belief, probes: Mapping[str, Probe], view: Sight, ground: Ground, now: int, tuning: Tuning
) -> Belief:
    lacks = [ground.field_capacity - (probe.vwc or 0.0) for probe in probes.values()]
    newest = max(probe.at for probe in probes.values())
    days = min((newest - belief.at) / DAY_S, 1.0) if belief.at else 1.0
    estimate, below_mm = belief.estimate, belief.below_mm
    if tuple(probes) != belief.used:
        estimate, below_mm = _other_probes(estimate, tuning), _dry_below_mm(lacks[-1], view)
    belief = replace(belief, at=newest, used=tuple(probes), reach_m=view.reach_m, below_mm=below_mm)
    whole_mm = 1000 * ground.roots_m
    measured_mm = 1000 * view.reach_m * sum(map(mul, lacks, view.weights)) + below_mm
    estimate = _less_sure(estimate, view, days, tuning)
    variance = _variance(belief, view, ground, now, tuning)
    (depletion_mm, _, offset), (dd, _, do, _, _, oo) = estimate
    surprise_mm = measured_mm - (depletion_mm + whole_mm * offset)
    spread = dd + 2 * whole_mm * do + whole_mm**2 * oo + variance
    if surprise_mm**2 > tuning.surprise_sigmas**2 * spread:
        if not belief.surprised:
            return replace(belief, estimate=estimate, surprised=1)
        estimate = Estimate(estimate.mean, (dd + surprise_mm**2, *estimate.cov[1:]))
    estimate = update(estimate, (1.0, 0.0, whole_mm), measured_mm, variance / max(days, 0.01))
    return _with_uptake(replace(belief, estimate=_possible(estimate, ground, tuning), surprised=0), view, ground)


def _dry_below_mm(lack: float, view: Sight) -> float:
    """What soil below the deepest probe's reach lacks, if it dried along with that probe: roots there are fewer."""
    return 1000 * view.below_m * max(lack, 0.0) * view.dryness_below


def _with_uptake(belief: Belief, view: Sight, ground: Ground) -> Belief:
    """With the share that now comes from below: the roots' part there, times how dry the soil above them is."""
    below_mm = min(belief.below_mm, belief.depletion_mm)
    above_mm = 1000 * (ground.field_capacity - ground.wilting_point) * belief.reach_m
    dry = min((belief.depletion_mm - below_mm) / above_mm, 1.0)
    return replace(belief, below_mm=below_mm, deep=dry * view.uptake_below)


def _less_sure(estimate: Estimate, view: Sight, days: float, tuning: Tuning) -> Estimate:
    """What no probe sees goes its own way, and for long: it is an offset that nobody knows."""
    a_day = tuning.hidden_a_day * max(0.0, 1 - view.coverage)
    dd, df, do, ff, fo, oo = estimate.cov
    return Estimate(estimate.mean, (dd, df, do, ff, fo, oo + a_day**2 * days))


def _variance(belief: Belief, view: Sight, ground: Ground, now: int, tuning: Tuning) -> float:
    """Of what the probes say of the whole root zone in a day, mm2."""
    soaking = tuning.times_soaking if belief.wet_at and now - belief.wet_at < tuning.soaking_s else 1.0
    probes = (1000 * belief.reach_m * tuning.probe_m3_m3) ** 2 * sum(part * part for part in view.weights)
    gap = 1000 * ground.roots_m * tuning.gap * max(0.0, 1 - view.coverage)
    return soaking**2 * (probes + (tuning.shape * belief.depletion_mm) ** 2) + gap**2


def _other_probes(estimate: Estimate, tuning: Tuning) -> Estimate:
    """Another set of probes is off by something else."""
    dd, df, do, ff, fo, oo = estimate.cov
    part = 0.5 if oo > 0 else 0.0
    return Estimate(estimate.mean, (dd, df, do * part, ff, fo * part, max(oo, tuning.offset_m3_m3**2 / 2)))


def _possible(estimate: Estimate, ground: Ground, tuning: Tuning) -> Estimate:
    depletion_mm, demand, offset = estimate.mean
    available_mm = 1000 * (ground.field_capacity - ground.wilting_point) * ground.roots_m
    demand = min(max(demand, tuning.least_demand), tuning.most_demand)
    return Estimate((min(max(depletion_mm, -tuning.holds * available_mm), available_mm), demand, offset), estimate.cov)


def _drained(mean: float, variance: float, rest: float) -> tuple[float, float, float]:
    """Mean and variance once of what is below 0 only such a part is left, and the share of it all that stays."""
    sigma = math.sqrt(variance)
    far = mean / sigma if sigma > 1e-9 else math.copysign(9.0, mean)
    if abs(far) > 6:
        share = rest if far < 0 else 1.0
        return mean * share, variance * share * share, share
    above = 0.5 * math.erfc(-far / math.sqrt(2))
    density = math.exp(-far * far / 2) / math.sqrt(2 * math.pi)
    over = mean * above + sigma * density
    second = (mean * mean + variance) * above + mean * sigma * density
    first = over + rest * (mean - over)
    second += rest * rest * (mean * mean + variance - second)
    return first, max(second - first * first, 0.0), above + rest * (1 - above)
