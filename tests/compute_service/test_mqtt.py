"""The connection, against a real broker with mutual TLS."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NoReturn

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from compute_service.adapters import mqtt
from compute_service.adapters.mqtt import Evictions, MqttConnection
from compute_service.errors import CertificateError, ConnectError
from protocol import topics
from tests.compute_service.bench import GATEWAY
from tests.compute_service.conftest import Broker, until
from tests.waiting import LAST_RESORT_S

TOPIC = topics.data(f"{GATEWAY}.soil-a")


def never(error: BaseException) -> NoReturn:
    raise AssertionError("must not fail") from error


def open_connection(broker: Broker, host: str = "localhost") -> MqttConnection:
    return MqttConnection(broker.folder / "irrigation-compute", host, broker.port, fatal=never)


@contextmanager
def gateway(broker: Broker) -> Iterator[tuple[paho.Client, list[paho.MQTTMessage]]]:
    """A connected outside observer, and all that reaches it."""
    home = broker.folder / GATEWAY
    heard: list[paho.MQTTMessage] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, GATEWAY)
    client.tls_set(str(home / "root_ca.pem"), str(home / "certificate.pem"), str(home / "private_key.pem"))
    client.on_message = lambda _client, _data, message: heard.append(message)
    subscribed = threading.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("localhost", broker.port)
    client.subscribe("irrigation/control/+/command", 1)
    client.loop_start()
    assert subscribed.wait(120)
    try:
        yield client, heard
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_round_trip(broker: Broker, host: str) -> None:
    """What a gateway publishes arrives, what is published reaches the gateway, and every PUBACK is told."""
    arrived: list[tuple[str, bytes]] = []
    acked = threading.Event()
    with closing(open_connection(broker, host)) as connection, gateway(broker) as (client, heard):
        connection.connect(lambda topic, payload: arrived.append((topic, payload)))
        for topic in (
            TOPIC,
            topics.ack(GATEWAY),
            topics.status(GATEWAY),
            topics.errors(GATEWAY),
            topics.diagnostics(GATEWAY),
        ):
            client.publish(topic, b"up", 1).wait_for_publish(LAST_RESORT_S)
        connection.publish(topics.command(GATEWAY), b"down", acked.set)
        assert acked.wait(LAST_RESORT_S)
        until(lambda: len(arrived) == 5 and len(heard) == 1)
        assert connection.un_acked() == 0
    assert arrived[0] == (TOPIC, b"up")
    assert heard[0].payload == b"down"


def test_close_waits_for_pubacks(broker: Broker) -> None:
    """Closing right after many publishes loses none of them."""
    acked: list[int] = []
    with closing(open_connection(broker)) as connection:
        connection.connect(lambda *_: None)
        for number in range(300):
            connection.publish(topics.updates(), b"x" * 100, lambda number=number: acked.append(number))  # type: ignore[misc] # bound now
    assert sorted(acked) == list(range(300))


def test_broker_restart(broker: Broker) -> None:
    """After a restart of the broker the connection is back by itself, and what was published meanwhile arrives."""
    arrived: list[bytes] = []
    acked = threading.Event()
    with closing(open_connection(broker)) as connection:
        connection.connect(lambda _topic, payload: arrived.append(payload))
        broker.stop()
        connection.publish(topics.command(GATEWAY), b"meanwhile", acked.set)
        assert connection.un_acked() == 1
        broker.start()
        assert acked.wait(LAST_RESORT_S)
        assert connection.un_acked() == 0
        with gateway(broker) as (client, _):
            client.publish(TOPIC, b"after", 1).wait_for_publish(LAST_RESORT_S)
            until(lambda: arrived == [b"after"])


def test_forgotten_session_is_subscribed_again(broker: Broker) -> None:
    """A broker that lost its sessions is subscribed to again, without a restart of the service."""
    arrived: list[bytes] = []
    with closing(open_connection(broker)) as connection:
        connection.connect(lambda _topic, payload: arrived.append(payload))
        broker.stop()
        (broker.folder / "mosquitto.db").unlink()
        broker.start()

        def hears() -> bool:
            client.publish(TOPIC, b"after", 1).wait_for_publish(LAST_RESORT_S)
            time.sleep(0.2)
            return bool(arrived)

        with gateway(broker) as (client, _):
            until(hears)


def test_messages_wait_for_an_absent_service(broker: Broker) -> None:
    """What gateways publish while the service is down is delivered when it is back."""
    arrived: list[bytes] = []
    with closing(open_connection(broker)) as connection:
        connection.connect(lambda *_: None)
    with gateway(broker) as (client, _):
        client.publish(TOPIC, b"waited", 1).wait_for_publish(LAST_RESORT_S)
    with closing(open_connection(broker)) as connection:
        connection.connect(lambda _topic, payload: arrived.append(payload))
        until(lambda: arrived == [b"waited"])


def test_much_that_waited_is_handled_before_the_service_is_subscribed(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a long absence the broker's answer comes behind all that waited: the service is patient, and serves."""
    arrived: list[bytes] = []

    class Hurried(Evictions):
        """A connection that is made has less time for its answers; how long that took is the machine's matter."""

        def connected(self, now: float) -> None:
            monkeypatch.setattr(mqtt, "CONNECT_S", 2)
            super().connected(now)

    def slow(_topic: str, payload: bytes) -> None:
        time.sleep(0.3)
        arrived.append(payload)

    with closing(open_connection(broker)) as connection:
        connection.connect(lambda *_: None)
    with gateway(broker) as (client, _):
        for number in range(8):
            client.publish(TOPIC, b"%d" % number, 1).wait_for_publish(LAST_RESORT_S)
    monkeypatch.setattr(mqtt, "Evictions", Hurried)
    with closing(open_connection(broker)) as connection:
        connection.connect(slow)
        assert mqtt.CONNECT_S == 2
        until(lambda: arrived == [b"%d" % number for number in range(8)])


