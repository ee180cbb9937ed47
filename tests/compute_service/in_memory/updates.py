"""What other processes queue for the running service, and what it has to show, in memory."""

import json
from collections.abc import Mapping
from dataclasses import replace

from compute_service.domain.ports import GatewayRow, UpdateRow
from tests.compute_service.in_memory.tables import Tables, UpdateEntry


class UpdatesInMemory:
    """A `domain.ports.Updates`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, update_id: str, device_id: str, settings: Mapping[str, int]) -> None:
        """Queue an update of gateway settings for the running service to publish."""
        self._tables.updates.add(update_id, UpdateEntry(device_id, json.dumps(settings), "queued"))

    def in_states(self, *states: str) -> list[UpdateRow]:
        """The updates in one of these states, in the order of their ids, so of their times."""
        return [
            {
                "update_id": update_id,
                "device_id": entry.device_id,
                "settings": json.loads(entry.settings),
                "state": entry.state,
            }
            for update_id, entry in sorted(self._tables.updates.items(), key=lambda item: item[0])
            if entry.state in states
        ]

    def move(self, update_id: str, state: str) -> None:
        """The update is `pending` (published) or `sent` (the broker has it)."""
        with self._tables.transactions.transaction():
            if entry := self._tables.updates.get(update_id):
                self._tables.updates.put(update_id, replace(entry, state=state))

    def save_gateway(self, gateway_id: str, state: str, at: int) -> None:
        """What a status claimed about a gateway."""
        self._tables.gateways.put(gateway_id, (state, at))

    def gateways(self) -> list[GatewayRow]:
        """What statuses claimed, by gateway: a hint, since anyone may claim anything there. For people."""
        rows = sorted(self._tables.gateways.items())
        return [{"gateway_id": gateway_id, "state": state, "at": at} for gateway_id, (state, at) in rows]

    def count(self, name: str) -> None:
        """One more of what is counted under a name."""
        with self._tables.transactions.transaction():
            self._tables.counters.put(name, (self._tables.counters.get(name) or 0) + 1)

    def counters(self) -> dict[str, int]:
        """How often each thing happened, by name. For people."""
        return dict(self._tables.counters.items())
