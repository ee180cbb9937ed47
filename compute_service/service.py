"""The compute service: hears the gateways, keeps the zones, decides, commands, and settles on the ack.

Three entries, all behind one lock: `handle` (from the MQTT client's thread), `tick` (from the main loop or the field
clock) and the PUBACKs. A message is completely handled, and committed, when `handle` returns: only then may it be
acknowledged to the broker. A command is on the disk before it is published, so a crash repeats it with the same
command_id, which the gateway knows how to ignore, and never doubles it.
"""

import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from compute_service import commands, untrusted_reports
from compute_service.adapters.sqlite import CommandRow, Message, Store
from compute_service.domain.decide import FUTURE_S
from compute_service.domain.forecast import Forecast
from compute_service.domain.hourly_weather import GatewayWeather
from compute_service.domain.zone import Config, Zone
from compute_service.domain.zone_model import Sample
from compute_service.farm_weather import FarmWeather
from compute_service.zone_models import ZoneModels
from protocol import messages, topics
from protocol.errors import ProtocolError

DECIDE_AFTER_S = 10  # from a reading's arrival, so that all readings of the same moment are in
MANY = 1000  # refusals to remember; beyond it the oldest is forgotten, and told again when it comes again
LONGEST = 300  # characters of a stranger's text in one line of the log

log = logging.getLogger(__name__)

Publish = Callable[[str, bytes, Callable[[], None]], None]
Record = Callable[[dict[str, Any]], None]


class _RefusedError(Exception):
    """A message that is well formed, and still none to take: whose it is, what, and why not."""

    def __init__(self, thing: str, what: str, why: str) -> None:
        super().__init__(f"{what} of {thing}: {why}")
        self.thing, self.what, self.why = thing, what, why


