"""The life of a command: remembered before it is published, followed by its acks, settled once.

Nothing here publishes; the service does, after the transaction that remembers the command is on the disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from compute_service.domain.decide import Decision
from compute_service.domain.fallback import Bounds
from compute_service.domain.ports import CommandLog, CommandRow, Delivery, WaterRow, ZoneMemory
from compute_service.domain.zone import Zone

if TYPE_CHECKING:
    from protocol.messages import Ack, Command

LIFE_S = 300  # a gateway that hears an open later than this rejects it
ACK_GRACE_S = 120  # how long an ack may be on its way
NEVER = 2**40  # no clock shows it: when a stop is given up, as only an ack ends it, or a person who resumes
MOST_EPOCH = 2**52  # no count of commands reaches it, and as many more fit into a message's epoch
STOP_AGAIN_S = 60  # a gateway that is heard and has not answered a stop is told again

# State, then what happened -> the next state; anything that is not here changes nothing. `expired` means that no ack
# told how the command ended: a late one still does. The states without a row are settled. Only a stop is withdrawn.
TRANSITIONS = {
    "pending": {
        "puback": "sent",
        "received": "received",
        "started": "started",
        "done": "done",
        "failed": "failed",
        "rejected": "rejected",
        "given_up": "expired",
        "withdrawn": "withdrawn",
    },
    "sent": {
        "received": "received",
        "started": "started",
        "done": "done",
        "failed": "failed",
        "rejected": "rejected",
        "given_up": "expired",
        "withdrawn": "withdrawn",
    },
    "received": {
        "started": "started",
        "done": "done",
        "failed": "failed",
        "rejected": "rejected",
        "given_up": "expired",
        "withdrawn": "withdrawn",
    },
    "started": {"done": "done", "failed": "failed", "given_up": "expired"},
    "expired": {"started": "started", "done": "done", "failed": "failed", "rejected": "rejected"},
}
SETTLED = ("done", "failed", "rejected")
STOPS = ("close", "stop_all")

_B32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid(now: int, entropy: bytes) -> str:
    """A ULID: 26 characters that sort by time (48 bits of milliseconds), then 80 random bits."""
    number = (now * 1000) << 80 | int.from_bytes(entropy[:10], "big")
    return "".join(_B32[number >> shift & 31] for shift in range(125, -5, -5))


def remember(log: CommandLog, zone: Zone, decision: Decision, decision_id: str, command_id: str) -> "Command | None":
    """Build and keep the command that a decision wants, if it wants one. Call inside a transaction."""
    if decision.intent is None:
        return None
    now, epoch = decision.at, log.epoch(zone.zone_id) + 1
    message: Command = {
        "command_id": command_id,
        "device_id": zone.gateway_id,
        "zone_id": zone.zone_id,
        "action": "open",
        "duration_s": decision.intent.duration_s,
        "max_volume_l": decision.intent.max_volume_l,
        "issued_at": now,
        "expires_at": now + LIFE_S,
        "epoch": epoch,
        "decision_id": decision_id,
        "reason": decision.sentence[:400],
    }
    log.raise_epoch(zone.zone_id, epoch)
    log.add(zone.gateway_id, message, give_up_at=now + LIFE_S + ACK_GRACE_S)
    return message


def remember_stop(  # noqa: PLR0913, PLR0917  # who stops what, when, and as which command
    log: CommandLog, gateway_id: str, zone_id: str | None, by: str, now: int, command_id: str
) -> "Command":
    """Build and keep a command that closes a zone's valve, or with None all of a gateway's. Call inside a transaction.

    It is published again until the gateway has answered: see `unanswered_stops`.
    """
    epoch = 0
    if zone_id is not None:
        epoch = log.epoch(zone_id) + 1
        log.raise_epoch(zone_id, epoch)
    message: Command = {
        "command_id": command_id,
        "device_id": gateway_id,
        "zone_id": zone_id,
        "action": "stop_all" if zone_id is None else "close",
        "issued_at": now,
        "expires_at": now + LIFE_S,  # a gateway obeys a stop whenever it hears it
        "epoch": epoch,
        "reason": f"{by} ordered it"[:400],
    }
    log.add(gateway_id, message, give_up_at=NEVER)
    return message


def remember_plan(  # noqa: PLR0913, PLR0917  # whose plan, what it allows, why, when, and as which command
    log: CommandLog, zone: Zone, bounds: Bounds, decision_id: str, now: int, command_id: str
) -> "Command":
    """Build and keep a fallback plan for a zone's board. Call inside a transaction."""
    zone_id = zone.zone_id
    epoch = log.epoch(zone_id) + 1
    message: Command = {
        "command_id": command_id,
        "device_id": zone.gateway_id,
        "zone_id": zone_id,
        "action": "fallback",
        "duration_s": bounds.duration_s,
        "max_volume_l": bounds.max_volume_l,
        "days": bounds.days,
        "after_offline_s": bounds.after_offline_s,
        "below_vwc": bounds.below_vwc,
        "valid_from": now,
        "valid_until": now + bounds.valid_s,
        "issued_at": now,
        "expires_at": now + LIFE_S,
        "epoch": epoch,
        "decision_id": decision_id,
        "reason": bounds.reason,
    }
    log.raise_epoch(zone_id, epoch)
    log.add(zone.gateway_id, message, give_up_at=now + LIFE_S + ACK_GRACE_S)
    return message


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEnd:
    """A plan on a board that ends: the zone's epoch as the board has it, until when (Unix s) it would last, and why."""

    gateway_id: str
    zone_id: str
    held_epoch: int
    until: int
    why: str


