"""What the service decided about each zone: its checks, its receipts, what it believed of the soil, what came of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from compute_service.domain.fallback import run_of
from views.events import Document, settling_acks

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
class ZoneDecisions:
    """All decisions about one zone, and all attempts to water it, by time."""

    rows: Sequence[Document] = ()
    attempts: Sequence[Attempt] = ()
    by_id: Mapping[str, Document] = field(default_factory=dict)

    def due_share(self, zone: Document) -> float:
        """Of the available water, what may be used until water is due: as it was in the middle of the season."""
        receipts = [receipt_of(decision) for decision in self.rows]
        shares = [
            receipt["due_mm"] / receipt["available_mm"]
            for receipt in receipts
            if receipt.get("available_mm") and receipt.get("refill_since") is None
        ]
        return float(median(shares) if shares else zone.get("allowed_depletion") or USUAL_SHARE)

    def beliefs(self, zone: Document) -> list[tuple[int, float]]:
        """The moisture of the root zone that each decision went by: Unix s, m3/m3."""
        full, span = zone["field_capacity"], zone["field_capacity"] - zone["wilting_point"]
        receipts = ((decision["at"], receipt_of(decision)) for decision in self.rows)
        return [
            (int(at), full - receipt["depletion_mm"] / receipt["available_mm"] * span)
            for at, receipt in receipts
            if receipt.get("available_mm") and receipt.get("depletion_mm") is not None
        ]


NO_DECISIONS = ZoneDecisions()


def decisions_by_zone(events: Iterable[Document]) -> dict[str, ZoneDecisions]:
    """Of every zone that was decided about."""
    events = list(events)
    by_zone: dict[str, dict[str, Document]] = {}
    for event in sorted((event for event in events if event["kind"] == "decision"), key=lambda event: event["at"]):
        by_zone.setdefault(event["zone_id"], {})[event["decision_id"]] = event
    attempts = _attempts(events)
    return {
        zone_id: ZoneDecisions(list(by_id.values()), attempts.get(zone_id, []), by_id)
        for zone_id, by_id in by_zone.items()
    }


def check_of(decision: Document, name: str) -> Document:
    """One check of a decision; empty if it was not made."""
    return next((check for check in decision["checks"] if check["name"] == name), {})


def receipt_of(decision: Document) -> Document:
    """The figures that a decision rests on; empty if it had none."""
    receipt: Document = decision.get("receipt") or {}
    return receipt


def _attempts(events: Sequence[Document]) -> dict[str, list[Attempt]]:
    """The commands to open, and the runs of fallback plans, each once, with the ack that settled it; by time."""
    opens = (event for event in events if event["kind"] == "command" and event["action"] == "open")
    commands = {event["command_id"]: event for event in opens}
    acks = settling_acks(events)
    attempts: dict[str, list[Attempt]] = {}
    for command_id, command in commands.items():
        attempt = Attempt(command["issued_at"], command["decision_id"], acks.get(command_id))
        attempts.setdefault(command["zone_id"], []).append(attempt)
    for command_id, ack in acks.items():  # nobody commanded these: the board had no cloud
        if run_of(command_id) and ack.get("zone_id"):
            begun_at = int(ack["at"] - (ack.get("duration_s") or 0))
            attempts.setdefault(ack["zone_id"], []).append(Attempt(begun_at, "", ack))
    return {zone_id: sorted(ones, key=lambda one: one.at) for zone_id, ones in attempts.items()}
