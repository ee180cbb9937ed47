"""What the store in memory is made of: tables of rows that are replaced and never changed, and their transactions."""

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from compute_service.domain.alarms import AlarmRow
from compute_service.domain.decide import Run
from compute_service.domain.hourly_weather import HourRecord
from compute_service.domain.orders import Hold, OrderRow
from compute_service.domain.ports import Beat, Delivery, Moment, WaterRow

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Transactions:
    """All or nothing: while one is under way, what every table held before is noted, and put back if it fails."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._undo: list[tuple[dict[Any, Any], Any, Any]] | None = None

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[None]:
        """Nested, it joins the outer one."""
        with self.lock:
            if self._undo is not None:
                yield
                return
            self._undo = []
            try:
                yield
            except BaseException:
                for rows, key, before in reversed(self._undo):
                    _put_back(rows, key, before)
                raise
            finally:
                self._undo = None

    def note(self, rows: dict[Any, Any], key: Any) -> None:
        """A row is about to change."""
        if self._undo is not None:
            self._undo.append((rows, key, rows.get(key)))


def _put_back(rows: dict[Any, Any], key: Any, before: Any) -> None:
    if before is None:
        rows.pop(key, None)
    else:
        rows[key] = before


class Table(Generic[K, V]):
    """Rows by their key; a row is replaced, never changed."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._rows: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """A row, or None."""
        with self._transactions.lock:
            return self._rows.get(key)

    def items(self) -> list[tuple[K, V]]:
        """All rows with their keys."""
        with self._transactions.lock:
            return list(self._rows.items())

    def put(self, key: K, row: V) -> None:
        """Write a row, over the one before."""
        with self._transactions.transaction():
            self._transactions.note(self._rows, key)
            self._rows[key] = row

    def add(self, key: K, row: V) -> None:
        """Write a row that must be new; raises ValueError if its key is taken."""
        with self._transactions.transaction():
            if not self.add_once(key, row):
                raise ValueError(f"in memory: is kept already: {key}")

    def add_once(self, key: K, row: V) -> bool:
        """Write a row unless its key is taken; False if it is."""
        with self._transactions.transaction():
            is_new = key not in self._rows
            if is_new:
                self.put(key, row)
            return is_new

    def remove(self, key: K) -> None:
        """Forget a row."""
        with self._transactions.transaction():
            self._transactions.note(self._rows, key)
            self._rows.pop(key, None)


class SampleKey(NamedTuple):
    """A sample's identity, in the order in which samples of one sensor and time are told apart."""

    sensor_id: str
    measured_at: int
    seq: int
    boot_id: str


class WeatherKey(NamedTuple):
    """The identity of a station's sample."""

    gateway_id: str
    measured_at: int
    seq: int
    boot_id: str


@dataclass(frozen=True)
class ZoneRow:
    """When the zone is due (Unix s), and its largest epoch."""

    due_at: int | None = None
    epoch: int = 0


@dataclass(frozen=True, kw_only=True)
class CommandEntry:
    """A command with its message as a text."""

    zone_id: str | None
    gateway_id: str
    state: str
    code: str | None
    text: str
    issued_at: int
    give_up_at: int | None
    closed_at: int | None


@dataclass(frozen=True)
class WaterEntry:
    """Water, and whether the zone's model knows it."""

    row: WaterRow
    is_known: bool = False


@dataclass(frozen=True)
class DecisionEntry:
    """A decision and its inputs, as texts."""

    row: str
    inputs: str


@dataclass(frozen=True)
class UpdateEntry:
    """An update with its settings as a text."""

    device_id: str
    settings: str
    state: str


@dataclass
class Tables:
    """Everything that is kept."""

    transactions: Transactions = field(default_factory=Transactions)

    def __post_init__(self) -> None:
        tables = self.transactions
        self.zones: Table[str, ZoneRow] = Table(tables)
        self.samples: Table[SampleKey, tuple[str, float | None]] = Table(tables)
        self.models: Table[str, str] = Table(tables)
        self.water: Table[str, WaterEntry] = Table(tables)
        self.weather: Table[WeatherKey, str] = Table(tables)
        self.hours: Table[tuple[str, int], HourRecord] = Table(tables)
        self.unbooked_runs: Table[str, Run] = Table(tables)
        self.commands: Table[str, CommandEntry] = Table(tables)
        self.deliveries: Table[str, Delivery] = Table(tables)
        self.decisions: Table[str, DecisionEntry] = Table(tables)
        self.settings: Table[str, str] = Table(tables)
        self.roots: Table[str, str] = Table(tables)
        self.updates: Table[str, UpdateEntry] = Table(tables)
        self.statuses: Table[tuple[str, int], str] = Table(tables)
        self.gateways: Table[str, tuple[int, str]] = Table(tables)
        self.counters: Table[str, int] = Table(tables)
        self.orders: Table[str, OrderRow] = Table(tables)
        self.holds: Table[tuple[str, str], Hold] = Table(tables)
        self.journal: Table[int, str] = Table(tables)
        self.newest: Table[str, int] = Table(tables)
        self.moments: Table[tuple[str, int], Moment] = Table(tables)
        self.beats: Table[str, Beat] = Table(tables)
        self.alarms: Table[str, AlarmRow] = Table(tables)

    def zone(self, zone_id: str) -> ZoneRow:
        """A zone's row, be it new."""
        return self.zones.get(zone_id) or ZoneRow()


def real(number: float | None) -> float | None:
    """A number as a column of real numbers gives it back."""
    return None if number is None else float(number)
