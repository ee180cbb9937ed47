"""One SQLite file: its connection, its transactions, its schema.

One connection behind one lock: the MQTT thread and the main thread take turns. What belongs together is written inside
one `transaction`; a `durable` one is on the disk, power cut or not, before it returns.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from compute_service.adapters.schema import READABLE, SCHEMAS
from compute_service.errors import StoreError

_MISTAKES = ("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_NOTNULL")


class Database:
    """The file; whatever is wrong with it is a StoreError. A statement's values are by position, or by name."""

    def __init__(self, path: Path | str, *, must_exist: bool = False, read_only: bool = False) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._synchronous = ""  # as it was set last
        if must_exist and not Path(path).is_file():
            raise StoreError(f"{path}: no such store; give the --store that the service runs with")
        with self._translated():
            uri = f"{Path(path).absolute().as_uri()}?mode=ro" if read_only else str(path)
            self.connection = sqlite3.connect(
                uri, isolation_level=None, check_same_thread=False, timeout=30, uri=read_only
            )
        try:
            with self._translated():
                if read_only:
                    self._bring_up_to_date_in_memory()
                else:
                    self.connection.execute("PRAGMA journal_mode=WAL")
                    self._migrate()
        except StoreError:
            self.connection.close()
            raise

    def close(self) -> None:
        """Close the file; nothing that was committed is lost."""
        with self._lock:
            self.connection.close()

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[None]:
        """All or nothing. Nested, it joins the outer one. `durable` waits for the disk (milliseconds)."""
        with self._lock, self._translated():
            if self.connection.in_transaction:
                yield
                return
            self._set_synchronous("FULL" if durable else "NORMAL")
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:  # SQLite itself rolls back when the disk is full
                    self.connection.execute("ROLLBACK")
                raise

    def _set_synchronous(self, synchronous: str) -> None:
        if synchronous != self._synchronous:
            self.connection.execute(f"PRAGMA synchronous={synchronous}")
            self._synchronous = synchronous

    def run(self, statement: str, *values: object, **by_name: object) -> int:
        """Write, inside the transaction under way or one of its own; returns how many rows are new or other."""
        with self.transaction():
            return self.connection.execute(statement, by_name or values).rowcount

    def all(self, query: str, *values: object, **by_name: object) -> list[tuple[Any, ...]]:
        """Every row that a query finds."""
        with self._lock, self._translated():
            return self.connection.execute(query, by_name or values).fetchall()

    def one(self, query: str, *values: object, **by_name: object) -> tuple[Any, ...] | None:
        """The first row that a query finds, or None."""
        rows = self.all(query, *values, **by_name)
        return rows[0] if rows else None

    def _bring_up_to_date_in_memory(self) -> None:
        """Read a copy of a file of an older service: to change the file is the running service's business."""
        if self._known_version() >= READABLE:
            return
        file, self.connection = (
            self.connection,
            sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False),
        )
        with closing(file):
            file.backup(self.connection)
        self._migrate()

    def _known_version(self) -> int:
        version = int(self.connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(SCHEMAS):
            raise StoreError(f"{self.path}: has schema {version}, this service knows {len(SCHEMAS)}; update it")
        return version

    def _migrate(self) -> None:
        if self._known_version() == len(SCHEMAS):
            return
        with self.transaction():
            version = self._known_version()  # somebody else may have done it
            for number, schema in enumerate(SCHEMAS[version:], version + 1):
                for statement in schema.split(";\n"):
                    self.connection.execute(statement)
                self.connection.execute(f"PRAGMA user_version={number}")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorname in _MISTAKES:  # of ours, not of the file
                raise ValueError(f"{self.path}: {error}") from error
            raise
        except sqlite3.ProgrammingError:
            raise  # such a mistake too
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{self.path}: {error}; check the path, the disk and its free space") from error
