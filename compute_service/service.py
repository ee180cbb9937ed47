"""The compute service: hears the gateways, keeps the zones, decides, commands, and settles on the ack.

Three entries, all behind one lock: `handle` (from the MQTT client's thread), `tick` (from the main loop or the field
clock) and the PUBACKs. A message is completely handled, and committed, when `handle` returns: only then may it be
acknowledged to the broker. A command is on the disk before it is published, so a crash repeats it with the same
command_id, which the gateway knows how to ignore, and never doubles it.
"""

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agronomy.units import DAY_S
from compute_service import commands, events, fallback, held_plans, journal, settings
from compute_service.alarms import AlarmWatch
from compute_service.domain.alarms import Identity
from compute_service.domain.decide import FUTURE_S
from compute_service.domain.forecast import Forecast
from compute_service.domain.gateway_status import latched
from compute_service.domain.hourly_weather import GatewayWeather
from compute_service.domain.inputs import config_text
from compute_service.domain.orders import (
    CLEAR,
    EXPIRED,
    REFUSED,
    SETTINGS,
    UNDER_WAY,
    WAITING,
    ManualRun,
    Order,
    in_force,
    overtaken,
)
from compute_service.domain.ports import CommandRow, Store, UpdateRow
from compute_service.domain.zone import Config
from compute_service.errors import ComputeError
from compute_service.farm_weather import FarmWeather
from compute_service.gateway_reports import GatewayReports
from compute_service.orders import Orders, why_not
from compute_service.rate_limits import RATE_PER_S, RateLimits
from compute_service.readings import Readings
from compute_service.refusals import Refusals
from compute_service.retention import RETENTION, Retention, shorten
from compute_service.settings import Change
from compute_service.steady_clock import SteadyClock
from compute_service.untrusted_reports import claimed_by, one_line
from compute_service.zone_models import ZoneModels
from protocol import messages, topics
from protocol.errors import ProtocolError

if TYPE_CHECKING:
    from protocol.events import Event
    from protocol.messages import Ack, Command, Diagnostics, ErrorReport, Reading, Status, Update

LEAP_S = 2 * DAY_S

log = logging.getLogger(__name__)

Publish = Callable[[str, bytes, Callable[[], None]], None]
Record = Callable[["Event"], None]


class _RefusedError(ComputeError):
    """A message that is well formed, and still none to take: whose it is, what, and why not."""

    def __init__(self, thing: str, what: str, why: str) -> None:
        super().__init__(f"{what} of {thing}: {why}")
        self.thing, self.what, self.why = thing, what, why


