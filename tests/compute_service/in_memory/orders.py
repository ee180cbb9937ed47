"""What people order, and what they hold, in memory."""

from collections.abc import Iterable
from dataclasses import replace

from compute_service.domain.orders import Hold, Order, OrderRow
from tests.compute_service.in_memory.tables import Tables, real


class OrdersInMemory:
    """A `domain.ports.OrderBook`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, order: Order) -> bool:
        """Write an order down for the running service; False if one of its key is there, or of its id."""
        with self._tables.transactions.transaction():
            if order.key is not None and self.of_key(order.key):
                return False
            row = OrderRow(order=replace(order, volume_l=real(order.volume_l)))
            return self._tables.orders.add_once(order.order_id, row)

    def get(self, order_id: str) -> OrderRow | None:
        """An order and what became of it, or None."""
        return self._tables.orders.get(order_id)

    def of_key(self, key: str) -> OrderRow | None:
        """The order that was given under a key, or None."""
        return next((row for row in self._rows() if row.order.key == key), None)

    def open(self) -> list[OrderRow]:
        """The orders that have not come to their end, in the order in which they were given."""
        return [row for row in self._rows() if row.ended_at is None]

    def last(self, count: int = 20) -> list[OrderRow]:
        """The last orders, the oldest first."""
        return self._rows()[-count:] if count else []

    def _rows(self) -> list[OrderRow]:
        return [row for _, row in self._tables.orders.items()]

    def move(
        self,
        order_id: str,
        state: str,
        *,
        reason: str = "",
        ended_at: int | None = None,
        command_ids: Iterable[str] = (),
    ) -> None:
        """The order is in another state; with a time it is at its end."""
        with self._tables.transactions.transaction():
            if row := self._tables.orders.get(order_id):
                after = replace(row, state=state, reason=reason, ended_at=ended_at, command_ids=tuple(command_ids))
                self._tables.orders.put(order_id, after)

    def forget(self, before: int) -> int:
        """Forget the orders that came to their end before a time; gives how many."""
        with self._tables.transactions.transaction():
            gone = [row for row in self._rows() if row.ended_at is not None and row.ended_at < before]
            for row in gone:
                self._tables.orders.remove(row.order.order_id)
        return len(gone)

    def hold(self, hold: Hold) -> None:
        """Hold a zone or the farm; a hold of that kind and place that is there stays, unless this one is longer."""
        key = (hold.kind, hold.zone_id or "")
        with self._tables.transactions.transaction():
            before = self._tables.holds.get(key)
            if before is None or _is_longer(hold.until, before.until):
                self._tables.holds.put(key, hold)

    def holds(self) -> list[Hold]:
        """All that was held and not released, in the order of kind and place; some may be over by their time."""
        return [hold for _, hold in sorted(self._tables.holds.items(), key=lambda item: item[0])]

    def release(self, kinds: Iterable[str], zone_id: str | None) -> list[Hold]:
        """Let go of the holds of some kinds at a zone, or with None at the farm; says which there were."""
        wanted = set(kinds)
        with self._tables.transactions.transaction():
            gone = [hold for hold in self.holds() if hold.kind in wanted and hold.zone_id == zone_id]
            for hold in gone:
                self._tables.holds.remove((hold.kind, zone_id or ""))
        return gone


def _is_longer(until: int | None, before: int | None) -> bool:
    return before is not None and (until is None or until > before)
