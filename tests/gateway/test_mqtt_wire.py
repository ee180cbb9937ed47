"""The gateway's MQTT client, byte by byte, against a broker in memory."""

import asyncio
import struct

import pytest

from gateway.errors import MqttPacketError, MqttRefused
from gateway.mqtt import Client
from tests.gateway.peer import (
    PINGREQ,
    PUBACK,
    PUBLISH,
    SUBSCRIBE,
    Peer,
    broken,
    filters,
    settle,
    walk_of,
)

ONE_PACKET = 132 * 1024  # bytes of the longest body that is taken


def incoming(topic: bytes, payload: bytes, packet_id: int = 7, qos: int = 1) -> bytes:
    """A PUBLISH as a broker sends it."""
    body = struct.pack(">H", len(topic)) + topic + (struct.pack(">H", packet_id) if qos else b"") + payload
    sizes = bytearray()
    rest = len(body)
    while rest >= 128:
        sizes.append(rest % 128 + 128)
        rest //= 128
    return bytes([0x30 + 2 * qos, *sizes, rest]) + body


def test_every_byte_of_a_session() -> None:
    """What goes over the wire is what the standard says, from the will to the farewell; no reserved bit is set."""

    async def job(client: Client, peer: Peer) -> None:
        assert (client.online, client.connects) == (True, 1)
        client.send("t", b"hi", lambda: None)
        peer.say(incoming(b"a", b"go", 0x0102))
        await settle()
        peer.acks = False
        client.send("t", b"again", lambda: None)
        await settle()
        peer.hang_up()
        await asyncio.sleep(3)
        await client.disconnect()

    peer = walk_of(job, will=lambda: ("w", b"gone"), subscriptions=("a", "b/#"), keepalive_s=300)
    connect = b"\x10\x16\x00\x04MQTT\x04\x0c\x01\x2c\x00\x01g\x00\x01w\x00\x04gone"
    assert [packet.whole for packet in peer.packets if packet.kind != PINGREQ] == [
        connect,
        b"\x82\x0c\x00\x01\x00\x01a\x01\x00\x03b/#\x01",
        b"\x32\x07\x00\x01t\x00\x02hi",
        b"\x40\x02\x01\x02",
        b"\x32\x0a\x00\x01t\x00\x03again",
        connect,
        b"\x82\x0c\x00\x04\x00\x01a\x01\x00\x03b/#\x01",
        b"\x3a\x0a\x00\x01t\x00\x03again",
        b"\xe0\x00",
    ]
    assert {packet.whole for packet in peer.of(PINGREQ)} == {b"\xc0\x00"}


def test_a_client_without_will_and_filters() -> None:
    """It asks for a session that persists, and is online with the CONNACK."""

    async def job(client: Client, _peer: Peer) -> None:
        assert client.online

    [connect] = walk_of(job, keepalive_s=60).packets[:1]
    assert connect.whole == b"\x10\x0d\x00\x04MQTT\x04\x00\x00\x3c\x00\x01g"


@pytest.mark.parametrize(
    ("length", "sizes"),
    [
        (126, b"\x7e"),
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (129, b"\x81\x01"),
        (16383, b"\xff\x7f"),
        (16384, b"\x80\x80\x01"),
        (ONE_PACKET, b"\x80\xa0\x08"),
    ],
)
def test_a_packet_of_any_length_crosses(length: int, sizes: bytes) -> None:
    """At each length where the number of its bytes changes, and at the greatest, both ways."""
    heard: list[bytes] = []

    async def job(client: Client, peer: Peer) -> None:
        payload = bytes(number % 251 for number in range(length - 5))
        client.send("t", payload, lambda: None)
        peer.say(incoming(b"t", payload, 300))
        await settle()
        assert client.quiet()
        assert heard == [payload]
        [publish] = peer.of(PUBLISH)
        assert publish.whole == b"\x32" + sizes + b"\x00\x01t\x00\x01" + payload
        assert [packet.body for packet in peer.of(PUBACK)] == [b"\x01\x2c"]

    walk_of(job, on_message=lambda _topic, payload: heard.append(payload))


