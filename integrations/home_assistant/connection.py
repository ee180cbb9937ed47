"""The bridge's connection to the farm's own broker: MQTT 3.1.1 or 5, with a session that outlives it."""

import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from integrations.home_assistant.bridge import Acked, Arrival, Connected, Disconnected, Item
from integrations.home_assistant.outgoings import Published
from integrations.home_assistant.sets import SetMessage
from integrations.home_assistant.topics import BIRTH, FarmTopics

PROTOCOLS = {"3.1.1": MQTTProtocolVersion.MQTTv311, "5": MQTTProtocolVersion.MQTTv5}
SESSION_S = 86_400  # so long the broker keeps orders for a bridge that is away; a late open is refused here
SOONEST_S, LATEST_S = 1, 30  # between two tries to connect
FLUSH_S = 5.0  # for the last words

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A broker, and how to speak with it. `ca_file` makes it TLS."""

    host: str
    port: int
    protocol: str = "5"
    username: str | None = None
    password: str | None = None
    ca_file: Path | None = None


class Connection:
    """Connects, again and again if need be, and hands what arrives to `put`. Close it when done."""

    def __init__(
        self,
        address: Address,
        topics: FarmTopics,
        put: Callable[[Item], None],
        wall_now: Callable[[], float],
    ) -> None:
        self._address, self._topics, self._put, self._wall_now = address, topics, put, wall_now
        self._is_5 = address.protocol == "5"
        self._subscribed = 0
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{topics.prefix}-{topics.farm}-bridge",
            protocol=PROTOCOLS[address.protocol],
            clean_session=None if self._is_5 else False,
            manual_ack=True,
        )
        self._client.on_connect, self._client.on_disconnect = self._on_connect, self._on_disconnect
        self._client.on_message, self._client.on_subscribe = self._on_message, self._on_subscribe
        self._client.on_publish = self._on_publish
        self._client.will_set(topics.status, "offline", qos=1, retain=True)
        self._client.reconnect_delay_set(SOONEST_S, LATEST_S)
        if address.username:
            self._client.username_pw_set(address.username, address.password)
        if address.ca_file:
            self._client.tls_set(str(address.ca_file), tls_version=ssl.PROTOCOL_TLS_CLIENT)

    def start(self) -> None:
        """Begin to connect; the broker may come later."""
        properties = None
        if self._is_5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_S
        choices: dict[str, Any] = {"clean_start": False, "properties": properties} if self._is_5 else {}
        self._client.connect_async(self._address.host, self._address.port, keepalive=30, **choices)
        self._client.loop_start()

    def publish(self, message: Published) -> int:
        """Send it, with QoS 1; returns the number under which the broker will acknowledge it."""
        return self._client.publish(message.topic, message.payload, qos=1, retain=message.is_retained).mid

    def close(self) -> None:
        """Wait a moment for what is on its way, and end the connection without the last will."""
        deadline = time.monotonic() + FLUSH_S
        while self._client.is_connected() and self._client._out_messages and time.monotonic() < deadline:
            time.sleep(0.02)
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        where = f"{self._address.host}:{self._address.port}"
        if reason.is_failure:
            log.error("%s refuses the connection: %s; check --username, the password file and --mqtt", where, reason)
            return
        log.info("connected to %s", where)
        self._subscribed = 0
        with client._out_message_mutex:  # paho repeats what the broker hung up at first thing; the bridge knows better
            client._out_messages.clear()
            client._inflight_messages = 0
        for topic in (BIRTH, *self._topics.subscriptions):
            if self._is_5:  # so that a retained message says so also when it comes at once
                client.subscribe(topic, options=SubscribeOptions(qos=1, retainAsPublished=True))
            else:
                client.subscribe(topic, qos=1)

    def _on_subscribe(self, _client: Client, _data: Any, _mid: int, reasons: list[Any], _properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            log.error("the broker lets this bridge not listen: %s; check its access list", reasons)
        self._subscribed += 1
        if self._subscribed == len(self._topics.subscriptions) + 1:
            self._put(Connected())

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        log.warning("the broker is gone: %s", reason)
        self._put(Disconnected())

    def _on_publish(self, _client: Client, _data: Any, mid: int, _reason: Any, _properties: Any) -> None:
        self._put(Acked(mid))

    def _on_message(self, client: Client, _data: Any, message: MQTTMessage) -> None:
        def accept() -> None:
            client.ack(message.mid, message.qos)

        set_message = SetMessage(
            topic=message.topic, payload=bytes(message.payload), is_retained=message.retain, wall_s=self._wall_now()
        )
        self._put(Arrival(message=set_message, accept=accept))
