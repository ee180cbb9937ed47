"""The service's MQTT 3.1.1 connection, over awsiotsdk: mutual TLS, QoS 1, a session that survives restarts.

awscrt runs the handler in its own thread, and sends the PUBACK when the handler returns: a message is acknowledged
only after it is completely handled. It swallows exceptions, though, and would acknowledge what nobody handled, so a
failing handler ends the process first; the broker then delivers the message again to the next one.
"""

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from awscrt import io, mqtt
from awscrt.exceptions import AwsCrtError
from awsiot import mqtt_connection_builder

from compute_service.adapters.publish_queue import Outgoing, PublishQueue
from compute_service.errors import CertificateError, ComputeError, ConnectError, PublishError
from protocol import topics

KEEP_ALIVE_S = 30
CONNECT_S = 15  # for TCP, TLS, CONNACK together, and for each SUBACK
RECONNECT_S = (1, 30)  # the first and the longest wait; awscrt doubles in between, with jitter
SETTLED_S = 60  # a connection that lasted so long was not thrown out by another client of its name
MOST_EVICTIONS = (10, 30)  # in a row: of a client that never held its place so long, and of one that did

log = logging.getLogger(__name__)

Handler = Callable[[str, bytes], None]


def crash(error: BaseException) -> NoReturn:
    """End the process from any thread, loudly: one line and rc 2 for what a person can cure, else a traceback, rc 1."""
    if isinstance(error, ComputeError):
        sys.stderr.write(f"compute_service: {error}\n")
        sys.stderr.flush()
        os._exit(2)
    traceback.print_exception(error)
    sys.stderr.flush()
    os._exit(1)