@pytest.mark.parametrize(("qos", "answers"), [(0, []), (1, [b"\x00\x01", b"\x00\x01", b"\xff\x00"])])
def test_what_a_broker_may_publish(qos: int, answers: list[bytes]) -> None:
    """A long topic, an empty payload, any id; at QoS 0 nothing is answered, at QoS 1 the id."""
    heard: list[tuple[str, bytes]] = []
    messages = ((b"t", b"", 1), (b"t" * 300, b"x", 1), ("ação".encode(), b"yz", 0xFF00))

    async def job(client: Client, peer: Peer) -> None:
        for topic, payload, packet_id in messages:
            peer.say(incoming(topic, payload, packet_id, qos))
        await settle()
        assert client.online

    peer = walk_of(job, on_message=lambda *message: heard.append(message))
    assert heard == [(topic.decode(), payload) for topic, payload, _ in messages]
    assert [packet.body for packet in peer.of(PUBACK)] == answers


def test_what_is_cut_leaves_nothing_behind() -> None:
    """Of a packet that is too long for a board the beginning is heard, then the next packet from its start."""
    heard: list[bytes] = []

    async def job(client: Client, peer: Peer) -> None:
        for length in (995, 996, 1100, 50_000):
            peer.say(incoming(b"t", b"x" * length))
            peer.say(incoming(b"t", b"short"))
        await settle()
        assert client.online
        assert len(peer.of(PUBACK)) == 8

    walk_of(job, on_message=lambda _topic, payload: heard.append(payload), most_bytes=1000)
    assert heard == [b"x" * 995, b"short"] * 4


def test_a_message_nobody_listens_to_is_acknowledged() -> None:
    """A client that only publishes lets a stray message go, so that it does not come for ever."""

    async def job(client: Client, peer: Peer) -> None:
        peer.say(incoming(b"t", b"x"))
        await settle()
        assert client.online
        assert len(peer.of(PUBACK)) == 1

    walk_of(job)


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (b"\x30\x00", "a malformed PUBLISH"),
        (b"\x30\x01\x00", "a malformed PUBLISH"),
        (b"\x30\x02\x00\x00", "a malformed PUBLISH"),
        (b"\x30\x03\x00\x02t", "a malformed PUBLISH"),
        (b"\x32\x03\x00\x01t", "a malformed PUBLISH"),
        (b"\x32\x04\x00\x01t\x07", "a malformed PUBLISH"),
        (b"\x32\x05\x00\x00\x00\x07x", "a malformed PUBLISH"),
        (b"\x34\x05\x00\x01t\x00\x07", "a malformed PUBLISH"),
        (b"\x36\x05\x00\x01t\x00\x07", "a malformed PUBLISH"),
        (b"\x32\x05\x00\x01t\x00\x00", "a PUBLISH to no topic, or without an id"),
        (b"\x30\x05\x00\x03a/+", "a PUBLISH to no topic, or without an id"),
        (b"\x30\x03\x00\x01#", "a PUBLISH to no topic, or without an id"),
        (b"\x30\x04\x00\x02a\x00", "a PUBLISH to no topic, or without an id"),
        (b"\x30\x03\x00\x01\xff", "a topic that is not UTF-8"),
        (b"\x40\x01\x00", "a malformed PUBACK"),
        (b"\x40\x03\x00\x01\x00", "a malformed PUBACK"),
        (b"\x30\x81\xa0\x08", "a packet of 135169 bytes, at most 135168 are taken"),
        (b"\x30\xff\xff\xff\x7f", "a packet of 268435455 bytes, at most 135168 are taken"),
        (b"\x30\xff\xff\xff\xff\x01", "a packet length of more than four bytes"),
        (b"\x00\x00", "a packet of type 0, which a broker does not send"),
        (b"\x50\x02\x00\x01", "a packet of type 5, which a broker does not send"),
        (b"\xa0\x00", "a packet of type 10, which a broker does not send"),
        (b"\xe0\x00", "a packet of type 14, which a broker does not send"),
    ],
)
def test_what_a_broker_may_not_send_is_named(packet: bytes, why: str) -> None:
    """Such a packet is neither heard nor answered: it ends the connection, which is closed, and says why."""

    async def job(client: Client, peer: Peer) -> None:
        peer.say(packet)
        assert await broken(client) is MqttPacketError
        assert str(client.last_error) == why
        assert peer.of(PUBACK) == []
        assert peer.wires[0].is_closed

    walk_of(job, on_message=lambda *_: pytest.fail("it was heard"))


