"""A board whose probes and valves are in a simulated field; the firmware's gateway cannot tell the difference."""

import random
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gateway_sim.farm import FarmGateway
from gateway_sim.field import Field
from gateway_sim.weather import Weather

if TYPE_CHECKING:  # the interfaces are types only, and no module
    from gateway.interfaces import Clock

Values = dict[str, float | int | None]
PROBE_NOISE = 0.003  # standard deviation of a capacitive probe, m3/m3


class SimBoard:
    """The board of one gateway; see `gateway.interfaces.Board`. Records a `valve_edge` at each change of a valve."""

    def __init__(
        self,
        gateway: FarmGateway,
        weather: Weather,
        clock: "Clock",
        record: Callable[[dict[str, Any]], None],
        seed: int,
    ) -> None:
        self._gateway_id = gateway.gateway_id
        self._weather = weather
        self._clock = clock
        self._record = record
        self._origin_ms = clock.now() * 1000 - clock.ticks_ms()
        self._rain_since = clock.now()
        self.fields = {zone.zone_id: Field(zone, weather, clock.now()) for zone in gateway.zones}
        # Each probe draws its own noise, so that its readings do not depend on any other probe.
        self._noise = {
            zone.zone_id: random.Random(f"{seed}:{zone.zone_id}:noise")  # noqa: S311  # noise is no secret
            for zone in gateway.zones
        }

    def read(self) -> list[tuple[str, str | None, Values]]:
        """Sample every soil probe, then the weather station."""
        now = self._clock.now()
        rows: list[tuple[str, str | None, Values]] = []
        self.advance(now)
        for zone_id, field in self.fields.items():
            rows.append((field.zone.sensor, zone_id, self._probe(zone_id, field)))
        rows.append(("weather", None, self._station(now)))
        return rows

    def set_valve(self, zone_id: str, is_open: bool) -> None:
        """Move a valve at this very millisecond."""
        at_ms = self._now_ms()
        if self.fields[zone_id].set_valve(at_ms, is_open):
            self._record(
                {
                    "at": at_ms // 1000,
                    "kind": "valve_edge",
                    "at_ms": at_ms,
                    "gateway_id": self._gateway_id,
                    "zone_id": zone_id,
                    "open": is_open,
                }
            )

    def metered_l(self, zone_id: str) -> float | None:
        """Litres through the valve since the start."""
        return self.fields[zone_id].litres(self._now_ms())

    def health(self) -> dict[str, Any]:
        """What the status says of this board."""
        return {"firmware": "gateway_sim", "reset_cause": "power_on"}

    def advance(self, now: int) -> None:
        """Move every field on to a time (Unix s)."""
        for field in self.fields.values():
            field.advance(now)

    def truth(self) -> dict[str, dict[str, Any]]:
        """What no probe sees, by zone: litres, water balance in mm, hourly moisture in m3/m3."""
        return {zone_id: _truth(field, self._now_ms()) for zone_id, field in self.fields.items()}

    def _now_ms(self) -> int:
        return self._origin_ms + self._clock.ticks_ms()

    def _probe(self, zone_id: str, field: Field) -> Values:
        vwc = field.vwc + self._noise[zone_id].gauss(0.0, PROBE_NOISE)
        return {"vwc": round(max(0.0, vwc), 4), "soil_temperature_c": round(field.soil_temperature_c, 2)}

    def _station(self, now: int) -> Values:
        values: Values = {name: _rounded(value) for name, value in self._weather.at(now).items()}
        values["rain_mm"] = round(self._weather.rain_mm(self._rain_since, now), 3)
        self._rain_since = now
        return values


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _truth(field: Field, at_ms: int) -> dict[str, Any]:
    balance = asdict(field.account)
    balance["stored_at_start_mm"] = field.zone.initial_vwc * field.zone.root_depth_m * 1000
    balance["stored_at_end_mm"] = field.stored_mm
    return {
        "litres": field.litres(at_ms),
        "water_balance": balance,
        "moisture": field.trace,
        "below_wilting_point": min(vwc for _, vwc in field.trace) < field.zone.soil.wilting_point,
    }
