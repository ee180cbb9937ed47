"""One service on a store: a lock of the system on a file beside it, which ends with the process, however that ends.

What a service believes of its zones lives in its memory, too, so that a second one on the same store would water what
the first has watered. Readers, orders and updates need no lock.
"""

import fcntl
import os
from pathlib import Path

from compute_service.errors import StoreError


class SoleService:
    """The right to serve a store; raises StoreError if another process has it. Close it when done."""

    def __init__(self, store: Path | str) -> None:
        path = Path(store).resolve()  # a link to a store is that store
        lock_path = path.with_name(path.name + ".lock")
        try:
            self._file = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(f"{lock_path}: {error.strerror}; check the path, the disk and its free space") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(self._file, 20, 0).decode(errors="replace").strip()
            os.close(self._file)
            raise StoreError(
                f"{store}: another service (process {owner or 'unknown'}) runs on this store and holds {lock_path};"
                " stop that one first, or give this one another --store"
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Let another service have the store; the file stays, since to remove it could let two in."""
        os.close(self._file)