class MqttConnection:
    """A connection for the thing whose certificates are in `folder`; close it when done.

    `fatal` is called in awscrt's thread when a handler fails. It must not return: its return would acknowledge the
    message that could not be handled. A publish that the broker hangs up at again and again is set aside, see
    `publish_queue`; a client that another of its name throws out again and again ends with a ConnectError.
    """

    def __init__(
        self,
        folder: Path,
        endpoint: str,
        port: int,
        *,
        fatal: Callable[[BaseException], NoReturn] = crash,
    ) -> None:
        self.client_id = _thing_name(folder)
        self._folder, self._endpoint, self._port = folder, endpoint, port
        self._where = f"{endpoint}:{port}"
        self._fatal = fatal
        self._handler: Handler = _nobody
        self._on_set_aside: Handler = _nobody
        self._turn = threading.Condition(threading.RLock())
        self._queue = PublishQueue()
        self._evictions = Evictions()
        self._renewing = self._closing = False
        self._handled = 0  # messages
        loop = io.EventLoopGroup(1)
        self._bootstrap = io.ClientBootstrap(loop, io.DefaultHostResolver(loop))
        self._connection = self._build()

    def _build(self) -> mqtt.Connection:
        try:
            return mqtt_connection_builder.mtls_from_path(
                str(self._folder / "certificate.pem"),
                str(self._folder / "private_key.pem"),
                ca_filepath=str(self._folder / "root_ca.pem"),
                endpoint=self._endpoint,
                port=self._port,
                client_id=self.client_id,
                client_bootstrap=self._bootstrap,
                clean_session=False,
                keep_alive_secs=KEEP_ALIVE_S,
                reconnect_min_timeout_secs=RECONNECT_S[0],
                reconnect_max_timeout_secs=RECONNECT_S[1],
                on_connection_interrupted=self._interrupted,
                on_connection_resumed=self._resumed,
                on_connection_failure=self._failed,
                enable_metrics_collection=False,
            )
        except (AwsCrtError, RuntimeError, OSError) as error:  # RuntimeError is what awscrt's C part raises
            raise CertificateError(f"{self._folder}: {error}; issue the certificates of this thing again") from error

    def connect(self, handler: Handler, on_set_aside: Handler | None = None) -> None:
        """Connect, and subscribe to all that gateways publish; raises ConnectError.

        `handler(topic, payload)` runs in awscrt's thread, one message at a time; so does `on_set_aside`, with a publish
        that was given up since the broker hangs up at it.
        """
        self._handler, self._on_set_aside = handler, on_set_aside or _nobody
        remedy = "check endpoint, port, that the broker runs, and that this certificate is active there"
        try:
            self._begin(self._connection)
        except Exception as error:
            self.close(0)
            if not _is_the_networks(error):
                raise
            why = str(error) or f"no answer in {CONNECT_S} s"  # also if TLS fails: s2n holds its errors back
            raise ConnectError(f"{self._where}: cannot connect as {self.client_id}: {why}; {remedy}") from error

    def _begin(self, connection: mqtt.Connection) -> None:
        # Before connecting: a resumed session delivers at once what waited for it.
        connection.on_message(partial(self._received, self._handler))
        connection.connect().result(CONNECT_S)
        self._evictions.connected(time.monotonic())
        for topic_filter in topics.from_gateways():
            self._granted(connection.subscribe(topic_filter, mqtt.QoS.AT_LEAST_ONCE)[0])

    def _granted(self, suback: "Future[Any]") -> None:
        """Wait for a SUBACK: behind all that waited for this client, however long that takes to be handled."""
        while not suback.done():
            handled = self._handled
            wait_for([suback], CONNECT_S)
            if handled == self._handled:
                break
        suback.result(0)

    def publish(self, topic: str, payload: bytes, on_acked: Callable[[], None]) -> None:
        """Publish with QoS 1, also while offline; `on_acked` runs in awscrt's thread when the PUBACK is in."""
        with self._turn:
            self._queue.add(Outgoing(topic, payload, on_acked))
            self._hand_over()

    def _hand_over(self) -> None:
        if self._renewing:
            return
        for message in self._queue.due(time.monotonic()):
            future, _ = self._connection.publish(message.topic, message.payload, mqtt.QoS.AT_LEAST_ONCE)
            future.add_done_callback(partial(self._published, self._connection, message))

    def un_acked(self) -> int:
        """How many publishes wait for their PUBACK."""
        with self._turn:
            return len(self._queue)

    def close(self, timeout_s: float = 5) -> None:
        """Wait for the PUBACKs that are due, at most `timeout_s` seconds, then disconnect."""
        with self._turn:
            self._turn.wait_for(lambda: not len(self._queue), timeout_s)
            self._closing = True
            connection = self._connection
        wait_for([connection.disconnect()], CONNECT_S)  # fails if it was never connected: then it is closed

    # in awscrt's thread

    def _received(self, handler: Handler, topic: str, payload: bytes, **_kwargs: object) -> None:
        try:
            handler(topic, payload)
            self._handled += 1
        except BaseException as error:
            self._fatal(error)

    def _published(self, connection: mqtt.Connection, message: Outgoing, future: "Future[Any]") -> None:
        error = future.exception()
        with self._turn:
            is_current = connection is self._connection and not self._renewing
            is_news = error is None and self._queue.acked(message)
            self._turn.notify_all()
        try:
            if is_news:
                message.on_acked()
                with self._turn:
                    self._hand_over()
            elif error is not None and is_current and not self._closing:
                raise PublishError(f"{self._where}: publish to {message.topic} was given up: {error}") from error
        except BaseException as failure:
            self._fatal(failure)

    def _interrupted(self, connection: mqtt.Connection, error: AwsCrtError, **_kwargs: object) -> None:
        log.warning("connection to %s interrupted: %s; reconnecting", self._where, error)
        now = time.monotonic()
        with self._turn:
            if self._closing or self._renewing or connection is not self._connection:
                return
            is_idle = not len(self._queue)
            self._renewing, suspect = self._queue.hung_up(now)
            if self._renewing:
                threading.Thread(target=self._renew_or_end, name="mqtt-renew", daemon=True).start()
        count = self._evictions.interrupted(now, is_idle)
        if count:
            self._fatal(ConnectError(_thrown_out(self._where, self.client_id, count)))
        if suspect:
            self._set_aside(suspect)

    def _set_aside(self, message: Outgoing) -> None:
        log.error(
            "%s hung up %d times at a publish to %s: it is set aside; does a policy deny it?",
            *(self._where, message.hang_ups, message.topic),
        )
        with self._turn:
            self._turn.notify_all()
        self._received(self._on_set_aside, message.topic, message.payload)

    def _resumed(self, connection: mqtt.Connection, session_present: bool, **_kwargs: object) -> None:
        log.info("connection to %s resumed", self._where)
        with self._turn:
            self._evictions.connected(time.monotonic())
            self._queue.resumed(time.monotonic())
        if not session_present:
            connection.resubscribe_existing_topics()[0].add_done_callback(self._resubscribed)

    def _failed(self, **_kwargs: object) -> None:
        self._evictions.refused()

    def _resubscribed(self, future: "Future[Any]") -> None:
        if self._closing or isinstance(future.exception(), AwsCrtError):
            return  # interrupted once more: the next resumption subscribes again
        denied_topics = [topic for topic, qos in future.result()["topics"] if qos is None]
        if denied_topics:
            self._fatal(
                ConnectError(f"{self._where}: refuses to subscribe {self.client_id} to {', '.join(denied_topics)}")
            )

    # in a thread of its own

    def _renew_or_end(self) -> None:
        try:
            self._renew()
        except BaseException as error:  # a thread that dies alone would leave a service that nobody hears
            self._fatal(error)

    def _renew(self) -> None:
        """Another connection in the place of this one: awscrt repeats what it holds, and takes nothing back."""
        wait_s = RECONNECT_S[0]
        while not self._closing:
            wait_for([self._connection.disconnect()], CONNECT_S)
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, RECONNECT_S[1])
            connection = self._build()
            with self._turn:
                if self._closing:
                    return
                self._connection = connection
            try:
                self._begin(connection)
            except Exception as error:
                if not _is_the_networks(error):
                    raise
                log.warning("cannot connect to %s again: %s", self._where, error)  # it may be away for long
                continue
            with self._turn:
                self._renewing = False
                self._queue.begin_anew()
                self._hand_over()
            return


