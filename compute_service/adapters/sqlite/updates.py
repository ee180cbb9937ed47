"""What other processes queue for the running service, and what it has to show."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from compute_service.adapters.sqlite.database import Database
from compute_service.domain.ports import STATUSES_KEPT_S, GatewayRow, UpdateRow
from protocol import topics

if TYPE_CHECKING:
    from protocol.messages import Status


class UpdateTables:
    """A `domain.ports.Updates` over the tables updates, gateways, statuses, farms, roots and counters."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, update_id: str, device_id: str, settings: Mapping[str, int]) -> None:
        """Queue an update of gateway settings for the running service to publish."""
        self._database.run(
            "INSERT INTO updates (update_id, device_id, settings, state) VALUES (?, ?, ?, 'queued')",
            *(update_id, device_id, json.dumps(settings)),
        )

    def in_states(self, *states: str) -> list[UpdateRow]:
        """The updates in one of these states, in the order of their ids, so of their times."""
        marks = ", ".join("?" * len(states))
        rows = self._database.all(
            f"SELECT update_id, device_id, settings, state FROM updates WHERE state IN ({marks}) ORDER BY update_id",  # noqa: S608 - our own words
            *states,
        )
        return [
            {"update_id": update_id, "device_id": device_id, "settings": json.loads(settings), "state": state}
            for update_id, device_id, settings, state in rows
        ]

    def move(self, update_id: str, state: str) -> None:
        """The update is `pending` (published) or `sent` (the broker has it)."""
        self._database.run("UPDATE updates SET state = ? WHERE update_id = ?", state, update_id)

    def save_gateway(self, status: "Status", heard_at: int) -> None:
        """What a status claimed about a gateway, whole."""
        gateway_id, state, at = status["gateway_id"], status["state"], status["at"]
        text = json.dumps(status)
        with self._database.transaction():
            self._database.run(
                "INSERT OR REPLACE INTO gateways (gateway_id, state, at, heard_at, status) VALUES (?, ?, ?, ?, ?)",
                *(gateway_id, state, at, heard_at, text),
            )
            self._database.run(
                "INSERT OR REPLACE INTO statuses (gateway_id, heard_at, at, state, status) VALUES (?, ?, ?, ?, ?)",
                *(gateway_id, heard_at, at, state, text),
            )
            since = heard_at - STATUSES_KEPT_S
            self._database.run("DELETE FROM statuses WHERE gateway_id = ? AND heard_at < ?", gateway_id, since)

    def gateways(self) -> list[GatewayRow]:
        """What the last statuses said, by gateway; a last will is a hint. For people."""
        query = "SELECT gateway_id, state, at, heard_at, status FROM gateways ORDER BY gateway_id"
        return [_gateway(*row) for row in self._database.all(query)]

    def statuses(self, gateway_id: str, begin: int, end: int) -> list[GatewayRow]:
        """What a gateway's statuses claimed, as they were heard in a time (`end` is not in it), the oldest first."""
        query = (
            "SELECT gateway_id, state, at, heard_at, status FROM statuses"
            " WHERE gateway_id = ? AND heard_at >= ? AND heard_at < ? ORDER BY heard_at"
        )
        return [_gateway(*row) for row in self._database.all(query, gateway_id, begin, end)]

    def save_config(self, text: str) -> None:
        """The farm as the service knows it now."""
        self._database.run("INSERT OR REPLACE INTO farms (id, config) VALUES (1, ?)", text)

    def config(self) -> str | None:
        """The farm as the service knew it last, or None."""
        row = self._database.one("SELECT config FROM farms")
        return str(row[0]) if row else None

    def keep_root(self, root: str) -> str:
        """The root of its farm's topics: the first that was given, or the default farm's if it is older than that."""
        older_rows = "SELECT 1 FROM farms UNION ALL SELECT 1 FROM zones UNION ALL SELECT 1 FROM counters LIMIT 1"
        with self._database.transaction(durable=True):
            first = topics.ROOT if self._database.one(older_rows) else root
            self._database.run("INSERT OR IGNORE INTO roots (id, root) VALUES (1, ?)", first)
            return self.root() or first

    def root(self) -> str | None:
        """The root that was kept, or None."""
        row = self._database.one("SELECT root FROM roots")
        return str(row[0]) if row else None

    def count(self, name: str) -> None:
        """One more of what is counted under a name."""
        self._database.run(
            "INSERT INTO counters (name, value) VALUES (?, 1) ON CONFLICT DO UPDATE SET value = value + 1", name
        )

    def counters(self) -> dict[str, int]:
        """How often each thing happened, by name. For people."""
        return dict(self._database.all("SELECT name, value FROM counters"))


def _gateway(gateway_id: str, state: str, at: int, heard_at: int, status: str) -> GatewayRow:
    return {"gateway_id": gateway_id, "state": state, "at": at, "heard_at": heard_at, "status": json.loads(status)}
