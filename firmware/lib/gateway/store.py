"""What must outlive a power cut: stores of named bytes, and a document in two slots that survives a torn write."""

import hashlib
import json
import os

from gateway.errors import StorageError

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from typing import Any

    from gateway.interfaces import Store

_DIGEST_BYTES = 32


class MemoryStore:
    """Forgets everything when the process ends."""

    def __init__(self) -> None:
        self._data: dict[str, bytes] = {}

    def load(self, name: str) -> "bytes | None":
        return self._data.get(name)

    def save(self, name: str, data: bytes) -> None:
        self._data[name] = data


class FileStore:
    """One file a name in an existing folder; a save replaces the file in one step."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def load(self, name: str) -> "bytes | None":
        try:
            with open(self._folder + "/" + name, "rb") as file:
                return file.read()
        except OSError as error:
            if error.errno == 2:  # no such file: nothing was saved yet
                return None
            raise StorageError(f"cannot read {self._folder}/{name}: {error}") from error

    def save(self, name: str, data: bytes) -> None:
        path = self._folder + "/" + name
        try:
            with open(path + ".new", "wb") as file:
                file.write(data)
                file.flush()
                if hasattr(os, "fsync"):
                    os.fsync(file.fileno())
            os.rename(path + ".new", path)
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error}") from error


class TwoSlots:
    """One JSON document in two alternating slots with checksums: a write cut short costs that write, nothing older."""

    def __init__(self, store: "Store", name: str) -> None:
        self._store = store
        self._names = (name + ".0", name + ".1")
        self._target = 0
        self._generation = 0
        self.lost = False  # after load: something was once saved, and none of it can be read

    def load(self) -> "Any":
        """The newest document that can be read, None if there is none."""
        newest = None
        self.lost = False
        for slot in (0, 1):
            found = self._read(slot)
            if found and found["generation"] > self._generation:
                self._generation, newest, self._target = found["generation"], found, 1 - slot
        self.lost = self.lost and newest is None
        return newest and newest["document"]

    def save(self, document: "Any") -> None:
        """Write to the slot that does not hold the newest document. Raises StorageError."""
        self._generation += 1
        body = json.dumps({"generation": self._generation, "document": document}).encode()
        self._store.save(self._names[self._target], hashlib.sha256(body).digest() + body)
        self._target = 1 - self._target

    def _read(self, slot: int) -> "dict[str, Any] | None":
        try:
            data = self._store.load(self._names[slot])
        except StorageError:
            self.lost = True
            return None
        if data is None:
            return None
        digest, body = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if hashlib.sha256(body).digest() != digest:
            self.lost = True
            return None
        found: dict[str, Any] = json.loads(body.decode())
        return found
