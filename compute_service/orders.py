"""Orders of people, from a shell, a page or a bridge: written down here, obeyed by the running service, once.

`give` is for whoever takes an order from a person; `obey` and `settle` are the service's. Both hold an order to the
same rules, so that a person hears at once what the service would refuse.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from checked_yaml.checks import did_you_mean
from compute_service import commands, held_plans
from compute_service.domain.constraints import MIN_RUN_S
from compute_service.domain.gateway_status import latched
from compute_service.domain.orders import (
    ACTIONS,
    CLEAR,
    CLOSE,
    DONE,
    PAUSE,
    REFUSED,
    STOP,
    UNDER_WAY,
    Hold,
    Order,
    OrderRow,
    clock,
    end_of_day,
    hold_check,
    in_force,
)
from compute_service.domain.ports import Beat, CommandRow, GatewayRow, Store
from compute_service.domain.zone import Config, Zone
from compute_service.errors import OrderError

if TYPE_CHECKING:
    from protocol.messages import Command

MOST_ZONES = 64  # of one board, in a clear
SILENT_S = 15  # of the world's seconds without a beat, after which the service is taken for stopped


def service_now(beat: Beat | None, wall_s: float) -> int:
    """The service's time now (Unix s): the world's own, where it never lived or is not in a hurry."""
    return int(wall_s if beat is None else beat.at + (wall_s - beat.wall_s) * beat.speed)


def is_serving(beat: Beat | None, wall_s: float) -> bool:
    """Does the service live?"""
    return beat is not None and wall_s - beat.wall_s <= SILENT_S


def new_order_id(now: int) -> str:
    """An id for an order that is given now."""
    return commands.ulid(now, os.urandom(10))


def give(store: Store, config: Config, order: Order) -> OrderRow:
    """Write an order down. One that was given under the same key is that order, and is not given twice.

    Raises OrderError, and changes nothing, if the service would refuse it as it stands.
    """
    with store.transaction(durable=True):
        before = store.orders.of_key(order.key) if order.key else None
        if before:
            return before
        if why := why_not(store, config, order, order.at):
            raise OrderError(why)
        store.orders.add(order)
        note(store, OrderRow(order=order), order.at)
    row = store.orders.get(order.order_id)
    assert row is not None
    return row


def why_not(store: Store, config: Config, order: Order, now: int) -> str | None:
    """Why an order cannot be obeyed, in a sentence that says what could; None if it can, as far as one can see."""
    zones = {zone.zone_id: zone for zone in config.zones}
    zone, names = zones.get(order.zone_id or ""), ", ".join(zones)
    rules = (
        (order.action not in ACTIONS, f"{order.action!r} is no order; there are {', '.join(ACTIONS)}"),
        (
            order.zone_id is not None and zone is None,
            f"this farm has no zone {order.zone_id!r}{did_you_mean(order.zone_id or '', zones)}; it has {names}",
        ),
        (order.action in {CLOSE, "open", CLEAR} and zone is None, f"{order.action} wants a zone; there are {names}"),
        (
            order.action == STOP and zone is not None,
            f"stop is for the whole farm; `close {order.zone_id}` ends one zone's run, and holds it",
        ),
        (
            order.action == PAUSE and (order.until is None or order.until <= now),
            "a pause wants the time at which it ends, and it must be to come",
        ),
    )
    why = next((why for is_so, why in rules if is_so), None)
    if why is None and order.action == "open" and zone is not None:
        return _why_not_open(store, zone, order, now)
    if why is None and order.action == CLEAR and zone is not None:
        return _why_not_clear(store, zone)
    return why


def _why_not_open(store: Store, zone: Zone, order: Order, now: int) -> str | None:
    most_s, seconds, litres = zone.max_run_s, order.duration_s, order.volume_l
    run_s = seconds if seconds is not None else (litres or 0) / zone.flow_l_min * 60
    rules = (
        (seconds is None and litres is None, "an open wants minutes or litres: no valve opens without a bound"),
        (litres is not None and litres <= 0, f"{litres} litres: want more than 0"),
        (
            seconds is not None and seconds < MIN_RUN_S,
            f"{run_s:.0f} s is shorter than the shortest run of {MIN_RUN_S} s",
        ),
        (
            run_s > most_s,
            f"{zone.zone_id} may run {most_s / 60:g} min at most in one go, and this would take {run_s / 60:.0f}",
        ),
    )
    why = next((why for is_so, why in rules if is_so), None)
    if why is None and (holds := in_force(store.orders.holds(), zone.zone_id, now)):
        why = f"{zone.zone_id} gets no water: {hold_check(holds[0], zone.timezone).why}"
    if why is None and (names := ", ".join(latched(_status(store, zone)))):
        why = (
            f"{zone.gateway_id} saw water where none should flow, at {names}, and opens nothing;"
            f" look there, then `clear {zone.zone_id}`"
        )
    if why is None and (since := _away_since(store, zone)):
        why = f"{zone.gateway_id} is offline since {since}, and an open never starts late; order it when it is back"
    return why


def _why_not_clear(store: Store, zone: Zone) -> str | None:
    if not latched(_status(store, zone)):
        return f"{zone.gateway_id} has told of no leak that keeps its valves shut, so there is nothing to clear"
    if since := _away_since(store, zone):
        return f"{zone.gateway_id} is offline since {since}, and a clear never starts late; order it when it is back"
    return None


def _away_since(store: Store, zone: Zone) -> str | None:
    row = _row(store, zone)
    return clock(row["heard_at"] or row["at"], zone.timezone) if row and row["state"] == "offline" else None


def _row(store: Store, zone: Zone) -> GatewayRow | None:
    return next((row for row in store.updates.gateways() if row["gateway_id"] == zone.gateway_id), None)


def _status(store: Store, zone: Zone) -> Mapping[str, Any]:
    row = _row(store, zone)
    return row["status"] if row else {}


@dataclass(frozen=True)
class Orders:
    """The service's side: what an order changes, and when it is at its end, inside the caller's transaction."""

    store: Store
    config: Config
    new_id: Callable[[], str]

    def obey(self, order: Order, now: int) -> list["Command"]:
        """Do what an order other than `open` asks for; gives the commands to send."""
        messages = _OBEY[order.action](self, order, now)
        if messages:
            self.move(order, UNDER_WAY, now, command_ids=[message["command_id"] for message in messages])
            self.settle(now)
        else:
            self.move(order, DONE, now, reason=self._still_held(order, now))
        return messages

    def _still_held(self, order: Order, now: int) -> str:
        """What a person who resumes a zone, or pauses it for less than it is, should hear."""
        holds = in_force(self.store.orders.holds(), order.zone_id, now)
        others = [hold for hold in holds if hold.order_id != order.order_id]
        if order.action == PAUSE:
            others = [hold for hold in others if (hold.kind, hold.zone_id) == (PAUSE, order.zone_id)]
        return "; ".join(f"still held: {hold_check(hold, self.config.timezone).why}" for hold in others)

    def move(self, order: Order, state: str, now: int, *, reason: str = "", command_ids: Iterable[str] = ()) -> None:
        """The order is in another state."""
        ids = tuple(command_ids)
        ended_at = None if state == UNDER_WAY else now
        self.store.orders.move(order.order_id, state, reason=reason, ended_at=ended_at, command_ids=ids)
        note(self.store, OrderRow(order=order, state=state, reason=reason, ended_at=ended_at, command_ids=ids), now)

    def settle(self, now: int) -> None:
        """End the orders whose commands have all come to theirs."""
        for row in self.store.orders.open():
            if row.state != UNDER_WAY:
                continue
            ended = [command for name in row.command_ids if (command := self.store.commands.get(name))]
            if all(command.give_up_at is None for command in ended):
                reasons = [why for command in ended if (why := _why_not_done(command))]
                self.move(
                    row.order,
                    REFUSED if reasons else DONE,
                    now,
                    reason="; ".join(reasons),
                    command_ids=row.command_ids,
                )

    def _stop(self, order: Order, now: int) -> list["Command"]:
        self._hold(STOP, None, None, order, now)
        for name in {zone.gateway_id for zone in self.config.zones}:
            held_plans.forget_plans(self.store, name, now)
        under_way = {row.gateway_id: row for row in self._stops() if row.zone_id is None}
        gateways = sorted({zone.gateway_id for zone in self.config.zones})
        return [
            under_way[name].message if name in under_way else self._remember(name, None, order, now)
            for name in gateways
        ]

    def _close(self, order: Order, now: int) -> list["Command"]:
        zone = self._zone(order)
        self._hold(CLOSE, zone.zone_id, end_of_day(now, zone.timezone), order, now)
        return [self._close_zone(zone, order, now)]

    def _pause(self, order: Order, now: int) -> list["Command"]:
        """What runs there is closed first: people walk in. So is what its board might water by without the cloud."""
        self._hold(PAUSE, order.zone_id, order.until, order, now)
        zones = self.config.zones if order.zone_id is None else (self._zone(order),)
        running = self._running(now) | held_plans.zones_with_plans(self.store, now)
        return [self._close_zone(zone, order, now) for zone in zones if zone.zone_id in running]

    def _resume(self, order: Order, now: int) -> list["Command"]:
        kinds = (STOP, PAUSE) if order.zone_id is None else (CLOSE, PAUSE)
        for hold in self.store.orders.release(kinds, order.zone_id):
            self.store.journal.add(now, "release", hold.zone_id, None, {**asdict(hold), "released_by": order.by})
        for row in self._stops():
            if row.command_id in self._waited_for_at(order.zone_id):
                commands.withdraw(self.store.commands, row, now)
        self.settle(now)
        return []

    def _clear(self, order: Order, now: int) -> list["Command"]:
        """One command for the whole gateway of a zone, with an epoch for each zone that the board or the farm knows."""
        zone, log = self._zone(order), self.store.commands
        by_board = _status(self.store, zone).get("epochs") or {}  # also of zones that the farm has moved elsewhere
        own = [one.zone_id for one in self.config.zones if one.gateway_id == zone.gateway_id]
        others = [name for name in by_board if name not in own][: max(0, MOST_ZONES - len(own))]
        epochs = tuple(
            {name: min(by_board.get(name, 0), commands.MOST_EPOCH) for name in part} for part in (own, others)
        )
        return [commands.remember_clear(log, zone.gateway_id, (epochs[0], epochs[1]), order.by, now, self.new_id())]

    def _waited_for_at(self, zone_id: str | None) -> set[str]:
        """The commands that the orders of a place alone wait for: a paused farm closed its zones one by one."""
        rows = [row for row in self.store.orders.open() if row.state == UNDER_WAY]
        own = {name for row in rows if row.order.zone_id == zone_id for name in row.command_ids}
        return own - {name for row in rows if row.order.zone_id != zone_id for name in row.command_ids}

    def _running(self, now: int) -> set[str]:
        """The zones whose valve is, or may be, or is said to be open."""
        rows = self.store.commands.open()
        rows += [row for row in self.store.commands.in_states("expired") if commands.may_be_open(row, now)]
        zone_ids = {row.zone_id for row in rows if commands.opens(row) and row.zone_id}
        open_valves = {
            zone_id for row in self.store.updates.gateways() for zone_id in row["status"].get("open_valves") or ()
        }
        return zone_ids | open_valves

    def _close_zone(self, zone: Zone, order: Order, now: int) -> "Command":
        """A person hears of their own close alone: one that ends a plan, or is for another board, is none of it."""
        place = (zone.gateway_id, zone.zone_id)
        stops = (row for row in self._stops() if not commands.ends_a_plan(row))
        before = next((row for row in stops if (row.gateway_id, row.zone_id) == place), None)
        return before.message if before else self._remember(zone.gateway_id, zone.zone_id, order, now)

    def _stops(self) -> list[CommandRow]:
        return commands.unanswered_stops(self.store.commands)

    def _remember(self, gateway_id: str, zone_id: str | None, order: Order, now: int) -> "Command":
        return commands.remember_stop(self.store.commands, gateway_id, zone_id, order.by, now, self.new_id())

    def _hold(self, kind: str, zone_id: str | None, until: int | None, order: Order, now: int) -> None:
        hold = Hold(
            kind=kind, zone_id=zone_id, since=now, until=until, by=order.by, order_id=order.order_id, why=order.why
        )
        self.store.orders.hold(hold)
        self.store.journal.add(now, "hold", zone_id, None, asdict(hold))

    def _zone(self, order: Order) -> Zone:
        return next(zone for zone in self.config.zones if zone.zone_id == order.zone_id)


_OBEY: Mapping[str, Callable[[Orders, Order, int], list["Command"]]] = {
    STOP: Orders._stop,
    CLOSE: Orders._close,
    PAUSE: Orders._pause,
    "resume": Orders._resume,
    CLEAR: Orders._clear,
}


def _why_not_done(command: CommandRow) -> str:
    """Why a command did not do what was ordered; empty if it did."""
    if command.state == "done":
        return ""
    place = command.zone_id or command.gateway_id
    if command.state == "withdrawn":
        return f"{place}: somebody resumed before the gateway had answered"
    if command.state == "expired":
        return f"{place}: the gateway never said how it ended"
    return f"{place}: the gateway answered {command.state}{f' ({command.code})' if command.code else ''}"


def note(store: Store, row: OrderRow, now: int) -> None:
    """An order is in a state: into the journal."""
    order = row.order
    body = {
        "order_id": order.order_id,
        "action": order.action,
        "by": order.by,
        "via": order.via,
        "duration_s": order.duration_s,
        "volume_l": order.volume_l,
        "until": order.until,
        "why": order.why,
        "state": row.state,
        "reason": row.reason,
    }
    store.journal.add(now, "order", order.zone_id, None, body)
