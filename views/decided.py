"""What the service decided about each zone: its checks, its receipts, what it believed of the soil, what came of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from protocol.messages import FINAL_STATES

Document = Mapping[str, Any]
USUAL_SHARE = 0.5  # of the available water that crops may use, where no receipt tells


@dataclass(frozen=True)
class Attempt:
    """A command to open, at (Unix s), and the ack that ended it; None: no ack ever came."""

    at: int
    decision_id: str
    ack: Document | None

    @property
    def seconds(self) -> float:
        """How long the valve stood open."""
        return float((self.ack or {}).get("duration_s") or 0.0)

    @property
    def litres(self) -> float:
        """What the meter counted."""
        return float((self.ack or {}).get("volume_l") or 0.0)


@dataclass(frozen=True)
class Decided:
    """All decisions about one zone, and all attempts to water it, by time."""

    decisions: Sequence[Document] = ()
    attempts: Sequence[Attempt] = ()
    by_id: Mapping[str, Document] = field(default_factory=dict)

    def due_share(self, zone: Document) -> float:
        """Of the available water, what may be used until water is due: as it was in the middle of the season."""
        receipts = [receipt_of(decision) for decision in self.decisions]
        shares = [
            receipt["due_mm"] / receipt["available_mm"]
            for receipt in receipts
            if receipt.get("available_mm") and receipt.get("refill_since") is None
        ]
        return float(median(shares) if shares else zone.get("allowed_depletion") or USUAL_SHARE)

    def believed(self, zone: Document) -> list[tuple[int, float]]:
        """The moisture of the root zone that each decision went by: Unix s, m3/m3."""
        full, span = zone["field_capacity"], zone["field_capacity"] - zone["wilting_point"]
        receipts = ((decision["at"], receipt_of(decision)) for decision in self.decisions)
        return [
            (int(at), full - receipt["depletion_mm"] / receipt["available_mm"] * span)
            for at, receipt in receipts
            if receipt.get("available_mm") and receipt.get("depletion_mm") is not None
        ]


def decided_by_zone(events: Iterable[Document]) -> dict[str, Decided]:
    """Of every zone that was decided about."""
    events = list(events)
    decisions: dict[str, dict[str, Document]] = {}
    for event in sorted((event for event in events if event["kind"] == "decision"), key=lambda event: event["at"]):
        decisions.setdefault(event["zone_id"], {})[event["decision_id"]] = event
    attempts = _attempts(events)
    return {
        zone_id: Decided(list(found.values()), attempts.get(zone_id, []), found) for zone_id, found in decisions.items()
    }


def check_of(decision: Document, name: str) -> Document:
    """One check of a decision; empty if it was not made."""
    return next((check for check in decision["checks"] if check["name"] == name), {})


def receipt_of(decision: Document) -> Document:
    """The figures that a decision rests on; empty if it had none."""
    receipt: Document = decision.get("receipt") or {}
    return receipt


def _attempts(events: Iterable[Document]) -> dict[str, list[Attempt]]:
    """The commands to open, each once, however often it was told, with the last ack of each."""
    commands: dict[str, Document] = {}
    finals: dict[str, Document] = {}
    for event in events:
        if event["kind"] == "command" and event["action"] == "open":
            commands[event["command_id"]] = event
        elif event["kind"] == "ack" and event["state"] in FINAL_STATES:
            finals[event["command_id"]] = event
    found: dict[str, list[Attempt]] = {}
    for command_id, command in sorted(commands.items(), key=lambda item: int(item[1]["issued_at"])):
        attempt = Attempt(command["issued_at"], command["decision_id"], finals.get(command_id))
        found.setdefault(command["zone_id"], []).append(attempt)
    return found
