"""The water of one zone: a one-layer soil balance, driven by hourly weather and by an exact valve timeline."""

import math
from dataclasses import dataclass, fields

from gateway_sim.farm import Zone
from gateway_sim.weather import HOUR_S, Weather

STEP_S = 300  # a fixed grid, so that the result does not depend on how often somebody looks
SOIL_LAG_S = 6 * HOUR_S


@dataclass
class Account:
    """Millimetres in (rain, irrigation) and out since the start."""

    rain_mm: float = 0.0
    irrigation_mm: float = 0.0
    evapotranspiration_mm: float = 0.0
    drainage_mm: float = 0.0
    runoff_mm: float = 0.0

    @property
    def net_mm(self) -> float:
        """In minus out: the change of storage."""
        return self.rain_mm + self.irrigation_mm - self.evapotranspiration_mm - self.drainage_mm - self.runoff_mm


class Field:
    """One zone from `start` (Unix s) on. `advance` moves it to a time; `vwc` (m3/m3) and the rest follow."""

    def __init__(self, zone: Zone, weather: Weather, start: int) -> None:
        self.zone = zone
        self.account = Account()
        self.trace: list[tuple[int, float]] = [(start, zone.initial_vwc)]
        self.soil_temperature_c = _first_day_mean(weather, start)
        self._weather = weather
        self._time = start
        self._depth_mm = zone.root_depth_m * 1000
        self._water_mm = zone.initial_vwc * self._depth_mm
        self._open_since_ms: int | None = None
        self._opened: list[tuple[int, int]] = []
        self._total_ms = 0

    @property
    def vwc(self) -> float:
        """Water content of the root zone, m3/m3."""
        return self._water_mm / self._depth_mm

    @property
    def stored_mm(self) -> float:
        """Water in the root zone."""
        return self._water_mm

    def set_valve(self, at_ms: int, is_open: bool) -> bool:
        """Open or close at a time (Unix ms); True if that changed anything."""
        if is_open == (self._open_since_ms is not None):
            return False
        if self._open_since_ms is None:
            self._open_since_ms = at_ms
        else:
            self._opened.append((self._open_since_ms, at_ms))
            self._total_ms += at_ms - self._open_since_ms
            self._open_since_ms = None
        return True

    def litres(self, at_ms: int) -> float:
        """What has flowed through the valve until a time (Unix ms)."""
        running = 0 if self._open_since_ms is None else at_ms - self._open_since_ms
        return self.zone.litres_per_minute * (self._total_ms + running) / 60000

    def advance(self, until: float) -> None:
        """Move on to the last full step at or before `until` (Unix s). Raises WeatherError past the weather's end."""
        while self._time + STEP_S <= until:
            self._step()
            self._time += STEP_S
            if (self._time - self.trace[0][0]) % HOUR_S == 0:
                self.trace.append((self._time, self.vwc))

    def _step(self) -> None:
        hours = STEP_S / HOUR_S
        zone, soil = self.zone, self.zone.soil
        air_c = self._weather.value("air_temperature_c", self._time)
        self.soil_temperature_c += (air_c - self.soil_temperature_c) * (1 - math.exp(-STEP_S / SOIL_LAG_S))
        step = Account(
            rain_mm=self._weather.value("rain_mm", self._time) * hours,
            irrigation_mm=zone.application_rate_mm_h * zone.efficiency * self._open_s() / HOUR_S,
        )
        reference = reference_et_mm_h(air_c, self._weather.value("solar_radiation_w_m2", self._time))
        step.evapotranspiration_mm = reference * zone.crop.kc * self._stress() * hours
        surplus = self._water_mm - soil.field_capacity * self._depth_mm
        step.drainage_mm = max(0.0, surplus) * (1 - math.exp(-soil.drainage_per_h * hours))
        step.runoff_mm = max(0.0, self._water_mm + step.net_mm - soil.saturation * self._depth_mm)
        self._water_mm += step.net_mm
        for entry in fields(Account):
            setattr(self.account, entry.name, getattr(self.account, entry.name) + getattr(step, entry.name))

    def _stress(self) -> float:
        """Ks, the share of the demand that the crop finds (FAO-56 equation 84)."""
        soil, vwc = self.zone.soil, self.vwc
        readily = (1 - self.zone.crop.depletion) * (soil.field_capacity - soil.wilting_point)
        return min(1.0, max(0.0, (vwc - soil.wilting_point) / readily))

    def _open_s(self) -> float:
        """Seconds of open valve within this step."""
        begin, end = self._time * 1000, (self._time + STEP_S) * 1000
        spans = list(self._opened)
        if self._open_since_ms is not None:
            spans.append((self._open_since_ms, end))
        self._opened = [span for span in self._opened if span[1] > end]
        return sum(max(0, min(end, closed) - max(begin, opened)) for opened, closed in spans) / 1000


def reference_et_mm_h(air_temperature_c: float, solar_radiation_w_m2: float) -> float:
    """Reference evapotranspiration of Makkink in the form of de Bruin (1987), mm/h: 0.65 s/(s+gamma) Rs/lambda.

    It needs radiation and temperature alone, which the Drummondville series has throughout; s is FAO-56 equation 13,
    gamma equation 8 at 101.3 kPa, lambda 2.45 MJ/kg.
    """
    saturation_kpa = 0.6108 * math.exp(17.27 * air_temperature_c / (air_temperature_c + 237.3))
    slope = 4098 * saturation_kpa / (air_temperature_c + 237.3) ** 2
    gamma = 0.665e-3 * 101.3
    return 0.65 * slope / (slope + gamma) * max(0.0, solar_radiation_w_m2) * HOUR_S / 2.45e6


def _first_day_mean(weather: Weather, start: int) -> float:
    hours = range(start, min(start + 24 * HOUR_S, weather.end), HOUR_S)
    return sum(weather.value("air_temperature_c", hour) for hour in hours) / len(hours)
