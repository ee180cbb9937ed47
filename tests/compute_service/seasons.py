"""Seasons of a plot in the simulator's layered soil, hour by hour: what a filter must find out, and never sees."""

import math
import random
from dataclasses import dataclass
from functools import cache

from gateway_sim.probes import Probe
from gateway_sim.soil import STEPS_PER_H, Column, Plants, uniform

FIELD_CAPACITY, WILTING_POINT, ROOTS_M = 0.29, 0.12, 0.6
DEPTHS_M = (0.10, 0.30, 0.50)
NAMES = ("a", "b", "c")
DAYS = 90
START = 1_750_032_000  # 2025-06-16 00:00 UTC
KC = 1.05


@dataclass(frozen=True)
class Hour:
    """One hour and its end: water in mm, what the root zone then lacks (mm), what honest probes then read."""

    at: int
    et0_mm: float
    rain_mm: float
    run_mm: float
    depletion_mm: float
    read: tuple[float, ...]


@cache
def season(seed: int, noise: float = 0.003) -> tuple[Hour, ...]:
    """90 days from field capacity, dry spells and rains at random, watered when half of the water is gone."""
    luck = random.Random(seed)
    column = Column(
        uniform(ROOTS_M, WILTING_POINT, FIELD_CAPACITY, 0.46, 12.0),
        Plants(KC, 0.5),
        FIELD_CAPACITY,
    )
    probes = [Probe(name, depth, noise=noise) for name, depth in zip(NAMES, DEPTHS_M, strict=True)]
    hours = []
    for day in range(DAYS):
        dry = (FIELD_CAPACITY - column.vwc) * ROOTS_M * 1000
        run = luck.choice((15.0, 25.0, dry)) if dry > 0.5 * (FIELD_CAPACITY - WILTING_POINT) * ROOTS_M * 1000 else 0.0
        rain = luck.expovariate(1 / 9) if luck.random() < 0.18 else 0.0
        sun = luck.uniform(0.4, 1.2) * 5.5
        for hour in range(24):
            et0 = sun * max(0.0, math.sin((hour - 6) / 12 * math.pi)) / 7.6
            water = (rain / 4 if 15 <= hour < 19 else 0.0, run / 2 if 4 <= hour < 6 else 0.0)
            for _ in range(STEPS_PER_H):
                column.step(water[0] / STEPS_PER_H, water[1] / STEPS_PER_H, et0)
            at = START + (day * 24 + hour + 1) * 3600
            read = tuple(probe.read(column.at(probe.depth_m or 0.0), 20.0, at, seed) for probe in probes)
            lacks = (FIELD_CAPACITY - column.vwc) * ROOTS_M * 1000
            hours.append(Hour(at, et0, *water, lacks, read))
    return tuple(hours)