def test_puback_follows_the_handling(broker: Broker) -> None:
    """The broker counts a message as un-acknowledged for as long as its handler runs."""
    entered, leave, seen = threading.Event(), threading.Event(), threading.Event()

    def slow(_topic: str, _payload: bytes) -> None:
        entered.set()
        leave.wait(LAST_RESORT_S)

    log = broker.folder / "mosquitto.log"
    puback = "Received PUBACK from irrigation-compute"
    broker.stop()
    with (broker.folder / "mosquitto.conf").open("a") as config:
        config.write("log_type all\n")
    broker.start()
    with closing(open_connection(broker)) as connection, gateway(broker) as (client, _):
        connection.connect(slow)
        client.publish(TOPIC, b"one", 1).wait_for_publish(LAST_RESORT_S)
        assert entered.wait(LAST_RESORT_S)
        assert not seen.wait(0.3)
        assert puback not in log.read_text()
        leave.set()
        until(lambda: puback in log.read_text())


FAILING = """
import sys, threading
from pathlib import Path
from compute_service.errors import StoreError
from compute_service.adapters.mqtt import MqttConnection

def fail(topic, payload):
    raise {error}

connection = MqttConnection(Path(sys.argv[1]), "localhost", int(sys.argv[2]))
connection.connect(fail)
print("connected", flush=True)
threading.Event().wait(20)
"""


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [("ValueError('a bug')", 1, "Traceback"), ("StoreError('disk full')", 2, "compute_service: disk full")],
)
def test_failing_handler_ends_the_process(broker: Broker, error: str, code: int, told: str) -> None:
    """A handler that fails ends the process loudly and acknowledges nothing: the next process gets the message."""
    arguments = [str(broker.folder / "irrigation-compute"), str(broker.port)]
    process = subprocess.Popen(
        [sys.executable, "-c", FAILING.format(error=error), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process, gateway(broker) as (client, _):
        assert process.stdout is not None
        assert process.stdout.readline() == "connected\n"
        client.publish(TOPIC, b"precious", 1).wait_for_publish(LAST_RESORT_S)
        _, stderr = process.communicate(timeout=LAST_RESORT_S)
    assert process.returncode == code
    assert told in stderr
    arrived: list[bytes] = []
    with closing(open_connection(broker)) as connection:
        connection.connect(lambda _topic, payload: arrived.append(payload))
        until(lambda: arrived == [b"precious"])


def test_no_broker(broker: Broker) -> None:
    """A broker that does not answer is named, with the remedy."""
    broker.stop()
    with (
        closing(open_connection(broker)) as connection,
        pytest.raises(ConnectError, match=f"localhost:{broker.port}: cannot connect"),
    ):
        connection.connect(lambda *_: None)


def test_foreign_broker(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker whose certificate is of another authority gets nothing."""
    monkeypatch.setattr(mqtt, "CONNECT_S", 1)
    other = Broker(tmp_path / "other")
    other.port = broker.port
    with closing(open_connection(other)) as connection, pytest.raises(ConnectError, match="no answer in 1 s"):
        connection.connect(lambda *_: None)


@pytest.mark.parametrize("name", ["thing_name.txt", "certificate.pem", "private_key.pem", "root_ca.pem"])
def test_missing_certificate(broker: Broker, name: str) -> None:
    """A missing file of the identity is named, with the remedy."""
    (broker.folder / "irrigation-compute" / name).unlink()
    with pytest.raises(CertificateError, match=f"{name} is missing; run 'python -m certs issue'"):
        open_connection(broker)


def test_broken_certificate(broker: Broker) -> None:
    """A certificate that is none is told as such."""
    (broker.folder / "irrigation-compute" / "certificate.pem").write_text("hello")
    with pytest.raises(CertificateError, match="issue the certificates of this thing again"):
        open_connection(broker)
