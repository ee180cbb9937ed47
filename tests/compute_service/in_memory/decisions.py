"""Every decision, with its reasons for people and its inputs for `replay`, in memory."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from compute_service.domain.ports import DecisionRow
from compute_service.errors import StoreError
from tests.compute_service.in_memory.tables import DecisionEntry, Tables


class DecisionsInMemory:
    """A `domain.ports.DecisionBook`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(
        self, decision_id: str, decision: Mapping[str, Any], command_id: str | None, inputs: Mapping[str, Any]
    ) -> None:
        """Keep a decision (its `to_json`) with all its reasons, and the inputs that it can be repeated from."""
        row: DecisionRow = {
            "decision_id": decision_id,
            "zone_id": decision["zone_id"],
            "at": decision["at"],
            "command_id": command_id,
            "sentence": decision["sentence"],
            "intent": decision["intent"],
            "checks": decision["checks"],
            "receipt": decision["receipt"],
        }
        self._tables.decisions.add(decision_id, DecisionEntry(json.dumps(row), json.dumps(inputs)))

    def get(self, decision_id: str) -> DecisionRow | None:
        """One decision, or None."""
        entry = self._tables.decisions.get(decision_id)
        return _decision(entry) if entry else None

    def last(self, count: int = 20, zone_id: str | None = None) -> list[DecisionRow]:
        """The last decisions, of one zone or of all, the oldest first."""
        rows = [_decision(entry) for _, entry in self._tables.decisions.items()]
        rows = [row for row in rows if zone_id in {None, "", row["zone_id"]}]
        rows.sort(key=lambda row: (row["at"], row["zone_id"], row["decision_id"]))
        return rows[max(len(rows) - count, 0) :]

    def inputs(self, decision_id: str) -> dict[str, Any] | None:
        """What a decision can be repeated from; None if that was not kept."""
        entry = self._tables.decisions.get(decision_id)
        inputs: dict[str, Any] | None = json.loads(entry.inputs) if entry else None
        return inputs

    def with_inputs(self, begin: int, end: int) -> Iterator[tuple[DecisionRow, dict[str, Any]]]:
        """The decisions of a time, zone by zone in the order they were made, each with its inputs."""
        rows = [(_decision(entry), json.loads(entry.inputs)) for _, entry in self._tables.decisions.items()]
        rows.sort(key=lambda pair: (pair[0]["zone_id"], pair[0]["at"], pair[0]["decision_id"]))
        yield from (pair for pair in rows if begin <= pair[0]["at"] < end)

    def forget(self, before: int) -> int:
        """Forget the decisions before a time; gives how many."""
        with self._tables.transactions.transaction():
            gone = [name for name, entry in self._tables.decisions.items() if _decision(entry)["at"] < before]
            for name in gone:
                self._tables.decisions.remove(name)
        return len(gone)

    def zone_ids(self) -> list[str]:
        """Every zone that was ever heard of, by name."""
        in_use = {zone_id for zone_id, _ in self._tables.zones.items()}
        return sorted(in_use | {_decision(entry)["zone_id"] for _, entry in self._tables.decisions.items()})

    def save_settings(self, digest: str, text: str) -> None:
        """Keep a zone's settings, once, under the digest that decisions name them by."""
        self._tables.settings.add_once(digest, text)

    def settings(self, digest: str) -> str:
        """A zone's settings as they were kept; raises StoreError if they are not there."""
        text = self._tables.settings.get(digest)
        if text is None:
            raise StoreError(f"in memory: has no settings {digest}")
        return text


def _decision(entry: DecisionEntry) -> DecisionRow:
    row: DecisionRow = json.loads(entry.row)
    return row
