"""The decision: each check for itself, and what must hold whatever the state."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_service.config import MIN_RUN_S, Zone
from compute_service.decide import FUTURE_S, SATURATION, Decision, Run, Sample, ZoneState, decide
from tests.compute_service.bench import NOON, zone

DRY = ZoneState(Sample(0.18, NOON - 60))
TORONTO = ZoneInfo("America/Toronto")
MIDNIGHT = int(datetime(2025, 6, 16, tzinfo=TORONTO).timestamp())


def failed(decision: Decision) -> list[str]:
    return [check.name for check in decision.checks if not check.passed]


def test_dry_zone_is_watered() -> None:
    """A dry zone gets the depth that lifts its root zone to the target, for the losses, at the sprinkler's rate."""
    decision = decide(zone(max_run_s=5400), DRY, NOON)
    assert failed(decision) == []
    assert decision.intent is not None
    assert decision.intent.depth_mm == pytest.approx(8)  # (0.26 - 0.18) x 0.1 m x 1000
    assert decision.intent.duration_s == 1920  # 8 mm / 0.75 / 20 mm/h
    assert decision.intent.max_volume_l == pytest.approx(1600, abs=0.1)  # 1920 s x 20 mm/h x 100 m2 is 1067 l, x 1.5
    assert decision.sentence == (
        "plot-1a gets water for 32 min: moisture 0.180 is below the refill point 0.200,"
        " and 8.0 mm would bring it to 0.260."
    )


@pytest.mark.parametrize(
    ("state", "check", "told"),
    [
        (ZoneState(), "fresh_reading", "there is no reading yet, at most 60 min is allowed (silence is not dryness)"),
        (ZoneState(Sample(0.18, NOON - 3601)), "fresh_reading", "the last reading is 60 min old"),
        (ZoneState(Sample(0.18, NOON + FUTURE_S + 1)), "fresh_reading", "the last reading"),
        (ZoneState(Sample(0.0, NOON)), "plausible_reading", "moisture 0.000 is not believable"),
        (ZoneState(Sample(0.9, NOON)), "plausible_reading", "moisture 0.900 is not believable"),
        (ZoneState(Sample(0.20, NOON)), "below_refill_point", "moisture 0.200 is not below the refill point 0.200"),
        (replace(DRY, under_way="C1"), "nothing_under_way", "command C1 is still under way"),
        (replace(DRY, runs=(Run(NOON - 3599, 600),)), "cooled_down", "the last run ended 60 min ago"),
        (replace(DRY, runs=(Run(NOON - 90, 9), Run(NOON - 7200, 9))), "cooled_down", "the last run ended 90 s ago"),
        (replace(DRY, runs=(Run(NOON - 7200, 5350),)), "within_daily_cap", "50 s of today's 90 min is left"),
    ],
)
def test_each_check_refuses(state: ZoneState, check: str, told: str) -> None:
    """Each check alone keeps the valve shut, and the sentence gives its reason."""
    decision = decide(zone(), state, NOON)
    assert decision.intent is None
    assert check in failed(decision)
    assert told in decision.sentence


def test_deadband() -> None:
    """Between refill point and target nothing starts, whichever way the moisture came."""
    for vwc in (0.20, 0.23, 0.259, 0.26, 0.29):
        assert decide(zone(), ZoneState(Sample(vwc, NOON)), NOON).intent is None


def test_every_check_is_a_row() -> None:
    """A decision keeps every check with its value and threshold, also those that passed."""
    decision = decide(zone(), ZoneState(), NOON)
    assert [check.name for check in decision.checks] == [
        "fresh_reading",
        "plausible_reading",
        "below_refill_point",
        "nothing_under_way",
        "cooled_down",
        "within_daily_cap",
        "bounded_run",
    ]
    refill = decide(zone(), DRY, NOON).checks[2]
    assert (refill.value, refill.threshold, refill.passed) == (0.18, 0.20, True)


