"""MQTT: one stream of bytes, read by a gateway's client as a broker's, and by the gate as a client's and a broker's.

What may be believed of it is reckoned here once more, from the standard's own sections, and not from either reader.
"""

import asyncio
import json
import random
import struct
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, cast

from firmware.config import DEFAULTS
from gateway import mqtt
from gateway.errors import MqttError
from local_cloud import gate as gates
from local_cloud import packets
from local_cloud.errors import LocalCloudError, PacketError
from local_cloud.gate import Gate
from local_cloud.packets import Connect, Packet, Splitter
from local_cloud.policy import Policy
from local_cloud.registry import Registration
from protocol import topics
from tests.compute_service.test_forecast import NOW
from tests.fuzz.room import FaultError, HangError, Reader, code_of
from tests.fuzz.spoiling import spoiled_bytes
from tests.fuzz.standard import cut, publish_of
from tests.local_cloud.test_policy import SCOPE, attached
from tests.safety.garbage import GATEWAY, OTHER, documents

FILTERS = topics.for_gateway(GATEWAY)
COMMAND = topics.command(GATEWAY)
OWN = (
    *(topics.data(f"{GATEWAY}.soil-b"), topics.ack(GATEWAY), topics.status(GATEWAY), topics.errors(GATEWAY)),
    topics.diagnostics(GATEWAY),
)
TOPICS: tuple[str, ...] = (
    *(COMMAND, *FILTERS, *OWN, topics.command(OTHER), topics.data(f"{OTHER}.soil"), topics.diagnostics(OTHER)),
    *("", "a", "/", "a/b", "irrigation/#", "irrigation/+/x", "$SYS/x", "a\0b", "é" * 20, "\ud800", "a/" * 7, "a/" * 8),
    *("x" * 256, "x" * 257, "$share/g/a/#", "$share/g", "#", "+", "a#", "+a", "a/#/b", OWN[0].upper(), f"{OWN[0]} "),
)
PAYLOADS = (
    b"",
    b"{}",
    b"\xff",
    b"x" * 130,
    b"x" * 20000,
    *(json.dumps(row).encode() for row in documents(NOW).values()),
)
HEADS = (
    0x20,
    0x30,
    0x31,
    0x32,
    0x33,
    0x34,
    0x36,
    0x3A,
    0x3D,
    0x40,
    0x82,
    0x90,
    0xA2,
    0xB0,
    0xC0,
    0xD0,
    0xE0,
    0x00,
    0xF0,
    0x10,
)
IDS = (0, 1, 1, 2, 7, 65535)
CONNACK, SUBACK = b"\x20\x02\x00\x00", b"\x90\x05\x00\x01\x01\x01\x01"
GREETING = CONNACK + SUBACK
MOST_BODY: int = cast(
    Any, DEFAULTS["most_bytes"]
)  # a board has no room for more: the rest is cut off, and refused by who decodes it
REQUESTS = mqtt._subscribe(1, FILTERS) + b"\xa2\x07\0\7\0\3a/#"


def _length(draw: random.Random, size: int) -> bytes:
    """The remaining length, mostly right; else by a little or by far too much, or in more bytes than it needs."""
    kind = draw.random()
    if kind < 0.04:
        size = max(0, size + draw.choice((-2, -1, 1, 2, 130, 140_000, 2**28 - 1)))
    out = bytearray()
    while True:
        out.append(size & 127 | (128 if size > 127 else 0))
        size >>= 7
        if not size:
            break
    if kind > 0.98:
        out[-1] |= 128
        out += draw.choice((b"\0", b"\x80\0", b"\x80\x80\0", b"\x80\x80\x80\x80\0", b"\xff\xff\xff\x7f"))
    return bytes(out)


def _text(text: str | bytes) -> bytes:
    data = text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
    return struct.pack(">H", len(data)) + data


def _publish(draw: random.Random) -> bytes:
    return _packet(draw, draw.choice((0x30, 0x32, 0x32, 0x3A, 0x31, 0x33, 0x34, 0x36)), _publish_body(draw))


