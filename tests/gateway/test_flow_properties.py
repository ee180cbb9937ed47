"""The flow watch by meters of any pulse: what it tells holds for every flow that the meter can have seen."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vm.portable import test_flow_pulses

judge_run: Any = test_flow_pulses.judge_run  # portable tests have no types
judge_shut: Any = test_flow_pulses.judge_shut
PULSES_L = st.floats(0.5, 1000)
FLOWS_L_MIN = st.floats(0.5, 800)
PHASES = st.floats(0, 0.999)


@given(PULSES_L, FLOWS_L_MIN, PHASES, st.floats(0, 3), st.integers(2, 120))
@settings(max_examples=150, deadline=None)
def test_a_run_is_judged_by_what_is_certain(
    pulse_l: float, nominal: float, phase: float, share: float, minutes: int
) -> None:
    """No good run is told of, a bad one once, and in any case if two pulses do not explain it."""
    assert judge_run(pulse_l, nominal, phase, share, minutes) is None


@given(PULSES_L, FLOWS_L_MIN, PHASES, st.floats(0, 1), st.sampled_from((60, 300, 900, 3600)))
@settings(max_examples=100, deadline=None)
def test_a_shut_valve_is_judged_by_what_is_certain(
    pulse_l: float, nominal: float, phase: float, share: float, sample_s: int
) -> None:
    """What may drip is not told of, little latches nothing, and a leak that goes on is told once."""
    assert judge_shut(pulse_l, nominal, phase, share, 240, sample_s) is None
