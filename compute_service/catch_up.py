"""A store that is behind: it was lost, or brought back from a copy, and its gateways know of runs that it does not.

A gateway tells its epochs, and how long each of its valves stood open within the last day. What the store cannot
account for counts as given now, so that neither the day's cap nor the time to soak in is forgotten with it.
"""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from agronomy.units import DAY_S
from compute_service.domain.decide import Run
from compute_service.domain.ports import Store, WaterRow
from compute_service.domain.zone import Zone
from compute_service.rate_limits import NOTES_BURST, NOTES_PER_S, RateLimits

if TYPE_CHECKING:
    from protocol.messages import Status

UNBOOKED, BACK = ".unbooked", ".back"  # ends of the names of water that was counted so, and of what was taken back
NEVER_ENDED = Run(0, 0.0)  # before any cooldown or cap

log = logging.getLogger(__name__)


def take_back(store: Store, zone: Zone, command_id: str, run: Run, now: int) -> None:
    """A gateway tells late of a run that a store which was behind had counted already: it counts once, as itself."""
    rows = store.journal.water(zone, run.ended_at - DAY_S, now + 1)
    covers = [row for row in rows if 0 <= _counted_at(row) - run.ended_at < DAY_S]
    if not covers:
        return
    since = max(_counted_at(row) for row in covers)
    counted_s = sum(row.duration_s for row in covers if _counted_at(row) == since)
    left_s = counted_s - sum(row.back_s for row in rows if row.water_id.endswith(f"@{since}{BACK}"))
    back_s = min(run.duration_s, left_s)
    if back_s <= 0:
        return
    water = WaterRow(
        water_id=f"{command_id}@{since}{BACK}",
        zone_id=zone.zone_id,
        at=run.ended_at,
        litres=0.0,
        duration_s=0,
        source="assumed",
        back_s=back_s,
    )
    store.zones.add_water(water)
    store.zones.save_unbooked_run(zone.zone_id, Run(now, left_s - back_s))


def _counted_at(water: WaterRow) -> int:
    """When a store that was behind counted this water; 0 for other water."""
    name = water.water_id.rpartition(":")[2]
    return int(name.removesuffix(UNBOOKED)) if name.endswith(UNBOOKED) else 0


class CatchUp:
    """Which gateways know more than the store, and what follows for their zones; inside the caller's transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._notes = RateLimits(NOTES_PER_S, NOTES_BURST)
        self._asked: set[str] = set()  # gateways whose rejection told it; their status has yet to tell how far

    def hear_status(self, zones: Iterable[Zone], status: "Status", is_behind: bool, now: int) -> None:
        """A gateway's own status, and whether an epoch in it is above ours."""
        gateway_id, watered = status["gateway_id"], status.get("watered_24h_s")
        if not is_behind and not (gateway_id in self._asked and watered is not None):
            return
        self._asked.discard(gateway_id)
        self._tell(gateway_id, now)
        for zone in zones:
            if zone.gateway_id == gateway_id:
                self._hold(zone, status, now)

    def hear_rejection(self, zones: Iterable[Zone], gateway_id: str, now: int) -> None:
        """A gateway held a greater epoch than its command had: until its status tells more, the day's cap is used."""
        self._asked.add(gateway_id)
        self._tell(gateway_id, now)
        for zone in zones:
            if zone.gateway_id == gateway_id:
                self._store.zones.save_unbooked_run(zone.zone_id, Run(now, zone.daily_cap_s))

    def _tell(self, gateway_id: str, now: int) -> None:
        self._store.updates.count("stores_behind")
        if self._notes.take(gateway_id, now):
            log.warning(
                "%s knows of runs that this store does not; its zones wait until they have soaked in", gateway_id
            )

    def _hold(self, zone: Zone, status: "Status", now: int) -> None:
        zone_id = zone.zone_id
        told_s = (status.get("watered_24h_s") or {}).get(zone_id)
        ended_at = (status.get("last_end_at") or {}).get(zone_id, now)
        free_at = min(max(ended_at, now), now + DAY_S)  # a run under way ends later
        if told_s is None:
            self._store.zones.save_unbooked_run(zone_id, Run(free_at, zone.daily_cap_s))
            return
        self._store.zones.save_unbooked_run(zone_id, NEVER_ENDED)
        runs = self._store.zones.zone_state(zone, now - DAY_S, now, now).runs
        missing_s = max(min(told_s, DAY_S) - sum(run.duration_s for run in runs), 0.0)
        self._store.zones.save_unbooked_run(zone_id, Run(free_at, missing_s))
        if missing_s:
            water = WaterRow(
                water_id=f"{zone_id}:{status['boot_id']}:{now}{UNBOOKED}",
                zone_id=zone_id,
                at=min(max(ended_at, now - DAY_S), now),
                litres=None,
                duration_s=missing_s,
                source="assumed",
            )
            self._store.zones.add_water(water)
