"""How the farm stands: read from the service's store, in its own time, without a word of any language."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from compute_service import orders
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.alarms import AlarmRow, worst
from compute_service.domain.gateway_status import is_gone
from compute_service.domain.orders import Hold, OrderRow, in_force
from compute_service.domain.plan import ZonePlan
from compute_service.domain.ports import Beat, DecisionRow, Moment
from compute_service.domain.zone import Config, Zone
from compute_service.plans import PlanMemo, Planner
from compute_service.reading import SHUT, Valve, farm_of, last_decision, valves_of

BY_NUMBER = re.compile(r"\buser \d+\b")


@dataclass(frozen=True, kw_only=True)
class ZoneNow:
    """A zone, its valve, its last decision and moment, and what holds it; the farm's holds among them."""

    zone: Zone
    valve: Valve
    decision: DecisionRow | None
    moment: Moment | None
    holds: Sequence[Hold]
    is_offline: bool
    planner: Planner

    @property
    def receipt(self) -> Mapping[str, Any]:
        """The last decision's figures; empty if there is none."""
        return self.decision["receipt"] if self.decision else {}

    @property
    def level(self) -> tuple[float, float] | None:
        """What is left in the roots and where water is due, both as shares of what they can hold; None if unknown."""
        receipt = self.receipt
        available = receipt.get("available_mm")
        if not available or receipt.get("depletion_mm") is None:
            return None
        return _share(receipt["depletion_mm"] / available), _share(receipt["due_mm"] / available)

    @cached_property
    def plan(self) -> ZonePlan | None:
        """What comes, reckoned when somebody asks while the store is open; None while nothing is known of the zone."""
        return self.planner.plan(self.zone)

    @property
    def next_at(self) -> int | None:
        """When the next run is likely (Unix s); None where none is within the horizon, or nothing opens by itself."""
        return self.plan.runs[0].likely if self.plan and self.plan.runs else None


@dataclass(frozen=True, kw_only=True)
class FarmNow:
    """The whole farm at the service's time `now` (Unix s); `beat` is when the service last said that it lives."""

    config: Config
    now: int
    beat: Beat | None
    is_serving: bool
    holds: Sequence[Hold]
    zones: Sequence[ZoneNow]
    open_orders: Sequence[OrderRow]
    seq: int
    names: Mapping[str, str]
    valves: Mapping[str, Valve]
    alarms: Sequence[AlarmRow]

    @property
    def unseen_alarms(self) -> list[AlarmRow]:
        """The alarms that stand and that nobody has seen, the worst first."""
        return [row for row in self.alarms if row.acknowledged_by is None]

    @property
    def deadlines(self) -> list[tuple[str, int]]:
        """The valves that may be open, and when each shuts at the latest by its own deadline (Unix s)."""
        return [(name, valve.shuts_by) for name, valve in self.valves.items() if valve.shuts_by is not None]

    def named(self, text: str) -> str:
        """A text of the journal with the names of the people that it knows by number; who was deleted stays one."""
        return BY_NUMBER.sub(lambda match: self.names.get(match[0], match[0]), text)

    @property
    def running(self) -> list[ZoneNow]:
        """The zones whose valve is not surely shut."""
        return [zone for zone in self.zones if zone.valve.state != SHUT]

    @property
    def next_zone(self) -> ZoneNow | None:
        """The zone that is watered next, of those that nothing holds."""
        waiting = [zone for zone in self.zones if zone.next_at and not zone.holds and zone.valve.state == SHUT]
        return min(waiting, key=lambda zone: zone.next_at or 0, default=None)


def look(
    store: SqliteStore,
    wall_s: float,
    zone_ids: Iterable[str] | None = None,
    names: Mapping[str, str] = MappingProxyType({}),
    plans: PlanMemo | None = None,
) -> FarmNow:
    """Read how the farm stands, of all its zones or of some; `names` are people's, by what the journal calls them.

    `plans` are those of looks before, see `Planner`.
    Raises StoreError if no service ever ran on the store.
    """
    config = farm_of(store)
    beat = store.journal.last_beat()
    now = orders.service_now(beat, wall_s)
    seq = store.journal.newest()
    holds = store.orders.holds()
    chosen_ids = None if zone_ids is None else set(zone_ids)
    zones = [zone for zone in config.zones if chosen_ids is None or zone.zone_id in chosen_ids]
    valves = valves_of(store, config.zones)
    moments = {moment.zone_id: moment for moment in store.journal.newest_moments(chosen_ids)}
    planner = Planner(store, now, memo=plans)
    offline = {row["gateway_id"] for row in store.updates.gateways() if is_gone(row, now)}
    return FarmNow(
        config=config,
        now=now,
        beat=beat,
        is_serving=orders.is_serving(beat, wall_s),
        holds=[hold for hold in in_force(holds, None, now) if hold.zone_id is None],
        zones=[
            ZoneNow(
                zone=zone,
                valve=valves[zone.zone_id],
                decision=last_decision(store, zone.zone_id),
                moment=moments.get(zone.zone_id),
                holds=in_force(holds, zone.zone_id, now),
                is_offline=zone.gateway_id in offline,
                planner=planner,
            )
            for zone in zones
        ],
        open_orders=store.orders.open(),
        seq=seq,
        names=names,
        valves=valves,
        alarms=list(worst(store.alarms.open())),
    )


def _share(value: float) -> float:
    return round(min(max(1 - value, 0.0), 1.0), 3)
