"""MQTT 3.1.1 packets as the gate needs them: split a byte stream, read the parts that are judged. No I/O.

Section numbers are those of the OASIS standard. Anything that breaks it raises PacketError.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from local_cloud.errors import PacketError

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 10, 11, 12, 13, 14
_FLAGS = {SUBSCRIBE: 2, UNSUBSCRIBE: 2, PUBREL: 2}  # 2.2.2; PUBLISH has flags of its own, all others have 0

REFUSED_LEVEL, REFUSED_IDENTIFIER, REFUSED_SERVER, REFUSED_AUTHORITY = 1, 2, 3, 5  # 3.2.2.3
FAILURE = 0x80  # 3.9.3


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet: `raw` is all of it, `body` what follows the fixed header."""

    kind: int
    flags: int
    body: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Publish:
    """A PUBLISH, or a will."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    packet_id: int = 0  # 0 at QoS 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """What a CONNECT asks for."""

    protocol: str
    level: int
    client_id: str
    clean: bool
    keepalive_s: int
    will: Publish | None


class Splitter:
    """Cuts a stream into packets of at most `limit` bytes each; holds no more than one unfinished packet."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Yield every packet that `data` completes."""
        buffer = self._rest + data
        start = 0
        try:
            while (head := _fixed_header(buffer, start, self._limit)) is not None:
                body_at, end = head
                if end > len(buffer):
                    return
                packet = Packet(buffer[start] >> 4, buffer[start] & 15, buffer[body_at:end], buffer[start:end])
                start = end
                yield _checked(packet)
        finally:
            self._rest = buffer[start:]


def _fixed_header(buffer: bytes, start: int, limit: int) -> tuple[int, int] | None:
    """Where the body of the packet at `start` begins and ends, or None if that is not known yet (2.2.3)."""
    length = 0
    for index in range(4):
        at = start + 1 + index
        if at >= len(buffer):
            return None
        length |= (buffer[at] & 127) << (7 * index)
        if not buffer[at] & 128:
            if length > limit:
                raise PacketError(f"packet of {length} bytes, at most {limit} are allowed")
            return at + 1, at + 1 + length
    raise PacketError("remaining length of more than four bytes")


def _checked(packet: Packet) -> Packet:
    if not CONNECT <= packet.kind <= DISCONNECT:
        raise PacketError(f"packet type {packet.kind}")
    if packet.kind != PUBLISH and packet.flags != _FLAGS.get(packet.kind, 0):
        raise PacketError(f"flags {packet.flags} on packet type {packet.kind}")
    return packet


