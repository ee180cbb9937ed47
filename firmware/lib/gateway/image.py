"""An update of a board whose modules are frozen: one image, for the other of the chip's two OTA partitions.

In memory only while there is one. What has arrived is in that partition, how far is in a file, and nothing of it runs
before all of it has the hash that the signed manifest says. The boot loader starts a new image once, and then the one
before again, unless the new one has called itself valid (ESP-IDF's rollback, which MicroPython's port has switched on).
"""

import asyncio
import binascii
import hashlib

from gateway.store import TwoSlots

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from gateway.interfaces import Store

    Block = Callable[[int, int], Coroutine[Any, Any, bytes]]

SECTOR_BYTES = 4096  # the least that the flash erases
SAVED_BYTES = 16 * SECTOR_BYTES  # so much at most comes again after a power cut
ERASE = 6  # of a block device's `ioctl`


class Image:
    """The partition that does not run; `partitions` is `esp32.Partition`. Raises OSError if the chip has no second."""

    def __init__(self, partitions: "Any", store: "Store") -> None:
        self._partitions = partitions
        running = partitions(partitions.RUNNING)
        self._next = running.get_next_update()
        self._progress = TwoSlots(store, "image")
        self.running: str = running.info()[4]
        self.label: str = self._next.info()[4]

    async def fetch(self, block: "Block", step: int, size: int, digest: str) -> bool:
        """Have an image of `size` bytes and this SHA-256, asking `block(index, bytes)` for steps of it; False: wrong.

        Raises OSError, StorageError.
        """
        if size > self._next.info()[3]:
            raise OSError(28)
        owner, at = self._progress.load() or ("", 0)
        at = at if owner == digest else 0
        while True:
            resumed = at > 0
            while at < size:
                data = await block(at // step, min(step, size - at))
                sector, place = divmod(at, SECTOR_BYTES)
                if not place:
                    self._next.ioctl(ERASE, sector)
                self._next.writeblocks(sector, data, place)
                at += len(data)
                if at % SAVED_BYTES == 0:
                    self._progress.save([digest, at])
            if await self._sha256(step, size) == digest:
                return True
            if not resumed:
                return False
            at = 0

    def choose(self) -> None:
        """Let the boot loader start it next. Raises OSError for one that the chip cannot start."""
        self._next.set_boot()

    def keep(self) -> None:
        """Call what runs valid: it is started from now on."""
        self._partitions.mark_app_valid_cancel_rollback()

    async def _sha256(self, step: int, size: int) -> str:
        digest, buffer = hashlib.sha256(), bytearray(step)
        for at in range(0, size, step):
            self._next.readblocks(at // SECTOR_BYTES, buffer, at % SECTOR_BYTES)
            digest.update(memoryview(buffer)[: min(step, size - at)])
            await asyncio.sleep(0)  # it takes seconds, and the watchdog bites after eight
        return binascii.hexlify(digest.digest()).decode()
