"""One pump, several valves: they share its flow, meters count it, and every litre is found again."""

import math
import random

import pytest

from gateway_sim.errors import HydraulicsError
from gateway_sim.hydraulics import Defect, Supply, pump_for

NOMINAL = {"a": 100.0, "b": 60.0, "c": 100.0}
MINUTE = 60_000.0


def supply(*defects: Defect, pulse_l: float = 1.0) -> Supply:
    return Supply(NOMINAL, 0.0, defects=defects, pulse_l=pulse_l)


@pytest.mark.parametrize("zone_id", NOMINAL)
def test_one_healthy_valve_alone_gives_its_nominal_flow(zone_id: str) -> None:
    """Ten minutes of an open valve are ten times the nominal litres, and all of them reach the roots."""
    pipes = supply()
    pipes.set_valve(zone_id, 0, True)
    pipes.set_valve(zone_id, 10 * MINUTE, False)
    assert pipes.litres(zone_id, 60 * MINUTE) == pytest.approx(10 * NOMINAL[zone_id])
    assert pipes.roots_l(zone_id, 60 * MINUTE) == pytest.approx(10 * NOMINAL[zone_id])


def test_two_open_valves_get_less_each_and_more_together() -> None:
    """The second valve takes pressure from the first, which gets it back when the second closes."""
    pipes = supply()
    pipes.set_valve("a", 0, True)
    pipes.set_valve("c", 1 * MINUTE, True)
    both = pipes.flow("a", 1 * MINUTE).metered + pipes.flow("c", 1 * MINUTE).metered
    assert pipes.flow("a", 0).metered == pytest.approx(100.0)
    assert 60 < pipes.flow("a", 1 * MINUTE).metered < 95
    assert 100 < both < 200
    pipes.set_valve("c", 2 * MINUTE, False)
    assert pipes.flow("a", 2 * MINUTE).metered == pytest.approx(100.0)
    assert pipes.flow("c", 2 * MINUTE).metered == 0.0


def test_flow_is_on_the_pumps_curve() -> None:
    """Whatever is open, the sum of the flows is what the pump gives at the pressure that the emitters see."""
    pump = pump_for(NOMINAL)
    pipes = Supply(NOMINAL, 0.0, pump)
    for zone_id in NOMINAL:
        pipes.set_valve(zone_id, 0, True)
    total = sum(pipes.flow(zone_id, 0).metered for zone_id in NOMINAL)
    pressure = pump.shut_off_kpa - pump.slope * total**2
    alone = pump.shut_off_kpa - pump.slope * 100.0**2
    assert pipes.flow("a", 0).metered == pytest.approx(100.0 * math.sqrt(pressure / alone))


def test_no_litre_is_lost_between_edges() -> None:
    """Over random edges the metered litres are the integral of the flows, however often somebody looks."""
    draw = random.Random(4)
    watched, alone = supply(), supply()
    expected = dict.fromkeys(NOMINAL, 0.0)
    at = 0.0
    for _ in range(300):
        zone_id, state = draw.choice([*NOMINAL]), draw.random() < 0.5
        watched.set_valve(zone_id, at, state)
        alone.set_valve(zone_id, at, state)
        wait = draw.choice((0.0, 1.0, draw.uniform(0, 500_000)))
        for zone in NOMINAL:
            expected[zone] += watched.flow(zone, at).metered * wait / MINUTE
            watched.litres(zone, at + wait / 2)
        at += wait
    for zone, litres in expected.items():
        assert watched.litres(zone, at) == pytest.approx(litres)
        assert watched.litres(zone, at) == alone.litres(zone, at)


def test_a_meter_counts_whole_pulses() -> None:
    """It never runs ahead of the water, and is less than a pulse behind."""
    pipes = supply(pulse_l=10.0)
    pipes.set_valve("a", 0, True)
    assert [pipes.metered_l("a", seconds * 1000) for seconds in (0, 5, 6, 11, 12, 60)] == [0, 0, 10, 10, 20, 100]