def _publish_body(draw: random.Random) -> bytes:
    topic = draw.choice(TOPICS[: draw.choice((9, len(TOPICS)))])
    return _text(topic) + struct.pack(">H", draw.choice(IDS)) + draw.choice(PAYLOADS)


def _packet(draw: random.Random, head: int, body: bytes) -> bytes:
    return bytes([head]) + _length(draw, len(body)) + body


def _acknowledgement(draw: random.Random) -> bytes:
    head = draw.choice((0x40, 0x40, 0x50, 0x62, 0x70, 0xB0))
    return _packet(draw, head, struct.pack(">H", draw.choice(IDS)) + draw.choice((b"", b"", b"", b"\0")))


def _suback(draw: random.Random) -> bytes:
    grants = bytes(draw.choice((0, 1, 1, 1, 2, 3, 128)) for _ in range(draw.choice((0, 1, 2, 3, 3, 3, 4))))
    return _packet(draw, 0x90, struct.pack(">H", draw.choice(IDS)) + grants)


def _request(draw: random.Random) -> bytes:
    """A SUBSCRIBE or an UNSUBSCRIBE."""
    head = draw.choice((0x82, 0x82, 0xA2, 0x80))
    qos = draw.choice((b"\0", b"\1", b"\2", b"\3", b"\x81")) if head != 0xA2 else b""
    names = draw.choice((TOPICS, FILTERS))
    filters = b"".join(_text(draw.choice(names)) + qos for _ in range(draw.choice((0, 1, 1, 2, 9))))
    return _packet(draw, head, struct.pack(">H", draw.choice(IDS)) + filters)


def _connect(draw: random.Random) -> bytes:
    will = (draw.choice(TOPICS[:20]), draw.choice(PAYLOADS)) if draw.random() < 0.5 else None
    if will and "\ud800" in will[0]:
        will = None
    whole = mqtt._connect(draw.choice((GATEWAY, OTHER, "", "x" * 65)), 60, will)
    if draw.random() < 0.5:
        return whole
    at = whole.index(b"MQTT") + 4  # level, flags
    return whole[:at] + bytes([draw.choice((4, 4, 4, 3, 5)), draw.randrange(256)]) + whole[at + 2 :]


def _anything(draw: random.Random) -> bytes:
    head = draw.choice((*HEADS, draw.randrange(256)))
    return _packet(draw, head, draw.randbytes(draw.choice((0, 0, 1, 2, 3, 9))))


MAKERS = (_publish,) * 8 + (_acknowledgement,) * 3 + (_suback, _request, _request, _connect, _anything, _anything)


def make(draw: random.Random) -> bytes:
    """A stream of one to six packets, begun as a broker begins it or not at all; some of its bytes spoiled."""
    stream = draw.choice((GREETING,) * 6 + (CONNACK, b"\x20\x02\x01\x05", b"", b"\x20\x01\x00", CONNACK + SUBACK[:6]))
    for _ in range(draw.randint(1, 6)):
        stream += draw.choice(MAKERS)(draw)
    return spoiled_bytes(draw, stream) if draw.random() < 0.2 else stream


# The gateway's client.


class _Wire:
    """What the client writes; nobody reads it."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        """Nothing waits."""

    async def wait_closed(self) -> None:
        """Nothing is open."""


async def _as_the_client(stream: bytes) -> bool:
    """The real client in a session whose broker says this and hangs up."""
    heard: list[tuple[str, bytes]] = []
    wire, reader = _Wire(), asyncio.StreamReader()
    reader.feed_data(stream)
    reader.feed_eof()

    async def opened(*_: Any, **__: Any) -> tuple[asyncio.StreamReader, _Wire]:
        return reader, wire

    client = mqtt.Client(
        *(GATEWAY, ("broker", 8883, None), None),
        subscriptions=FILTERS,
        most_bytes=MOST_BODY,
        on_message=lambda topic, payload: heard.append((topic, payload)),
        open_connection=opened,
    )
    online: list[int] = []
    client._on_online = lambda: online.append(len(heard))
    acked: list[int] = []
    client.send("t", b"", lambda: acked.append(1))
    with suppress(MqttError, EOFError):
        await client._session()
    _check_client(stream, heard, wire.written, bool(online), bool(acked))
    return bool(online)


class _Due(NamedTuple):
    """What the standard makes of a broker's packets, up to the first that is none."""

    heard: list[tuple[str, bytes]]
    answers: list[bytes]
    online: bool
    acked: bool


