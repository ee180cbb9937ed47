"""The file of events: a JSON line each, in files of a bounded size, of which the oldest goes when another begins.

It is for programs that look on: where it cannot be written, on a full disk for one, the farm is watered all the same.
"""

import errno
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from compute_service.errors import StoreError

if TYPE_CHECKING:
    from protocol.events import Event

MOST_BYTES = 64 * 1024 * 1024
KEPT_FILES = 4  # besides the one that is written: PATH.1 is the newest of them

log = logging.getLogger(__name__)


class EventFile:
    """Appends to `path`; raises StoreError if that cannot be opened. Close it when done."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self._path, self._most_bytes = path, most_bytes
        self._left_out = 0
        try:
            self._file = path.open("ab", buffering=0)  # what is refused must not wait in a buffer for the next one
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}; give another --events") from error
        if path.is_file():
            self._cut_torn_line()

    def _cut_torn_line(self) -> None:
        """A service that was killed within a write left as much of a line as it had written."""
        lines = self._path.read_bytes()
        self._file.truncate(lines.rfind(b"\n") + 1)

    def record(self, event: "Event") -> None:
        """One more line, on the disk's way at once; one that cannot be written is left out, which the log tells."""
        try:
            self._write(json.dumps(event).encode() + b"\n")
        except OSError as error:
            if not self._left_out:
                log.error("%s: %s; events are left out until it can be written again", self._path, error.strerror)
            self._left_out += 1
            return
        if self._left_out:
            log.warning("%s can be written again; events left out: %d", self._path, self._left_out)
            self._left_out = 0

    def _write(self, line: bytes) -> None:
        """A whole line, or none. Raises OSError."""
        if self._size() >= self._most_bytes:
            self._begin_another()
        size = self._size()
        if self._file.write(line) < len(line):  # the disk is full within the line
            self._file.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def _begin_another(self) -> None:
        draft = self._path.with_name(f"{self._path.name}.new")
        file = draft.open("ab", buffering=0)  # before any name moves: it may not come to be
        for number in range(KEPT_FILES, 0, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        draft.replace(self._path)
        self._file.close()
        self._file = file

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()
