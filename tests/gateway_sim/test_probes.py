"""What a probe says: later than the soil, a little wrong, and always the same for the same moment."""

import statistics

import pytest

from gateway_sim.probes import Lag, Probe
from gateway_sim.soil import STEP_S, Column, Plants, uniform

PROBE = Probe("irrigation-gateway-1.soil-a", 0.1)
T0 = 1_590_000_000


def test_the_same_moment_gives_the_same_reading() -> None:
    """Readings depend on seed, sensor and time, not on how many were taken before."""
    assert PROBE.read(0.2, 20.0, T0, seed=1) == PROBE.read(0.2, 20.0, T0, seed=1)
    others = {
        PROBE.read(0.2, 20.0, T0, seed=2),
        PROBE.read(0.2, 20.0, T0 + 900, seed=1),
        Probe("irrigation-gateway-1.soil-b", 0.1).read(0.2, 20.0, T0, seed=1),
    }
    assert len(others | {PROBE.read(0.2, 20.0, T0, seed=1)}) == 4


def test_noise_has_its_size() -> None:
    """Over many readings the mean is the soil's, and the scatter the probe's."""
    said = [PROBE.read(0.2, 20.0, T0 + 900 * number, seed=1) for number in range(2000)]
    assert statistics.mean(said) == pytest.approx(0.2, abs=3e-4)
    assert statistics.stdev(said) == pytest.approx(0.003, rel=0.1)


def test_warm_and_salty_soil_reads_wetter() -> None:
    """The same water reads higher in a warm afternoon and in salty soil, by a few hundredths of itself."""
    assert PROBE.indicated(0.25, 20.0) == pytest.approx(0.25)
    assert PROBE.indicated(0.25, 30.0) == pytest.approx(0.255)
    assert PROBE.indicated(0.25, 10.0) == pytest.approx(0.245)
    salty = Probe("x.soil-a", 0.1, 5.0)
    assert salty.indicated(0.25, 20.0) == pytest.approx(0.27)


def test_a_step_in_the_soil_shows_with_its_lag() -> None:
    """After `lag_s` 63 % of a sudden change is seen, and all of it after a while; no lag sees it at once."""
    slow, quick = Lag(4 * STEP_S, 0.20), Lag(0.0, 0.20)
    for _ in range(4):
        slow.step(0.25)
        quick.step(0.25)
    assert quick.value == pytest.approx(0.25)
    assert slow.value == pytest.approx(0.20 + 0.05 * 0.632, abs=1e-4)
    for _ in range(100):
        slow.step(0.25)
    assert slow.value == pytest.approx(0.25)


def test_a_deep_probe_sees_rain_later() -> None:
    """Of two probes in one column the shallow one moves first."""
    column = Column(uniform(0.6, 0.13, 0.27, 0.46, 15.0), Plants(1.0, 0.5), 0.20)
    probes = {depth: Lag(600.0, 0.20) for depth in (0.075, 0.375)}
    for _ in range(24):
        column.step(1.0, 0.0, 0.0)
        for depth, seen in probes.items():
            seen.step(column.at(depth))
    assert probes[0.075].value > 0.25
    assert probes[0.375].value < 0.21
