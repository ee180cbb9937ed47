"""What a board, a clock and a store must offer. Types only: no board needs this file."""

from collections.abc import Callable
from typing import Any, Protocol

Record = Callable[[dict[str, Any]], None]
Values = dict[str, float | int | None]

class Board(Protocol):
    """A board with a watchdog also has `feed() -> None`, called while the valve supervisor is healthy.

    One whose network needs care before each connection has `open_connection`, of the signature of asyncio's.
    """

    def read(self) -> list[tuple[str, str | None, Values]]:
        """Sample every sensor: `(sensor, zone_id or None, values by quantity)`; a failed probe gives None."""

    def set_valve(self, zone_id: str, is_open: bool) -> None:
        """Move a zone's valve; closing a closed one sends the pulse again. Raises ValveError."""

    def metered_l(self, zone_id: str) -> float | None:
        """Litres that the zone's meter has counted in all; None without a meter."""

    def pulse_l(self, zone_id: str) -> float:
        """Litres by which that meter moves at once; 0 for one without steps."""

    def health(self) -> dict[str, Any]:
        """What a status says of the hardware: firmware, reset_cause, heap_free_bytes, rssi_dbm."""

class UpdatableBoard(Board, Protocol):
    """One whose firmware can be updated over the air.

    One whose modules are frozen also has `partitions() -> type`, of what MicroPython's `esp32.Partition` has.
    """

    root: str
    """What stands before the paths of its flash: nothing on a board."""

    def restart(self) -> None:
        """Begin again from boot.py, at once."""

class Clock(Protocol):
    def now(self) -> int:
        """Unix seconds."""

    def ticks_ms(self) -> int:
        """Monotonic milliseconds that never wrap."""

    def trusted(self) -> bool:
        """True once the time of day is known."""

    async def sleep_ms(self, ms: int) -> None:
        """Wait; may be cancelled."""

class Store(Protocol):
    """One that need not hold all of a name's bytes at once has what `store.FileStore` has, too."""

    def load(self, name: str) -> bytes | None:
        """What was saved last, None if nothing was. Raises StorageError."""

    def save(self, name: str, data: bytes) -> None:
        """Keep `data` beyond a power cut, in place of what was there. Raises StorageError."""

    def append(self, name: str, data: bytes) -> None:
        """Keep `data` after what is there; a power cut may leave a part of it. Raises StorageError."""

    def remove(self, name: str) -> None:
        """Forget the name, if it is there. Raises StorageError."""

class Random(Protocol):
    def random(self) -> float: ...
