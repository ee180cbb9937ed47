"""One pump and the valves of one gateway: pressure, flow and volume, exact between the edges of valves and faults.

Emitters with turbulent flow let q = c sqrt(P) through (Keller and Karmeli 1974, exponent 0.5), and so does what lies
before them; a centrifugal pump near its duty point gives P = P0 - a Q^2. Both together have a closed solution:
with C the sum of all open c, P = P0 / (1 + a C^2). Litres a minute, kPa, ms.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway_sim.errors import HydraulicsError

SHUT_OFF_KPA = 300.0
DUTY_SHARE = 0.75  # of the shut-off pressure that is left when the largest zone is open alone
PULSE_L = 1.0


@dataclass(frozen=True)
class Pump:
    """Pressure by flow: `shut_off_kpa` less `slope` (kPa per (l/min)^2) times the flow squared."""

    shut_off_kpa: float
    slope: float

    def pressure_kpa(self, conductance: float) -> float:
        """Where the pump's curve meets a network with this conductance, l/min per sqrt(kPa)."""
        return self.shut_off_kpa / (1 + self.slope * conductance**2)


@dataclass(frozen=True, kw_only=True)
class Defect:
    """What is wrong with a line from `begin_ms` to `end_ms`: see `clogged`, `burst`, `does_not_open` ... below.

    `clogged` is the share of the nominal flow that is lost at nominal pressure, `burst` the flow that escapes between
    meter and emitters, as a share of the nominal flow at nominal pressure.
    """

    zone_id: str
    begin_ms: float
    end_ms: float
    clogged: float = 0.0
    burst: float = 0.0
    does_not_open: bool = False
    does_not_close: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.clogged < 1 or self.burst < 0 or self.end_ms < self.begin_ms:
            raise HydraulicsError(f"{self.zone_id}: clogged is 0 to below 1, burst 0 or more, and the end not first")


@dataclass(frozen=True)
class Flow:
    """Litres a minute through the meter, and of these to the emitters."""

    metered: float = 0.0
    roots: float = 0.0


@dataclass(frozen=True)
class _Span:
    """From `begin_ms` on flows are constant; `metered_l` and `roots_l` had flowed by then, by zone."""

    begin_ms: float
    flows: Mapping[str, Flow]
    metered_l: Mapping[str, float]
    roots_l: Mapping[str, float]


def pump_for(nominal_l_min: Mapping[str, float]) -> Pump:
    """The pump that a gateway's installer would choose for its largest zone, by zone's nominal flow."""
    largest = max(nominal_l_min.values())
    return Pump(SHUT_OFF_KPA, (1 - DUTY_SHARE) * SHUT_OFF_KPA / largest**2)


