"""Between a farm's store and Home Assistant's broker: tells what is, and turns set messages into orders.

Everything but the network happens in one thread. State is retained, and told again after each reconnect and whenever
Home Assistant starts; a set message is acknowledged to the broker only once its order is written down, so that a crash
makes it come again, under the same key.
"""

import json
import logging
import queue
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from compute_service import orders
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.orders import Order
from compute_service.domain.zone import Config, Zone
from compute_service.errors import OrderError
from integrations.access import Orderer
from integrations.errors import SetError, TokenError
from integrations.farm_now import FarmNow, FarmReader
from integrations.home_assistant import discovery, sets, states
from integrations.home_assistant.notes import Notes
from integrations.home_assistant.outgoings import Outgoings, Published, Send
from integrations.home_assistant.topics import BIRTH, FarmTopics, topics_of

REFRESH_S = 15.0  # a silent service, and statuses, are seen at the latest after so long
OLDEST_EVENT_S = 600  # what happened longer ago is no news
USUAL_MINUTES = 20

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message from the broker; `accept` acknowledges it."""

    message: sets.SetMessage
    accept: Callable[[], None]


class Acked(NamedTuple):
    """The broker has what was sent under this number."""

    number: int


class Connected(NamedTuple):
    """The broker has taken us, with our subscriptions."""


class Disconnected(NamedTuple):
    """The broker is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose bridge it is, under which names it speaks, who orders, and the world's clock (Unix s)."""

    store: Path
    prefix: str
    origin: discovery.Origin
    orderer: Orderer
    wall_now: Callable[[], float]


Item = Arrival | Acked | Connected | Disconnected
Inbox = queue.SimpleQueue[Item]