class Service:
    """All of it. `store` is there for the service alone, as far as it writes.

    `publish(topic, payload, on_acked)` sends with QoS 1; `clock_now` is field time, in Unix s; nobody sets `elapsed` s.

    `forecast` gives the newest there is, at once; without one the service goes by what is measured. `free_bytes` are
    those of the disk that the store is on, `identities` the certificates that the service itself goes by.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # a service's whole surroundings
        self,
        config: Config,
        store: Store,
        publish: Publish,
        clock_now: Callable[[], int],
        record: Record,
        forecast: Callable[[], Forecast | None] = lambda: None,
        free_bytes: Callable[[], int | None] = lambda: None,
        retention: Retention = RETENTION,
        elapsed: Callable[[], float] | None = None,
        identities: Callable[[], Sequence[Identity]] = tuple,
    ) -> None:
        self._store = store
        self._publish = publish
        self._clock = SteadyClock(clock_now, elapsed)
        self._now = self._clock.now
        self._record = record
        self._forecast, self._free_bytes, self._retention = forecast, free_bytes, retention
        self._identities = identities
        self._plan_runs = fallback.PlanRuns(store)
        self._reports = GatewayReports(store, record, self._note, self._refuse)
        self._stops = commands.StopRepeats(store.commands)
        self._go_by(config)
        self._refusals = Refusals(store.updates.count, record)
        self._un_acked: set[str] = set()
        self._rates = RateLimits()
        self._newest_id = (0, 0)  # the second of the last id, and how many it had before
        self._shortened_on = 0  # the day on which the journal was last shortened
        self._ticked_at = 0
        self._tells_plans = ""  # the gateway whose status, that is being taken in, names fallback plans
        self._lock = threading.RLock()

    def _go_by(self, config: Config) -> None:
        self._config = config
        self._zones = {zone.zone_id: zone for zone in config.zones}
        self._zone_models = ZoneModels(config, self._store)
        self._orders = Orders(self._store, config, lambda: self._new_id(self._now()))
        self._weather = FarmWeather(config, self._store.zones, self._forecast, self._store.updates.count, self._refuse)
        self._alarms = AlarmWatch(config, self._store, self._forecast, self._free_bytes, self._identities)
        self._readings = Readings(config, self._store, self._zone_models, self._weather, self._alarms)
        self._gateways = config.gateway_ids
        self._former = held_plans.former_gateways(self._store, config)
        self._reports.go_by(self._zones, self._alarms)

    def take_settings(self, change: Change) -> None:
        """Go by the settings of a file that was changed, as after a restart; one with a mistake is told of only."""
        with self._lock, self._store.transaction():
            if change.config is None:
                log.error("the settings stay as they were: %s", one_line("; ".join(change.mistakes)))
            else:
                log.info("the settings were changed; zones: %d", len(change.config.zones))
                self._go_by(change.config)
                self._store.updates.save_config(config_text(change.config))
                self._alarms.start(self._now())
            self._alarms.hear_settings(change.mistakes)
            self._note("settings", None, None, change.to_note())
            settings.settle(self._store, change, self._now())
        with self._lock:
            self._end_unwanted_plans(self._now())

    def start(self, first: Change | None = None) -> None:
        """Take up again after a stop or a crash: give up what is over, publish the rest again, unchanged.

        `first`: the settings that the service begins with, so that the orders that asked for them come to their end.
        """
        with self._lock:
            if beat := self._store.journal.last_beat():
                self._clock.not_before(beat.at)
            self._store.updates.save_config(config_text(self._config))
            self._alarms.start(self._now())
            if first:
                self._alarms.hear_settings(first.mistakes)
                settings.settle(self._store, first, self._now())
            self._reports.start()
            self._give_up(self._now())
            for stop in commands.unanswered_stops(self._store.commands):
                self._tell_command(stop.message)
                self._send_command(stop.message)
            self._take_orders(self._now())  # a stop that waited comes before what it stops
            holds = self._store.orders.holds()
            for command in self._store.commands.in_states("pending"):
                is_late = command.message["expires_at"] <= self._now() or in_force(holds, command.zone_id, self._now())
                if self._is_to_say_again(command, bool(is_late)):
                    self._tell_command(command.message)  # the crash may have come between the store and the record
                    self._send_command(command.message)
            self._end_unwanted_plans(self._now())
            for update in self._store.updates.in_states("pending"):
                self._send_update(update)

    def handle(self, topic: str, payload: bytes) -> None:
        """Take in one message, completely. If anything is wrong with it nothing changes; it is counted and told."""
        with self._lock:
            self._tells_plans = ""
            self._handle(topic, payload)
            if self._tells_plans:
                self._end_unwanted_plans(self._now(), self._tells_plans)

    def _handle(self, topic: str, payload: bytes) -> None:
        with self._store.transaction():
            if not self._rates.take(claimed_by(topic), self._now()):
                self._store.updates.count("messages_over_rate")
                self._refuse(claimed_by(topic), "flood", f"more than {RATE_PER_S} messages a second are dropped")
                return
            try:
                self._take(topic, *messages.decode(topic, payload))
            except ProtocolError as error:
                self._readings.hear_percent(topic, payload, error, self._now())
                self._refuse(claimed_by(topic), topic, str(error))
            except _RefusedError as refusal:
                self._refuse(refusal.thing, refusal.what, refusal.why)

    def set_aside(self, topic: str, payload: bytes) -> None:
        """A publish that the broker hangs up at is given up: it is counted and told; a stop is said again later."""
        with self._lock, self._store.transaction():
            message: Mapping[str, Any] = messages.decode(topic, payload)[1]
            self._un_acked.discard(message.get("command_id") or message["update_id"])
            self._store.updates.count("publishes_set_aside")
            self._refuse(claimed_by(topic), f"publish to {topic}", "the broker hangs up at it; does a policy deny it?")

    def tick(self) -> None:
        """Do what is due: decide about zones with new samples, give up commands, publish queued updates."""
        with self._lock:
            if (back_at := self._clock.went_back()) is not None:
                self._bring_back(back_at)
            now = self._now()
            self._give_up(now)
            self._take_orders(now)
            due = [zone_id for zone_id, at in self._store.zones.due().items() if at <= now]
            zone_ids = self._zone_models.in_turn(due)
            weather = self._weather.until(now, self._zone_models.weather_begins(zone_ids, now))
            for zone_id in zone_ids:
                self._decide(zone_id, weather, now)
            for update in self._store.updates.in_states("queued"):
                self._send_update(update)
            is_steady, self._ticked_at = now - self._ticked_at <= LEAP_S, now  # what is forgotten never comes back
            if is_steady and self._shortened_on != now // DAY_S:
                self._shortened_on = now // DAY_S
                shorten(self._store, self._retention, now)
                self._alarms.forget(now)
            self._alarms.look(now)

    def _bring_back(self, now: int) -> None:
        """The clock was ahead of this time: nothing may wait for that future, or have happened there."""
        log.warning("the clock was ahead and has gone back; what was written meanwhile counts as of now")
        with self._store.transaction(durable=True):
            self._store.bring_back(now, FUTURE_S, commands.LIFE_S + commands.ACK_GRACE_S)
            self._store.updates.count("clock_went_back")
        self._go_by(self._config)
        self._zone_models.bring_back(now)
        self._alarms.start(now)

    def give_up(self) -> None:
        """Close the commands that nobody can answer any more; `tick` does so too, before it decides."""
        with self._lock:
            self._give_up(self._now())

    def update(self, device_id: str, settings: Mapping[str, int]) -> str:
        """Publish settings to a gateway or a group such as `all`; returns the update_id."""
        with self._lock:
            update_id = self._new_id(self._now())
            self._store.updates.add(update_id, device_id, settings)
            self._send_update(
                {"update_id": update_id, "device_id": device_id, "settings": dict(settings), "state": "queued"}
            )
            return update_id

    def next_due(self) -> int | None:
        """When `tick` should run next, in field time; None while there is nothing to wait for."""
        waits = [row.give_up_at for row in self._store.commands.open()]
        return min((at for at in (*self._store.zones.due().values(), *waits) if at is not None), default=None)

    def idle(self) -> bool:
        """True if no publish waits for its PUBACK and nothing is being handled; never blocks."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            return not self._un_acked
        finally:
            self._lock.release()

    # what arrives: each handler checks everything before it changes anything

    def _take(self, topic: str, kind: str, message: Mapping[str, Any]) -> None:
        route = ROUTES.get(kind)
        if route is None:
            thing = message.get("device_id") or message.get("gateway_id") or claimed_by(topic)
            raise _RefusedError(thing, kind, "is nothing that a gateway may send to this service")
        is_former = message["gateway_id"] in self._former and kind in OF_A_FORMER and topic not in topics.UNPROVEN
        if not is_former and message["gateway_id"] not in self._gateways:
            raise _RefusedError(message["gateway_id"], kind, "is from no gateway of this farm")
        now = self._now()
        if topic in topics.UNPROVEN:
            self._reports.unproven(topic, kind, message, now)
            return
        route(self, message, now)
        self._alarms.hear(message["gateway_id"], now)
        if kind in PROOFS:
            self._reports.speaks(message["gateway_id"], now)
            self._say_stops(message["gateway_id"], now)
        self._store.updates.count(f"{kind}_messages")

    def _reading(self, message: "Reading", now: int) -> None:
        if why := self._readings.hear(message, now):
            raise _RefusedError(message["sensor_id"], "reading", why)
        self._reports.hear_battery(message, now)

    def _ack(self, ack: "Ack", now: int) -> None:
        run = self._plan_runs.hear(self._zones, ack, now)
        command, ack = run or (self._store.commands.get(ack["command_id"]), ack)
        if command is None or not commands.answers(ack, command):
            raise _RefusedError(ack["gateway_id"], "ack", f"answers no command of ours: {ack['command_id']}")
        self._record(events.ack(ack, now))
        if ack["code"] == "stale_epoch":
            self._reports.stale(command, ack, now)
        if not commands.acknowledge(self._store.commands, self._store.zones, command, ack, now):
            self._store.updates.count("acks_without_effect")
            return
        if run and ack["state"] in commands.SETTLED:
            self._plan_runs.settled(self._zones, command, ack, now)
        self._reports.hear_latch(command, ack, now)
        self._reports.hear_plan_end(command, ack, now)
        self._note("ack", command.zone_id, command.gateway_id, journal.ack(ack, command))
        self._orders.settle(now)

    def _status(self, status: "Status", now: int) -> None:
        if status["gateway_id"] in self._gateways:
            self._reports.status(status, now)
        else:
            self._reports.former(status, now)
        if status["state"] == "online":
            self._tells_plans = status["gateway_id"] if status.get("fallback_days") else ""
            self._say_stops(status["gateway_id"], now, is_new_connection=True)

    def _say_stops(self, gateway_id: str, now: int, is_new_connection: bool = False) -> None:
        for stop in self._stops.due(gateway_id, now, is_new_connection):
            self._send_command(stop.message)

    def _error(self, report: "ErrorReport", now: int) -> None:
        self._reports.error(report, now)

    def _diagnostics(self, report: "Diagnostics", _now: int) -> None:
        log.debug("%s: %s", report["gateway_id"], report["counters"])

    def _refuse(self, thing: str, what: str, why: str) -> None:
        self._refusals.tell(thing, what, why, self._now())

    # what follows

    def _take_orders(self, now: int) -> None:
        rows = self._store.orders.open()
        waiting = [row.order for row in rows if row.state == WAITING and row.order.action != SETTINGS]
        is_doubtful = self._clock.stands_still()  # nobody knows then how old an order is
        for number, order in enumerate(waiting, 1):
            if not (order.action == "open" and is_doubtful):
                self._take_order(order, waiting[number:], now)

    def _take_order(self, order: Order, later: Sequence[Order], now: int) -> None:
        """Obey an order, or say why not; both are on the disk before anything is sent."""
        to_send: list[Command] = []
        is_late = order.is_late(now)
        why = overtaken(order, later) or why_not(self._store, self._config, order, now)
        with self._store.transaction(durable=True):
            if is_late:
                self._orders.move(order, EXPIRED, now, reason="the service had no time for it before it was too late")
            elif why:
                self._orders.move(order, REFUSED, now, reason=why)
            elif order.action != "open":
                to_send = self._orders.obey(order, now)
                for command in to_send:
                    self._note("command", command["zone_id"], command["device_id"], journal.command(command))
        for command in to_send:
            self._tell_command(command)
            self._send_command(command)
        if order.action == "open" and order.zone_id is not None and not (is_late or why):
            weather = self._weather.until(now, self._zone_models.weather_begins([order.zone_id], now))
            self._decide(order.zone_id, weather, now, order)

    def _decide(
        self, zone_id: str, weather: Mapping[str, GatewayWeather], now: int, order: Order | None = None
    ) -> None:
        zone = self._zones.get(zone_id)
        if zone is None:  # since then removed from the zones file
            self._store.zones.forget(zone_id)
            return
        manual = ManualRun(order.order_id, order.by, order.duration_s, order.volume_l) if order else None
        status = self._reports.newest(zone.gateway_id)
        work = self._zone_models.next_decision(zone, weather[zone.gateway_id], now, manual, latched(status))
        decision, row, decision_id = work.decision, work.decision.to_json(), self._new_id(now)
        may_command = decision.intent is not None or order is not None or zone.fallback is not None
        with self._store.transaction(durable=may_command):
            command = commands.remember(self._store.commands, zone, decision, decision_id, self._new_id(now))
            if command is None and order is None:
                command = fallback.offer(
                    self._store, self._config, zone, decision, decision_id, status, lambda: self._new_id(now)
                )
            run_id = command["command_id"] if command and decision.intent else None
            self._store.decisions.add(decision_id, row, run_id, work.inputs)
            self._zone_models.keep(work)
            self._store.journal.add_moment(journal.moment(work))
            self._store.updates.count(f"decisions_{journal.kept_back_by(decision)}")
            self._note("decision", zone_id, zone.gateway_id, {"decision_id": decision_id})
            if command:
                self._note("command", zone_id, zone.gateway_id, journal.command(command))
            if order and command:
                self._orders.move(order, UNDER_WAY, now, command_ids=[command["command_id"]])
            elif order:
                self._orders.move(order, REFUSED, now, reason=decision.sentence)
        self._zone_models.remember(work)
        self._alarms.decide(work)
        self._record(events.decision(decision_id, row))
        if command:
            self._tell_command(command)
            self._send_command(command)

    def _note(self, kind: str, zone_id: str | None, gateway_id: str | None, body: Mapping[str, Any]) -> None:
        """Into the journal, in the transaction of the change."""
        now = self._now()
        self._store.journal.add(now, kind, zone_id, gateway_id, body)
        self._alarms.hear_note(kind, zone_id, gateway_id, body, now)

    def _is_to_say_again(self, command: CommandRow, is_late: bool) -> bool:
        """After a crash: is a command that was remembered, and perhaps never published, still wanted?"""
        if command.message["action"] == CLEAR:
            return command.message["expires_at"] > self._now()
        if is_late or latched(self._reports.newest(command.gateway_id)):
            return False
        return commands.opens(command) or (commands.plans(command) and fallback.is_wanted(command, self._zones))

    def _end_unwanted_plans(self, now: int, gateway_id: str | None = None) -> None:
        """Plans that nobody wants are deleted on their boards: those that one gateway names, or all."""
        with self._store.transaction(durable=True):
            closes = held_plans.end_unwanted(
                self._store, self._config, now, lambda: self._new_id(now), gateway_id=gateway_id
            )
            for command in closes:
                self._note("command", command["zone_id"], command["device_id"], journal.command(command))
        for command in closes:
            self._tell_command(command)
            self._send_command(command)

    def _give_up(self, now: int) -> None:
        with self._store.transaction():
            for command in commands.give_up(self._store.commands, self._store.zones, now):
                log.warning("command %s for %s was never answered", command.command_id, command.zone_id)
                self._note("ack", command.zone_id, command.gateway_id, journal.no_ack(command))
                self._orders.settle(now)

    def _tell_command(self, command: "Command") -> None:
        self._record(events.command(command))

    def _send_command(self, command: "Command") -> None:
        command_id = command["command_id"]
        self._stops.sent(command, self._now())
        payload = messages.encode("command", command)
        topic = topics.command(command["device_id"])
        self._send(command_id, topic, payload, lambda: commands.on_puback(self._store.commands, command_id))

    def _send_update(self, row: UpdateRow) -> None:
        update_id = row["update_id"]
        update: Update = {
            "update_id": update_id,
            "device_id": row["device_id"],
            "settings": row["settings"],
            "issued_at": self._now(),
        }
        payload = messages.encode("update", update)
        self._store.updates.move(update_id, "pending")
        self._send(update_id, topics.updates(), payload, lambda: self._store.updates.move(update_id, "sent"))

    def _send(self, message_id: str, topic: str, payload: bytes, remember_sent: Callable[[], None]) -> None:
        self._un_acked.add(message_id)

        def acked() -> None:
            with self._lock, self._store.transaction():
                remember_sent()
                self._un_acked.discard(message_id)

        self._publish(topic, payload, acked)

    def _new_id(self, now: int) -> str:
        """Ids of one second sort in the order in which they were made: `replay` goes by it."""
        second, count = self._newest_id
        self._newest_id = (now, count + 1 if now == second else 0)
        return commands.ulid(now, self._newest_id[1].to_bytes(3, "big") + os.urandom(7))


OF_A_FORMER = ("status", "ack")  # what is heard of a gateway that is no more of the farm: it may hold a plan
PROOFS = ("reading", "ack")  # what a gateway sends while it is at work

# What gateways send, and who takes it; anything else that arrives is refused.
ROUTES: dict[str, Callable[[Service, Any, int], None]] = {
    "reading": Service._reading,
    "ack": Service._ack,
    "status": Service._status,
    "error": Service._error,
    "diagnostics": Service._diagnostics,
}
