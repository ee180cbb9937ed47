"""Records in a SQLite file, the usual store: on this machine, for one service."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from provisioning.farms.errors import RecordStoreError, TakenError
from provisioning.farms.records import Record, checked, checked_collection, packed, place, unpacked
from web.database import Database
from web.errors import FileError

SCHEMA = """
CREATE TABLE records (
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    record TEXT NOT NULL, -- JSON
    PRIMARY KEY (collection, id)
) WITHOUT ROWID
"""


class SqliteRecords:
    """Records in a file of their own. What is replaced or deleted leaves the file, and the one beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._translated():
            self._database = Database(path, (SCHEMA,))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def create(self, path: str, record: Mapping[str, Any]) -> None:
        """See Records."""
        row = (*place(path), _text(path, record))
        with self._translated():
            try:
                self._database.run("INSERT INTO records VALUES (?, ?, ?)", *row)
            except sqlite3.IntegrityError as error:
                raise TakenError(f"record {path}: is there already; look at it, or take another name") from error

    def get(self, path: str) -> Record | None:
        """See Records."""
        with self._translated():
            row = self._database.one("SELECT record FROM records WHERE collection = ? AND id = ?", *place(path))
        return None if row is None else _record(row[0])

    def put(self, path: str, record: Mapping[str, Any]) -> None:
        """See Records."""
        row = (*place(path), _text(path, record))
        with self._translated():
            self._database.run("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", *row)
            self._database.sweep()

    def list(self, collection: str) -> dict[str, Record]:
        """See Records."""
        query = "SELECT id, record FROM records WHERE collection = ? ORDER BY id"
        with self._translated():
            rows = self._database.all(query, checked_collection(collection))
        return {name: _record(text) for name, text in rows}

    def delete(self, path: str) -> None:
        """See Records."""
        with self._translated():
            self._database.run("DELETE FROM records WHERE collection = ? AND id = ?", *place(path))
            self._database.sweep()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (FileError, sqlite3.ProgrammingError) as error:
            raise RecordStoreError(f"records in {self._path}: {error}") from error


def _text(path: str, record: Mapping[str, Any]) -> str:
    return json.dumps(packed(checked(path, record)), ensure_ascii=False)


def _record(text: str) -> Record:
    record: Record = unpacked(json.loads(text))
    return record
