"""The gateway's MQTT client against a real broker, over mutual TLS, through losses and restarts."""

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway import errors
from gateway.clock import within
from gateway.mqtt import MAX_PACKET, Client
from tests.gateway.conftest import Broker, Pki
from tests.waiting import LAST_RESORT_S, eventually, until_true

CONNACK = b"\x20\x02\x00\x00"


class Observer:
    """Somebody else at the broker: hears everything, and can publish."""

    def __init__(self, broker: Broker, pki: Pki) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.subscribed = 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "observer", clean_session=False)
        self._client.tls_set_context(pki.context("observer"))
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = lambda _client, _data, message: self.heard.append(
            (message.topic, bytes(message.payload))
        )
        self._client.connect("localhost", broker.port)
        self._client.loop_start()
        until_true(lambda: self.subscribed == 1)

    def _on_subscribe(self, *_: Any) -> None:
        self.subscribed += 1

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))

    def publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, 1).wait_for_publish(5)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def observer(broker: Broker, pki: Pki) -> Iterator[Observer]:
    somebody = Observer(broker, pki)
    yield somebody
    somebody.close()


def client_of(broker: Broker, pki: Pki, name: str = "irrigation-gateway-1", **more: Any) -> Client:
    return Client(name, ("localhost", broker.port, "localhost"), pki.context(name), **more)