class Service:
    """`publish(topic, payload, on_acked)` sends with QoS 1; `clock_now` is field time in Unix seconds.

    `forecast` gives the newest there is, at once; without one the service goes by what is measured.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # a service's whole surroundings
        self,
        config: Config,
        store: Store,
        publish: Publish,
        clock_now: Callable[[], int],
        record: Record,
        forecast: Callable[[], Forecast | None] = lambda: None,
    ) -> None:
        self._store = store
        self._publish = publish
        self._now = clock_now
        self._record = record
        self._zones = {zone.zone_id: zone for zone in config.zones}
        self._zone_of_sensor = {sensor_id: zone for zone in config.zones for sensor_id in zone.sensor_ids}
        self._zone_models = ZoneModels(config, store)
        self._weather = FarmWeather(config.site, store, forecast)
        self._gateways = {zone.gateway_id for zone in config.zones}
        self._told: dict[tuple[str, str], None] = {}  # refusals, the latest last
        self._heard: dict[str, tuple[str, str]] = {}  # of each gateway: its last state, its last boot
        self._un_acked: set[str] = set()
        self._lock = threading.RLock()

    def start(self) -> None:
        """Take up again after a stop or a crash: give up what is over, publish the rest again, unchanged."""
        with self._lock:
            self._give_up(self._now())
            for command in self._store.commands_in("pending"):
                if command.message["expires_at"] > self._now():
                    self._tell_command(command.message)  # the crash may have come between the store and the record
                    self._send_command(command.message)
            for update in self._store.updates_in("pending"):
                self._send_update(update)

    def handle(self, topic: str, payload: bytes) -> None:
        """Take in one message, completely. If anything is wrong with it nothing changes; it is counted and told."""
        with self._lock, self._store.transaction():
            try:
                self._take(*messages.decode(topic, payload))
            except ProtocolError as error:
                self._hear_percent(topic, payload, error)
                self._refuse(_claimed_by(topic), topic, str(error))
            except _RefusedError as refusal:
                self._refuse(refusal.thing, refusal.what, refusal.why)

    def tick(self) -> None:
        """Do what is due: decide about zones with new samples, give up commands, publish queued updates."""
        with self._lock:
            now = self._now()
            self._give_up(now)
            zone_ids = self._zone_models.in_turn(self._store.due_zones(now))
            weather = self._weather.until(now, self._zone_models.weather_begins(zone_ids, now))
            for zone_id in zone_ids:
                self._decide(zone_id, weather, now)
            for update in self._store.updates_in("queued"):
                self._send_update(update)

    def give_up(self) -> None:
        """Close the commands that nobody can answer any more; `tick` does so too, before it decides."""
        with self._lock:
            self._give_up(self._now())

    def update(self, device_id: str, settings: Mapping[str, int]) -> str:
        """Publish settings to a gateway or a group such as `all`; returns the update_id."""
        with self._lock:
            update_id = self._new_id(self._now())
            self._store.add_update(update_id, device_id, settings)
            self._send_update({"update_id": update_id, "device_id": device_id, "settings": settings})
            return update_id

    def next_due(self) -> int | None:
        """When `tick` should run next, in field time; None while there is nothing to wait for."""
        return self._store.next_due()

    def idle(self) -> bool:
        """True if no publish waits for its PUBACK and nothing is being handled; never blocks."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            return not self._un_acked
        finally:
            self._lock.release()

    def unanswered(self) -> int:
        """How many commands no ack has answered yet, and that are not given up."""
        return len(self._store.commands_in("pending", "sent"))

    # what arrives: each handler checks everything before it changes anything

    def _take(self, kind: str, message: Message) -> None:
        route = ROUTES.get(kind)
        if route is None:
            raise _RefusedError(message["device_id"], kind, "is for gateways, and none of them may send it")
        if message["gateway_id"] not in self._gateways:
            raise _RefusedError(message["gateway_id"], kind, "is from no gateway of this farm")
        route(self, message, self._now())
        self._store.count(f"{kind}_messages")

    def _reading(self, message: Message, now: int) -> None:
        zone = self._zone_of_sensor.get(message["sensor_id"])
        if zone is None and self._is_beside(message):
            self._hear_station(message, now)
            return
        if zone is None or message.get("zone_id") not in (None, zone.zone_id):
            why = f"is not the configured probe of {message.get('zone_id')}"
            raise _RefusedError(message["sensor_id"], "reading", why)
        for sample in message["samples"]:
            if self._is_usable(sample, now):
                if sample.get("vwc") is None:
                    self._store.count("samples_without_vwc")  # the probe's verdict will tell of it
                self._keep_sample(zone, message, sample, now + DECIDE_AFTER_S)

    def _is_beside(self, message: Message) -> bool:
        """Is it of no zone, or of a zone's flow meter or thermometer? Moisture of an unknown probe is neither."""
        zone = self._zones.get(message.get("zone_id", ""))
        of_its_own = zone is not None and zone.gateway_id == message["gateway_id"]
        return message.get("zone_id") is None or (of_its_own and not any("vwc" in one for one in message["samples"]))

    def _hear_station(self, message: Message, now: int) -> None:
        """A weather station serves the whole gateway, and decides nothing by itself."""
        heard = 0
        for sample in message["samples"]:
            quantities = untrusted_reports.weather(sample)
            if quantities and self._is_usable(sample, now):
                key = (sample["seq"], message["boot_id"])
                self._store.save_weather(message["gateway_id"], sample["measured_at"], key, quantities)
                heard += 1
        self._store.count("weather_readings" if heard else "readings_without_zone")

    def _is_usable(self, sample: Message, now: int) -> bool:
        flaws = {
            "samples_of_unsure_time": sample["clock"] != "synced",
            "samples_from_the_future": sample["measured_at"] > now + FUTURE_S,
        }
        flaw = next((name for name, found in flaws.items() if found), None)
        if flaw:
            self._store.count(flaw)
        return flaw is None

    def _keep_sample(self, zone: Zone, message: Message, sample: Message, due_at: int | None) -> None:
        """Keep what the zone's model has not heard; neither repeats nor the order of arrival change what is kept."""
        told = Sample(message["sensor_id"], sample["measured_at"], sample.get("vwc"))
        key = (sample["seq"], message["boot_id"])
        is_new = told.at > self._zone_models.heard_at(zone.zone_id, told.sensor_id)
        if not (is_new and self._store.save_sample(zone.zone_id, told, key, due_at)):
            self._store.count("readings_not_newer")

    def _hear_percent(self, topic: str, payload: bytes, error: ProtocolError) -> None:
        """A reading that is refused for a value above 1 still says what is wrong with its probe."""
        sensor_id, sample = untrusted_reports.in_percent(topic, payload, error)
        zone = self._zone_of_sensor.get(sensor_id)
        now = self._now()
        if zone and sample and self._is_usable(sample, now):
            message = {"sensor_id": sensor_id, "boot_id": untrusted_reports.NO_BOOT}
            self._keep_sample(zone, message, sample, now + DECIDE_AFTER_S)

    def _ack(self, ack: Message, now: int) -> None:
        command = self._store.command(ack["command_id"])
        if command is None or not _answers(ack, command):
            raise _RefusedError(ack["gateway_id"], "ack", f"answers no command of ours: {ack['command_id']}")
        self._record({**ack, "kind": "ack", "received_at": now})
        if not commands.acknowledge(self._store, command, ack, now):
            self._store.count("acks_without_effect")

    def _status(self, status: Message, now: int) -> None:
        gateway_id = status["gateway_id"]
        claims = status.get("epochs") or {}
        ours = {zone_id: claims[zone_id] for zone_id in claims if zone_id in self._zones}  # not every valve is used
        for zone_id, epoch in ours.items():
            if self._zones[zone_id].gateway_id != gateway_id or not commands.believable(self._store, zone_id, epoch):
                raise _RefusedError(gateway_id, "status", f"claims epoch {epoch} for {zone_id}")
        for zone_id, epoch in ours.items():
            commands.hear_epoch(self._store, zone_id, epoch)
        self._store.save_gateway(gateway_id, status["state"], status["at"])
        heard = (status["state"], status["boot_id"])
        if self._heard.get(gateway_id) != heard:  # a gateway that is gone, or back, or booted, is news
            self._heard[gateway_id] = heard
            told = {name: status.get(name) for name in ("gateway_id", "state", "boot_id", "reset_cause")}
            self._record({"at": now, "kind": "status", **told})

    def _error(self, report: Message, now: int) -> None:
        log.warning("%s reports %s: %s", report["gateway_id"], report["code"], _one_line(report["text"]))
        told = {name: report[name] for name in ("gateway_id", "boot_id", "code", "text")}
        self._record({"at": now, "kind": "error", **told})
        self._learn_from(report, now)

    def _learn_from(self, report: Message, now: int) -> None:
        """Anyone may write a report, so it is believed only as far as it cannot hurt: see `hearsay`."""
        at = min(report["at"], now)
        if held_back := untrusted_reports.held_back(report):
            sensor_id, vwc = held_back
            zone = self._zone_of_sensor.get(sensor_id)
            if zone and zone.gateway_id == report["gateway_id"]:
                sample = {"seq": 0, "measured_at": at, "vwc": vwc}
                self._keep_sample(zone, {"sensor_id": sensor_id, "boot_id": untrusted_reports.NO_BOOT}, sample, None)
        if unasked := untrusted_reports.unasked_water(report):
            zone = self._zones.get(unasked.zone_id)
            if zone and zone.gateway_id == report["gateway_id"]:
                water_id = f"{zone.zone_id}:{report['boot_id']}:{report['at']}"
                litres = min(unasked.litres, zone.flow_l_min * unasked.seconds / 60 * untrusted_reports.MOST_FLOW)
                self._store.add_water(water_id, zone.zone_id, at, litres, unasked.seconds, "manual")

    def _diagnostics(self, report: Message, _now: int) -> None:
        log.debug("%s: %s", report["gateway_id"], report["counters"])

    def _refuse(self, thing: str, what: str, why: str) -> None:
        self._store.count("refusals")
        told = (thing, what) in self._told
        self._told.pop((thing, what), None)
        self._told[thing, what] = None
        if len(self._told) > MANY:
            del self._told[next(iter(self._told))]
        if told:
            return
        log.warning("refused %s of %s: %s", _one_line(what), _one_line(thing), _one_line(why))
        event = {"at": self._now(), "kind": "refusal", "by": "compute", "thing": thing, "what": what, "why": why}
        self._record(event)

    # what follows

    def _decide(self, zone_id: str, weather: Mapping[str, GatewayWeather], now: int) -> None:
        zone = self._zones.get(zone_id)
        if zone is None:  # since then removed from the zones file
            self._store.forget_due(zone_id)
            self._store.forget_samples(zone_id)
            return
        work = self._zone_models.next_decision(zone, weather[zone.gateway_id], now)
        decision, told, decision_id = work.decision, work.decision.to_json(), self._new_id(now)
        with self._store.transaction(durable=decision.intent is not None):
            command = commands.remember(self._store, zone, decision, decision_id, self._new_id(now))
            self._store.add_decision(decision_id, told, command["command_id"] if command else None, work.inputs)
            self._zone_models.keep(work)
            self._store.forget_due(zone_id)
        self._zone_models.remember(work)
        self._record({"kind": "decision", "decision_id": decision_id, **told})
        if command:
            self._tell_command(command)
            self._send_command(command)

    def _give_up(self, now: int) -> None:
        with self._store.transaction():
            for command in commands.give_up(self._store, now):
                log.warning("command %s for %s was never answered", command.command_id, command.zone_id)

    def _tell_command(self, command: Message) -> None:
        self._record({"at": command["issued_at"], **command, "kind": "command"})

    def _send_command(self, command: Message) -> None:
        command_id = command["command_id"]
        payload = messages.encode("command", command)
        topic = topics.command(command["device_id"])
        self._send(command_id, topic, payload, lambda: commands.sent(self._store, command_id))

    def _send_update(self, update: Mapping[str, Any]) -> None:
        update_id = update["update_id"]
        fields = {key: update[key] for key in ("update_id", "device_id", "settings")}
        payload = messages.encode("update", {**fields, "issued_at": self._now()})
        self._store.move_update(update_id, "pending")
        self._send(update_id, topics.UPDATES, payload, lambda: self._store.move_update(update_id, "sent"))

    def _send(self, message_id: str, topic: str, payload: bytes, remember_sent: Callable[[], None]) -> None:
        self._un_acked.add(message_id)

        def acked() -> None:
            with self._lock, self._store.transaction():
                remember_sent()
                self._un_acked.discard(message_id)

        self._publish(topic, payload, acked)

    def _new_id(self, now: int) -> str:
        return commands.ulid(now, os.urandom(10))


def _answers(ack: Message, command: CommandRow) -> bool:
    return ack["gateway_id"] == command.gateway_id and ack.get("zone_id") in (None, command.zone_id)


def _one_line(text: str) -> str:
    """A stranger's text as it may stand in a log: no line of its own making, and not for ever."""
    return (text if text.isprintable() else ascii(text))[:LONGEST]


def _claimed_by(topic: str) -> str:
    """The gateway that a topic names; the topic itself where it names none."""
    try:
        identifier = topics.parse(topic)[1]
    except ProtocolError:
        return topic
    return topics.gateway_of(identifier) if identifier else topic


# What gateways send, and who takes it; anything else that arrives is refused.
ROUTES: dict[str, Callable[[Service, Message, int], None]] = {
    "reading": Service._reading,
    "ack": Service._ack,
    "status": Service._status,
    "error": Service._error,
    "diagnostics": Service._diagnostics,
}