class Supply:
    """The pipes of one gateway. A healthy valve that is open alone gives exactly its zone's nominal flow, l/min.

    Times of edges must not go back. Raises HydraulicsError.
    """

    def __init__(
        self,
        nominal_l_min: Mapping[str, float],
        start_ms: float,
        pump: Pump | None = None,
        defects: Iterable[Defect] = (),
        pulse_l: float = PULSE_L,
    ) -> None:
        self.pump = pump or pump_for(nominal_l_min)
        self.pulse_l = pulse_l
        self._defects = tuple(defects)
        self._conductances = {zone_id: self._sized(zone_id, flow) for zone_id, flow in nominal_l_min.items()}
        for defect in self._defects:
            if defect.zone_id not in nominal_l_min:
                raise HydraulicsError(f"{defect.zone_id}: no such zone at this gateway; there are {[*nominal_l_min]}")
        self._orders = dict.fromkeys(nominal_l_min, False)
        self._open = dict(self._orders)
        nothing = dict.fromkeys(nominal_l_min, 0.0)
        self._spans = [_Span(start_ms, dict.fromkeys(nominal_l_min, Flow()), nothing, nothing)]
        times = {time for defect in self._defects for time in (defect.begin_ms, defect.end_ms)}
        self._changes = sorted((time for time in times if time < math.inf), reverse=True)

    def set_valve(self, zone_id: str, at_ms: float, is_open: bool) -> bool:
        """Tell a valve to open or close; True if it had been told otherwise."""
        self._catch_up(at_ms)
        if at_ms < self._spans[-1].begin_ms:
            raise HydraulicsError(f"{zone_id}: a valve edge at {at_ms} ms, after one at {self._spans[-1].begin_ms} ms")
        if self._orders[zone_id] == is_open:
            return False
        self._orders[zone_id] = is_open
        self._begin_span(at_ms)
        return True

    def flow(self, zone_id: str, at_ms: float) -> Flow:
        """What flows at a time."""
        return self._span(at_ms).flows[zone_id]

    def litres(self, zone_id: str, at_ms: float) -> float:
        """What has flowed through the zone's meter until a time, exactly."""
        span = self._span(at_ms)
        return span.metered_l[zone_id] + span.flows[zone_id].metered * (at_ms - span.begin_ms) / 60000

    def roots_l(self, zone_id: str, at_ms: float) -> float:
        """What has left the zone's emitters until a time; the rest of `litres` escaped from a burst line."""
        span = self._span(at_ms)
        return span.roots_l[zone_id] + span.flows[zone_id].roots * (at_ms - span.begin_ms) / 60000

    def metered_l(self, zone_id: str, at_ms: float) -> float:
        """What the zone's meter says: whole pulses."""
        return math.floor(self.litres(zone_id, at_ms) / self.pulse_l + 1e-9) * self.pulse_l

    def _sized(self, zone_id: str, flow_l_min: float) -> float:
        pressure = self.pump.shut_off_kpa - self.pump.slope * flow_l_min**2
        if flow_l_min <= 0 or pressure <= 0:
            raise HydraulicsError(f"{zone_id}: {flow_l_min} l/min; want more than 0, and less than the pump can give")
        return flow_l_min / math.sqrt(pressure)

    def _span(self, at_ms: float) -> _Span:
        self._catch_up(at_ms)
        index = bisect_right(self._spans, at_ms, key=lambda span: span.begin_ms) - 1
        if index < 0:
            raise HydraulicsError(f"nothing is known of {at_ms} ms, before {self._spans[0].begin_ms} ms")
        return self._spans[index]

    def _catch_up(self, until_ms: float) -> None:
        """Let every defect begin or end that is due, at its own time."""
        while self._changes and self._changes[-1] <= until_ms:
            self._begin_span(max(self._changes.pop(), self._spans[0].begin_ms))

    def _begin_span(self, at_ms: float) -> None:
        last = self._spans[-1]
        minutes = (at_ms - last.begin_ms) / 60000
        metered = {zone_id: had + last.flows[zone_id].metered * minutes for zone_id, had in last.metered_l.items()}
        roots = {zone_id: had + last.flows[zone_id].roots * minutes for zone_id, had in last.roots_l.items()}
        self._open = {zone_id: self._moves(zone_id, at_ms) for zone_id in self._orders}
        self._spans.append(_Span(at_ms, self._flows(at_ms), metered, roots))

    def _moves(self, zone_id: str, at_ms: float) -> bool:
        order, was = self._orders[zone_id], self._open[zone_id]
        now = self._defects_of(zone_id, at_ms)
        if order and not was and any(defect.does_not_open for defect in now):
            return False
        return order or (was and any(defect.does_not_close for defect in now))

    def _flows(self, at_ms: float) -> dict[str, Flow]:
        """Share the pump among what is open."""
        lines = {zone_id: self._line(zone_id, at_ms) for zone_id, is_open in self._open.items() if is_open}
        root = math.sqrt(self.pump.pressure_kpa(sum(emitters + leak for emitters, leak in lines.values())))
        closed = (0.0, 0.0)
        return {
            zone_id: Flow((emitters + leak) * root, emitters * root)
            for zone_id in self._orders
            for emitters, leak in [lines.get(zone_id, closed)]
        }

    def _line(self, zone_id: str, at_ms: float) -> tuple[float, float]:
        """Conductance to the emitters, and out of a burst, of an open valve."""
        emitters = healthy = self._conductances[zone_id]
        leak = 0.0
        for defect in self._defects_of(zone_id, at_ms):
            emitters *= 1 - defect.clogged
            leak += defect.burst * healthy
        return emitters, leak

    def _defects_of(self, zone_id: str, at_ms: float) -> list[Defect]:
        return [
            defect for defect in self._defects if defect.zone_id == zone_id and defect.begin_ms <= at_ms < defect.end_ms
        ]
