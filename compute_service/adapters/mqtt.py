"""The service's MQTT 3.1.1 connection, over awsiotsdk: mutual TLS, QoS 1, a session that survives restarts.

awscrt runs the handler in its own thread, and sends the PUBACK when the handler returns: a message is acknowledged
only after it is completely handled. It swallows exceptions, though, and would acknowledge what nobody handled, so a
failing handler ends the process first; the broker then delivers the message again to the next one.
"""

import logging
import os
import sys
import threading
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

from compute_service.errors import CertificateError, ComputeError, ConnectError, PublishError
from protocol import topics

KEEP_ALIVE_S = 30
CONNECT_S = 15  # for TCP, TLS, CONNACK together, and for each SUBACK
RECONNECT_S = (1, 30)  # the first and the longest wait; awscrt doubles in between, with jitter

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
    message that could not be handled.
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
        self._where = f"{endpoint}:{port}"
        self._fatal = fatal
        self._lock = threading.Lock()
        self._waiting: set[Future[Any]] = set()
        self._closing = False
        loop = io.EventLoopGroup(1)
        bootstrap = io.ClientBootstrap(loop, io.DefaultHostResolver(loop))
        try:
            self._connection = mqtt_connection_builder.mtls_from_path(
                str(folder / "certificate.pem"),
                str(folder / "private_key.pem"),
                ca_filepath=str(folder / "root_ca.pem"),
                endpoint=endpoint,
                port=port,
                client_id=self.client_id,
                client_bootstrap=bootstrap,
                clean_session=False,
                keep_alive_secs=KEEP_ALIVE_S,
                reconnect_min_timeout_secs=RECONNECT_S[0],
                reconnect_max_timeout_secs=RECONNECT_S[1],
                on_connection_interrupted=self._interrupted,
                on_connection_resumed=self._resumed,
                enable_metrics_collection=False,
            )
        except (AwsCrtError, RuntimeError, OSError) as error:  # RuntimeError is what awscrt's C part raises
            raise CertificateError(f"{folder}: {error}; issue the certificates of this thing again") from error

    def connect(self, handler: Handler) -> None:
        """Connect, and subscribe to all that gateways publish; raises ConnectError.

        `handler(topic, payload)` runs in awscrt's thread, one message at a time.
        """
        # Before connecting: a resumed session delivers at once what waited for it.
        self._connection.on_message(partial(self._received, handler))
        remedy = "check endpoint, port, that the broker runs, and that this certificate is active there"
        try:
            self._connection.connect().result(CONNECT_S)
            for topic_filter in topics.from_gateways():
                self._connection.subscribe(topic_filter, mqtt.QoS.AT_LEAST_ONCE)[0].result(CONNECT_S)
        except Exception as error:  # awscrt raises bare Exceptions for a refused CONNECT
            self.close(0)
            why = str(error) or f"no answer in {CONNECT_S} s"  # also if TLS fails: s2n holds its errors back
            raise ConnectError(f"{self._where}: cannot connect as {self.client_id}: {why}; {remedy}") from error

    def publish(self, topic: str, payload: bytes, on_acked: Callable[[], None]) -> None:
        """Publish with QoS 1, also while offline; `on_acked` runs in awscrt's thread when the PUBACK is in."""
        future, _ = self._connection.publish(topic, payload, mqtt.QoS.AT_LEAST_ONCE)
        with self._lock:
            self._waiting.add(future)
        future.add_done_callback(partial(self._published, topic, on_acked))

    def un_acked(self) -> int:
        """How many publishes wait for their PUBACK."""
        with self._lock:
            return len(self._waiting)

    def close(self, timeout_s: float = 5) -> None:
        """Wait for the PUBACKs that are due, at most `timeout_s` seconds, then disconnect."""
        with self._lock:
            waiting = list(self._waiting)
        if waiting:
            wait_for(waiting, timeout_s)
        self._closing = True
        wait_for([self._connection.disconnect()], CONNECT_S)  # fails if it was never connected: then it is closed

    # in awscrt's thread

    def _received(self, handler: Handler, topic: str, payload: bytes, **_kwargs: object) -> None:
        try:
            handler(topic, payload)
        except BaseException as error:
            self._fatal(error)

    def _published(self, topic: str, on_acked: Callable[[], None], future: "Future[Any]") -> None:
        with self._lock:
            self._waiting.discard(future)
        error = future.exception()
        try:
            if error is None:
                on_acked()
            elif not self._closing:
                raise PublishError(f"{self._where}: publish to {topic} was given up: {error}") from error
        except BaseException as failure:
            self._fatal(failure)

    def _interrupted(self, error: AwsCrtError, **_kwargs: object) -> None:
        log.warning("connection to %s interrupted: %s; reconnecting", self._where, error)

    def _resumed(self, session_present: bool, **_kwargs: object) -> None:
        log.info("connection to %s resumed", self._where)
        if not session_present:
            self._connection.resubscribe_existing_topics()[0].add_done_callback(self._resubscribed)

    def _resubscribed(self, future: "Future[Any]") -> None:
        if self._closing or isinstance(future.exception(), AwsCrtError):
            return  # interrupted once more: the next resumption subscribes again
        denied_topics = [topic for topic, qos in future.result()["topics"] if qos is None]
        if denied_topics:
            self._fatal(
                ConnectError(f"{self._where}: refuses to subscribe {self.client_id} to {', '.join(denied_topics)}")
            )


def _thing_name(folder: Path) -> str:
    """The identity that a certificate folder holds; raises CertificateError if one of its files is missing."""
    for name in ("thing_name.txt", "certificate.pem", "private_key.pem", "root_ca.pem"):
        if not (folder / name).is_file():
            raise CertificateError(f"{folder}: {name} is missing; run 'python -m certs issue', or give another --certs")
    return (folder / "thing_name.txt").read_text().strip()