@asynccontextmanager
async def running(client: Client) -> AsyncIterator[asyncio.Task[None]]:
    """The client at work; ends abruptly, as when the power goes."""
    task = asyncio.create_task(client.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class RawServer:
    """A server without TLS that answers each CONNECT with the bytes it was given, and then says nothing."""

    def __init__(self, answer: bytes, hang_up: bool = False) -> None:
        self._answer = answer
        self._hang_up = hang_up
        self._writers: list[asyncio.StreamWriter] = []
        self.connects: list[float] = []
        self.heard = b""  # after the CONNECT

    async def __aenter__(self) -> "RawServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        if not (await reader.read(1000)).startswith(b"\x10"):
            return
        self.connects.append(time.monotonic())
        writer.write(self._answer)
        await writer.drain()
        if self._hang_up:
            writer.close()
            return
        while more := await reader.read(1000):
            self.heard += more

    def answer(self, more: bytes) -> None:
        """Say something later."""
        self._writers[-1].write(more)


def raw_client(server: RawServer, **more: Any) -> Client:
    return Client("irrigation-gateway-1", ("127.0.0.1", server.port, None), None, **more)


async def test_every_publish_is_acknowledged_within_the_window(broker: Broker, pki: Pki, observer: Observer) -> None:
    """A hundred publishes at once all arrive, with no more in flight than the window."""
    client = client_of(broker, pki, window=16)
    most = 0

    async def publish(number: int) -> None:
        nonlocal most
        await client.publish("t", b"%d" % number)
        most = max(most, client.in_flight)

    async with running(client):
        await eventually(lambda: client.online)
        await asyncio.gather(*(publish(number) for number in range(100)))
        await eventually(lambda: len(observer.heard) == 100)
    assert 4 < most <= 16
    assert {int(payload) for _, payload in observer.heard} == set(range(100))


async def test_large_payloads_cross(broker: Broker, pki: Pki, observer: Observer) -> None:
    """A message of AWS IoT Core's greatest size passes both ways."""
    heard: list[bytes] = []
    client = client_of(broker, pki, subscriptions=("t",), on_message=lambda _topic, payload: heard.append(payload))
    payload = random.Random(1).randbytes(128 * 1024)
    async with running(client):
        await eventually(lambda: client.online)
        await client.publish("t", payload)
        await eventually(lambda: len(heard) == 1 and len(observer.heard) == 1)
    assert heard == [payload]


async def test_a_message_is_acknowledged_after_its_handler(broker: Broker, pki: Pki, observer: Observer) -> None:
    """A handler that fails ends the client, and the broker delivers the message again to the next one."""

    def fail(_topic: str, _payload: bytes) -> None:
        raise KeyError("a bug")

    heard: list[bytes] = []
    first = client_of(broker, pki, subscriptions=("c",), on_message=fail)
    async with running(first) as task:
        await eventually(lambda: first.online)
        observer.publish("c", b"open")
        with pytest.raises(KeyError):
            await task
    second = client_of(broker, pki, subscriptions=("c",), on_message=lambda _topic, payload: heard.append(payload))
    async with running(second):
        await eventually(lambda: heard == [b"open"])


async def test_commands_wait_while_the_client_is_away(broker: Broker, pki: Pki, observer: Observer) -> None:
    """The session persists: what was published meanwhile arrives at the next connect."""
    first = client_of(broker, pki, subscriptions=("c",))
    async with running(first):
        await eventually(lambda: first.online)
    await asyncio.to_thread(observer.publish, "c", b"close")
    heard: list[bytes] = []
    second = client_of(broker, pki, subscriptions=("c",), on_message=lambda _topic, payload: heard.append(payload))
    async with running(second):
        await eventually(lambda: heard == [b"close"])


async def test_the_will_speaks_after_an_abrupt_death(broker: Broker, pki: Pki, observer: Observer) -> None:
    """Who vanishes is announced; who says farewell is not."""
    for name in ("polite", "abrupt"):
        client = client_of(broker, pki, name, will=lambda: ("will", b"gone"))
        async with running(client) as task:
            await eventually(lambda: client.online)  # noqa: B023  # awaited within the turn
            if name == "polite":
                await client.disconnect()
                await task
        assert not (observer.heard and name == "polite")
    await eventually(lambda: observer.heard == [("will", b"gone")])


async def test_a_restarted_broker_is_found_again(broker: Broker, pki: Pki, observer: Observer) -> None:
    """Unacknowledged messages are sent again, and the client hears commands as before."""
    heard: list[bytes] = []
    online: list[bool] = []
    client = client_of(
        broker,
        pki,
        subscriptions=("c",),
        on_message=lambda _topic, payload: heard.append(payload),
        on_online=lambda: online.append(True),
    )
    async with running(client):
        await eventually(lambda: client.online)
        await asyncio.to_thread(broker.stop)
        publishing = [asyncio.create_task(client.publish("t", b"%d" % number)) for number in range(5)]
        await eventually(lambda: not client.online)
        await asyncio.to_thread(broker.start)
        await asyncio.gather(*publishing)
        await eventually(lambda: {payload for _, payload in observer.heard} == {b"0", b"1", b"2", b"3", b"4"})
        await eventually(lambda: observer.subscribed > 1)
        await asyncio.to_thread(observer.publish, "c", b"again")
        await eventually(lambda: heard == [b"again"])
    assert len(online) == 2


async def test_an_unknown_broker_is_not_trusted(broker: Broker, pki: Pki, tmp_path: Path) -> None:
    """A client that knows another CA sends nothing."""
    context = Pki(tmp_path / "other").context("irrigation-gateway-1")
    client = Client("irrigation-gateway-1", ("localhost", broker.port, "localhost"), context)
    async with running(client):
        await eventually(lambda: client.last_error is not None)
    assert isinstance(client.last_error, ssl.SSLCertVerificationError)
    assert client.connects == 0


async def test_a_dead_peer_is_noticed() -> None:
    """A broker that no longer answers PINGREQ is left, and another connection tried."""
    async with RawServer(CONNACK) as server:
        client = raw_client(server, keepalive_s=1)
        async with running(client):
            await eventually(lambda: len(server.connects) == 2)
        assert isinstance(client.last_error, errors.MqttSilence)


async def test_a_subscribe_that_is_never_answered() -> None:
    """Without a SUBACK the client is not online, and tries again."""
    async with RawServer(CONNACK + b"\xd0\x00") as server:
        client = raw_client(server, keepalive_s=1, subscriptions=("c",))
        async with running(client):
            await eventually(lambda: len(server.connects) == 2)
            assert not client.online


@pytest.mark.parametrize("answer", [CONNACK, b""])
async def test_farewell_before_the_client_is_online(answer: bytes) -> None:
    """Who is asked to leave while it connects does leave, and says so."""
    async with RawServer(answer) as server:
        client = raw_client(server, subscriptions=("c",))
        async with running(client) as task:
            await eventually(lambda: len(server.connects) == 1)
            leaving = asyncio.create_task(client.disconnect())
            if not answer:
                await asyncio.sleep(0.1)
                server.answer(CONNACK)
            await asyncio.wait_for(leaving, LAST_RESORT_S)
            await asyncio.wait_for(task, LAST_RESORT_S)
            await eventually(lambda: b"\xe0\x00" in server.heard)


async def test_who_left_before_the_connection_does_not_connect() -> None:
    """Asked to leave while the connection is being opened, it says nothing any more."""
    async with RawServer(CONNACK) as server:
        client = raw_client(server)
        async with running(client) as task:
            await asyncio.sleep(0)
            await client.disconnect()
            await asyncio.wait_for(task, LAST_RESORT_S)
        assert (server.connects, client.connects) == ([], 0)


@pytest.mark.parametrize("turns", range(5))
async def test_the_power_goes_just_as_the_answer_comes(turns: int) -> None:
    """However close the two are, a cancelled wait is cancelled: else the client would live on."""
    answer = asyncio.Event()

    async def job() -> bool:
        return await answer.wait()

    waiting = asyncio.create_task(within(60, job()))
    await asyncio.sleep(0.01)
    answer.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    came_first = waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled() or came_first


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"\x20\x02\x00\x05", errors.MqttRefused),
        (b"\x90\x03\x00\x01\x01", errors.MqttPacketError),
        (CONNACK + b"\x90\x03\x00\x01\x80", errors.MqttRefused),
        (CONNACK + b"\x30\xff\xff\xff\xff\x01", errors.MqttPacketError),
        (CONNACK + b"\x30\xff\xff\xff\x7f", errors.MqttPacketError),
        (CONNACK + b"\x34\x05\x00\x01t\x00\x01", errors.MqttPacketError),
        (CONNACK + b"\x32\x03\x00\x01t", errors.MqttPacketError),
        (CONNACK + b"\x30\x00", errors.MqttPacketError),
        (CONNACK + b"\x30\x03\x00\x01\xff", errors.MqttPacketError),
        (CONNACK + b"\x40\x01\x00", errors.MqttPacketError),
        (CONNACK + b"\x10\x00", errors.MqttPacketError),
    ],
    ids=[
        "connect refused",
        "no connack",
        "subscribe refused",
        "length of five bytes",
        "256 MB",
        "QoS 2",
        "no packet id",
        "no topic",
        "topic not UTF-8",
        "short puback",
        "a client's packet",
    ],
)
async def test_what_a_broker_may_not_send(answer: bytes, error: type[errors.MqttError]) -> None:
    """A refusal, a malformed packet or an oversized one ends the connection, with the cause by its name."""
    async with RawServer(answer) as server:
        client = raw_client(server, subscriptions=("c",))
        async with running(client):
            await eventually(lambda: client.last_error is not None)
        assert type(client.last_error) is error