def _is_the_networks(error: Exception) -> bool:
    """Is it the broker's answer, or none, and no mistake of ours? awscrt raises bare ones for a refused CONNECT."""
    return isinstance(error, (AwsCrtError, mqtt.SubscribeError, OSError, TimeoutError)) or type(error) is Exception


class Evictions:
    """How often in a row a connection that had nothing under way was ended soon after it was made.

    A broker lets the newest client of a name in, and the one before out. A client that never held its place gives it up
    soon, one that did is patient: so it is the newcomer that ends. Times are monotonic seconds.
    """

    def __init__(self) -> None:
        self._connected_at = 0.0
        self._count = 0
        self._was_settled = False

    def connected(self, now: float) -> None:
        """A connection is made."""
        self._connected_at = now

    def refused(self) -> None:
        """A connection could not be made: the broker is away, which throws everybody out."""
        self._count = 0

    def interrupted(self, now: float, is_idle: bool) -> int:
        """A connection was ended: how often, if that is too often; else 0."""
        if now - self._connected_at >= SETTLED_S:
            self._count, self._was_settled = 0, True
        elif is_idle:
            self._count += 1
        return self._count if self._count >= MOST_EVICTIONS[self._was_settled] else 0


def _thrown_out(where: str, client_id: str, count: int) -> str:
    return (
        f"{where}: another client is called {client_id}, too: this one was thrown out {count} times right after it had"
        " connected; stop the other one, or issue this one an identity of its own"
    )


def _nobody(_topic: str, _payload: bytes) -> None:
    pass


def _thing_name(folder: Path) -> str:
    """The identity that a certificate folder holds; raises CertificateError if one of its files is missing."""
    for name in ("thing_name.txt", "certificate.pem", "private_key.pem", "root_ca.pem"):
        if not (folder / name).is_file():
            raise CertificateError(f"{folder}: {name} is missing; run 'python -m certs issue', or give another --certs")
    return (folder / "thing_name.txt").read_text().strip()
