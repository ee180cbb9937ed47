"""Which boards may hold a fallback plan, by what was sent and by what they say, and the end of one that nobody wants.

A board that has lost its session hears no close, and one that was away when a store was brought back holds a plan that
the store never knew: so what a status names in `fallback_days` counts beside the store. Two boards never hold a plan
for one zone, nor for zones of one pump: neither would know when the other waters.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from agronomy.units import DAY_S, HOUR_S
from compute_service import commands
from compute_service.domain.decide import ADVICE
from compute_service.domain.orders import in_force
from compute_service.domain.ports import CommandRow, GatewayRow, Store
from compute_service.domain.zone import Config, Zone

if TYPE_CHECKING:
    from protocol.messages import Command

NewId = Callable[[], str]  # of a command
ENDS = ("failed", "rejected", "withdrawn")  # states of a plan that no board holds
AGAIN_S = HOUR_S  # a board that goes on naming a plan after its close was answered is told again so much later
MOST_VALID_S = 2 * (30 + 31) * DAY_S  # no settings make a plan that lasts longer
NOT_IN_FILE = "the zones file has no fallback plan for it any more"
NOT_OURS = "its board holds a fallback plan that this service did not give"
HELD = "somebody keeps the zone shut, and its board holds a fallback plan"


class Claim(NamedTuple):
    """A board says that it holds a plan for a zone: at which epoch it has the zone (None not told), heard when."""

    gateway_id: str
    zone_id: str
    epoch: int | None
    heard_at: int


def may_be_held(store: Store, plan: CommandRow | None, now: int) -> bool:
    """Could a board still water by this plan, if all came to it that was sent? Also one that no ack came for."""
    return plan is not None and _is_alive(plan, now) and plan.message["epoch"] == store.commands.epoch(_zone_of(plan))


def is_out_there(store: Store, plan: CommandRow, now: int) -> bool:
    """Could a plan be on its board? Until it is over, or the board's own word, an answer or a status, is against it."""
    if not _is_alive(plan, now) or _is_deleted(store, plan):
        return False
    status = next((row["status"] for row in store.updates.gateways() if row["gateway_id"] == plan.gateway_id), {})
    days, is_later = status.get("fallback_days"), status.get("at", 0) > plan.message["issued_at"] + commands.LIFE_S
    return days is None or not is_later or plan.zone_id in days


def zones_with_plans(store: Store, now: int) -> set[str]:
    """The zones for which a board may hold a plan, by what was sent, and by what the boards say."""
    names = {_zone_of(plan) for plan in store.commands.last_plans() if is_out_there(store, plan, now)}
    return names | {claim.zone_id for row in store.updates.gateways() for claim in claims(row)}


def forget_plans(store: Store, gateway_id: str, now: int) -> None:
    """The gateway is told to stop everything, which deletes its plans: none counts as held from here on."""
    for plan in store.commands.last_plans():
        if plan.zone_id and plan.gateway_id == gateway_id and may_be_held(store, plan, now):
            store.commands.raise_epoch(plan.zone_id, plan.message["epoch"] + 1)


def is_alone(store: Store, config: Config, zone: Zone, now: int) -> bool:
    """Does no other board hold a plan, or perhaps hold one, for this zone, or where one pump serves all, for any?"""
    which = None if config.pump_l_min is not None else zone.zone_id
    for plan in store.commands.last_plans(which):
        if plan.gateway_id != zone.gateway_id and is_out_there(store, plan, now):
            return False
    others = [row for row in store.updates.gateways() if row["gateway_id"] != zone.gateway_id]
    told = [claim for row in others for claim in claims(row) if which in {None, claim.zone_id}]
    return all(_is_over(store, claim, now) for claim in told)


def claims(row: GatewayRow) -> Iterator[Claim]:
    """The plans that a gateway's last status names."""
    epochs = row["status"].get("epochs") or {}
    for name in row["status"].get("fallback_days") or ():
        yield Claim(row["gateway_id"], name, epochs.get(name), row["heard_at"])


def former_gateways(store: Store, config: Config) -> set[str]:
    """Gateways that are no more of the farm, and may hold a plan of when they were: by what was sent, or they said."""
    names = {plan.gateway_id for plan in store.commands.last_plans()}
    return names.union(row["gateway_id"] for row in store.updates.gateways()) - config.gateway_ids


