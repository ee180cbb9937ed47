"""A message on a set topic, as an order or as minutes. Pure: what it cannot be is told in a sentence.

`at` in a message is when it was meant (Unix s of the world's clock). It makes a repeat the same order, and an open
or clear that was on its way for too long none; so one without it is refused.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from compute_service.domain.orders import CLEAR, NOT_LATE, OPEN_LIFE_S, Order
from compute_service.domain.zone import Config, Zone
from integrations.errors import SetError
from integrations.home_assistant.discovery import least_minutes, most_minutes
from integrations.home_assistant.topics import FarmTopics

VIA = "home assistant"
OF_A_ZONE, OF_A_GATEWAY = ("open", "close", "resume"), ("stop", "resume", CLEAR)  # two of the latter are the farm's
LONGEST_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMessage:
    """What arrived on a set topic, and when (Unix s of the world's clock)."""

    topic: str
    payload: bytes
    is_retained: bool
    wall_s: float


class Minutes(NamedTuple):
    """How long the next run by hand of a zone is to be."""

    zone_id: str
    minutes: int


def place_of(config: Config, topics: FarmTopics, topic: str) -> Zone | str | None:
    """The zone, or the gateway's name, that a set topic is of; None for nobody's."""
    zones = {zone.zone_id: zone for zone in config.zones}
    if zone_id := topics.of(topic, zones, "zone"):
        return zones[zone_id]
    return topics.of(topic, config.gateway_ids, "gateway")


def minutes_of(config: Config, topics: FarmTopics, message: SetMessage) -> Minutes:
    """The minutes that a message sets. Raises SetError."""
    zone = place_of(config, topics, message.topic)
    if not isinstance(zone, Zone):
        raise SetError(f"{message.topic}: this farm has no such zone")
    text = message.payload[:LONGEST_BYTES].decode(errors="replace")
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    least, most = least_minutes(zone), most_minutes(zone)
    if not least <= number <= most:
        raise SetError(f"{text[:40]!r} minutes: {zone.zone_id} takes {least} to {most}")
    return Minutes(zone.zone_id, round(number))


def order_of(config: Config, topics: FarmTopics, message: SetMessage, template: Order, minutes: int) -> Order:
    """The order that a message gives; `template` has who gives it, its id and its time. Raises SetError."""
    if message.is_retained:
        raise SetError("a retained message orders nothing: it would be obeyed again at each start; clear that topic")
    place = place_of(config, topics, message.topic)
    if place is None:
        raise SetError(f"{message.topic}: this farm has no such zone or gateway")
    body = _body(message.payload)
    action, choices = str(body.get("action")), OF_A_ZONE if isinstance(place, Zone) else OF_A_GATEWAY
    if action not in choices:
        raise SetError(f"{action[:40]!r} is no order here; there are {', '.join(choices)}")
    meant_at = body.get("at")
    if action in NOT_LATE:
        _check_time(action, meant_at, message.wall_s)
    name = hashlib.sha256(message.topic.encode() + b"\0" + message.payload).hexdigest()[:32]
    return replace(
        template,
        action=action,
        zone_id=place.zone_id if isinstance(place, Zone) else _zone_of(config, place) if action == CLEAR else None,
        duration_s=minutes * 60 if action == "open" else None,
        key=None if meant_at is None else f"{VIA} {name}",
    )


def _zone_of(config: Config, gateway_id: str) -> str:
    """A zone by which an order names its gateway. Raises SetError for a node, which has none."""
    zone_id = next((zone.zone_id for zone in config.zones if zone.gateway_id == gateway_id), None)
    if zone_id is None:
        raise SetError(f"{gateway_id} has no valve, so nothing is to be cleared there")
    return zone_id


def _body(payload: bytes) -> dict[str, Any]:
    try:
        body = json.loads(payload[:LONGEST_BYTES])
    except ValueError as error:
        raise SetError('an order is JSON, such as {"action": "close"}') from error
    if not isinstance(body, dict):
        raise SetError('an order is a JSON object, such as {"action": "close"}')
    return body


def _check_time(action: str, meant_at: object, wall_s: float) -> None:
    if not isinstance(meant_at, int | float) or isinstance(meant_at, bool):
        example = json.dumps({"action": action, "at": 1764252000.5})
        raise SetError(f"an order to {action} says when it was meant, in Unix seconds: {example}")
    late_s = wall_s - meant_at
    if not -OPEN_LIFE_S <= late_s <= OPEN_LIFE_S:
        way = f"{late_s:.0f} s ago" if late_s > 0 else f"in {-late_s:.0f} s"
        raise SetError(
            f"an order to {action} that was meant {way} does nothing; if it was meant just now, one of the two clocks"
            " is wrong"
        )
