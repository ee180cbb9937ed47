"""Every decision, with its reasons for people and its inputs for `replay`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from compute_service.adapters.packing import pack, unpack
from compute_service.adapters.sqlite.database import Database
from compute_service.domain.ports import DecisionRow
from compute_service.errors import StoreError

REASONS = ("intent", "checks", "receipt")
_ROW = "decision_id, zone_id, at, command_id, sentence, checks, reasons"


class DecisionTables:
    """A `domain.ports.DecisionBook` over the tables decisions and settings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, decision_id: str, decision: Mapping[str, Any], command_id: str | None, inputs: Mapping[str, Any]
    ) -> None:
        """Keep a decision (its `to_json`) with all its reasons, and the inputs that it can be repeated from."""
        blobs = (pack({name: decision[name] for name in REASONS}), pack(inputs))
        self._database.run(
            "INSERT INTO decisions (decision_id, zone_id, at, command_id, sentence, checks, reasons, inputs)"
            " VALUES (?, ?, ?, ?, ?, '', ?, ?)",
            *(decision_id, decision["zone_id"], decision["at"], command_id, decision["sentence"], *blobs),
        )

    def get(self, decision_id: str) -> DecisionRow | None:
        """One decision, or None."""
        row = self._database.one(f"SELECT {_ROW} FROM decisions WHERE decision_id = ?", decision_id)  # noqa: S608 - our own words
        return _decision(*row) if row else None

    def last(self, count: int = 20, zone_id: str | None = None) -> list[DecisionRow]:
        """The last decisions, of one zone or of all, the oldest first."""
        where, values = ("", ()) if zone_id is None else ("WHERE zone_id = ?", (zone_id,))  # each has an index
        query = (
            f"SELECT {_ROW} FROM decisions {where}"  # noqa: S608 - our own words
            " ORDER BY at DESC, zone_id DESC, decision_id DESC LIMIT ?"
        )
        return [_decision(*row) for row in reversed(self._database.all(query, *values, count))]

    def inputs(self, decision_id: str) -> dict[str, Any] | None:
        """What a decision can be repeated from; None if that was not kept."""
        row = self._database.one("SELECT inputs FROM decisions WHERE decision_id = ?", decision_id)
        return unpack(row[0]) if row and row[0] is not None else None

    def with_inputs(self, begin: int, end: int) -> Iterator[tuple[DecisionRow, dict[str, Any]]]:
        """The decisions of a time, zone by zone in the order they were made, each with its inputs."""
        query = (
            f"SELECT {_ROW}, inputs FROM decisions WHERE at >= ? AND at < ? AND inputs IS NOT NULL"  # noqa: S608 - our own words
            " ORDER BY zone_id, at, decision_id"
        )
        for *row, inputs in self._database.all(query, begin, end):
            yield _decision(*row), unpack(inputs)

    def forget(self, before: int) -> int:
        """Forget the decisions before a time; gives how many."""
        return self._database.run("DELETE FROM decisions WHERE at < ?", before)

    def zone_ids(self) -> list[str]:
        """Every zone that was ever heard of, by name."""
        query = "SELECT zone_id FROM zones UNION SELECT zone_id FROM decisions ORDER BY 1"
        return [row[0] for row in self._database.all(query)]

    def save_settings(self, digest: str, text: str) -> None:
        """Keep a zone's settings, once, under the digest that decisions name them by."""
        self._database.run("INSERT OR IGNORE INTO settings (hash, fields) VALUES (?, ?)", digest, text)

    def settings(self, digest: str) -> str:
        """A zone's settings as they were kept; raises StoreError if they are not there."""
        row = self._database.one("SELECT fields FROM settings WHERE hash = ?", digest)
        if row is None:
            raise StoreError(f"{self._database.path}: has no settings {digest}; was a part of the file lost?")
        return str(row[0])


def _decision(  # noqa: PLR0913, PLR0917  # the row's columns
    decision_id: str, zone_id: str, at: int, command_id: str | None, sentence: str, checks: str, reasons: bytes | None
) -> DecisionRow:
    """A row of `decisions` with its reasons; those of a service before this one are a list of checks."""
    row: dict[str, Any] = {"intent": None, "receipt": {}}
    row |= {"checks": json.loads(checks)} if reasons is None else unpack(reasons)
    return {
        "decision_id": decision_id,
        "zone_id": zone_id,
        "at": at,
        "command_id": command_id,
        "sentence": sentence,
        "intent": row["intent"],
        "checks": row["checks"],
        "receipt": row["receipt"],
    }
