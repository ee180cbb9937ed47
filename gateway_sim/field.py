"""The water of one zone: layers of soil, driven by hourly weather and by what the gateway's pipes bring."""

import math
from dataclasses import asdict

from gateway_sim import soil
from gateway_sim.farm import Zone
from gateway_sim.hydraulics import Supply
from gateway_sim.probes import Lag
from gateway_sim.soil import STEP_S, Column, Plants, Warmth
from gateway_sim.weather import HOUR_S, Weather

THERMOMETER_M = 0.10
PROBE_LAG_S = 600.0


class Field:
    """One zone from `start` (Unix s) on. `advance` moves it to a time; `vwc` (m3/m3) and the rest follow.

    `supply` are the pipes of its gateway; without one the zone has a pump for itself.
    """

    def __init__(self, zone: Zone, weather: Weather, start: int, supply: Supply | None = None) -> None:
        self.zone = zone
        self.trace: list[tuple[int, float]] = [(start, zone.initial_vwc)]
        self._supply = supply or Supply({zone.zone_id: zone.litres_per_minute}, start * 1000)
        self._weather = weather
        self._time = start
        self._column = Column(layers(zone), Plants(zone.crop.kc, zone.crop.depletion), zone.initial_vwc)
        self._warmth = Warmth(_first_day_mean(weather, start))
        self._lags = {depth: Lag(PROBE_LAG_S, zone.initial_vwc) for depth in (None, *zone.probe_depths_m)}
        self._roots_l = 0.0
        self._reference_mm_h = 0.0

    @property
    def account(self) -> soil.Account:
        """Millimetres in and out since the start."""
        return self._column.account

    @property
    def vwc(self) -> float:
        """Mean water content of the root zone, m3/m3."""
        return self._column.vwc

    @property
    def stored_mm(self) -> float:
        """Water in the root zone."""
        return self._column.stored_mm

    def balance(self) -> dict[str, float]:
        """Millimetres in (rain, irrigation through the meter), out (lost on the way, and the soil's), and in store.

        As of the last full step. What is lost escapes from a burst line, or falls beside the plants.
        """
        until_ms, area_m2 = self._time * 1000, self.zone.area_m2
        metered_l, roots_l = self.litres(until_ms), self._supply.roots_l(self.zone.zone_id, until_ms)
        return asdict(self.account) | {
            "irrigation_mm": metered_l / area_m2,
            "lost_mm": (metered_l - roots_l * self.zone.efficiency) / area_m2,
            "stored_at_start_mm": self.zone.initial_vwc * self.zone.root_depth_m * 1000,
            "stored_at_end_mm": self.stored_mm,
        }

    @property
    def soil_temperature_c(self) -> float:
        """At 10 cm."""
        return self.temperature_at(THERMOMETER_M)

    def at(self, depth_m: float) -> float:
        """Water content at a depth, m3/m3."""
        return self._column.at(depth_m)

    def seen_vwc(self, depth_m: float | None = None) -> float:
        """What a probe at one of the zone's `probe_depths_m` has had time to see; None: one over the root zone."""
        return self._lags[depth_m].value

    def temperature_at(self, depth_m: float) -> float:
        """Soil temperature at a depth, degC."""
        return self._warmth.at(depth_m, (self._time - self.trace[0][0]) % HOUR_S / HOUR_S)

    def set_valve(self, at_ms: int, is_open: bool) -> bool:
        """Tell the valve to open or close at a time (Unix ms); True if that changed anything."""
        return self._supply.set_valve(self.zone.zone_id, at_ms, is_open)

    def litres(self, at_ms: int) -> float:
        """What has flowed through the zone's meter until a time (Unix ms), exactly."""
        return self._supply.litres(self.zone.zone_id, at_ms)

    def advance(self, until: float) -> None:
        """Move on to the last full step at or before `until` (Unix s). Raises WeatherError past the weather's end."""
        while self._time + STEP_S <= until:
            if (self._time - self.trace[0][0]) % HOUR_S == 0:
                self._begin_hour()
            self._step()
            self._time += STEP_S
            if (self._time - self.trace[0][0]) % HOUR_S == 0:
                self.trace.append((self._time, self.vwc))

    def _begin_hour(self) -> None:
        air_c = self._weather.value("air_temperature_c", self._time)
        solar = self._weather.value("solar_radiation_w_m2", self._time)
        self._warmth.hour(air_c, solar)
        self._reference_mm_h = reference_et_mm_h(air_c, solar)

    def _step(self) -> None:
        rain_mm = self._weather.value("rain_mm", self._time) * STEP_S / HOUR_S
        roots_l = self._supply.roots_l(self.zone.zone_id, (self._time + STEP_S) * 1000)
        irrigation_mm = (roots_l - self._roots_l) / self.zone.area_m2 * self.zone.efficiency
        self._roots_l = roots_l
        self._column.step(rain_mm, irrigation_mm, self._reference_mm_h)
        for depth_m, lag in self._lags.items():
            lag.step(self._column.vwc if depth_m is None else self._column.at(depth_m))


def layers(zone: Zone) -> tuple[soil.Layer, ...]:
    """The root zone in quarters."""
    kind = zone.soil
    return soil.uniform(
        zone.root_depth_m, kind.wilting_point, kind.field_capacity, kind.saturation, kind.conductivity_mm_h
    )


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