def remember_plan_end(log: CommandLog, end: PlanEnd, is_own: bool, now: int, command_id: str) -> "Command":
    """A close that deletes a plan which nobody wants any more; once the plan is over nobody waits for its ack.

    `is_own`: the zone is, or was, the board's own, so that its epoch is used up. Call inside a transaction.
    """
    epoch = log.epoch(end.zone_id) + 1
    message: Command = {
        "command_id": command_id,
        "device_id": end.gateway_id,
        "zone_id": end.zone_id,
        "action": "close",
        "issued_at": now,
        "expires_at": now + LIFE_S,
        "epoch": max(epoch, end.held_epoch + 1),
        "valid_until": end.until,
        "reason": end.why,
    }
    if is_own:
        log.raise_epoch(end.zone_id, epoch)
    log.add(end.gateway_id, message, give_up_at=end.until)
    return message


def remember_clear(  # noqa: PLR0913, PLR0917  # whose latch ends, by whose order, when, and as which command
    log: CommandLog,
    gateway_id: str,
    epochs: tuple[Mapping[str, int], Mapping[str, int]],
    by: str,
    now: int,
    command_id: str,
) -> "Command":
    """Build and keep the end of a gateway's latch: each zone of its board with an epoch that none of them has had.

    `epochs` are the greatest that are known: of the gateway's own zones, and of others that its board names, which
    count for the board alone. Call inside a transaction.
    """
    own, others = epochs
    after = {zone_id: max(epoch, log.epoch(zone_id)) + 1 for zone_id, epoch in own.items()}
    more = {zone_id: epoch + 1 for zone_id, epoch in others.items()}
    message: Command = {
        "command_id": command_id,
        "device_id": gateway_id,
        "zone_id": None,
        "action": "clear",
        "epochs": {**after, **more},
        "issued_at": now,
        "expires_at": now + LIFE_S,
        "epoch": max(after.values()),
        "reason": f"{by} ordered it"[:400],
    }
    for zone_id, epoch in after.items():
        log.raise_epoch(zone_id, epoch)
    log.add(gateway_id, message, give_up_at=now + LIFE_S + ACK_GRACE_S)
    return message


def unanswered_stops(log: CommandLog, gateway_id: str | None = None) -> list[CommandRow]:
    """The stops that no ack has ended, of one gateway or of all, the oldest first."""
    return [row for row in log.open() if stops(row) and gateway_id in (None, row.gateway_id)]


class StopRepeats:
    """The stops to publish again: all when their gateway connects, and each minute while it is heard without an ack.

    A reading of a gateway that owes no answer costs no query.
    """

    def __init__(self, log: CommandLog) -> None:
        self._log = log
        self._said_at: dict[str, dict[str, int]] = {}  # by gateway: its stops, and when each was last published

    def sent(self, command: "Command", now: int) -> None:
        """A command is published."""
        if command["action"] in STOPS:
            self._said_at.setdefault(command["device_id"], {})[command["command_id"]] = now

    def due(self, gateway_id: str, now: int, is_new_connection: bool) -> list[CommandRow]:
        """Those to publish now, for a gateway that is heard."""
        before = self._said_at.get(gateway_id, {})
        if not (is_new_connection or before):
            return []
        stops = unanswered_stops(self._log, gateway_id)
        said_at = self._said_at[gateway_id] = {row.command_id: before.get(row.command_id, NEVER) for row in stops}
        again = [row for row in stops if not 0 <= now - said_at[row.command_id] < STOP_AGAIN_S]
        return stops if is_new_connection else again


def opens(command: CommandRow) -> bool:
    """Is it one that opens a valve, so that there is water to settle?"""
    return command.message["action"] == "open"


def stops(command: CommandRow) -> bool:
    """Is it one that is said again and again until it is answered?"""
    return command.message["action"] in STOPS


def ends_a_plan(command: CommandRow) -> bool:
    """Is it a close that no person ordered, but that ends a fallback plan?"""
    return command.message["action"] == "close" and command.message.get("valid_until") is not None


def plans(command: CommandRow) -> bool:
    """Is it a fallback plan?"""
    return command.message["action"] == "fallback"


