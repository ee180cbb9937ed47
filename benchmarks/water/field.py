"""A season of a field in AquaCrop, a day at a time: the only module that touches the model.

AquaCrop is the judge, so its science is used as it comes. Its step interface is private: `aquacrop` is pinned, and
`tests/benchmarks/test_water.py` holds these names to what the package's own interface returns.
"""

import builtins
import functools
import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import aquacrop  # type: ignore[import-untyped]  # it ships no types
import numpy as np
import pandas as pd
from aquacrop.utils import get_filepath, prepare_weather  # type: ignore[import-untyped]  # as above

SPARE_DAYS = 40  # AquaCrop ends a season itself; the weather must last longer
PROBE_REACH_M = 0.05  # above and below itself a probe feels the soil
DAILY_CAP_MM = 40.0  # no installation gives more in a day, whatever the policy asks
_BY_DEPTH, _BY_SOIL_MOISTURE = 5, 1  # AquaCrop's irrigation methods


@dataclass(frozen=True, slots=True)
class Weather:
    """A day's weather as a perfect station would measure it."""

    t_min_c: float
    t_max_c: float
    rain_mm: float
    et0_mm: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a season came to: the dry yield, and water that was given, that drained away, and on how many days."""

    yield_t_ha: float
    irrigation_mm: float
    drainage_mm: float
    events: int


class Season:
    """A field from the day it is sown at field capacity to its harvest. Moisture in m3/m3, depths in m."""

    def __init__(self, pickle_bytes: bytes) -> None:
        self._model: Any = pickle.loads(pickle_bytes)  # noqa: S301  # our own, made by `sow` in this process
        self._irrigation_mm: list[float] = []

    @property
    def over(self) -> bool:
        """Has the crop been harvested, or died?"""
        return bool(self._model._clock_struct.model_is_finished)

    def moisture(self, depth_m: float) -> float:
        """Water content of the soil that a probe at a depth feels, this evening."""
        shares = self._overlap(depth_m - PROBE_REACH_M, depth_m + PROBE_REACH_M)
        return float(shares @ self._model._init_cond.th / shares.sum())

    def shortage_mm(self) -> float:
        """Water missing to field capacity in today's true root zone. (The model's own figure is a day old.)"""
        profile, state = self._model._param_struct.Soil.Profile, self._model._init_cond
        rooted = self._overlap(0.0, max(state.z_root, self._model.crop.Zmin))
        return float(rooted @ (profile.th_fc - state.th) * 1000)

    def _overlap(self, top_m: float, bottom_m: float) -> Any:
        """How much of each of the soil's compartments lies between two depths, m."""
        profile = self._model._param_struct.Soil.Profile
        edges = np.clip((profile.dzsum - profile.dz, profile.dzsum), top_m, bottom_m)
        return edges[1] - edges[0]

    def today(self) -> Weather:
        """The weather of the day that the next `live` will live."""
        t_min, t_max, rain, et0, *_ = self._model._weather[self._model._clock_struct.time_step_counter]
        return Weather(float(t_min), float(t_max), float(rain), float(et0))

    def live(self, irrigation_mm: float) -> float:
        """One day with that much water, in its morning; returns what the daily cap let through."""
        mm = min(max(irrigation_mm, 0.0), DAILY_CAP_MM)
        self._model._param_struct.IrrMngt.depth = mm
        self._model.run_model(1, initialize_model=False)
        self._irrigation_mm.append(mm)
        return mm

    def live_by_oracle(self, thresholds: Sequence[float]) -> None:
        """The whole season by AquaCrop's own rule: refill when less than a part (of 1, per stage) of TAW is left."""
        manager = self._model._param_struct.IrrMngt
        manager.irrigation_method, manager.SMT = _BY_SOIL_MOISTURE, [100 * part for part in thresholds]
        self._model.run_model(till_termination=True, initialize_model=False)
        self._irrigation_mm = list(self._model._outputs.water_flux["IrrDay"])

    def outcome(self) -> Outcome:
        """What it came to; only once it is over."""
        outputs = self._model._outputs
        dry_yield = float(outputs.final_stats["Dry yield (tonne/ha)"].iloc[0])
        runs_mm = [mm for mm in self._irrigation_mm if mm > 0]
        return Outcome(dry_yield, sum(runs_mm), float(outputs.water_flux["DeepPerc"].sum()), len(runs_mm))


def sow(climate: str, soil: str, crop: str, sown: date) -> bytes:
    """A season that has not begun, to be lived by `Season` as often as there are policies."""
    last = sown + timedelta(days=int(aquacrop.Crop(crop, planting_date="01/01").MaturityCD) + SPARE_DAYS)
    model = aquacrop.AquaCropModel(
        f"{sown:%Y/%m/%d}",
        f"{last:%Y/%m/%d}",
        _weather(climate).loc[pd.Timestamp(sown) : pd.Timestamp(last)],
        aquacrop.Soil(soil),
        aquacrop.Crop(crop, planting_date=f"{sown:%m/%d}"),
        aquacrop.InitialWaterContent(value=["FC"]),
        aquacrop.IrrigationManagement(_BY_DEPTH, MaxIrr=DAILY_CAP_MM),
    )
    model._initialize()
    return pickle.dumps(model, pickle.HIGHEST_PROTOCOL)


def climate_days(climate: str) -> tuple[date, date]:
    """First and last day of a packaged climate."""
    days = _weather(climate).index
    return days[0].date(), days[-1].date()


def field_capacity(soil: str) -> tuple[float, float]:
    """Field capacity and wilting point of AquaCrop's soil of that name, m3/m3."""
    top = aquacrop.Soil(soil).profile.iloc[0]
    return float(top["th_fc"]), float(top["th_wp"])


def cycle_days(crop: str) -> int:
    """Days from sowing to maturity, as a seed catalogue would print them."""
    return int(aquacrop.Crop(crop, planting_date="01/01").MaturityCD)


def roots_m(crop: str) -> float:
    """How deep the grown crop roots."""
    return float(aquacrop.Crop(crop, planting_date="01/01").Zmax)


@functools.cache
def peak_et0_mm(climate: str, sowing: tuple[int, int], days: int) -> float:
    """A day's mean ET0 in the thirstiest month of a season, over all years of a climate."""
    et0 = _weather(climate)["ReferenceET"]
    since = (et0.index.day_of_year - pd.Timestamp(2001, *sowing).day_of_year) % 365
    growing_et0 = et0[since < days]
    return float(growing_et0.groupby(growing_et0.index.month).mean().max())


@functools.cache
def _weather(climate: str) -> pd.DataFrame:
    frame = prepare_weather(get_filepath(f"{climate}_climate.txt"))
    return frame.set_index("Date", drop=False).rename_axis("day")


def _round(value: float, digits: int) -> float:
    """NumPy's rounding of one number, to the bit, in a tenth of its time; AquaCrop rounds 40,000 times a season."""
    return builtins.round(float(value) * 10.0**digits) / 10.0**digits


sys.modules["aquacrop.solution.root_zone_water"].round = _round  # type: ignore[attr-defined]
