"""Does this zone need water now? A pure function of the zone, of what is settled about it, and of the time.

Every check becomes a row of the decision, passed or not, so that a decision explains itself a season later. All must
pass before a valve opens; the first that fails gives the sentence. A run then brings the root zone from the reading up
to the target, within the bounds of one run and of one day.
Moisture (vwc) is m3 of water per m3 of soil; times are Unix seconds.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from compute_service.config import MIN_RUN_S, Zone

SATURATION = 0.65  # no mineral soil holds more: such a reading is a fault, or a probe in a puddle
FUTURE_S = 300  # a sample from further ahead has a wrong clock
VOLUME_MARGIN = 1.5  # a burst pipe flows more than this times the nominal rate


@dataclass(frozen=True, slots=True)
class Sample:
    """The newest moisture that the zone's own probe measured."""

    vwc: float
    measured_at: int


@dataclass(frozen=True, slots=True)
class Run:
    """Water that was given: what an ack settled or, where no ack ever came, the most that the command allowed."""

    ended_at: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class ZoneState:
    """What is known about a zone. `runs` covers the farm's local day and the cooldown, in any order."""

    sample: Sample | None = None
    under_way: str | None = None  # the command_id whose end is not known yet
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One reason: the value that was found, the threshold it was held against, and in words why it will not do.

    `why` is empty for a check that passed.
    """

    name: str
    value: float | str | None
    threshold: float | tuple[float, float] | None
    passed: bool
    why: str


@dataclass(frozen=True, slots=True)
class Open:
    """The intent to water: at most `duration_s` seconds and `max_volume_l` litres, to bring `depth_mm` to the roots."""

    duration_s: int
    max_volume_l: float
    depth_mm: float


@dataclass(frozen=True, slots=True)
class Decision:
    """An intent or none, every check behind it, and the same in one sentence."""

    zone_id: str
    at: int
    intent: Open | None
    checks: tuple[Check, ...]
    sentence: str


def decide(zone: Zone, state: ZoneState, now: int) -> Decision:
    """Decide about one zone at `now`; the same arguments always give the same decision."""
    found = (check(zone, state, now) for check in CHECKS)
    checks = tuple(replace(check, why="") if check.passed else check for check in found)
    refused = next((check for check in checks if not check.passed), None)
    if refused is not None:
        return Decision(zone.zone_id, now, None, checks, f"{zone.zone_id} gets no water: {refused.why}.")
    assert state.sample is not None  # or it were not fresh
    intent = _run(zone, state.sample, _left_today_s(zone, state, now))
    sentence = (
        f"{zone.zone_id} gets water for {_span(intent.duration_s)}: moisture {state.sample.vwc:.3f} is below"
        f" the refill point {zone.refill_point:.3f}, and {intent.depth_mm:.1f} mm would bring it to {zone.target:.3f}."
    )
    return Decision(zone.zone_id, now, intent, checks, sentence)


def _fresh_reading(zone: Zone, state: ZoneState, now: int) -> Check:
    age = None if state.sample is None else now - state.sample.measured_at
    passed = age is not None and -FUTURE_S <= age <= zone.max_reading_age_s
    told = "there is no reading yet" if age is None else f"the last reading is {_span(age)} old"
    why = f"{told}, at most {_span(zone.max_reading_age_s)} is allowed (silence is not dryness)"
    return Check("fresh_reading", age, zone.max_reading_age_s, passed, why)


def _plausible_reading(zone: Zone, state: ZoneState, _now: int) -> Check:
    least = zone.wilting_point / 2  # roots cannot dry soil this far: a probe in air reads so
    vwc = _vwc(state)
    passed = vwc is not None and least <= vwc <= SATURATION
    why = f"moisture {_moisture(vwc)} is not believable, want {least:.3f} to {SATURATION:.2f}; look at the probe"
    return Check("plausible_reading", vwc, (least, SATURATION), passed, why)


def _nothing_under_way(_zone: Zone, state: ZoneState, _now: int) -> Check:
    why = f"command {state.under_way} is still under way"
    return Check("nothing_under_way", state.under_way, None, state.under_way is None, why)


def _cooled_down(zone: Zone, state: ZoneState, now: int) -> Check:
    since = min((now - run.ended_at for run in state.runs), default=None)
    passed = since is None or since >= zone.cooldown_s
    why = f"the last run ended {_span(since or 0)} ago, water needs {_span(zone.cooldown_s)} to soak in"
    return Check("cooled_down", since, zone.cooldown_s, passed, why)


def _below_refill_point(zone: Zone, state: ZoneState, _now: int) -> Check:
    vwc = _vwc(state)
    why = f"moisture {_moisture(vwc)} is not below the refill point {zone.refill_point:.3f}"
    return Check("below_refill_point", vwc, zone.refill_point, vwc is not None and vwc < zone.refill_point, why)


def _within_daily_cap(zone: Zone, state: ZoneState, now: int) -> Check:
    left = _left_today_s(zone, state, now)
    why = f"{_span(left)} of today's {_span(zone.daily_cap_s)} is left, a run needs at least {_span(MIN_RUN_S)}"
    return Check("within_daily_cap", left, MIN_RUN_S, left >= MIN_RUN_S, why)


def _bounded_run(zone: Zone, _state: ZoneState, _now: int) -> Check:
    why = f"a run of at most {zone.max_run_s} s is shorter than the shortest useful run"
    return Check("bounded_run", zone.max_run_s, MIN_RUN_S, zone.max_run_s >= MIN_RUN_S, why)


CHECKS = (
    _fresh_reading,
    _plausible_reading,
    _below_refill_point,
    _nothing_under_way,
    _cooled_down,
    _within_daily_cap,
    _bounded_run,
)


def _run(zone: Zone, sample: Sample, left_today_s: int) -> Open:
    depth_mm = (zone.target - sample.vwc) * zone.root_depth_m * 1000
    needed_s = depth_mm / zone.efficiency / zone.application_rate_mm_h * 3600
    duration_s = min(max(round(needed_s), MIN_RUN_S), zone.max_run_s, left_today_s)
    litres_per_s = zone.application_rate_mm_h * zone.area_m2 / 3600  # 1 mm on 1 m2 is 1 litre
    return Open(duration_s, round(duration_s * litres_per_s * VOLUME_MARGIN, 1), depth_mm)


def _left_today_s(zone: Zone, state: ZoneState, now: int) -> int:
    """Seconds of the daily cap that are left; a run counts on the local day in which it ended."""
    farm = ZoneInfo(zone.timezone)
    today = datetime.fromtimestamp(now, farm).date()
    used = sum(run.duration_s for run in state.runs if datetime.fromtimestamp(run.ended_at, farm).date() == today)
    return int(max(zone.daily_cap_s - used, 0))


def _vwc(state: ZoneState) -> float | None:
    return None if state.sample is None else state.sample.vwc


def _moisture(vwc: float | None) -> str:
    return "unknown" if vwc is None else f"{vwc:.3f}"


def _span(seconds: float) -> str:
    """Seconds in the unit that a person would choose."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