def _due(stream: bytes) -> _Due:
    heard: list[tuple[str, bytes]] = []
    answers: list[bytes] = []
    online = acked = False
    for number, (head, whole, _) in enumerate(cut(stream)):
        kind, body = head >> 4, whole[:MOST_BODY]
        told = publish_of(head, body) if kind == 3 else None
        if number == 0:
            is_good = kind == 2 and len(body) == 2 and body[1] == 0
        else:
            of_size = {4: len(body) == 2, 9: len(body) == 2 + len(FILTERS) and max(body[2:]) <= 2, 13: True}
            is_good = told.qos < 2 if told else of_size.get(kind, False)
        if not is_good:
            break
        online |= kind == 9
        acked |= kind == 4 and body == b"\0\1"
        if told:
            heard.append((told.topic, told.payload))
            answers += [b"\x40\x02" + struct.pack(">H", told.packet_id)] if told.qos else []
    return _Due(heard, answers, online, acked)


def _check_client(stream: bytes, heard: list[tuple[str, bytes]], written: bytes, online: bool, acked: bool) -> None:
    """It heard the standard's publishes up to the first packet that is none, and answered each that asks for it."""
    due = _due(stream)
    assert heard == due.heard, f"the client heard {heard}, the standard says {due.heard}"
    assert online == due.online, "online without a grant of each subscription, or offline with it"
    assert acked == due.acked, "a publish was taken for acknowledged, or its PUBACK was not taken"
    acks = [packet[2] for packet in cut(written) if packet[0] == 0x40]
    assert acks == due.answers[: len(acks)], f"PUBACKs {acks}, due were {due.answers}"


# The gate.


class _Pipe:
    """The gate's connection to the broker, or to the client; nobody reads it."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


class _GateUnderTest:
    """A gate with one client that is connected; both of its connections end in pipes."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.policy = Policy(attached(GATEWAY), GATEWAY, SCOPE)
        self.registration = Registration("a", "f", frozenset([GATEWAY]), {GATEWAY: self.policy})
        nobody = cast(Any, None)
        self.gate = Gate(
            registry=nobody,
            broker_port=0,
            tls=nobody,
            now=lambda: NOW,
            record=lambda _: None,
            on_publish=lambda _, topic, payload: self.taken.append((topic, payload)),
        )
        self.connect = Connect(protocol="MQTT", level=4, client_id=GATEWAY, clean=True, keepalive_s=60, will=None)

    def session(self) -> tuple[Any, _Pipe]:
        """A session after its CONNECT."""
        self.taken.clear()
        broker = _Pipe()
        streams = cast(Any, gates._Stream(cast(Any, None), cast(Any, broker)))
        session = gates._Session(self.gate, gates._Peer(GATEWAY, "f"), self.policy, self.connect, streams)
        session._broker = streams
        self.gate.flight.arrive(GATEWAY)
        return session, broker


def _as_the_gate(under_test: _GateUnderTest, stream: bytes, at: int) -> bool:
    """Up: what a client says. Chopped in two, as TCP may."""
    session, broker = under_test.session()
    splitter = Splitter(gates._PACKET_BYTES)
    ended = False
    try:
        for piece in (stream[:at], stream[at:]):
            session._pass_up(splitter.feed(piece))
    except (PacketError, gates._RefusedError):
        ended = True
    finally:
        under_test.gate.flight.leave(GATEWAY, True)
    _check_gate(stream, under_test.taken, broker.written, ended)
    return bool(broker.written)


def _is_own(topic: str) -> bool:
    """Whether the gateway may publish there: any probe of its name is its own, and the topics of old firmware."""
    return topic in (*OWN, *topics.UNPROVEN) or topic.startswith(f"irrigation/sensors/{GATEWAY}.")


