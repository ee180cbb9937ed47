"""What was written while the clock was ahead, brought back to the present, in memory."""

import json
from dataclasses import replace
from typing import Any

from compute_service.domain.decide import Run
from tests.compute_service.in_memory.tables import Table, Tables

_GIVEN_UP = ("open", "fallback", "clear")


def bring_back(tables: Tables, now: int, soon: int, life: int) -> None:
    """All of it in one transaction; see `domain.ports.Store`."""
    with tables.transactions.transaction():
        _forget(tables, now, soon)
        for zone_id, zone in tables.zones.items():
            if zone.due_at is not None and zone.due_at > now + soon:
                tables.zones.put(zone_id, replace(zone, due_at=now))
        for name, (heard_at, text) in tables.gateways.items():
            tables.gateways.put(name, (min(heard_at, now), text))
        for water_id, entry in tables.water.items():
            if entry.row.at > now:
                tables.water.put(water_id, replace(entry, row=replace(entry.row, at=now)))
        for command_id, delivery in tables.deliveries.items():
            tables.deliveries.put(command_id, replace(delivery, ended_at=min(delivery.ended_at, now)))
        for zone_id, run in tables.unbooked_runs.items():
            tables.unbooked_runs.put(zone_id, Run(min(run.ended_at, now), run.duration_s))
        _bring_back_orders(tables, now)
        _bring_back_commands(tables, now, life)


def _forget(tables: Tables, now: int, soon: int) -> None:
    rows: list[tuple[Table[Any, Any], Any, bool]] = [
        *((tables.samples, key, key.measured_at > now + soon) for key, _ in tables.samples.items()),
        *((tables.weather, key, key.measured_at > now + soon) for key, _ in tables.weather.items()),
        *((tables.hours, key, key[1] > now) for key, _ in tables.hours.items()),
        *((tables.moments, key, key[1] > now) for key, _ in tables.moments.items()),
        *((tables.statuses, key, key[1] > now) for key, _ in tables.statuses.items()),
    ]
    for table, key, is_ahead in rows:
        if is_ahead:
            table.remove(key)


def _bring_back_orders(tables: Tables, now: int) -> None:
    for key, hold in tables.holds.items():
        if hold.since > now:
            until = hold.until if hold.kind != "close" or hold.until is None else now + hold.until - hold.since
            tables.holds.put(key, replace(hold, since=now, until=until))
    for order_id, order in tables.orders.items():
        if order.ended_at is not None and order.ended_at > now:
            tables.orders.put(order_id, replace(order, ended_at=now))


def _bring_back_commands(tables: Tables, now: int, life: int) -> None:
    for command_id, entry in tables.commands.items():
        if entry.closed_at is not None and entry.closed_at > now:
            entry = replace(entry, closed_at=now)  # noqa: PLW2901  # the row as it is from here on
        message = json.loads(entry.text)
        if entry.give_up_at is not None and message["issued_at"] > now and message["action"] in _GIVEN_UP:
            entry = replace(entry, give_up_at=now + life + (message.get("duration_s") or 0))  # noqa: PLW2901  # the same
        tables.commands.put(command_id, entry)