def may_be_open(command: CommandRow, now: int) -> bool:
    """Could it still hold a valve open, whatever is known of it? No ack may have come, and the gateway yet obeyed."""
    return opens(command) and now < command.message["expires_at"] + _bound_s(command) + ACK_GRACE_S


def withdraw(log: CommandLog, command: CommandRow, now: int) -> None:
    """Nobody waits for this stop's ack any more."""
    if state := TRANSITIONS.get(command.state, {}).get("withdrawn"):
        log.move(command.command_id, state, None, closed_at=now)


def on_puback(log: CommandLog, command_id: str) -> None:
    """The broker has the command."""
    command = log.get(command_id)
    if command and "puback" in TRANSITIONS.get(command.state, {}):
        log.move(command_id, "sent", None, give_up_at=_give_up_at(command))


def acknowledge(log: CommandLog, zones: ZoneMemory, command: CommandRow, ack: "Ack", now: int) -> bool:
    """Follow an ack; False if it changes nothing, because it is late or repeated. Call inside a transaction."""
    _find_back(log, command, ack)
    state = TRANSITIONS.get(command.state, {}).get(ack["state"])
    if state is None:
        return False
    if state in SETTLED:
        log.move(command.command_id, state, ack["code"], closed_at=now)
        if opens(command):
            _settle(log, zones, command, ack, now)
    else:
        started_at = now if state == "started" else None
        log.move(command.command_id, state, ack["code"], give_up_at=_give_up_at(command, started_at))
    return True


def _give_up_at(command: CommandRow, started_at: int | None = None) -> int:
    if stops(command):
        return command.message.get("valid_until") or NEVER
    if not opens(command):
        return command.message["expires_at"] + ACK_GRACE_S
    last_moment = command.message["expires_at"] if started_at is None else started_at + _bound_s(command)
    return last_moment + ACK_GRACE_S


def _bound_s(command: CommandRow) -> int:
    """How long a command that opens a valve lets it stand open."""
    bound_s = command.message["duration_s"]
    assert bound_s is not None
    return bound_s


def _zone_of(command: CommandRow) -> str:
    """The zone of a command that opens its valve."""
    assert command.zone_id is not None
    return command.zone_id


def _settle(log: CommandLog, zones: ZoneMemory, command: CommandRow, ack: "Ack", now: int) -> None:
    """Book what the ack says; a run that tells no duration counts in full, and none ends in the past or the future.

    Water that was assumed when the command expired is taken back.
    """
    duration_s = ack.get("duration_s")
    if duration_s is None:
        duration_s = 0 if ack["state"] == "rejected" else _bound_s(command)
    delivery = Delivery(
        command_id=command.command_id,
        zone_id=_zone_of(command),
        ended_at=min(max(ack["at"], command.message["issued_at"]), now),
        duration_s=duration_s,
        volume_l=ack.get("volume_l"),
        source=ack["volume_source"],
        end_reason=ack.get("end_reason"),
    )
    log.add_delivery(delivery)
    water = WaterRow(
        water_id=command.command_id,
        zone_id=_zone_of(command),
        at=delivery.ended_at,
        litres=delivery.volume_l if delivery.source != "none" else None,
        duration_s=duration_s,
        source=delivery.source,
    )
    if command.is_booked:
        zones.add_water(replace(water, water_id=f"{command.command_id}.late", back_s=_bound_s(command)))
    elif water.duration_s or water.litres:
        zones.add_water(water)


def give_up(log: CommandLog, zones: ZoneMemory, now: int) -> list[CommandRow]:
    """Close every command whose time to wait is over, and say which."""
    late = log.open(overdue_at=now)
    for command in late:
        log.move(command.command_id, TRANSITIONS[command.state]["given_up"], "no_ack", closed_at=now)
        if opens(command):
            zones.add_water(
                WaterRow(
                    water_id=command.command_id,
                    zone_id=_zone_of(command),
                    at=now,
                    litres=None,
                    duration_s=_bound_s(command),
                    source="assumed",
                )
            )
    return late


def hear_epoch(log: CommandLog, zone_id: str, epoch: int) -> bool:
    """Continue from an epoch that the zone's own gateway says it holds; False if no count of commands reaches it."""
    if epoch > MOST_EPOCH:
        return False
    log.raise_epoch(zone_id, epoch)
    return True


def _find_back(log: CommandLog, command: CommandRow, ack: "Ack") -> None:
    """A lost store goes on from the epoch that its gateway holds.

    Older firmware rejects a stale epoch without telling its own: twice as much with each try finds it soon.
    """
    if ack["code"] == "stale_epoch" and command.zone_id is not None:
        own_epoch = ack.get("held_epoch")
        hear_epoch(log, command.zone_id, own_epoch if own_epoch is not None else 2 * command.message["epoch"])


def answers(ack: "Ack", command: CommandRow) -> bool:
    """Is it an answer of the gateway, and for the zone, that was commanded?"""
    return ack["gateway_id"] == command.gateway_id and ack.get("zone_id") in (None, command.zone_id)
