"""Plans of zones that people look at, kept until something changes them: to make one takes milliseconds."""

import threading
from typing import Any

from agronomy.units import HOUR_S
from compute_service.domain.plan import ZonePlan
from compute_service.plans import Planner
from console.farm_now import FarmNow, ZoneNow


class Plans:
    """One a zone. It stays for the hour, while the zone's settings, last decision, valve and holds are the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._plans: dict[str, tuple[Any, ZonePlan | None]] = {}

    def plan(self, planner: Planner, zone: ZoneNow, farm: FarmNow) -> ZonePlan | None:
        """What comes at a zone; None while nothing is known of it."""
        decision_id = zone.decision["decision_id"] if zone.decision else None
        state = (zone.zone, decision_id, zone.valve, tuple(zone.holds), farm.now // HOUR_S)
        with self._lock:
            plan_of = self._plans.get(zone.zone.zone_id)
        if plan_of is None or plan_of[0] != state:
            plan_of = (state, planner.plan(zone.zone))
            with self._lock:
                self._plans[zone.zone.zone_id] = plan_of
        return plan_of[1]
