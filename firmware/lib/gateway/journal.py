"""Records that outlive a power cut: an append log in two alternating segments."""

import binascii
import hashlib
import json

from gateway.errors import StorageError

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from typing import Any

    from gateway.interfaces import Store

    Text = Sequence[bytes]  # JSON in pieces: a copy of it in one would ask for as much room again

_CHECK_CHARS = 8
_HEAD = "head"  # first entry of the line that completes a snapshot
_HEAD_BEGINS = b'["head"'


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
        self.fault = ""  # why `open` or `records` could not read everything

    def open(self) -> "Any":
        """Find the segment that counts: the document of its snapshot, None if no snapshot is complete."""
        best: tuple[int, Any] = (0, None)
        for slot in (0, 1):
            head = self._head(slot)
            if head[0] > best[0]:
                best, self._current = head, slot
        self._generation = best[0]
        return best[1]

    def records(self) -> "Iterator[tuple[bool, bytes]]":
        """After `open`: every record there, as JSON, with True if it is later than the snapshot; one at a time."""
        self.size, later = 0, False
        for line in self._lines(self._current) if self._generation else ():
            self.size += len(line)
            body = _body(line)
            if body.startswith(_HEAD_BEGINS):
                later = True
            elif body:
                yield later, body

    def load(self) -> "tuple[Any, list[Any], list[Any]]":
        """All at once: `(document, snapshot, later)`, the document None if no snapshot is complete."""
        document = self.open()
        parts: tuple[list[Any], list[Any]] = ([], [])
        for later, body in self.records():
            parts[later].append(json.loads(body))
        return document, parts[0], parts[1]

    def append(self, records: "Sequence[Text]") -> None:
        """Add records, given as JSON, in one write. Raises StorageError; part of them may then be there."""
        self.size += self._put("append", f"{self._name}.{self._current}", _lines_of(records))

    def rewrite(self, document: "Any", records: "Iterable[Text]") -> None:
        """Put a document and these records in the place of everything. Raises StorageError; all is then as before."""
        old, new = self._current, 1 - self._current
        size = self._put("save", f"{self._name}.{new}", self._snapshot(document, records))
        self._current, self.size = new, size
        self._generation += 1
        try:
            self._store.remove(f"{self._name}.{old}")
        except StorageError as error:
            self.fault = str(error)  # it takes room, and no more: the generation tells which one counts

    def _snapshot(self, document: "Any", records: "Iterable[Text]") -> "Iterator[bytes]":
        yield from _lines_of(records)
        yield from _lines_of(((json.dumps([_HEAD, self._generation + 1, document]).encode(),),))

    def _put(self, verb: str, name: str, pieces: "Iterable[bytes]") -> int:
        put_all = getattr(self._store, verb + "_all", None)
        if put_all:
            return int(put_all(name, pieces))
        data = b"".join(pieces)
        getattr(self._store, verb)(name, data)
        return len(data)

    def _head(self, slot: int) -> "tuple[int, Any]":
        """`(generation, document)` of a segment's snapshot; generation 0 if it was cut short."""
        head: tuple[int, Any] = (0, None)
        lines = self._lines(slot)
        for line in lines:
            if line[_CHECK_CHARS : _CHECK_CHARS + len(_HEAD_BEGINS)] == _HEAD_BEGINS and _body(line):
                _, generation, document = json.loads(_body(line))
                head = generation, document
                break
        lines.close()
        return head

    def _lines(self, slot: int) -> "Generator[bytes]":
        """The lines of a segment, up to where it cannot be read. From files, a line at a time is in memory."""
        name = f"{self._name}.{slot}"
        try:
            lines = getattr(self._store, "lines", None)
            yield from lines(name) if lines else _split(self._store.load(name) or b"")
        except StorageError as error:
            self.fault = str(error)
            self._current = 1 - slot  # unless the other one can be read, the next snapshot replaces this one


def _split(data: bytes) -> "Iterator[bytes]":
    start = 0
    while start < len(data):
        end = data.find(b"\n", start) + 1 or len(data)
        yield data[start:end]
        start = end


def _body(line: bytes) -> bytes:
    """The record in a line; empty if it was cut short, or spoilt."""
    body = line[_CHECK_CHARS : -1 if line.endswith(b"\n") else None]
    return body if line.startswith(_check((body,))) else b""


def _lines_of(records: "Iterable[Text]") -> "Iterator[bytes]":
    for text in records:
        yield b"\n"
        yield _check(text)
        yield from text


def _check(text: "Text") -> bytes:
    digest = hashlib.sha256()
    for piece in text:
        digest.update(piece)
    return binascii.hexlify(digest.digest()[: _CHECK_CHARS // 2])
