"""From millimetres to seconds and litres, and rests in which the water soaks in."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agronomy.refill import EmitterError, Emitters, net_mm, refill

DRIP = Emitters(area_m2=250, application_rate_mm_h=12, efficiency=0.85)
SPRINKLER = Emitters(1000, 20.0, 0.75, infiltration_mm_h=8.0, ponding_mm=4.0)


def test_a_depth_becomes_seconds_and_litres() -> None:
    """10 mm to the roots of 250 m2 at 12 mm/h and 85 %: 59 minutes, 2,941 litres, in one go."""
    run = refill(DRIP, 10.0)
    assert run.duration_s == 3529
    assert run.litres == pytest.approx(2941, abs=1)
    assert run.net_mm == pytest.approx(10.0, abs=0.003)
    assert [cycle.soak_s for cycle in run.cycles] == [0]
    assert net_mm(DRIP, run.litres) == pytest.approx(run.net_mm)
    assert DRIP.flow_l_min == 50


def test_soil_that_lets_in_less_gets_rests() -> None:
    """20 mm/h on soil that takes 8: 20 minutes until 4 mm stand, 30 until they are gone; no rest after the last."""
    run = refill(SPRINKLER, 15.0)
    assert [cycle.open_s for cycle in run.cycles] == [1200, 1200, 1200]
    assert [cycle.soak_s for cycle in run.cycles] == [1800, 1800, 0]
    assert run.elapsed_s == 7200


def test_a_bound_is_kept_and_told() -> None:
    """Cut to ten minutes, the run says how much less it brings."""
    run = refill(DRIP, 10.0, most_s=600)
    assert [run.duration_s, run.net_mm] == pytest.approx([600, 1.7])
    assert refill(DRIP, -3.0).cycles == ()


def test_water_that_soaks_in_at_once_needs_no_rest() -> None:
    """However long the run, more than a day too, it is one opening where nothing is known to pond."""
    assert len(refill(replace(DRIP, application_rate_mm_h=1.0), 30.0).cycles) == 1


@pytest.mark.parametrize(
    "flaw",
    [
        *({"area_m2": 0.0}, {"application_rate_mm_h": -1.0}, {"efficiency": 0.0}, {"efficiency": 85.0}),
        *({"infiltration_mm_h": 0.0}, {"ponding_mm": 0.0}),
    ],
)
def test_emitters_that_cannot_be_are_refused(flaw: dict[str, float]) -> None:
    """No area, water that flows back, percent for a fraction, soil that takes nothing."""
    with pytest.raises(EmitterError):
        replace(DRIP, **flaw)


@given(
    st.builds(
        Emitters,
        st.floats(1, 1e5),
        st.floats(0.5, 200),
        st.floats(0.1, 1),
        st.none() | st.floats(0.1, 200),
        st.floats(0.5, 20),
    ),
    st.floats(0, 100),
    st.none() | st.integers(0, 86400),
)
def test_cycles_give_all_the_water_and_never_pond(emitters: Emitters, depth: float, most_s: int | None) -> None:
    """Openings sum to the run; between them nothing is left standing, and no opening ponds deeper than allowed."""
    run = refill(emitters, depth, most_s)
    assert sum(cycle.open_s for cycle in run.cycles) == run.duration_s
    assert most_s is None or run.duration_s <= most_s
    assert run.net_mm <= depth + emitters.application_rate_mm_h / 3600
    infiltration = emitters.infiltration_mm_h
    if infiltration is not None and infiltration < emitters.application_rate_mm_h:
        for cycle in run.cycles:
            stands = (emitters.application_rate_mm_h - infiltration) * cycle.open_s / 3600
            assert stands <= emitters.ponding_mm + 1e-6 or cycle.open_s <= 120
        for cycle in run.cycles[:-1]:
            stands = (emitters.application_rate_mm_h - infiltration) * cycle.open_s / 3600
            assert cycle.soak_s * infiltration / 3600 >= stands - 1e-6
