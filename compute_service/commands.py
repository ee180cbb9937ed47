"""The life of a command: remembered before it is published, followed by its acks, settled once.

Nothing here publishes; the service does, after the transaction that remembers the command is on the disk.
"""

from compute_service.adapters.sqlite import CommandRow, Delivery, Message, Store
from compute_service.domain.decide import Decision
from compute_service.domain.zone import Zone

LIFE_S = 300  # a gateway that hears an open later than this rejects it
ACK_GRACE_S = 120  # how long an ack may be on its way
EPOCH_LEAP = 1_000_000  # a larger leap in a reported epoch is a lie or a fault, and would use the epochs up

# State, then what happened -> the next state; anything that is not here changes nothing. `expired` means that no ack
# told how the command ended: a late one still does. The states without a row are settled.
TRANSITIONS = {
    "pending": {
        "puback": "sent",
        "received": "received",
        "started": "started",
        "done": "done",
        "failed": "failed",
        "rejected": "rejected",
        "given_up": "expired",
    },
    "sent": {
        "received": "received",
        "started": "started",
        "done": "done",
        "failed": "failed",
        "rejected": "rejected",
        "given_up": "expired",
    },
    "received": {
        "started": "started",
        "done": "done",
        "failed": "failed",
        "rejected": "rejected",
        "given_up": "expired",
    },
    "started": {"done": "done", "failed": "failed", "given_up": "expired"},
    "expired": {"started": "started", "done": "done", "failed": "failed", "rejected": "rejected"},
}
SETTLED = ("done", "failed", "rejected")

_B32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid(now: int, entropy: bytes) -> str:
    """A ULID: 26 characters that sort by time (48 bits of milliseconds), then 80 random bits."""
    number = (now * 1000) << 80 | int.from_bytes(entropy[:10], "big")
    return "".join(_B32[number >> shift & 31] for shift in range(125, -1, -5))


def remember(store: Store, zone: Zone, decision: Decision, decision_id: str, command_id: str) -> Message | None:
    """Build and keep the command that a decision wants, if it wants one. Call inside a transaction."""
    if decision.intent is None:
        return None
    now, epoch = decision.at, store.epoch(zone.zone_id) + 1
    message: Message = {
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
    store.raise_epoch(zone.zone_id, epoch)
    store.add_command(zone.gateway_id, message, give_up_at=now + LIFE_S + ACK_GRACE_S)
    return message


def sent(store: Store, command_id: str) -> None:
    """The broker has the command."""
    command = store.command(command_id)
    if command and "puback" in TRANSITIONS.get(command.state, {}):
        store.move_command(command_id, "sent", None, command.message["expires_at"] + ACK_GRACE_S)


def acknowledge(store: Store, command: CommandRow, ack: Message, now: int) -> bool:
    """Follow an ack; False if it changes nothing, because it is late or repeated. Call inside a transaction."""
    hear_epoch(store, command.zone_id, ack["epoch"])
    state = TRANSITIONS.get(command.state, {}).get(ack["state"])
    if state is None:
        return False
    if state in SETTLED:
        store.close_command(command.command_id, state, ack["code"], now)
        _settle(store, command, ack, now)
    else:
        store.move_command(command.command_id, state, ack["code"], _give_up_at(command, state, now))
    return True


def _give_up_at(command: CommandRow, state: str, now: int) -> int:
    last_moment = now + int(command.message["duration_s"]) if state == "started" else command.message["expires_at"]
    return int(last_moment) + ACK_GRACE_S


def _settle(store: Store, command: CommandRow, ack: Message, now: int) -> None:
    """Book what the ack says; a run that tells no duration counts in full, and none ends in the past or the future.

    Water that was assumed when the command expired is taken back.
    """
    duration_s = ack.get("duration_s")
    if duration_s is None:
        duration_s = 0 if ack["state"] == "rejected" else command.message["duration_s"]
    ended_at = min(max(ack["at"], command.message["issued_at"]), now)
    told = (ack.get("volume_l"), ack["volume_source"], ack.get("end_reason"))
    store.add_delivery(Delivery(command.command_id, command.zone_id, ended_at, duration_s, *told))
    litres = ack.get("volume_l") if ack["volume_source"] != "none" else None
    water = (command.zone_id, ended_at, litres, duration_s, ack["volume_source"])
    if store.has_water(command.command_id):
        store.add_water(f"{command.command_id}.late", *water, back_s=command.message["duration_s"])
    elif duration_s or litres:
        store.add_water(command.command_id, *water)


def give_up(store: Store, now: int) -> list[CommandRow]:
    """Close every command whose time to wait is over, and say which."""
    late = store.commands_to_give_up(now)
    for command in late:
        store.close_command(command.command_id, TRANSITIONS[command.state]["given_up"], "no_ack", now)
        if command.message["action"] == "open":
            run_s = command.message["duration_s"]
            store.add_water(command.command_id, command.zone_id, now, None, run_s, "assumed")
    return late


def believable(store: Store, zone_id: str, epoch: int) -> bool:
    """False if an epoch leaps further than a zone's commands ever could."""
    return epoch <= store.epoch(zone_id) + EPOCH_LEAP


def hear_epoch(store: Store, zone_id: str, epoch: int) -> None:
    """Continue from an epoch that the gateway knows, if it is believable."""
    if believable(store, zone_id, epoch):
        store.raise_epoch(zone_id, epoch)
