"""The judge of orders: it knows what people ordered and sees which commands leave compute, and nothing else.

It never asks the service. The letters are those of the promises in `oracle.PROMISES`.
"""

import math
import re

from compute_service.domain.orders import OPEN_LIFE_S, Order, end_of_day
from tests.safety.oracle import BrokenPromiseError, Command

TIMEZONE = "America/Toronto"
_ORDERED = re.compile(r"as (\S+) ordered")


class OrderOracle:
    """Judges the orders of one farm. Times are Unix seconds, as compute tells them."""

    def __init__(self) -> None:
        self._holds: dict[tuple[str, str | None], float] = {}  # kind and place (None is the farm) -> until when
        self._opens: dict[str, Order] = {}  # by whom -> the order
        self._runs: dict[str, str] = {}  # by whom -> the command that obeyed

    def given(self, order: Order) -> None:
        """Somebody's order was taken down."""
        place = order.zone_id
        if order.action == "open":
            self._opens.setdefault(order.by, order)
        elif order.action == "resume":
            for kind in ("stop", "close", "pause"):
                self._holds.pop((kind, place), None)
        else:
            ends = {"stop": math.inf, "close": end_of_day(order.at, TIMEZONE), "pause": order.until or 0}
            until = max(ends[order.action], self._holds.get((order.action, place), 0))
            self._holds[order.action, place] = until

    def holds(self, zone_id: str, now: int) -> bool:
        """May nothing open this zone now?"""
        return any(place in (None, zone_id) and now < until for (_, place), until in self._holds.items())

    def leaves(self, command: Command, now: int) -> None:
        """Compute publishes a command, for the first time or again."""
        name, zone_id = command["command_id"], command["zone_id"]
        if command["action"] != "open":
            return
        if self.holds(zone_id, now):
            raise BrokenPromiseError("j", f"{name} for {zone_id} left while somebody keeps it shut")
        by_hand = _ORDERED.search(command.get("reason", ""))
        if by_hand:
            self._obeys(command, self._opens[by_hand[1]])

    def _obeys(self, command: Command, order: Order) -> None:
        name, first = command["command_id"], self._runs.setdefault(order.by, command["command_id"])
        if name != first:
            raise BrokenPromiseError("k", f"{name} and {first} obey one order")
        if command["issued_at"] - order.at >= OPEN_LIFE_S:
            raise BrokenPromiseError("k", f"{name} obeys an order of {command['issued_at'] - order.at} s ago")
        most_s, most_l = order.duration_s, order.volume_l
        is_longer = most_s is not None and command["duration_s"] > most_s
        if is_longer or (most_l is not None and command["max_volume_l"] > most_l):
            raise BrokenPromiseError("k", f"{name} gives more than was ordered")

    def ends(self, open_zones: set[str], unfinished: list[str], now: int) -> None:
        """Every message has arrived that anybody still says: what was stopped is shut, and known to be."""
        for zone_id in sorted(open_zones):
            if self.holds(zone_id, now):
                raise BrokenPromiseError("l", f"{zone_id} is open, and somebody keeps it shut")
        if unfinished:
            raise BrokenPromiseError("l", f"{', '.join(unfinished)} never came to an end")