class Bridge:
    """All of it but the network."""

    def __init__(self, place: Place, reader: FarmReader, notes: Notes, send: Send, inbox: Inbox) -> None:
        self._place, self._reader, self._notes = place, reader, notes
        self._send, self._inbox = send, inbox
        self._outgoings = Outgoings(send)
        self._orderer, self._wall_now = place.orderer, place.wall_now
        self._last: dict[str, str] = {}  # what each retained topic holds, as far as we know
        self._stamp: tuple[int, bool] | None = None
        self._read_at = 0.0
        self._announced: Config | None = None
        self._refusals: deque[Published] = deque(maxlen=100)

    @property
    def topics(self) -> FarmTopics:
        """The farm's topics."""
        return topics_of(self._reader.config(), self._place.prefix)

    def step(self, wait_s: float) -> None:
        """Take in what has arrived, waiting so long for it, and tell what has changed."""
        try:
            item = self._inbox.get(timeout=wait_s)
            while True:
                self._take(item)
                item = self._inbox.get_nowait()
        except queue.Empty:
            pass
        if self._outgoings.is_connected and self._is_due():
            self._tell()
        while self._outgoings.is_connected and self._refusals:  # after the devices that they are events of
            self._outgoings.add(self._refusals.popleft())

    def stop(self) -> None:
        """Say that the bridge is gone, as its last will would."""
        if self._outgoings.is_connected:
            self._send(Published(self.topics.status, "offline", True))

    def _take(self, item: Item) -> None:
        if isinstance(item, Acked):
            self._outgoings.acked(item.number)
        elif isinstance(item, Connected):
            self._outgoings.is_connected = True
            self._tell_anew()
            self._outgoings.hand_over()
        elif isinstance(item, Disconnected):
            self._outgoings.hung_up()
        elif item.message.topic == BIRTH:
            if item.message.payload == b"online":
                self._tell_anew()
            item.accept()
        else:
            self._hear(item.message)
            item.accept()

    # what is told

    def _is_due(self) -> bool:
        wall_s = self._wall_now()
        stamp = (self._reader.store.journal.newest(), orders.is_serving(self._reader.store.journal.last_beat(), wall_s))
        return stamp != self._stamp or wall_s - self._read_at >= REFRESH_S

    def _tell_anew(self) -> None:
        """Everything, whatever the broker holds: it may have lost it, or hold that of another time."""
        self._last.clear()
        self._announced = None
        self._tell()

    def _tell(self) -> None:
        wall_s = self._wall_now()
        farm, topics = self._reader.read(wall_s), self.topics
        self._stamp, self._read_at = (farm.seq, farm.is_serving), wall_s
        if self._notes.seq is None:  # before anything is told: what happens from now on is news, also after a crash
            self._notes.set_seq(farm.seq)
        if farm.config is not self._announced:
            self._announce(farm, topics)
        for gateway_id in farm.gateways:
            base = topics.gateway(gateway_id)
            self._retain(f"{base}/state", json.dumps(states.gateway_state(farm, gateway_id)))
            self._retain(f"{base}/status", states.availability(farm, gateway_id))
        for zone in farm.zones:
            base = topics.zone(zone.zone.zone_id)
            self._retain(f"{base}/state", json.dumps(states.zone_state(farm, zone)))
            self._retain(f"{base}/minutes", str(self._minutes(zone.zone)))
        self._retain(topics.status, "online")
        self._tell_events(farm, topics)

    def _announce(self, farm: FarmNow, topics: FarmTopics) -> None:
        """The farm's devices; one that is none any more is taken back, also if it went while the bridge was down."""
        payloads = discovery.devices(farm.config, topics, self._place.origin)
        for topic in self._notes.devices - set(payloads):
            self._retain(topic, "")
        for topic, payload in payloads.items():
            self._retain(topic, json.dumps(payload))
        self._notes.set_devices(set(payloads))
        self._announced = farm.config

    def _retain(self, topic: str, payload: str) -> None:
        if self._last.get(topic) != payload and self._outgoings.add(Published(topic, payload, True)):
            self._last[topic] = payload

    def _tell_events(self, farm: FarmNow, topics: FarmTopics) -> None:
        """What happened since, in its order; after a crash perhaps again, with the same `seq`."""
        seq = farm.seq if self._notes.seq is None else self._notes.seq
        zones = {zone.zone.zone_id for zone in farm.zones}
        for row in self._reader.store.journal.after(seq):
            seq, happening = row["seq"], states.event(row)
            if happening is None or farm.now - row["at"] > OLDEST_EVENT_S:
                continue
            place = row["zone_id"] or row["gateway_id"] or ""
            if place in farm.gateways:
                self._outgoings.add(Published(f"{topics.gateway(place)}/event", json.dumps(happening), False))
            elif place in zones:
                self._outgoings.add(Published(f"{topics.zone(place)}/event", json.dumps(happening), False))
        self._notes.set_seq(seq)

    def _minutes(self, zone: Zone) -> int:
        most = discovery.most_minutes(zone)
        return max(min(self._notes.minutes.get(zone.zone_id, USUAL_MINUTES), most), discovery.least_minutes(zone))

    # what is heard

    def _hear(self, message: sets.SetMessage) -> None:
        try:
            if message.topic.endswith("/minutes/set"):
                self._set_minutes(message)
            else:
                self._order(message)
        except (SetError, TokenError, OrderError) as error:
            log.warning("refused what came on %s: %s", message.topic, error)
            self._tell_refusal(message.topic, str(error))

    def _set_minutes(self, message: sets.SetMessage) -> None:
        if message.is_retained:
            raise SetError("a retained message sets no minutes; clear that topic")
        zone_id, minutes = sets.minutes_of(self._reader.config(), self.topics, message)
        self._notes.set_minutes(zone_id, minutes)
        self._retain(f"{self.topics.zone(zone_id)}/minutes", str(minutes))

    def _order(self, message: sets.SetMessage) -> None:
        config, topics = self._reader.config(), self.topics
        zone = sets.place_of(config, topics, message.topic)
        now = self._now()
        template = Order(
            order_id=orders.new_order_id(now), action="", at=now, by=self._orderer_or_nobody(message), via=sets.VIA
        )
        minutes = self._minutes(zone) if isinstance(zone, Zone) else 0
        order = sets.order_of(config, topics, message, template, minutes)
        with closing(SqliteStore(self._place.store, must_exist=True)) as store:
            row = orders.give(store, config, order)
        log.info("%s orders %s %s: %s", row.order.by, row.order.action, row.order.zone_id or config.farm, row.state)

    def _orderer_or_nobody(self, message: sets.SetMessage) -> str:
        return "" if message.is_retained else self._orderer()

    def _now(self) -> int:
        return orders.service_now(self._reader.store.journal.last_beat(), self._wall_now())

    def _tell_refusal(self, topic: str, why: str) -> None:
        place = sets.place_of(self._reader.config(), self.topics, topic)
        if place is None:
            return
        base = self.topics.zone(place.zone_id) if isinstance(place, Zone) else self.topics.gateway(place)
        self._refusals.append(Published(f"{base}/event", json.dumps(states.refusal(why, self._now())), False))
