"""A person's form or request becomes an order: numbers and times are read, and the order is given once."""

import math
import time
from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from compute_service import orders
from compute_service.domain.orders import PAUSE, WAITING, Order, OrderRow
from console.errors import FormError
from console.farm_now import FarmNow
from console.house import House

LOOK_EVERY_S = 0.05
MOST = 1e9


class Wish(BaseModel):
    """What is asked for: `minutes` or `litres` to open, `until` (the farm's wall clock) or `hours` to pause.

    `key`: a repeat with the same one is the same order.
    """

    action: str = Field(max_length=20)
    zone_id: str | None = Field(None, max_length=100)
    minutes: float | None = None
    litres: float | None = None
    until: str | None = Field(None, max_length=40)
    hours: float | None = None
    why: str = Field("", max_length=200)
    key: str | None = Field(None, max_length=100)


def number(text: str, name: str) -> float | None:
    """A number as people of either language write it; None for nothing."""
    if not text.strip():
        return None
    try:
        return float(text.strip().replace(",", "."))
    except ValueError as error:
        raise FormError("bad_number", value=text[:40], name=name) from error


def give(house: House, farm: FarmNow, wish: Wish, by: str, via: str) -> OrderRow:
    """Give the order, and wait a moment for the service to take it.

    Raises FormError or OrderError, and changes nothing, if it cannot be.
    """
    order = _order(farm, wish, by, via)
    with house.writer() as store:
        row = orders.give(store, farm.config, order)
        deadline = time.monotonic() + (house.wait_s if farm.is_serving else 0)
        while row.state == WAITING and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY_S)
            row = store.orders.get(row.order.order_id) or row
    return row


def _order(farm: FarmNow, wish: Wish, by: str, via: str) -> Order:
    minutes = _bounded(wish.minutes, "minutes")
    return Order(
        order_id=orders.new_order_id(farm.now),
        action=wish.action,
        at=farm.now,
        by=by,
        via=via,
        zone_id=wish.zone_id or None,
        duration_s=None if minutes is None else round(minutes * 60),
        volume_l=_bounded(wish.litres, "litres"),
        until=_until(farm, wish) if wish.action == PAUSE else None,
        why=" ".join(wish.why.split()),
        key=wish.key or None,
    )


def _bounded(value: float | None, name: str) -> float | None:
    if value is not None and not (math.isfinite(value) and 0 < value < MOST):
        raise FormError("bad_number", value=f"{value:g}", name=name)
    return value


def _until(farm: FarmNow, wish: Wish) -> int | None:
    hours = _bounded(wish.hours, "hours")
    if hours is not None:
        return farm.now + round(min(hours, MOST) * 3600)
    if not wish.until:
        return None
    try:
        local = datetime.fromisoformat(wish.until)
        return int((local if local.tzinfo else local.replace(tzinfo=ZoneInfo(farm.config.timezone))).timestamp())
    except (ValueError, OverflowError) as error:
        raise FormError("bad_time", value=wish.until[:40]) from error
