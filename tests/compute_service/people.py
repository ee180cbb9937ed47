"""Who gives orders to a bench, and what its gateways answer."""

from typing import Any

from compute_service.domain.orders import Order, OrderRow
from compute_service.orders import give
from protocol import topics
from tests.compute_service.bench import GATEWAY, Bench


class People:
    """Who gives orders to a bench."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.count = bench, 0

    def order(self, action: str, zone_id: str | None = None, **fields: Any) -> OrderRow:
        """Give an order, as a shell would, and let the service take it."""
        row = self.give(action, zone_id, **fields)
        self.bench.tick()
        return self.again(row)

    def give(self, action: str, zone_id: str | None = None, **fields: Any) -> OrderRow:
        self.count += 1
        named = {"by": "ana", "via": "shell", "at": self.bench.now, **fields}
        order = Order(order_id=f"O{self.count:03}", action=action, zone_id=zone_id, **named)
        return give(self.bench.store, self.bench.config, order)

    def again(self, row: OrderRow) -> OrderRow:
        after = self.bench.store.orders.get(row.order.order_id)
        assert after
        return after


def online(bench: Bench, gateway_id: str = GATEWAY, state: str = "online", **fields: Any) -> None:
    bench.hear(
        topics.status(gateway_id), {"gateway_id": gateway_id, "boot_id": "b", "state": state, "at": bench.now, **fields}
    )


def stop_ack(bench: Bench, message: dict[str, Any], state: str = "done", **fields: Any) -> None:
    bench.hear_ack(message, state, volume_source="none", duration_s=None, volume_l=None, end_reason=None, **fields)


def actions(bench: Bench) -> list[tuple[str, str, str | None]]:
    return [(one["action"], one["device_id"], one["zone_id"]) for one in bench.commands()]
