"""A store without a file, for tests of what has nothing to do with files. It forgets everything with the process.

It is no kinder than SQLite: the same orders, the same ids that may be taken once, the same all or nothing, texts of
JSON instead of the caller's own objects. `tests/compute_service/test_ports.py` holds the two side by side.
"""

from contextlib import AbstractContextManager

from tests.compute_service.in_memory.alarms import AlarmsInMemory
from tests.compute_service.in_memory.clock_repair import bring_back
from tests.compute_service.in_memory.commands import CommandsInMemory
from tests.compute_service.in_memory.decisions import DecisionsInMemory
from tests.compute_service.in_memory.journal import JournalInMemory
from tests.compute_service.in_memory.orders import OrdersInMemory
from tests.compute_service.in_memory.tables import Tables
from tests.compute_service.in_memory.updates import UpdatesInMemory
from tests.compute_service.in_memory.zones import ZonesInMemory


class InMemoryStore:
    """A `domain.ports.Store` that is gone with the process."""

    def __init__(self) -> None:
        tables = Tables()
        self._tables, self._transactions = tables, tables.transactions
        self.zones = ZonesInMemory(tables)
        self.commands = CommandsInMemory(tables)
        self.decisions = DecisionsInMemory(tables)
        self.updates = UpdatesInMemory(tables)
        self.orders = OrdersInMemory(tables)
        self.journal = JournalInMemory(tables)
        self.alarms = AlarmsInMemory(tables)

    def transaction(self, *, durable: bool = False) -> AbstractContextManager[None]:
        """All or nothing. Nested, it joins the outer one."""
        return self._transactions.transaction(durable=durable)

    def bring_back(self, now: int, soon: int, life: int) -> None:
        """What was written while the clock was ahead is of now."""
        bring_back(self._tables, now, soon, life)

    def close(self) -> None:
        """There is nothing to close; so it can stand wherever a store of a file stands."""
