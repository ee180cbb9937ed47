"""Everything the service must still know after a crash, in one SQLite file."""

from contextlib import AbstractContextManager
from pathlib import Path

from compute_service.adapters.sqlite.alarms import AlarmTables
from compute_service.adapters.sqlite.clock_repair import bring_back
from compute_service.adapters.sqlite.commands import CommandTables
from compute_service.adapters.sqlite.database import Database
from compute_service.adapters.sqlite.decisions import DecisionTables
from compute_service.adapters.sqlite.journal import JournalTables
from compute_service.adapters.sqlite.orders import OrderTables
from compute_service.adapters.sqlite.updates import UpdateTables
from compute_service.adapters.sqlite.zones import ZoneTables


class SqliteStore:
    """A `domain.ports.Store` on a file; raises StoreError for whatever goes wrong with it. Close it when done."""

    def __init__(self, path: Path | str, *, must_exist: bool = False, read_only: bool = False) -> None:
        self.database = Database(path, must_exist=must_exist, read_only=read_only)
        self.zones = ZoneTables(self.database)
        self.commands = CommandTables(self.database)
        self.decisions = DecisionTables(self.database)
        self.updates = UpdateTables(self.database)
        self.orders = OrderTables(self.database)
        self.journal = JournalTables(self.database)
        self.alarms = AlarmTables(self.database)

    @classmethod
    def reader(cls, path: Path | str) -> "SqliteStore":
        """A store to read in, beside the running service: it never waits for it, keeps it waiting, or migrates.

        Raises StoreError if there is none, or if it is of another version of the service.
        """
        return cls(path, must_exist=True, read_only=True)

    def transaction(self, *, durable: bool = False) -> AbstractContextManager[None]:
        """All or nothing. Nested, it joins the outer one. `durable` waits for the disk (milliseconds)."""
        return self.database.transaction(durable=durable)

    def bring_back(self, now: int, soon: int, life: int) -> None:
        """Bring what was written while the clock was ahead back to `now`; see `domain.ports.Store`."""
        bring_back(self.database, now, soon, life)

    def close(self) -> None:
        """Close the file; nothing that was committed is lost."""
        self.database.close()
