"""What other processes queue for the running service, and what it has to show, in memory."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from compute_service.domain.ports import STATUSES_KEPT_S, GatewayRow, UpdateRow
from protocol import topics
from tests.compute_service.in_memory.tables import Tables, UpdateEntry

if TYPE_CHECKING:
    from protocol.messages import Status


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

    def save_gateway(self, status: "Status", heard_at: int) -> None:
        """What a status claimed about a gateway, whole; what is too old to be asked for is forgotten."""
        gateway_id, text = status["gateway_id"], json.dumps(status)
        with self._tables.transactions.transaction():
            self._tables.gateways.put(gateway_id, (heard_at, text))
            self._tables.statuses.put((gateway_id, heard_at), text)
            for key, _ in self._tables.statuses.items():
                if key[0] == gateway_id and key[1] < heard_at - STATUSES_KEPT_S:
                    self._tables.statuses.remove(key)

    def gateways(self) -> list[GatewayRow]:
        """What the last statuses claimed, by gateway: a hint, since anyone may claim anything there. For people."""
        return [_gateway(*entry) for _, entry in sorted(self._tables.gateways.items())]

    def statuses(self, gateway_id: str, begin: int, end: int) -> list[GatewayRow]:
        """What a gateway's statuses claimed, as they were heard in a time (`end` is not in it), the oldest first."""
        rows = sorted(self._tables.statuses.items())
        return [_gateway(at, text) for (name, at), text in rows if name == gateway_id and begin <= at < end]

    def save_config(self, text: str) -> None:
        """The farm as the service knows it now."""
        self._tables.settings.put("", text)

    def config(self) -> str | None:
        """The farm as the service knew it last, or None."""
        return self._tables.settings.get("")

    def keep_root(self, root: str) -> str:
        """The root of its farm's topics: the first that was given, or the default farm's if it is older than that."""
        tables = self._tables
        with tables.transactions.transaction():
            is_begun = tables.settings.get("") or tables.zones.items() or tables.counters.items()
            tables.roots.add_once("", topics.ROOT if is_begun else root)
            return tables.roots.get("") or root

    def root(self) -> str | None:
        """The root that was kept, or None."""
        return self._tables.roots.get("")

    def count(self, name: str) -> None:
        """One more of what is counted under a name."""
        with self._tables.transactions.transaction():
            self._tables.counters.put(name, (self._tables.counters.get(name) or 0) + 1)

    def counters(self) -> dict[str, int]:
        """How often each thing happened, by name. For people."""
        return dict(self._tables.counters.items())


def _gateway(heard_at: int, text: str) -> GatewayRow:
    status = json.loads(text)
    return {
        "gateway_id": status["gateway_id"],
        "state": status["state"],
        "at": status["at"],
        "heard_at": heard_at,
        "status": status,
    }
