"""Records that outlive a power cut: an append log in two alternating segments."""

import hashlib
import json

from gateway.errors import StorageError

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from gateway.interfaces import Store

    Found = tuple[int, Any, list[Any], list[Any]]

_CHECK_CHARS = 8
_HEAD = "head"  # first entry of the line that completes a snapshot


class Journal:
    """Appends records, which are JSON lists, and now and then puts a snapshot in the place of all of them.

    A record is a line: newline, checksum, JSON. A write that was cut short leaves a line whose checksum is wrong; it is
    skipped, and whatever is appended next begins a line of its own. A snapshot is written into the other segment and
    counts from its last line on: until that is there, the old segment does.

    Wear: one append a call. littlefs copies the block that an append begins in, so a call costs an erase of 4 KB and a
    commit, spread over the free blocks; a snapshot costs its own size.
    """

    def __init__(self, store: "Store", name: str) -> None:
        self._store = store
        self._name = name
        self._current = 1
        self._generation = 0
        self.size = 0  # bytes of the current segment
        self.fault = ""  # why `load` could not read everything

    def load(self) -> "tuple[Any, list[Any], list[Any]]":
        """What is there: `(document, snapshot, later)`, the document None if no snapshot is complete."""
        best: Found = (0, None, [], [])
        for slot in (0, 1):
            data = self._read(slot)
            found = _parse(data) if data else best
            if found[0] > best[0]:
                best, self._current, self.size = found, slot, len(data)
        self._generation = best[0]
        return best[1:]

    def append(self, records: "Sequence[str]") -> None:
        """Add records, given as JSON texts, in one write. Raises StorageError; part of them may then be there."""
        data = b"".join([_line(text) for text in records])
        self._store.append(f"{self._name}.{self._current}", data)
        self.size += len(data)

    def rewrite(self, document: "Any", records: "Sequence[str]") -> None:
        """Put a document and these records in the place of everything. Raises StorageError; all is then as before."""
        lines = [_line(text) for text in records]
        lines.append(_line(json.dumps([_HEAD, self._generation + 1, document])))
        data = b"".join(lines)
        old, new = self._current, 1 - self._current
        self._store.save(f"{self._name}.{new}", data)
        self._current, self.size = new, len(data)
        self._generation += 1
        try:
            self._store.remove(f"{self._name}.{old}")
        except StorageError as error:
            self.fault = str(error)  # it takes room, and no more: the generation tells which one counts

    def _read(self, slot: int) -> bytes:
        try:
            return self._store.load(f"{self._name}.{slot}") or b""
        except StorageError as error:
            self.fault = str(error)
            self._current = 1 - slot  # unless the other one can be read, the next snapshot replaces this one
            return b""


def _parse(data: bytes) -> "Found":
    """A segment as `(generation, document, snapshot, later)`; generation 0 if its snapshot was cut short."""
    generation, document = 0, None
    snapshot: list[Any] = []
    records: list[Any] = []
    for record in _records(data):
        if record[0] == _HEAD:
            generation, document, snapshot, records = record[1], record[2], records, []
        else:
            records.append(record)
    return generation, document, snapshot, records


def _records(data: bytes) -> "Iterator[Any]":
    start = 0
    while start < len(data):
        end = data.find(b"\n", start + 1)
        end = len(data) if end < 0 else end
        body = data[start + 1 + _CHECK_CHARS : end]
        if data[start + 1 : start + 1 + _CHECK_CHARS] == _check(body):
            yield json.loads(body.decode())
        start = end


def _line(text: str) -> bytes:
    body = text.encode()
    return b"\n" + _check(body) + body


def _check(body: bytes) -> bytes:
    return ("%08x" % int.from_bytes(hashlib.sha256(body).digest()[:4], "big")).encode()