def test_daily_cap_follows_the_farms_day() -> None:
    """The cap is of the farm's local day: midnight in Toronto opens a new one, midnight in Greenwich does not."""
    spent = (Run(MIDNIGHT - 4000, 5400),)
    at = {"before": MIDNIGHT - 1, "after": MIDNIGHT}
    caps = {when: decide(zone(), ZoneState(Sample(0.18, now), runs=spent), now) for when, now in at.items()}
    assert "within_daily_cap" in failed(caps["before"])
    assert failed(caps["after"]) == []


def test_cap_clips_the_run() -> None:
    """What is left of the day bounds the run."""
    intent = decide(zone(), replace(DRY, runs=(Run(NOON - 4000, 5300),)), NOON).intent
    assert intent is not None
    assert intent.duration_s == 100


MOISTURE = st.floats(0, 1)
TIMES = st.integers(NOON - 3 * 86400, NOON + 3600)
STATES = st.builds(
    ZoneState,
    sample=st.none() | st.builds(Sample, vwc=MOISTURE, measured_at=TIMES),
    under_way=st.none() | st.just("C1"),
    runs=st.lists(st.builds(Run, ended_at=TIMES, duration_s=st.floats(1, 7200)), max_size=4).map(tuple),
)
LIKELY = st.builds(  # a state in which a run is likely, so that its bounds are really tried
    ZoneState,
    sample=st.builds(Sample, vwc=st.floats(0.06, 0.2), measured_at=st.integers(NOON - 3600, NOON)),
    runs=st.lists(
        st.builds(Run, ended_at=st.integers(NOON - 86400, NOON - 3600), duration_s=st.floats(1, 3000)), max_size=3
    ).map(tuple),
)
ZONES = st.builds(
    zone,
    root_depth_m=st.floats(0.02, 5),
    application_rate_mm_h=st.floats(0.1, 500),
    efficiency=st.floats(0.05, 1),
    max_run_s=st.integers(MIN_RUN_S, 5400),
    cooldown_s=st.integers(0, 4000),
    timezone=st.sampled_from(["America/Toronto", "UTC", "Pacific/Kiritimati", "Asia/Kathmandu"]),
)


@given(ZONES, STATES | LIKELY)
def test_whatever_the_state(zone_: Zone, state: ZoneState) -> None:
    """No state makes a run that is unbounded, blind, too soon, doubled or above the day's cap."""
    intent = decide(zone_, state, NOON).intent
    if intent is None:
        return
    assert state.sample is not None
    assert -FUTURE_S <= NOON - state.sample.measured_at <= zone_.max_reading_age_s
    assert zone_.wilting_point / 2 <= state.sample.vwc < zone_.refill_point < SATURATION
    assert state.under_way is None
    assert all(NOON - run.ended_at >= zone_.cooldown_s for run in state.runs)
    assert MIN_RUN_S <= intent.duration_s <= zone_.max_run_s
    assert 0 < intent.max_volume_l < float("inf")
    farm = ZoneInfo(zone_.timezone)
    today = datetime.fromtimestamp(NOON, farm).date()
    used = sum(r.duration_s for r in state.runs if datetime.fromtimestamp(r.ended_at, farm).date() == today)
    assert used + intent.duration_s <= zone_.daily_cap_s


@given(ZONES, LIKELY, st.floats(0.06, 0.2))
def test_drier_never_gets_less(zone_: Zone, state: ZoneState, other: float) -> None:
    """All else equal, drier soil never gets a shorter run than wetter soil."""
    assert state.sample is not None
    low, high = sorted((state.sample.vwc, other))
    drier, wetter = (
        decide(zone_, replace(state, sample=replace(state.sample, vwc=v)), NOON).intent for v in (low, high)
    )
    if wetter is not None:
        assert drier is not None
        assert drier.duration_s >= wetter.duration_s


@given(ZONES, STATES)
def test_same_arguments_same_decision(zone_: Zone, state: ZoneState) -> None:
    """The decision depends on its arguments alone, and the order of the runs does not matter."""
    turned = replace(state, runs=state.runs[::-1])
    assert decide(zone_, state, NOON).intent == decide(zone_, turned, NOON).intent
