"""What the service records as it happens, as lines for programs: `protocol.events` says what is in them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from protocol.events import AckEvent, CommandEvent, DecisionEvent, ErrorEvent, StatusEvent, UnprovenEvent
    from protocol.messages import Ack, Command, ErrorReport, Status


def decision(decision_id: str, row: Mapping[str, Any]) -> "DecisionEvent":
    """A decision, of its `to_json`."""
    return {
        "kind": "decision",
        "decision_id": decision_id,
        "zone_id": row["zone_id"],
        "at": row["at"],
        "intent": row["intent"],
        "checks": row["checks"],
        "sentence": row["sentence"],
        "receipt": row["receipt"],
    }


def command(message: "Command") -> "CommandEvent":
    """A command that is about to be published."""
    return {"at": message["issued_at"], **message, "kind": "command"}


def ack(message: "Ack", now: int) -> "AckEvent":
    """A gateway's answer, as it came."""
    return {**message, "kind": "ack", "received_at": now}


def status(message: "Status", now: int) -> "StatusEvent":
    """A gateway that is gone, or back, or booted."""
    return {
        "at": now,
        "kind": "status",
        "gateway_id": message["gateway_id"],
        "state": message["state"],
        "boot_id": message["boot_id"],
        "reset_cause": message.get("reset_cause"),
    }


def error(report: "ErrorReport", now: int) -> "ErrorEvent":
    """What a gateway complains of."""
    return {
        "at": now,
        "kind": "error",
        "gateway_id": report["gateway_id"],
        "boot_id": report["boot_id"],
        "code": report["code"],
        "text": report["text"],
    }


def unproven(name: str, topic: str, text: str, now: int) -> "UnprovenEvent":
    """What somebody says in the name of a gateway, on a topic that proves nothing."""
    return {"at": now, "kind": "unproven", "named": name, "topic": topic, "text": text}
