"""The SQLite file of users, sessions and tokens: for its owner's eyes only, and what is deleted leaves it."""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from web.errors import FileError

SCHEMA = """
CREATE TABLE users (
    user_id INTEGER PRIMARY KEY AUTOINCREMENT, -- a number is never used again: others know nothing else of a user
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    role TEXT NOT NULL,
    password_hash TEXT, -- NULL: comes by the identity provider
    issuer TEXT,
    subject TEXT,
    created_at REAL NOT NULL,
    UNIQUE (issuer, subject)
);
CREATE TABLE sessions (
    token_hash BLOB PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at REAL NOT NULL,
    used_at REAL NOT NULL,
    ends_at REAL NOT NULL
);
CREATE INDEX sessions_of_users ON sessions (user_id);
CREATE TABLE tokens (
    token_id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE,
    created_at REAL NOT NULL,
    used_at REAL,
    revoked_at REAL
);
CREATE UNIQUE INDEX valid_tokens ON tokens (name) WHERE revoked_at IS NULL;
CREATE TABLE attempts (at REAL NOT NULL, name_hash BLOB NOT NULL, address TEXT NOT NULL);
CREATE INDEX attempts_by_name ON attempts (name_hash, at);
CREATE INDEX attempts_by_address ON attempts (address, at);
"""
DEVICES = """
CREATE TABLE devices (
    token_hash BLOB PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    used_at REAL NOT NULL
);
CREATE INDEX devices_of_users ON devices (user_id);
"""
STEPS = (SCHEMA, DEVICES)  # each leads from a version to the next
BUSY_S = 30.0


class Database:
    """One connection behind one lock; whatever is wrong with the file is a FileError."""

    def __init__(self, path: Path, steps: Sequence[str] = STEPS) -> None:
        """`steps`: the schema, each from a version to the next; users, sessions and tokens if nothing is said."""
        self.path = path
        self._steps = steps
        self._lock = threading.RLock()
        with self._translated():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            path.chmod(0o600)  # SQLite gives the files beside it the same mode
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
        try:
            with self._translated():
                for pragma in ("journal_mode=WAL", "secure_delete=ON", "foreign_keys=ON", "synchronous=FULL"):
                    self._connection.execute(f"PRAGMA {pragma}")
                self._create()
        except FileError:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and on the disk; nobody else writes meanwhile. Nested, it joins the outer one."""
        with self._lock, self._translated():
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def run(self, statement: str, *values: object) -> sqlite3.Cursor:
        """Write, inside the transaction under way or one of its own."""
        with self.transaction():
            return self._connection.execute(statement, values)

    def all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Every row that a query finds."""
        with self._lock, self._translated():
            return self._connection.execute(query, values).fetchall()

    def one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        """The first row that a query finds, or None."""
        rows = self.all(query, *values)
        return rows[0] if rows else None

    def sweep(self) -> None:
        """Take what was deleted out of the file beside it too; while somebody reads, it goes with the next sweep."""
        with self._lock, self._translated():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _create(self) -> None:
        with self.transaction():
            [[version]] = self.all("PRAGMA user_version")
            newest = len(self._steps)
            if not 0 <= version <= newest:
                raise FileError(f"{self.path}: is of version {version}, this program knows {newest}; update it")
            for step in self._steps[version:]:
                for statement in step.split(";\n"):
                    self._connection.execute(statement)
            if version < newest:
                self._connection.execute(f"PRAGMA user_version={newest}")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise
        except (sqlite3.Error, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise FileError(f"{self.path}: {reason}; check the path, its owner, the disk and its space") from error
