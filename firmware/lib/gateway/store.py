"""What must outlive a power cut: stores of named bytes, and a document in two slots that survives a torn write."""

import hashlib
import json
import os

from gateway.errors import StorageError

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from gateway.interfaces import Store

_DIGEST_BYTES = 32
SMALL = 4  # entries of a list or object that are written at once


class MemoryStore:
    """Forgets everything when the process ends."""

    def __init__(self) -> None:
        self._data: dict[str, bytearray] = {}

    def load(self, name: str) -> "bytes | None":
        return bytes(self._data[name]) if name in self._data else None

    def save(self, name: str, data: bytes) -> None:
        self._data[name] = bytearray(data)

    def append(self, name: str, data: bytes) -> None:
        self._data.setdefault(name, bytearray()).extend(data)

    def remove(self, name: str) -> None:
        self._data.pop(name, None)


class FileStore:
    """One file a name in an existing folder; a save replaces the file in one step, an append adds to its end.

    `sync` waits for the storage itself, which a power cut asks for; what only a killed process must survive is cheaper.
    """

    def __init__(self, folder: str, sync: bool = True) -> None:
        self._folder = folder
        self._sync = sync and hasattr(os, "fsync")  # MicroPython's file systems write through at `close`

    def load(self, name: str) -> "bytes | None":
        try:
            with open(self._folder + "/" + name, "rb") as file:
                return file.read()
        except OSError as error:
            if not self._has(name):  # nothing was saved yet
                return None
            raise StorageError(f"cannot read {self._folder}/{name}: {error}") from error

    def lines(self, name: str) -> "Iterator[bytes]":
        """What `load` gives, line by line, each with its newline."""
        try:
            with open(self._folder + "/" + name, "rb") as file:
                yield from file
        except OSError as error:
            if self._has(name):
                raise StorageError(f"cannot read {self._folder}/{name}: {error}") from error

    def save(self, name: str, data: bytes) -> None:
        self.save_all(name, (data,))

    def save_all(self, name: str, pieces: "Iterable[bytes]") -> int:
        """Save what these pieces are together; gives their bytes."""
        path = self._folder + "/" + name
        try:
            size = self._write(path + ".new", "wb", pieces)
            os.rename(path + ".new", path)
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error}") from error
        return size

    def append(self, name: str, data: bytes) -> None:
        self.append_all(name, (data,))

    def append_all(self, name: str, pieces: "Iterable[bytes]") -> int:
        """Append what these pieces are together; gives their bytes."""
        path = self._folder + "/" + name
        try:
            return self._write(path, "ab", pieces)
        except OSError as error:
            raise StorageError(f"cannot append to {path}: {error}") from error

    def remove(self, name: str) -> None:
        try:
            os.remove(self._folder + "/" + name)
        except OSError as error:
            if self._has(name):
                raise StorageError(f"cannot remove {self._folder}/{name}: {error}") from error

    def _write(self, path: str, mode: str, pieces: "Iterable[bytes]") -> int:
        size = 0
        with open(path, mode) as file:
            for piece in pieces:
                size += file.write(piece)
            if self._sync:
                file.flush()
                os.fsync(file.fileno())
        return size

    def _has(self, name: str) -> bool:
        try:
            return name in os.listdir(self._folder)  # the number of "no such file" differs between ports
        except OSError as error:
            raise StorageError(f"cannot read the folder {self._folder}: {error}") from error


class TwoSlots:
    """One JSON document in two alternating slots with checksums: a write cut short costs that write, nothing older."""

    def __init__(self, store: "Store", name: str) -> None:
        self._store = store
        self._name = name
        self._target = 0
        self._generation = 0
        self.lost = False  # after load: something was once saved, and none of it can be read

    def load(self) -> "Any":
        """The newest document that can be read, None if there is none."""
        newest = None
        self.lost = False
        for slot in (0, 1):
            content = self._read(slot)
            if content and content["generation"] > self._generation:
                self._generation, newest, self._target = content["generation"], content, 1 - slot
        self.lost = self.lost and newest is None
        return newest and newest["document"]

    def save(self, document: "Any") -> None:
        """Write to the slot that does not hold the newest document. Raises StorageError."""
        self._generation += 1
        content, digest = {"generation": self._generation, "document": document}, hashlib.sha256()
        name = f"{self._name}.{self._target}"
        for part in _parts(content, 3):
            digest.update(part)
        parts = _slot(digest.digest(), content)
        save_all = getattr(self._store, "save_all", None)
        if save_all:
            save_all(name, parts)
        else:
            self._store.save(name, b"".join(parts))
        self._target = 1 - self._target

    def _read(self, slot: int) -> "dict[str, Any] | None":
        try:
            data = self._store.load(f"{self._name}.{slot}")
        except StorageError:
            self.lost = True
            return None
        if data is None:
            return None
        digest, body = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if hashlib.sha256(body).digest() != digest:
            self.lost = True
            return None
        slot_document: dict[str, Any] = json.loads(body.decode())
        return slot_document


def _slot(digest: bytes, content: "Any") -> "Iterator[bytes]":
    yield digest
    yield from _parts(content, 3)


def _parts(value: "Any", depth: int) -> "Iterator[bytes]":
    """The JSON of a value, of a large one in parts: a board has no room for all of that at once."""
    if not depth or not isinstance(value, (dict, list)) or (depth < 3 and len(value) <= SMALL):
        yield json.dumps(value).encode()
        return
    sign, end = ("{", b"}") if isinstance(value, dict) else ("[", b"]")
    for item in value:
        yield (sign + json.dumps(item) + ": " if end == b"}" else sign).encode()
        yield from _parts(value[item] if end == b"}" else item, depth - 1)
        sign = ", "
    yield end
