"""Capacitive soil probes: what they say of the soil beside them, some minutes later and a little wrong.

Like the 5TM in the field data they take the soil's permittivity for water, so that warmth and salt count too; at 70 MHz
both effects are small: of the order that Kizito et al. (2008, J. Hydrol. 352:367) measured.
"""

import math
import random
from dataclasses import dataclass

from gateway_sim.soil import STEP_S

NOISE = 0.003  # m3/m3, standard deviation
PER_DEGREE = 0.002  # of the value, by degC from where the probe was calibrated
PER_SALT = 0.02  # of the value, by dS/m of the soil's water from where it was calibrated
CALIBRATED_C = 20.0
CALIBRATED_DS_M = 1.0


@dataclass(frozen=True)
class Probe:
    """One probe at a depth, or (None) over the whole root zone, in water with this much salt."""

    sensor_id: str
    depth_m: float | None
    salt_ds_m: float = CALIBRATED_DS_M
    noise: float = NOISE

    def indicated(self, vwc: float, temperature_c: float) -> float:
        """What it would say without noise, m3/m3."""
        warmth = 1 + PER_DEGREE * (temperature_c - CALIBRATED_C)
        salt = 1 + PER_SALT * (self.salt_ds_m - CALIBRATED_DS_M)
        return vwc * warmth * salt

    def read(self, vwc: float, temperature_c: float, measured_at: int, seed: int) -> float:
        """What it says at a time (Unix s), m3/m3: the same for the same seed, sensor, time and soil."""
        draw = random.Random(f"{seed}:{self.sensor_id}:{measured_at}")  # noqa: S311  # noise is no secret
        return max(0.0, self.indicated(vwc, temperature_c) + draw.gauss(0.0, self.noise))


class Lag:
    """What a probe has had time to see: a first-order lag behind a value, on the soil's own grid of STEP_S."""

    def __init__(self, lag_s: float, value: float) -> None:
        self._share = 1 - math.exp(-STEP_S / lag_s) if lag_s > 0 else 1.0
        self.value = value

    def step(self, value: float) -> None:
        """Follow by one step to what is there now."""
        self.value += (value - self.value) * self._share
