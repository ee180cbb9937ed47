"""A small MQTT 3.1.1 client on asyncio streams: QoS 1 both ways, TLS, a last will; it reconnects for ever.

What the broker has not acknowledged is sent again after a reconnect, unless `on_hang_up` takes it back. An incoming
message is acknowledged when its handler has returned, not before. Everything here lives in real time.
"""

import asyncio
import random as system_random
import struct

from gateway.clock import within
from gateway.errors import MqttError, MqttPacketError, MqttRefused, MqttSilence

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from gateway.interfaces import Random

    Message = tuple[str, bytes]
    Job = Callable[["Connection"], Coroutine[Any, Any, None]]

CONNECT_TIMEOUT_S = 20
MAX_PACKET = 132 * 1024  # a message of 128 KB, AWS IoT Core's limit, and its topic
MAX_WAITING = 256  # packets that a peer which does not read may make us hold
BACKOFF_S = (1, 60)  # least and most; AWS IoT Core allows one CONNECT a second

_CONNACK, _PUBLISH, _PUBACK, _SUBACK, _PINGRESP = 2, 3, 4, 9, 13
_PINGREQ = b"\xc0\x00"
_DISCONNECT = b"\xe0\x00"


class Connection:
    """One connection from open to broken. A single task writes, so packets never mix and nobody waits to send."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most_bytes: int = MAX_PACKET
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._most_bytes = most_bytes
        self._wake = asyncio.Event()
        self._break = asyncio.Event()
        self._error: BaseException = MqttError("closed")
        self.waiting: list[bytes] = []

    def post(self, packet: bytes) -> None:
        """Queue a packet to be written."""
        if len(self.waiting) >= MAX_WAITING:
            self.fail(MqttSilence("the broker does not read"))
            return
        self.waiting.append(packet)
        self._wake.set()

    def fail(self, error: BaseException) -> None:
        """End the connection; `live` raises the first error that was given."""
        if not self._break.is_set():
            self._error = error
            self._break.set()

    async def read(self) -> "tuple[int, bytes]":
        """Receive one packet: its first byte and its body."""
        head = (await self._reader.readexactly(1))[0]
        length = shift = 0
        while True:
            byte = (await self._reader.readexactly(1))[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
            if shift == 28:
                raise MqttPacketError("a packet length of more than four bytes")
        if length > MAX_PACKET:
            raise MqttPacketError(f"a packet of {length} bytes, at most {MAX_PACKET} are taken")
        self.heard = True
        return head, await self._body(length)

    async def _body(self, length: int) -> bytes:
        """The first `most_bytes` of a body: a board has no room for more, and who decodes the rest refuses it."""
        body = await self._reader.readexactly(min(length, self._most_bytes)) if length else b""
        rest = length - len(body)
        while rest:
            rest -= len(await self._reader.readexactly(min(rest, 256)))
        return body

    async def live(self, *jobs: "Job") -> None:
        """Run each `job(link)` and the writer until one of them fails; raises what it raised."""
        tasks = [asyncio.create_task(self._guard(job)) for job in jobs]
        tasks.append(asyncio.create_task(self._guard(Connection._write)))
        try:
            await self._break.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        raise self._error

    async def close(self) -> None:
        """Hang up at once: a dead peer answers no farewell."""
        transport = getattr(self._writer, "transport", None)
        if transport is not None:
            transport.abort()
            await asyncio.sleep(0)  # asyncio closes the socket in its next turn
            return
        try:
            await self._writer.wait_closed()  # MicroPython's `close` closes nothing
        except OSError:
            pass

    async def _guard(self, job: "Job") -> None:
        try:
            await job(self)
        except Exception as error:  # raised again by `live`, in the task that waits for it
            self.fail(error)

    async def flush(self) -> None:
        """Write what is queued."""
        while self.waiting:
            self._writer.write(self.waiting[0])
            await self._writer.drain()
            self.waiting.pop(0)

    async def _write(self) -> None:
        while True:
            await self.flush()
            self._wake.clear()
            await self._wake.wait()


class Client:
    """Publishes and subscribes at QoS 1 under one client id, in a persistent session.

    `address` is (host, port, name in the server's certificate). `will` gives the last will's topic and payload at each
    connect. `on_message(topic, payload)` and `on_online()` are plain functions; what they raise ends `run`. So is
    `on_hang_up()`, when the broker ends a connection with messages under way: True forgets them. A message of more than
    `most_bytes` is cut. `open_connection` replaces asyncio's.
    """

    def __init__(  # noqa: PLR0913  # a link has this many ends, each named at the call
        self,
        client_id: str,
        address: "tuple[str, int, str | None]",
        ssl_context: "ssl.SSLContext | None",
        *,
        subscriptions: "Sequence[str]" = (),
        on_message: "Callable[[str, bytes], None] | None" = None,
        on_online: "Callable[[], None] | None" = None,
        on_hang_up: "Callable[[], bool] | None" = None,
        will: "Callable[[], Message] | None" = None,
        keepalive_s: int = 60,
        window: int = 16,
        most_bytes: int = MAX_PACKET,
        open_connection: "Callable[..., Any] | None" = None,
        random: "Random" = system_random,
    ) -> None:
        if len(subscriptions) > 8:
            raise ValueError("AWS IoT Core allows 8 filters in a SUBSCRIBE")
        self._id = client_id
        self._address = address
        self._ssl = ssl_context
        self._subscriptions = subscriptions
        self._on_message = on_message
        self._on_online = on_online
        self._on_hang_up = on_hang_up
        self._will = will
        self._keepalive_s = keepalive_s
        self._window = window
        self._most_bytes = most_bytes
        self._open = open_connection
        self._random = random
        self._link: Connection | None = None
        self._in_flight: list[
            tuple[int, str, bytes, Callable[[], None]]
        ] = []  # a list: MicroPython's dict has no order
        self._freed = asyncio.Event()
        self._leaving = False
        self._packet_id = 0
        self._more = 0  # filters of the last `subscribe`
        self.attempts = 0
        self.online = False
        self.connects = 0
        self.last_error: BaseException | None = None

    @property
    def in_flight(self) -> int:
        """Messages handed over and not acknowledged yet."""
        return len(self._in_flight)

    @property
    def room(self) -> int:
        """How many more messages the window takes."""
        return self._window - len(self._in_flight)

    def quiet(self) -> bool:
        """True if online with nothing unacknowledged and nothing left to write."""
        return self.online and not self._in_flight and self._link is not None and not self._link.waiting

    def send(self, topic: str, payload: bytes, on_acked: "Callable[[], None]") -> None:
        """Publish at QoS 1, now or when next online; `on_acked()` follows the broker's PUBACK."""
        entry = (self._next_id(), topic, payload, on_acked)
        self._in_flight.append(entry)
        if self.online and self._link:
            self._link.post(_publish(entry[0], topic, payload))

    def subscribe(self, filters: "Sequence[str]") -> None:
        """Ask for more as long as this connection lasts; a broker's refusal changes nothing."""
        if self.online and self._link:
            self._more = len(filters)
            self._link.post(_subscribe(self._next_id(), filters))

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1 when the window has room, and wait for the PUBACK, however many connections it takes."""
        while self.room <= 0:
            self._freed.clear()
            await self._freed.wait()
        acked = asyncio.Event()
        self.send(topic, payload, acked.set)
        await acked.wait()

    async def run(self) -> None:
        """Stay connected until cancelled, or until `disconnect`."""
        while not self._leaving:
            try:
                await self._session()
            except (MqttError, OSError, EOFError, ValueError) as error:
                self.last_error = error  # ValueError: MicroPython's TLS on a certificate that is not valid yet
            if self._leaving:
                return
            await asyncio.sleep(self._backoff_s())

    async def disconnect(self) -> None:
        """Say farewell, so that the broker keeps the last will to itself, even before it has answered; `run` ends."""
        self._leaving = True
        link = self._link
        if link:
            link.post(_DISCONNECT)
            while link.waiting and self._link is link:
                await asyncio.sleep(0.01)
            link.fail(MqttError("disconnected"))

    async def _session(self) -> None:
        host, port, name = self._address
        opening = (self._open or asyncio.open_connection)(
            host, port, ssl=self._ssl, server_hostname=name if self._ssl else None
        )
        reader, writer = await _soon(opening)
        link = Connection(reader, writer, self._most_bytes)
        try:
            if self._leaving:
                return
            await self._connect(link)
            await link.live(self._receive, self._ping)
        except (OSError, EOFError):
            was_online, self.online = self.online, False
            if was_online and self._in_flight and self._on_hang_up and self._on_hang_up():
                self._in_flight = []
                self._freed.set()
            raise
        finally:
            self.online = False
            self._link = None
            await link.close()

    async def _connect(self, link: Connection) -> None:
        link.post(_connect(self._id, self._keepalive_s, self._will and self._will()))
        self._link = link
        await _soon(link.flush())  # MicroPython shakes hands, and hears that nobody is there, in the first write
        head, body = await _soon(link.read())
        if head >> 4 != _CONNACK or len(body) != 2:
            raise MqttPacketError("no CONNACK after CONNECT")
        if body[1]:
            raise MqttRefused("CONNECT", body[1])
        self.connects += 1
        if self._subscriptions:
            link.post(_subscribe(self._next_id(), self._subscriptions))
        else:
            self._go_online(link)

    async def _receive(self, link: Connection) -> None:
        handlers = {
            _PUBLISH: self._on_publish,
            _PUBACK: self._on_puback,
            _SUBACK: self._on_suback,
            _PINGRESP: self._on_pingresp,
        }
        while True:
            head, body = await link.read()
            handler = handlers.get(head >> 4)
            if handler is None:
                raise MqttPacketError(f"a packet of type {head >> 4}, which a broker does not send")
            handler(link, head, body)

    async def _ping(self, link: Connection) -> None:
        oldest = None
        while True:
            link.heard = False
            link.post(_PINGREQ)
            await asyncio.sleep(self._keepalive_s / 2)
            waits = self._in_flight[0] if self._in_flight else None
            if not link.heard or not self.online:
                raise MqttSilence(f"no answer in {self._keepalive_s / 2:.0f} s")
            if waits and waits is oldest:  # as a broker that denies a message, but does not even hang up
                raise EOFError("no PUBACK")
            oldest = waits

    def _on_publish(self, link: Connection, head: int, body: bytes) -> None:
        topic, packet_id, payload = _parse_publish(head, body)
        if self._on_message:
            self._on_message(topic, payload)
        if packet_id:
            link.post(b"\x40\x02" + struct.pack(">H", packet_id))

    def _on_puback(self, _link: Connection, _head: int, body: bytes) -> None:
        if len(body) != 2:
            raise MqttPacketError("a malformed PUBACK")
        self.attempts = 0
        packet_id = int.from_bytes(body, "big")
        for entry in self._in_flight:
            if entry[0] == packet_id:
                self._in_flight.remove(entry)
                self._freed.set()
                entry[3]()
                return

    def _on_suback(self, link: Connection, _head: int, body: bytes) -> None:
        if self.online and self._more and len(body) == 2 + self._more:  # the answer to `subscribe`
            return
        if len(body) != 2 + len(self._subscriptions):
            raise MqttPacketError("a SUBACK without an answer to each filter")
        for code in body[2:]:
            if code > 2:
                raise MqttRefused("SUBSCRIBE", code)
        self._go_online(link)

    def _on_pingresp(self, _link: Connection, _head: int, _body: bytes) -> None:
        self.attempts = 0

    def _go_online(self, link: Connection) -> None:
        for packet_id, topic, payload, _ in self._in_flight:
            link.post(_publish(packet_id, topic, payload, again=True))
        self.online = True
        if self._on_online:
            self._on_online()

    def _next_id(self) -> int:
        ids = [entry[0] for entry in self._in_flight]
        while True:
            self._packet_id = self._packet_id % 65535 + 1
            if self._packet_id not in ids:
                return self._packet_id

    def _backoff_s(self) -> float:
        least, most = BACKOFF_S
        self.attempts += 1
        # Full jitter: a fleet that lost its broker together must not come back together.
        return max(least, self._random.random() * min(most, 1 << min(self.attempts, 10)))


async def _soon(job: "Coroutine[Any, Any, Any]") -> "Any":
    try:
        return await within(CONNECT_TIMEOUT_S, job)
    except asyncio.TimeoutError as error:
        raise MqttSilence(f"no connection in {CONNECT_TIMEOUT_S} s") from error


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def _packet(head: int, *parts: bytes) -> bytes:
    length = sum([len(part) for part in parts])
    out = bytearray([head])
    while True:
        out.append(length & 127 | (128 if length > 127 else 0))
        length >>= 7
        if not length:
            return b"".join((bytes(out),) + parts)  # noqa: RUF005  # no `*` in a tuple here


def _connect(client_id: str, keepalive_s: int, will: "Message | None") -> bytes:
    flags = 0  # a session that persists: commands wait at the broker while we are away
    body = _text(client_id)
    if will:
        topic, payload = will
        flags = 4 | 1 << 3  # a will, at QoS 1
        body += _text(topic) + struct.pack(">H", len(payload)) + payload
    return _packet(0x10, _text("MQTT") + bytes([4, flags]) + struct.pack(">H", keepalive_s) + body)


def _subscribe(packet_id: int, filters: "Sequence[str]") -> bytes:
    return _packet(0x82, struct.pack(">H", packet_id) + b"".join([_text(name) + b"\x01" for name in filters]))


def _publish(packet_id: int, topic: str, payload: bytes, again: bool = False) -> bytes:
    return _packet(0x3A if again else 0x32, _text(topic), struct.pack(">H", packet_id), payload)


def _parse_publish(head: int, body: bytes) -> "tuple[str, int, bytes]":
    qos = head >> 1 & 3
    size = int.from_bytes(body[:2], "big")
    start = 2 + size + (2 if qos else 0)
    if qos > 1 or not size or len(body) < start:
        raise MqttPacketError("a malformed PUBLISH")
    try:
        topic = body[2 : 2 + size].decode()
    except ValueError as error:
        raise MqttPacketError("a topic that is not UTF-8") from error
    packet_id = int.from_bytes(body[2 + size : start], "big")
    if (qos and not packet_id) or "+" in topic or "#" in topic or "\0" in topic:
        raise MqttPacketError("a PUBLISH to no topic, or without an id")
    return topic, packet_id, body[start:]