class _Fields:
    """Reads the fields of a body, one after the other."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def done(self) -> bool:
        return self._at >= len(self._body)

    def rest(self) -> bytes:
        return self._take(len(self._body) - self._at)

    def byte(self) -> int:
        return self._take(1)[0]

    def word(self) -> int:
        return int.from_bytes(self._take(2))

    def packet_id(self) -> int:
        number = self.word()
        if number == 0:
            raise PacketError("packet identifier 0")
        return number

    def blob(self) -> bytes:
        return self._take(self.word())

    def text(self) -> str:
        try:
            text = self.blob().decode()
        except UnicodeDecodeError as error:
            raise PacketError(f"text that is not UTF-8: {error.reason}") from error
        if "\0" in text:
            raise PacketError("text with a NUL")
        return text

    def _take(self, count: int) -> bytes:
        piece = self._body[self._at : self._at + count]
        if len(piece) < count:
            raise PacketError("packet shorter than its fields")
        self._at += count
        return piece


def read_connect(packet: Packet) -> Connect:
    """3.1"""
    fields = _Fields(packet.body)
    protocol, level = fields.text(), fields.byte()
    flags, keepalive_s = fields.byte(), fields.word()
    if level != 4:
        return Connect(
            protocol=protocol, level=level, client_id="", clean=True, keepalive_s=keepalive_s, will=None
        )  # another version lays out the rest its own way
    will_qos = flags >> 3 & 3
    if flags & 1 or will_qos == 3 or (not flags & 4 and flags & 0x38) or (flags & 0x40 and not flags & 0x80):
        raise PacketError(f"CONNECT flags {flags:#04x}")
    client_id = fields.text()
    will = Publish(topic_name(fields), fields.blob(), will_qos, bool(flags & 0x20)) if flags & 4 else None
    for flag in (0x80, 0x40):  # user name and password: the certificate says who it is, so they are not read
        if flags & flag:
            fields.blob()
    if not fields.done():
        raise PacketError("CONNECT longer than its fields")
    return Connect(
        protocol=protocol, level=level, client_id=client_id, clean=bool(flags & 2), keepalive_s=keepalive_s, will=will
    )


def read_publish(packet: Packet) -> Publish:
    """3.3"""
    qos = packet.flags >> 1 & 3
    if qos == 3:
        raise PacketError("PUBLISH with QoS 3")
    fields = _Fields(packet.body)
    topic = topic_name(fields)
    packet_id = fields.packet_id() if qos else 0
    return Publish(topic, fields.rest(), qos, bool(packet.flags & 1), packet_id)


def topic_name(fields: _Fields) -> str:
    """A topic to publish to: no wildcard (4.7.1), not empty."""
    topic = fields.text()
    if not topic or "+" in topic or "#" in topic:
        raise PacketError(f"topic {topic!r} to publish to")
    return topic


def read_subscribe(packet: Packet) -> tuple[int, list[tuple[str, int]]]:
    """3.8: the packet identifier, and each filter with the QoS that it asks for."""
    fields = _Fields(packet.body)
    packet_id = fields.packet_id()
    filters = []
    while not fields.done():
        filters.append((_filter(fields.text()), fields.byte()))
    if not filters or any(qos > 2 for _, qos in filters):
        raise PacketError("SUBSCRIBE without a filter, or with a QoS above 2")
    return packet_id, filters


def read_unsubscribe(packet: Packet) -> tuple[int, list[str]]:
    """3.10: the packet identifier and the filters."""
    fields = _Fields(packet.body)
    packet_id = fields.packet_id()
    filters = []
    while not fields.done():
        filters.append(_filter(fields.text()))
    if not filters:
        raise PacketError("UNSUBSCRIBE without a filter")
    return packet_id, filters


def read_packet_id(packet: Packet) -> int:
    """The identifier that leads the body of an acknowledgement."""
    return _Fields(packet.body).packet_id()


def read_connack(packet: Packet) -> tuple[bool, int]:
    """3.2: whether the broker has a session of this client, and its answer."""
    fields = _Fields(packet.body)
    return bool(fields.byte() & 1), fields.byte()


def connack(code: int) -> bytes:
    """A CONNACK that refuses."""
    return bytes([CONNACK << 4, 2, 0, code])


def puback(packet_id: int) -> bytes:
    """Acknowledge a PUBLISH of QoS 1."""
    return struct.pack("!BBH", PUBACK << 4, 2, packet_id)


def _filter(text: str) -> str:
    levels = text.split("/")
    misplaced = any(("#" in level or "+" in level) and len(level) > 1 for level in levels) or "#" in levels[:-1]
    if not text or misplaced:
        raise PacketError(f"topic filter {text!r}")
    return text


def share_of(topic_filter: str) -> tuple[str, str]:
    """Split `$share/group/filter` into group and filter; the group of an ordinary filter is empty."""
    if not topic_filter.startswith("$share/"):
        return "", topic_filter
    _, group, rest = (topic_filter + "//").split("/", 2)
    return group, rest[:-2]


def matches(topic_filter: str, topic: str) -> bool:
    """True if a subscription to `topic_filter` (without `$share`) receives `topic` (4.7)."""
    pattern, levels = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and pattern[0] in ("+", "#"):
        return False
    if pattern[-1] == "#":
        pattern.pop()
        levels = levels[: len(pattern)]
        return len(levels) == len(pattern) and _levels_match(pattern, levels)
    return len(pattern) == len(levels) and _levels_match(pattern, levels)


def _levels_match(pattern: list[str], levels: list[str]) -> bool:
    return all(want in ("+", level) for want, level in zip(pattern, levels, strict=True))
