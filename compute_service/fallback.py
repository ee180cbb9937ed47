"""Fallback plans: offered to a zone's board, and what a board says of the runs that it did by one.

Everything happens inside the caller's transaction. A run under a plan becomes a command like one that was given, so
that its acks are followed and settled as those of any other, once each.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from agronomy.units import DAY_S
from compute_service import catch_up, commands, held_plans
from compute_service.domain import fallback
from compute_service.domain.decide import FUTURE_S, Decision, Run
from compute_service.domain.fallback import Held, run_of
from compute_service.domain.orders import in_force
from compute_service.domain.ports import CommandRow, Store
from compute_service.domain.zone import Config, Zone
from compute_service.rate_limits import RateLimits
from compute_service.untrusted_reports import MOST_FLOW

if TYPE_CHECKING:
    from protocol.messages import Ack, Command

OF_A_RUN = ("started", "done", "failed")
OLDEST_S = 40 * DAY_S  # no plan lasts so long: what a board tells of an earlier time is none of it
UNKNOWN_A_DAY, UNKNOWN_BURST = 2, 62  # runs of a zone under plans that this store does not know


def offer(  # noqa: PLR0913, PLR0917  # a zone's decision, and what its gateway said last
    store: Store,
    config: Config,
    zone: Zone,
    decision: Decision,
    decision_id: str,
    status: Mapping[str, Any],
    new_id: held_plans.NewId,
) -> "Command | None":
    """The plan that a zone's board should have from now on, if it wants another one, and no other board has one."""
    now, bounds = decision.at, fallback.bounds(zone, decision)
    if bounds is None or status.get("state") == "offline" or status.get("latched"):
        return None
    if in_force(store.orders.holds(), zone.zone_id, now) or zone.zone_id in (status.get("open_valves") or ()):
        return None
    last = next(iter(store.commands.last_plans(zone.zone_id)), None)
    of_this_board = last if last and last.gateway_id == zone.gateway_id else None
    if not fallback.is_due(bounds, _held(store, of_this_board, status, now), now):
        return None
    if not held_plans.is_alone(store, config, zone, now):
        return None
    return commands.remember_plan(store.commands, zone, bounds, decision_id, now, new_id())


def _held(store: Store, plan: CommandRow | None, status: Mapping[str, Any], now: int) -> Held | None:
    if plan is None:
        return None
    days, is_later = status.get("fallback_days"), status.get("at", 0) > plan.message["issued_at"] + commands.LIFE_S
    return Held(
        message=plan.message,
        state=plan.state,
        is_waited_for=plan.give_up_at is not None,
        is_newest=held_plans.may_be_held(store, plan, now),
        days_left=days.get(plan.zone_id, 0) if days is not None and is_later else None,
    )


def is_wanted(command: CommandRow, zones: Mapping[str, Zone]) -> bool:
    """After a crash: is a plan that was remembered still bounds?"""
    zone = zones.get(command.zone_id or "")
    return zone is not None and zone.fallback is not None and zone.gateway_id == command.gateway_id


class Heard(NamedTuple):
    """A run's command, and its ack within what can be."""

    command: CommandRow
    ack: "Ack"


class PlanRuns:
    """What boards say of the runs that they did while nobody could command them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._unknown = RateLimits(UNKNOWN_A_DAY / DAY_S, UNKNOWN_BURST)

    def hear(self, zones: Mapping[str, Zone], ack: "Ack", now: int) -> Heard | None:
        """The run that an ack is of; None if it can be none. A run that is new becomes a command here."""
        run = run_of(ack["command_id"])
        if run is None or ack["state"] not in OF_A_RUN:
            return None
        log, plan = self._store.commands, self._store.commands.get(run.plan_id)
        row, zone = log.get(ack["command_id"]), zones.get(ack.get("zone_id") or "")
        if plan is not None:
            days = plan.message.get("days") or 0
            if not (commands.plans(plan) and _is_of(plan, ack) and run.number <= days):
                return None
            return Heard(row or self._taken_down(plan, _bound_s(plan), ack, now), ack)
        if zone is None or zone.gateway_id != ack["gateway_id"]:
            return None
        if row is None:
            is_of_our_time = now - OLDEST_S <= ack["at"] <= now + FUTURE_S
            if not (is_of_our_time and self._unknown.take(zone.zone_id, now)):
                return None
            row = self._taken_down(None, zone.max_run_s, ack, now)
        return Heard(row, _within(ack, zone))

    def _taken_down(self, plan: CommandRow | None, bound_s: int, ack: "Ack", now: int) -> CommandRow:
        """A run as a command that was sent when it began, as far as one can know."""
        log, command_id = self._store.commands, ack["command_id"]
        lasted_s = int(ack.get("duration_s") or 0) if ack["state"] != "started" else 0
        earliest = plan.message["issued_at"] if plan else now - OLDEST_S
        begun_at = min(max(ack["at"] - lasted_s, earliest), now)
        message: Command = {
            "command_id": command_id,
            "device_id": ack["gateway_id"],
            "zone_id": ack.get("zone_id"),
            "action": "open",
            "duration_s": bound_s,
            "max_volume_l": plan.message.get("max_volume_l") if plan else None,
            "issued_at": begun_at,
            "expires_at": begun_at,
            "epoch": ack["epoch"],
            "decision_id": plan.message.get("decision_id") if plan else None,
            "reason": f"a run of fallback plan {command_id.partition('-')[0]}",
        }
        log.add(ack["gateway_id"], message, give_up_at=now + commands.ACK_GRACE_S)
        log.move(command_id, "sent", None, give_up_at=now + commands.ACK_GRACE_S)  # it is never published
        row = log.get(command_id)
        assert row is not None
        return row

    def settled(self, zones: Mapping[str, Zone], command: CommandRow, ack: "Ack", now: int) -> None:
        """A run's water is booked; what a store that was behind had counted for it before is taken back."""
        if zone := zones.get(command.zone_id or ""):
            run = Run(min(ack["at"], now), ack.get("duration_s") or 0)
            catch_up.take_back(self._store, zone, command.command_id, run, now)


def _is_of(plan: CommandRow, ack: "Ack") -> bool:
    return (ack["gateway_id"], ack.get("zone_id")) == (plan.gateway_id, plan.zone_id)


def _bound_s(plan: CommandRow) -> int:
    bound_s = plan.message["duration_s"]
    assert bound_s is not None
    return bound_s


def _within(ack: "Ack", zone: Zone) -> "Ack":
    """No more than the zone's longest run, and than its pipes carry in that time: nobody here knows the plan."""
    seconds = ack.get("duration_s")
    most_s = min(zone.max_run_s if seconds is None else seconds, zone.max_run_s)
    litres = ack.get("volume_l")
    most_l = zone.flow_l_min * most_s / 60 * MOST_FLOW
    return {
        **ack,
        "duration_s": most_s if seconds is not None else None,
        "volume_l": None if litres is None else min(litres, most_l),
    }