def test_a_clogged_line_passes_less_and_leaves_more_for_the_others() -> None:
    """At nominal pressure the share is lost exactly; a pump that works less pushes a little harder."""
    pipes = supply(Defect(zone_id="a", begin_ms=2 * MINUTE, end_ms=4 * MINUTE, clogged=0.6))
    pipes.set_valve("a", 0, True)
    assert pipes.flow("a", 1 * MINUTE).metered == pytest.approx(100.0)
    assert 40.0 < pipes.flow("a", 3 * MINUTE).metered < 50.0
    assert pipes.litres("a", 4 * MINUTE) == pytest.approx(200 + 2 * pipes.flow("a", 3 * MINUTE).metered)
    assert pipes.flow("a", 4 * MINUTE).metered == pytest.approx(100.0)


def test_a_burst_line_meters_more_and_waters_less() -> None:
    """The meter counts what escapes, the roots do not get it, and they get less than before for want of pressure."""
    pipes = supply(Defect(zone_id="a", begin_ms=0, end_ms=math.inf, burst=1.0))
    pipes.set_valve("a", 0, True)
    flow = pipes.flow("a", 0)
    assert flow.metered > 130
    assert flow.roots == pytest.approx(flow.metered / 2)
    assert flow.roots < 90


def test_a_valve_that_does_not_open_lets_nothing_through() -> None:
    """Until it is mended, which is then in time for a run that still goes on."""
    pipes = supply(Defect(zone_id="a", begin_ms=0, end_ms=5 * MINUTE, does_not_open=True))
    assert pipes.set_valve("a", 1 * MINUTE, True)
    assert pipes.litres("a", 5 * MINUTE) == 0.0
    assert pipes.litres("a", 6 * MINUTE) == pytest.approx(100.0)


def test_a_valve_that_does_not_close_goes_on() -> None:
    """It was told to close, and its meter runs on until somebody mends it; a shut valve stays shut."""
    pipes = supply(
        Defect(zone_id="a", begin_ms=0, end_ms=30 * MINUTE, does_not_close=True),
        Defect(zone_id="b", begin_ms=0, end_ms=30 * MINUTE, does_not_close=True),
    )
    pipes.set_valve("a", 0, True)
    pipes.set_valve("a", 10 * MINUTE, False)
    assert not pipes.set_valve("a", 10 * MINUTE, False)
    assert pipes.litres("a", 60 * MINUTE) == pytest.approx(3000.0)
    assert pipes.litres("b", 60 * MINUTE) == 0.0


def test_telling_a_valve_twice_changes_nothing() -> None:
    """A closing pulse to a closed valve is no edge."""
    pipes = supply()
    assert not pipes.set_valve("a", 0, False)
    assert pipes.set_valve("a", 1, True)
    assert not pipes.set_valve("a", 2, True)


def test_edges_do_not_go_back_in_time() -> None:
    """What has flowed has flowed."""
    pipes = supply()
    pipes.set_valve("a", 1000, True)
    with pytest.raises(HydraulicsError, match="a valve edge at 999"):
        pipes.set_valve("a", 999, False)
    with pytest.raises(HydraulicsError, match="before 0"):
        pipes.litres("a", -1)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Defect(zone_id="a", begin_ms=0, end_ms=1, clogged=1.0),
        lambda: Defect(zone_id="a", begin_ms=0, end_ms=1, burst=-0.1),
        lambda: Defect(zone_id="a", begin_ms=2, end_ms=1),
        lambda: Supply({"a": 0.0}, 0, pump_for(NOMINAL)),
        lambda: Supply({"a": 500.0}, 0, pump_for(NOMINAL)),
        lambda: supply(Defect(zone_id="z", begin_ms=0, end_ms=1)),
    ],
)
def test_pipes_that_cannot_be(wrong: object) -> None:
    """Flows beyond the pump, defects without sense and unknown zones are refused."""
    assert callable(wrong)
    with pytest.raises(HydraulicsError):
        wrong()
