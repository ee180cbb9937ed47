"""What other processes queue for the running service, and what it has to show."""

import json
from collections.abc import Mapping

from compute_service.adapters.sqlite.database import Database
from compute_service.domain.ports import GatewayRow, UpdateRow


class UpdateTables:
    """A `domain.ports.Updates` over the tables updates, gateways and counters."""

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

    def save_gateway(self, gateway_id: str, state: str, at: int) -> None:
        """What a status claimed about a gateway."""
        statement = "INSERT OR REPLACE INTO gateways (gateway_id, state, at) VALUES (?, ?, ?)"
        self._database.run(statement, gateway_id, state, at)

    def gateways(self) -> list[GatewayRow]:
        """What statuses claimed, by gateway: a hint, since anyone may claim anything there. For people."""
        rows = self._database.all("SELECT gateway_id, state, at FROM gateways ORDER BY gateway_id")
        return [{"gateway_id": gateway_id, "state": state, "at": at} for gateway_id, state, at in rows]

    def count(self, name: str) -> None:
        """One more of what is counted under a name."""
        self._database.run(
            "INSERT INTO counters (name, value) VALUES (?, 1) ON CONFLICT DO UPDATE SET value = value + 1", name
        )

    def counters(self) -> dict[str, int]:
        """How often each thing happened, by name. For people."""
        return dict(self._database.all("SELECT name, value FROM counters"))