@pytest.mark.parametrize(
    ("connack", "granted", "error", "code"),
    [
        (b"\x90\x02\x00\x00", b"\x01", MqttPacketError, None),
        (b"\x20\x03\x00\x00\x00", b"\x01", MqttPacketError, None),
        (b"\x20\x01\x00", b"\x01", MqttPacketError, None),
        (b"\x20\x02\x00\x01", b"\x01", MqttRefused, 1),
        (b"\x20\x02\x01\x00", b"\x80\x01", MqttRefused, 128),
        (b"\x20\x02\x00\x00", b"\x01\x80", MqttRefused, 128),
        (b"\x20\x02\x00\x00", b"\x01\x03", MqttRefused, 3),
        (b"\x20\x02\x00\x00", b"\x01\x01\x01", MqttPacketError, None),
    ],
)
def test_who_is_not_let_in_is_not_online(connack: bytes, granted: bytes, error: type, code: int | None) -> None:
    """Any answer but the wanted one, to the CONNECT or to any of the filters."""
    online: list[bool] = []

    async def job(client: Client, peer: Peer) -> None:
        assert await broken(client) is error
        assert getattr(client.last_error, "code", None) == code
        assert peer.wires[0].is_closed

    walk_of(job, Peer(connack, granted), subscriptions=("a", "b"), on_online=lambda: online.append(True))
    assert online == []


@pytest.mark.parametrize("granted", [b"\x00", b"\x01", b"\x02"])
def test_eight_filters_and_a_grant_at_any_qos(granted: bytes) -> None:
    """So many are allowed in one SUBSCRIBE; a broker that gives them less or more than they asked for delivers."""
    names = tuple("abcdefgh")

    async def job(client: Client, _peer: Peer) -> None:
        assert client.online

    [subscribe] = walk_of(job, Peer(granted=granted), subscriptions=names).of(SUBSCRIBE)
    assert list(filters(subscribe.body)) == [(name, 1) for name in names]


# The window


def test_the_window_is_full_and_no_fuller() -> None:
    """Exactly so many messages are under way; the next goes when one was acknowledged, and ends with its own PUBACK."""

    async def job(client: Client, peer: Peer) -> None:
        peer.acks = False
        waiting = [asyncio.create_task(client.publish("t", b"%d" % number)) for number in range(20)]
        await settle()
        assert (len(peer.of(PUBLISH)), client.in_flight, client.room) == (16, 16, 0)
        assert not any(task.done() for task in waiting)
        peer.say(peer.puback(peer.of(PUBLISH)[3]))
        await settle()
        assert [number for number, task in enumerate(waiting) if task.done()] == [3]
        assert (len(peer.of(PUBLISH)), client.in_flight) == (17, 16)
        peer.acks = True
        for packet in peer.of(PUBLISH):
            peer.say(peer.puback(packet))  # one for the second time: it belongs to nothing any more
        await asyncio.gather(*waiting)
        assert (client.in_flight, client.room, client.quiet()) == (0, 16, True)
        assert [packet.body[5:] for packet in peer.of(PUBLISH)] == [b"%d" % number for number in range(20)]

    walk_of(job)


def test_ids_of_two_bytes() -> None:
    """Hundreds of messages, each with an id of its own, and each PUBACK finds its message."""
    acked: list[int] = []

    async def job(client: Client, peer: Peer) -> None:
        for number in range(300):
            client.send("t", b"", lambda number=number: acked.append(number))  # type: ignore[misc]
            if number % 50 == 0:
                await settle()
        await settle()
        assert client.in_flight == 0
        assert [packet.body[3:] for packet in peer.of(PUBLISH)] == [struct.pack(">H", n + 1) for n in range(300)]

    walk_of(job)
    assert acked == list(range(300))


def test_a_message_that_came_before_the_connection_was_ready_goes_once() -> None:
    """Nothing is published before the broker has answered the SUBSCRIBE, and then it goes one time."""

    async def job(client: Client, peer: Peer) -> None:
        assert not client.quiet()
        client.send("t", b"x", lambda: None)
        await settle()
        assert (peer.of(PUBLISH), client.in_flight) == ([], 1)
        peer.say(b"\x90\x03\x00\x01\x01")
        await settle()
        assert (len(peer.of(PUBLISH)), client.quiet()) == (1, True)

    walk_of(job, Peer(granted=None), subscriptions=("a",))


def test_quiet_is_when_nothing_is_left_to_write() -> None:
    """A peer that does not take what is written: the client is not quiet before the last PUBACK has left."""

    async def job(client: Client, peer: Peer) -> None:
        assert client.quiet()
        peer.wires[0].is_slow = True
        peer.say(incoming(b"t", b""))
        await settle()
        assert (client.online, client.in_flight, client.quiet()) == (True, 0, False)
        peer.wires[0].is_slow = False
        await asyncio.sleep(2)
        assert client.quiet()

    walk_of(job)
