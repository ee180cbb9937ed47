"""A farm as it stands, read from the service's store: what Home Assistant and Prometheus are told.

Reading never writes and never waits for the service. What costs is kept until the store says that it is another.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from compute_service import alarms
from compute_service.adapters import crops_table
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.alarms import AlarmRow
from compute_service.domain.inputs import config_from
from compute_service.domain.orders import Hold, OrderRow, in_force
from compute_service.domain.ports import DecisionRow, GatewayRow, Moment, WaterTotal
from compute_service.domain.zone import Config, Zone
from compute_service.orders import is_serving, service_now
from compute_service.plans import PlanMemo, Planner
from compute_service.reading import OPENING, SHUT, farm_text, last_decision, valves_of

CLOSED = "closed"  # as Home Assistant says it of a valve that is shut


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneNow:
    """A zone: its valve, how it was found last and what was decided then, what holds it, and its water since ever."""

    zone: Zone
    valve: str
    moment: Moment | None
    decision: DecisionRow | None
    holds: tuple[Hold, ...]
    litres: float
    planner: Planner

    @property
    def next_water_at(self) -> int | None:
        """When its next run is likely, by the plan (Unix s); None where none is foreseen, or nothing opens by itself.

        Reckoned when somebody asks.
        """
        return self.planner.next_run_at(self.zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmNow:
    """The farm at a time of its service (Unix s); `seq` is the last thing in its journal that it has seen."""

    config: Config
    now: int
    seq: int
    is_serving: bool
    zones: tuple[ZoneNow, ...]
    gateways: Mapping[str, GatewayRow | None]
    holds: tuple[Hold, ...]
    orders: tuple[OrderRow, ...]
    alarms: tuple[AlarmRow, ...]


def litres(total: WaterTotal, zone: Zone) -> float:
    """What such runs gave; those that nothing measured count by the zone's nominal flow."""
    return total.litres + total.unmeasured_s / 60 * zone.flow_l_min


class FarmReader:
    """Reads the same store again and again."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self._config_text: str | None = None
        self._config: Config | None = None
        self._decisions: dict[str, tuple[int, DecisionRow]] = {}
        self._totals: tuple[WaterTotal, ...] = ()
        self._totals_seq = -1
        self._plans: PlanMemo = {}

    def config(self) -> Config:
        """The farm as its service knew it last. Raises StoreError if none ever ran on this store."""
        text = farm_text(self.store)
        if text != self._config_text or self._config is None:
            self._config_text, self._config = text, config_from(text, crops_table.crop)
        return self._config

    def totals(self) -> tuple[WaterTotal, ...]:
        """All water since ever, by zone and source; summed again only after something has happened."""
        seq = self.store.journal.newest()
        if seq != self._totals_seq:
            self._totals_seq, self._totals = seq, tuple(self.store.commands.totals())
        return self._totals

    def read(self, wall_s: float) -> FarmNow:
        """The farm now; `wall_s` is the world's time (Unix s)."""
        seq = self.store.journal.newest()  # first: what changes while the rest is read has a larger one
        config, beat, holds = self.config(), self.store.journal.last_beat(), self.store.orders.holds()
        now, orders = service_now(beat, wall_s), tuple(self.store.orders.open())
        moments = {moment.zone_id: moment for moment in self.store.journal.newest_moments()}
        gateways = {row["gateway_id"]: row for row in self.store.updates.gateways()}
        valves, given_l = self._valves(config, orders), self._litres(config)
        planner = Planner(self.store, now, memo=self._plans)
        zones = tuple(
            ZoneNow(
                zone=zone,
                valve=valves[zone.zone_id],
                moment=moments.get(zone.zone_id),
                decision=self._decision(moments.get(zone.zone_id)),
                holds=in_force(holds, zone.zone_id, now),
                litres=given_l.get(zone.zone_id, 0.0),
                planner=planner,
            )
            for zone in config.zones
        )
        return FarmNow(
            config=config,
            now=now,
            seq=seq,
            is_serving=is_serving(beat, wall_s),
            zones=zones,
            gateways={name: gateways.get(name) for name in sorted(config.gateway_ids)},
            holds=in_force(holds, None, now),
            orders=orders,
            alarms=tuple(alarms.standing(self.store, beat, wall_s, now)),
        )

    def _litres(self, config: Config) -> dict[str, float]:
        zones = {zone.zone_id: zone for zone in config.zones}
        sums: dict[str, float] = {}
        for total in self.totals():
            if zone := zones.get(total.zone_id):
                sums[zone.zone_id] = sums.get(zone.zone_id, 0.0) + litres(total, zone)
        return sums

    def _decision(self, moment: Moment | None) -> DecisionRow | None:
        """A zone's last decision; unpacked anew only when there is another."""
        if moment is None:
            return None
        at, row = self._decisions.get(moment.zone_id, (None, None))
        if at != moment.at:
            row = last_decision(self.store, moment.zone_id)
            if row:
                self._decisions[moment.zone_id] = (moment.at, row)
        return row

    def _valves(self, config: Config, orders: tuple[OrderRow, ...]) -> dict[str, str]:
        """Each zone's valve, in Home Assistant's words; one that a person has just ordered open is opening."""
        wishes = {row.order.zone_id for row in orders if row.order.action == "open"}
        return {
            zone_id: valve.state if valve.state != SHUT else OPENING if zone_id in wishes else CLOSED
            for zone_id, valve in valves_of(self.store, config.zones).items()
        }
