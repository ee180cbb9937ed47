"""The file of events: a JSON line each, in files of a bounded size, of which the oldest goes when another begins."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from compute_service.errors import StoreError

if TYPE_CHECKING:
    from protocol.events import Event

MOST_BYTES = 64 * 1024 * 1024
KEPT_FILES = 4  # besides the one that is written: PATH.1 is the newest of them


class EventFile:
    """Appends to `path`; raises StoreError if that cannot be opened. Close it when done."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self._path, self._most_bytes = path, most_bytes
        self._open()

    def _open(self) -> None:
        try:
            self._file = self._path.open("a", encoding="utf-8")
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror}; give another --events") from error

    def record(self, event: "Event") -> None:
        """One more line, on the disk's way at once."""
        if self._file.tell() >= self._most_bytes:
            self._file.close()
            for number in range(KEPT_FILES, 0, -1):
                older = self._numbered(number - 1)
                if older.exists():
                    older.replace(self._numbered(number))
            self._open()
        self._file.write(json.dumps(event) + "\n")
        self._file.flush()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()
