"""What people order, and what they hold."""

import json
from collections.abc import Iterable
from typing import Any

from compute_service.adapters.sqlite.database import Database
from compute_service.domain.orders import WAITING, Hold, Order, OrderRow

_ORDER = "order_id, action, at, by_whom, via, zone_id, duration_s, volume_l, until, why, key"
_ROW = f"{_ORDER}, state, reason, ended_at, command_ids"


class OrderTables:
    """A `domain.ports.OrderBook` over the tables orders and holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, order: Order) -> bool:
        """Write an order down for the running service; False if one of its key is there, or of its id."""
        is_new = self._database.run(
            f"INSERT OR IGNORE INTO orders ({_ROW}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', NULL, '[]')",  # noqa: S608 - our own words
            *(order.order_id, order.action, order.at, order.by, order.via, order.zone_id),
            *(order.duration_s, order.volume_l, order.until, order.why, order.key, WAITING),
        )
        return bool(is_new)

    def get(self, order_id: str) -> OrderRow | None:
        """An order and what became of it, or None."""
        return next(iter(self._rows("WHERE order_id = ?", order_id)), None)

    def of_key(self, key: str) -> OrderRow | None:
        """The order that was given under a key, or None."""
        return next(iter(self._rows("WHERE key = ?", key)), None)

    def open(self) -> list[OrderRow]:
        """The orders that have not come to their end, in the order in which they were given."""
        return self._rows("INDEXED BY orders_open WHERE ended_at IS NULL ORDER BY rowid")  # else all are gone through

    def last(self, count: int = 20) -> list[OrderRow]:
        """The last orders, the oldest first."""
        return self._rows("ORDER BY rowid DESC LIMIT ?", count)[::-1]

    def _rows(self, rest: str, *values: object) -> list[OrderRow]:
        return [_order(*row) for row in self._database.all(f"SELECT {_ROW} FROM orders {rest}", *values)]  # noqa: S608 - our own words

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
        self._database.run(
            "UPDATE orders SET state = ?, reason = ?, ended_at = ?, command_ids = ? WHERE order_id = ?",
            *(state, reason, ended_at, json.dumps(list(command_ids)), order_id),
        )

    def forget(self, before: int) -> int:
        """Forget the orders that came to their end before a time; gives how many."""
        return self._database.run("DELETE FROM orders WHERE ended_at < ?", before)

    def hold(self, hold: Hold) -> None:
        """Hold a zone or the farm; a hold of that kind and place that is there stays, unless this one is longer."""
        self._database.run(
            "INSERT INTO holds (kind, place, since, until, by_whom, order_id, why) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET since = excluded.since, until = excluded.until, by_whom = excluded.by_whom,"
            " order_id = excluded.order_id, why = excluded.why"
            " WHERE until IS NOT NULL AND (excluded.until IS NULL OR excluded.until > until)",
            *(hold.kind, hold.zone_id or "", hold.since, hold.until, hold.by, hold.order_id, hold.why),
        )

    def holds(self) -> list[Hold]:
        """All that was held and not released, in the order of kind and place; some may be over by their time."""
        query = "SELECT kind, place, since, until, by_whom, order_id, why FROM holds ORDER BY kind, place"
        return [_hold(*row) for row in self._database.all(query)]

    def release(self, kinds: Iterable[str], zone_id: str | None) -> list[Hold]:
        """Let go of the holds of some kinds at a zone, or with None at the farm; says which there were."""
        all_kinds = set(kinds)
        with self._database.transaction():
            gone = [hold for hold in self.holds() if hold.kind in all_kinds and hold.zone_id == zone_id]
            for hold in gone:
                self._database.run("DELETE FROM holds WHERE kind = ? AND place = ?", hold.kind, zone_id or "")
        return gone


def _order(*row: Any) -> OrderRow:
    order_id, action, at, by, via, zone_id, duration_s, volume_l, until, why, key, state, reason, ended_at, ids = row
    order = Order(
        order_id=order_id,
        action=action,
        at=at,
        by=by,
        via=via,
        zone_id=zone_id,
        duration_s=duration_s,
        volume_l=volume_l,
        until=until,
        why=why,
        key=key,
    )
    return OrderRow(order=order, state=state, reason=reason, ended_at=ended_at, command_ids=tuple(json.loads(ids)))


def _hold(*row: Any) -> Hold:
    kind, place, since, until, by, order_id, why = row
    return Hold(kind=kind, zone_id=place or None, since=since, until=until, by=by, order_id=order_id, why=why)
