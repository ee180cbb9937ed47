"""The service's connection to a broker: MQTT 3.1.1 in a session that outlives it, in one thread, for as long as asked.

Nothing is read while an answer is not written yet, so that a broker which reads slowly fills no memory here. What a
board has reported waits in the session while this service is away.
"""

import logging
import select
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from updates.errors import IdentityError
from updates.messages import Reply
from updates.service import FILTERS, Service

KEEPALIVE_S = 30
TICK_S = 0.5
SOONEST_S, LATEST_S = 1.0, 30.0  # between two tries to connect

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Address:
    """A broker. `identity` is the folder of the service's own certificate; without it the connection is plain."""

    host: str
    port: int
    client_id: str = "irrigation-updates"
    identity: Path | None = None


class Connection:
    """Carries requests to the service and answers back, until `stop` is set; comes back after every loss."""

    def __init__(self, address: Address, service: Service) -> None:
        self._address, self._service = address, service
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=address.client_id,
            protocol=MQTTProtocolVersion.MQTTv311,
            clean_session=False,
        )
        self._client.on_connect, self._client.on_message = self._on_connect, self._on_message
        if address.identity:
            self._client.tls_set_context(_tls(address.identity))
        self.is_ready = False  # the broker has granted every subscription
        self.on_ready: Callable[[], None] = lambda: None

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop`. Raises StoreError where the store fails; a broker that is away is waited for."""
        pause_s = SOONEST_S
        while not stop.is_set():
            try:
                self._client.connect(self._address.host, self._address.port, keepalive=KEEPALIVE_S)
                self._live(stop)
                pause_s = SOONEST_S if self.is_ready else pause_s
            except OSError as error:  # TLS's errors are, too
                log.warning("%s:%s: %s", self._address.host, self._address.port, error)
            self.is_ready = False
            if not stop.is_set():
                stop.wait(pause_s)
                pause_s = min(LATEST_S, 2 * pause_s)
        self._client.disconnect()

    def _live(self, stop: threading.Event) -> None:
        """Until the connection ends."""
        tick_at = time.monotonic()
        while not stop.is_set():
            if self._step(max(0.0, tick_at - time.monotonic())) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                log.warning("%s:%s: the broker is gone", self._address.host, self._address.port)
                return
            if time.monotonic() >= tick_at:
                if self.is_ready:
                    self._send(self._service.tick())
                tick_at = time.monotonic() + TICK_S

    def _step(self, wait_s: float) -> MQTTErrorCode:
        """Write what there is to write, or else read a packet."""
        socket = self._client.socket()
        if socket is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        writes = self._client.want_write()
        poll = select.poll()
        poll.register(socket, select.POLLOUT if writes else select.POLLIN)
        is_held = not writes and getattr(socket, "pending", int)()  # TLS has read it, so that poll would not tell
        if is_held or poll.poll(1000 * wait_s):
            code = self._client.loop_write() if writes else self._client.loop_read()
            if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return code
        return self._client.loop_misc()

    def _send(self, replies: list[Reply]) -> None:
        for reply in replies:
            self._client.publish(reply.topic, reply.payload, qos=reply.qos)

    def _on_connect(self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.error("%s:%s refuses %s: %s", self._address.host, self._address.port, self._address.client_id, reason)
            return
        client.on_subscribe = self._on_subscribe
        client.subscribe([(topic_filter, 1) for topic_filter in FILTERS])

    def _on_subscribe(self, client: Client, _data: Any, _mid: int, reasons: list[Any], _properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            log.error("the broker lets this service not listen: %s; check its access list", reasons)
            client.disconnect()  # and try again: a list can be mended
            return
        self.is_ready = True
        self._send(self._service.greet())
        self.on_ready()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:  # of a broker that does not look
            return
        if not message.retain:  # else it would be asked again at each connect
            self._send(self._service.hear(topic, bytes(message.payload)))


def _tls(identity: Path) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(identity / "root_ca.pem"))
        context.load_cert_chain(identity / "certificate.pem", identity / "private_key.pem")
    except OSError as error:
        out = "" if identity.parent == Path("certs/issued") else f" --out {identity.parent}"
        remedy = f"issue it with: python -m certs issue --things {identity.name}{out}"
        raise IdentityError(f"identity in {identity}: {error}; {remedy}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
