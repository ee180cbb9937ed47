"""What a gateway's own status tells of its sleep and its latch, and how far it is believed. Times are Unix seconds."""

from collections.abc import Mapping
from typing import Any

from agronomy.units import DAY_S

MOST_SLEEP_S = 2 * DAY_S  # whoever claims to wake later is not believed: nobody may be silent for so long unnoticed
WAKING_S = 600  # a node that wakes has to find its network
# What a last will, written before anybody could know, does not undo.
OUTLIVES_A_WILL = (
    *("latched", "fallback_days", "wakes_at"),
    *("certificate", "certificate_expires_at", "ca_expires_at"),
)


def wakes_at(status: Mapping[str, Any], heard_at: int) -> int:
    """When a gateway that sleeps is to be heard again; 0 if it does not sleep, or says what cannot be."""
    at = status.get("wakes_at")
    return at if at is not None and at <= heard_at + MOST_SLEEP_S else 0


def is_gone(row: Mapping[str, Any], now: int) -> bool:
    """Is a gateway away, by its last status (a `GatewayRow`), and not because it sleeps?"""
    return row["state"] == "offline" and now > wakes_at(row["status"], row["heard_at"]) + WAKING_S


def latched(status: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The zones at which a gateway saw water that should not flow, so that it opens nothing; none if it is well."""
    return tuple(status.get("latched") or ()) if status else ()