def _check_gate(stream: bytes, taken: list[tuple[str, bytes]], passed: bytes, ended: bool) -> None:
    """The broker gets the client's own packets, whole and in order; what it publishes is the gateway's to say."""
    whole, own = b"", []
    for head, body, raw in cut(stream):
        if len(passed) == len(whole):
            break
        whole += raw
        if head >> 4 == 3:
            told = publish_of(head, body)
            assert told and told.qos < 2 and not told.retain, f"{raw[:200]!r} was passed on"
            assert _is_own(told.topic), told.topic
            assert len(told.payload) <= 131072
            own.append((told.topic, told.payload))
        assert head >> 4 in {3, 4, 8, 10, 12, 14}, f"{raw[:200]!r} is not for a client to send"
    assert passed == whole, "what was passed on is not what was said"
    assert taken == own, f"taken {taken}, passed on {own}"
    passed_on = cut(passed)
    assert ended or passed_on[-1:] == cut(stream)[-1:] or passed_on[-1][0] >> 4 == 14


def _as_a_broker_at_the_gate(under_test: _GateUnderTest, stream: bytes) -> None:
    """Down: what the broker says to the gate; and the client and the gate take the same publishes."""
    session, _ = under_test.session()
    try:
        session._pass_up(Splitter(1024).feed(REQUESTS))
        for packet in Splitter(2**28).feed(stream):
            try:
                session._pass_down(packet)
            except LocalCloudError:
                assert packet.kind != packets.PUBLISH or publish_of(packet.raw[0], packet.body) is None
            else:
                assert packet.kind != packets.PUBLISH or publish_of(packet.raw[0], packet.body)
    except PacketError:
        pass
    finally:
        under_test.gate.flight.leave(GATEWAY, True)


def _read_connects(under_test: _GateUnderTest, stream: bytes) -> None:
    """Whatever begins with a CONNECT's byte is read as one, and admitted under the thing's own name only."""
    peer = gates._Peer(GATEWAY, "f")
    for head, body, raw in cut(stream):
        if head == 0x10:
            try:
                connect = packets.read_connect(Packet(1, 0, body, raw))
                gates._admit(under_test.registration, peer, connect)
            except (PacketError, gates._RefusedError):
                continue
            assert (
                body[:7] == b"\0\4MQTT\4"
                and body[12 : 12 + len(GATEWAY)] == GATEWAY.encode() == body[12 : 12 + body[11]]
            )
            assert connect.will is None or (_is_own(connect.will.topic) and connect.will.qos < 2)


async def _judge(documents: Sequence[bytes]) -> int:
    under_test, accepted = _GateUnderTest(), 0
    for at, stream in enumerate(documents):
        try:
            accepted += await _as_the_client(stream)
            accepted += _as_the_gate(under_test, stream[len(GREETING) :], 20)
            _as_a_broker_at_the_gate(under_test, stream)
            _read_connects(under_test, stream)
        except (Exception, HangError) as error:
            raise FaultError(at, traceback.format_exc()) from error
    return accepted


def judge(documents: Sequence[bytes]) -> int:
    """How many of the sessions came online, or passed a packet on."""
    return asyncio.run(_judge(documents))


READER = Reader(
    make=make,
    judge=judge,
    batch=1000,
    code=(
        *code_of(packets, "Splitter _fixed_header _checked _Fields read_connect read_connack read_publish topic_name"),
        *code_of(packets, "read_subscribe read_unsubscribe read_packet_id _filter share_of"),
        *(mqtt.Connection.read, mqtt.Connection._body, mqtt.Client._connect, mqtt.Client._receive, mqtt._parse_publish),
        *(mqtt.Client._on_publish, mqtt.Client._on_puback, mqtt.Client._on_suback, mqtt.Client._go_online),
        *(gates._admit, gates._check_publish, gates._check_topic, gates._Session._pass_up, gates._Session._pass_down),
        *(gates._Session._judge_publish, gates._Session._judge_subscribe, gates._Session._judge_delivery),
        *(
            gates._Session._on_connack,
            gates._Session._on_puback,
            gates._Session._on_suback,
            gates._Session._on_unsuback,
        ),
    ),
    sample=3000,
    share=0.9,
)