def test_the_packet_limit_holds_a_whole_message() -> None:
    """The greatest message of AWS IoT Core, with its topic, is within what the client takes."""
    assert 128 * 1024 + 256 + 4 <= MAX_PACKET <= 256 * 1024


async def test_what_is_too_long_for_a_board_is_cut(broker: Broker, pki: Pki, observer: Observer) -> None:
    """A board keeps the beginning of an oversized message and acknowledges it, so that it does not come for ever."""
    heard: list[bytes] = []
    client = client_of(
        broker, pki, subscriptions=["c"], on_message=lambda _topic, payload: heard.append(payload), most_bytes=1000
    )
    async with running(client):
        await eventually(client.quiet)
        observer.publish("c", b"x" * 50_000)
        observer.publish("c", b"short")
        await eventually(lambda: len(heard) == 2)
    assert (heard[0], heard[1]) == (b"x" * (1000 - len("c") - 4), b"short")


async def test_connects_keep_their_distance() -> None:
    """However often it fails, a client id sends no more than one CONNECT a second."""
    async with RawServer(CONNACK, hang_up=True) as server:
        async with running(raw_client(server)):
            await eventually(lambda: len(server.connects) == 3)
        distances = [later - earlier for earlier, later in zip(server.connects, server.connects[1:], strict=False)]
    assert all(distance >= 0.99 for distance in distances)


async def test_the_backoff_is_jittered_and_grows() -> None:
    """A fleet's gateways wait for random times within a bound that doubles up to a minute."""

    class Highest:
        def random(self) -> float:
            return 1.0

    client = Client("g", ("127.0.0.1", 1, None), None, random=Highest())
    assert [client._backoff_s() for _ in range(8)] == [2, 4, 8, 16, 32, 60, 60, 60]
    jittered = Client("g", ("127.0.0.1", 1, None), None, random=random.Random(1))
    waits = [jittered._backoff_s() for _ in range(50)]
    assert min(waits) >= 1
    assert len(set(waits)) > 25


def test_errors_have_one_base() -> None:
    """Whoever catches GatewayError catches every error of this package."""
    found = [entry for entry in vars(errors).values() if isinstance(entry, type)]
    assert len(found) > 5
    assert all(issubclass(entry, errors.GatewayError) for entry in found)