def end_unwanted(
    store: Store, config: Config, now: int, new_id: NewId, gateway_id: str | None = None
) -> list["Command"]:
    """Closes for the plans that boards hold, or may hold, and nobody wants: of one gateway's status, or of all.

    A close that is under way is left to be said again until it is answered; a board that names the plan all the same
    gets another one an hour later.
    """
    told = [one for row in store.updates.gateways() if gateway_id in {None, row["gateway_id"]} for one in claims(row)]
    reasons = {(one.gateway_id, one.zone_id): (_why_unwanted(store, config, one, now), one) for one in told}
    if gateway_id is None:
        for plan in store.commands.last_plans():
            one = Claim(plan.gateway_id, _zone_of(plan), plan.message["epoch"], plan.message["issued_at"])
            if is_out_there(store, plan, now):
                reasons.setdefault(one[:2], (_why_unwanted(store, config, one, now), one))
    return [
        _end(store, config, one, why, now, new_id())
        for why, one in (reasons[place] for place in sorted(reasons))
        if why and not _is_being_ended(store, one, now)
    ]


def _why_unwanted(store: Store, config: Config, claim: Claim, now: int) -> str:
    zone = next((one for one in config.zones if one.zone_id == claim.zone_id), None)
    if zone is None or zone.fallback is None or zone.mode == ADVICE or zone.gateway_id != claim.gateway_id:
        return NOT_IN_FILE
    if in_force(store.orders.holds(), zone.zone_id, now):
        return HELD
    return "" if claim.epoch is None or _plan_of(store, claim, now) else NOT_OURS


def _end(  # noqa: PLR0913, PLR0917  # which plan ends, why, when, and by which command
    store: Store, config: Config, claim: Claim, why: str, now: int, command_id: str
) -> "Command":
    """What a board says of a zone that is another's raises the epoch of this close alone."""
    last = next(iter(store.commands.last_plans(claim.zone_id)), None)
    plan = _plan_of(store, claim, now)
    until = (plan.message["valid_until"] if plan else None) or 0
    owner = next((one.gateway_id for one in config.zones if one.zone_id == claim.zone_id), claim.gateway_id)
    is_own = claim.gateway_id in {owner, last.gateway_id if last else None}
    order = commands.PlanEnd(
        gateway_id=claim.gateway_id,
        zone_id=claim.zone_id,
        held_epoch=min(claim.epoch or 0, commands.MOST_EPOCH),
        until=until if until > now else now + MOST_VALID_S,
        why=why,
    )
    return commands.remember_plan_end(store.commands, order, is_own, now, command_id)


def _is_being_ended(store: Store, claim: Claim, now: int) -> bool:
    """Is a stop under way that deletes it, or was one of the last hour answered?"""
    rows = store.commands.in_states(place=(claim.gateway_id, claim.zone_id), since=now - MOST_VALID_S)
    stops = [row for row in rows if commands.stops(row)]
    return any(
        row.give_up_at is not None or (row.state in commands.SETTLED and 0 <= now - row.message["issued_at"] < AGAIN_S)
        for row in stops
    )


def _is_over(store: Store, claim: Claim, now: int) -> bool:
    """Is what a board said it holds over by its own time? A stop that it answers takes the claim out of its status."""
    plan = _plan_of(store, claim, now)
    until = plan.message["valid_until"] if plan else claim.heard_at + MOST_VALID_S
    return now >= (until or 0)


def _plan_of(store: Store, claim: Claim, now: int) -> CommandRow | None:
    """The plan that a board says it holds: a greater epoch than the plan's would have deleted it."""
    rows = store.commands.in_states(place=(claim.gateway_id, claim.zone_id), since=now - MOST_VALID_S)
    return next((row for row in rows if commands.plans(row) and row.message["epoch"] == claim.epoch), None)


def _is_alive(plan: CommandRow, now: int) -> bool:
    return plan.zone_id is not None and plan.state not in ENDS and now < (plan.message["valid_until"] or 0)


def _is_deleted(store: Store, plan: CommandRow) -> bool:
    """Has its board answered to what came later? A run under the plan is none of that."""
    begin, epoch = plan.message["issued_at"], plan.message["epoch"]
    later = store.commands.in_states(place=(plan.gateway_id, _zone_of(plan)), since=begin)
    return any(
        row.state in {"started", "done"} and (row.message["epoch"] > epoch or row.message["action"] == "stop_all")
        for row in later
        if row.command_id > plan.command_id
    )


def _zone_of(plan: CommandRow) -> str:
    assert plan.zone_id is not None
    return plan.zone_id
