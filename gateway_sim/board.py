"""A board whose probes and valves are in a simulated field; the firmware's gateway cannot tell the difference."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gateway.errors import StorageError
from gateway.journal import Journal
from gateway_sim.errors import StateError
from gateway_sim.farm import WEATHER, FarmGateway, Zone
from gateway_sim.faults import Faults
from gateway_sim.field import THERMOMETER_M, Field
from gateway_sim.hydraulics import Supply
from gateway_sim.probes import Probe
from gateway_sim.weather import Weather

if TYPE_CHECKING:  # the interfaces are types only, and no module
    from gateway.interfaces import Clock, Store
    from protocol.events import ValveEdge

Event = dict[str, Any]
Values = dict[str, float | int | None]
RECORDED = "told"  # the edge before this record is an event on record


class SimBoard:
    """The board of one gateway; see `gateway.interfaces.Board`. Records a `valve_edge` at each change of a valve.

    Its fields are what the weather and the edges make of them, and the edges are in the store: on a store that has
    some, it goes on as if it had never stopped, but for the water of a valve that stood open. `recorded(event)` is
    asked of an edge whose event a kill may have cut off; without it such an event is recorded, perhaps again.
    Raises StateError.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # all that a board has to do with
        self,
        gateway: FarmGateway,
        weather: Weather,
        clock: "Clock",
        record: Callable[[Event], None],
        seed: int,
        store: "Store",
        recorded: Callable[[Event], bool] | None = None,
        faults: Faults | None = None,
    ) -> None:
        self._gateway_id = gateway.gateway_id
        self._weather = weather
        self._clock = clock
        self._record = record
        self._seed = seed
        self._edges = Journal(store, "edges")
        start, edges = self._started(gateway, seed)
        last_ms = max((edge[0] for edge in edges if edge[0] != RECORDED), default=0)
        self._origin_ms = max(_unix_ms(clock), last_ms) - clock.ticks_ms()
        self._rain_since = start
        self._faults = faults or Faults()
        flows = {zone.zone_id: zone.litres_per_minute for zone in gateway.zones}
        self._supply = Supply(flows, start * 1000, defects=self._faults.defects(flows))
        self.fields = {zone.zone_id: Field(zone, weather, start, self._supply) for zone in gateway.zones}
        self._places = {place.sensor_id: (place, zone) for zone in gateway.zones for place in self._probes(zone)}
        self._replay(edges, recorded or (lambda _event: False))
        if self._faults.powerless_s(self._gateway_id, clock.now()):
            for zone_id in flows:  # normally closed: without power they fall shut
                self.set_valve(zone_id, False)

    def read(self) -> list[tuple[str, str | None, Values]]:
        """Sample every soil probe, then the weather station."""
        now = self._clock.now()
        rows: list[tuple[str, str | None, Values]] = []
        self.advance(now)
        for sensor_id, (_, zone) in self._places.items():
            place, there = self._places[self._faults.wired(sensor_id, now)]
            rows.append(self._row(sensor_id, zone.zone_id, self._sample(place, self.fields[there.zone_id], now), now))
        rows.append(self._row(f"{self._gateway_id}.{WEATHER}", None, self._station(now), now))
        return rows

    def set_valve(self, zone_id: str, is_open: bool) -> None:
        """Move a valve at this very millisecond."""
        at_ms = self._now_ms()
        if self.fields[zone_id].set_valve(at_ms, is_open):
            self._keep([at_ms, zone_id, is_open])
            self._record(self._edge(at_ms, zone_id, is_open))
            self._keep([RECORDED])

    def metered_l(self, zone_id: str) -> float | None:
        """Litres that the zone's meter has counted since the start, in whole pulses."""
        return self._supply.metered_l(zone_id, self._now_ms())

    def pulse_l(self, _zone_id: str) -> float:
        """Litres of one of them."""
        return self._supply.pulse_l

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

    def rain_counted(self, at: int | None) -> None:
        """Continue the rain gauge from the last sample that the gateway has on record (Unix s), if there is one."""
        if at is not None:  # by a clock that may be wrong
            self._rain_since = min(max(at, self._weather.start), self._clock.now())

    def _started(self, gateway: FarmGateway, seed: int) -> tuple[int, list[list[Any]]]:
        """When the fields began (Unix s), and the edges since then: now and none, unless the store knows better."""
        now = self._clock.now()
        identity = {"seed": seed, "weather": self._weather.start, "zones": [zone.zone_id for zone in gateway.zones]}
        origin, _, edges = self._edges.load()
        if self._edges.fault:
            raise StateError(f"{self._gateway_id}: the edges of its valves cannot be read: {self._edges.fault}")
        if origin is None:
            origin = {**identity, "start": now}
            self._keep_by(lambda: self._edges.rewrite(origin, []))
        last = max([origin["start"], *(edge[0] // 1000 for edge in edges if edge[0] != RECORDED)])
        if origin != {**identity, "start": origin["start"]} or now < last:
            raise StateError(
                f"{self._gateway_id}: its state is of {origin} and goes to {last}, this is {identity} at {now};"
                " give the options of that run, or another folder"
            )
        return origin["start"], edges

    def _replay(self, edges: list[list[Any]], recorded: Callable[[Event], bool]) -> None:
        untold = None
        for edge in edges:
            untold = None if edge[0] == RECORDED else self._edge(*edge)
            if untold:
                at_ms, zone_id, is_open = edge
                self.fields[zone_id].advance(at_ms // 1000)
                self.fields[zone_id].set_valve(at_ms, is_open)
        if untold:
            if not recorded(untold):
                self._record(untold)
            self._keep([RECORDED])

    def _keep(self, entry: list[Any]) -> None:
        self._keep_by(lambda: self._edges.append([(json.dumps(entry).encode(),)]))

    def _keep_by(self, write: Callable[[], None]) -> None:
        try:
            write()
        except StorageError as error:
            raise StateError(f"{self._gateway_id}: the edges of its valves cannot be kept: {error}") from error

    def _edge(self, at_ms: int, zone_id: str, is_open: bool) -> Event:
        edge: ValveEdge = {
            "at": at_ms // 1000,
            "kind": "valve_edge",
            "at_ms": at_ms,
            "gateway_id": self._gateway_id,
            "zone_id": zone_id,
            "open": is_open,
        }
        return {**edge}

    def _now_ms(self) -> int:
        return self._origin_ms + self._clock.ticks_ms()

    def _probes(self, zone: Zone) -> list[Probe]:
        """The zone's own, over the root zone, and those at single depths."""
        name = f"{self._gateway_id}.{zone.sensor}"
        deep = [Probe(f"{self._gateway_id}.{sensor}", depth, zone.salt_ds_m) for sensor, depth in zone.probes]
        return [Probe(name, None, zone.salt_ds_m), *deep]

    def _sample(self, probe: Probe, field: Field, now: int) -> Values:
        temperature_c = field.temperature_at(THERMOMETER_M if probe.depth_m is None else probe.depth_m)
        vwc = probe.read(field.seen_vwc(probe.depth_m), temperature_c, now, self._seed)
        return {"vwc": round(vwc, 4), "soil_temperature_c": round(temperature_c, 2)}

    def _row(self, sensor_id: str, zone_id: str | None, values: Values, now: int) -> tuple[str, str | None, Values]:
        return sensor_id.removeprefix(f"{self._gateway_id}."), zone_id, self._faults.told(sensor_id, values, now)

    def _station(self, now: int) -> Values:
        values: Values = {name: _rounded(value) for name, value in self._weather.at(now).items()}
        values["rain_mm"] = round(self._weather.rain_mm(self._rain_since, now), 3)
        self._rain_since = now
        return values


def _unix_ms(clock: "Clock") -> int:
    """To the millisecond, if the clock can say it; else to the second."""
    now_ms = getattr(clock, "now_ms", None)
    return clock.now() * 1000 if now_ms is None else int(now_ms())


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _truth(field: Field, at_ms: int) -> dict[str, Any]:
    return {
        "litres": field.litres(at_ms),
        "water_balance": field.balance(),
        "moisture": field.trace,
        "below_wilting_point": min(vwc for _, vwc in field.trace) < field.zone.soil.wilting_point,
    }
