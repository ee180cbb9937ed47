"""A broker in memory for the gateway's MQTT client, and a loop of events whose time jumps to whatever is due next."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NamedTuple

from gateway.mqtt import Client

CONNECT, PUBLISH, PUBACK, SUBSCRIBE, PINGREQ, DISCONNECT = 1, 3, 4, 8, 12, 14
LONGEST_WALK_S = 4000
CONNACK = b"\x20\x02\x00\x00"


class _Jumping(selectors.SelectSelector):
    """Waits for nobody: what a real one would wait for is due at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("nothing will ever happen any more")
        self.now += max(0.0, timeout)
        assert self.now < LONGEST_WALK_S, "what is awaited does not happen"
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def in_no_time(walk: Coroutine[Any, Any, None]) -> None:
    """Run a walk that begins at 0 s of its loop; an hour in it takes as long as what happens in it."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(walk)


def now() -> float:
    """Seconds since the walk began."""
    return asyncio.get_running_loop().time()


async def settle() -> None:
    """Until everything that was woken has come to rest."""
    for _ in range(24):
        await asyncio.sleep(0)


class Packet(NamedTuple):
    """What the client wrote: its first byte, its body, all of its bytes, and when it came."""

    head: int
    body: bytes
    whole: bytes
    at: float

    @property
    def kind(self) -> int:
        return self.head >> 4


def packets(data: bytes) -> Iterator[Packet]:
    """The packets in these bytes, by the rules of MQTT 3.1.1, section 2.2."""
    start = 0
    while start < len(data):
        place, length = start + 1, 0
        while data[place] >= 128:
            length += (data[place] - 128) * 128 ** (place - start - 1)
            place += 1
        length += data[place] * 128 ** (place - start - 1)
        end = place + 1 + length
        assert end <= len(data), "a packet that is cut"
        yield Packet(data[start], data[place + 1 : end], data[start:end], now())
        start = end


def filters(subscribe: bytes) -> Iterator[tuple[str, int]]:
    """Topic filter and QoS of each row in a SUBSCRIBE's body."""
    start = 2
    while start < len(subscribe):
        end = start + 2 + int.from_bytes(subscribe[start : start + 2], "big")
        yield subscribe[start + 2 : end].decode(), subscribe[end]
        start = end + 1


class Wire:
    """A connection: both of asyncio's ends in one. While `is_slow` the peer takes nothing that is written."""

    def __init__(self, peer: "Peer") -> None:
        self.reader = asyncio.StreamReader()
        self.is_closed = False
        self.is_slow = False
        self._peer = peer
        self.transport = self

    def write(self, data: bytes) -> None:
        for packet in packets(data):
            self._peer.take(self, packet)

    async def drain(self) -> None:
        while self.is_slow:
            await asyncio.sleep(1)

    def abort(self) -> None:
        """As asyncio's: it is closed in the next turn."""
        asyncio.get_running_loop().call_soon(self._close)

    def _close(self) -> None:
        self.is_closed = True


class Peer:
    """A broker: keeps what it hears in `packets`, and answers as its switches say."""

    def __init__(self, connack: bytes = CONNACK, granted: bytes | None = b"\x01", pongs: bool = True) -> None:
        self.packets: list[Packet] = []
        self.wires: list[Wire] = []
        self.asked: list[tuple[Any, ...]] = []  # for a connection: host, port, TLS context, name, when
        self.is_reachable = True
        self.connack = connack
        self.granted = granted  # to the filters, or to each; None: a SUBSCRIBE is not answered
        self.acks, self.pongs = True, pongs

    async def open(self, host: str, port: int, ssl: Any = None, server_hostname: str | None = None) -> Any:
        self.asked.append((host, port, ssl, server_hostname, now()))
        if not self.is_reachable:
            raise OSError(111)
        self.wires.append(Wire(self))
        return self.wires[-1].reader, self.wires[-1]

    def take(self, wire: Wire, packet: Packet) -> None:
        self.packets.append(packet)
        body = packet.body
        if packet.kind == CONNECT:
            wire.reader.feed_data(self.connack)
        elif packet.kind == SUBSCRIBE and self.granted is not None:
            count = len(list(filters(body)))
            answers = self.granted if len(self.granted) == count else self.granted * count
            wire.reader.feed_data(bytes([0x90, 2 + len(answers)]) + body[:2] + answers)
        elif packet.kind == PUBLISH and self.acks:
            wire.reader.feed_data(self.puback(packet))
        elif packet.kind == PINGREQ and self.pongs:
            wire.reader.feed_data(b"\xd0\x00")

    def puback(self, publish: Packet) -> bytes:
        size = int.from_bytes(publish.body[:2], "big")
        return b"\x40\x02" + publish.body[2 + size : 4 + size]

    def of(self, kind: int) -> list[Packet]:
        return [packet for packet in self.packets if packet.kind == kind]

    def say(self, data: bytes) -> None:
        self.wires[-1].reader.feed_data(data)

    def hang_up(self) -> None:
        self.wires[-1].reader.feed_eof()


class Constant:
    """Chance that always says the same."""

    def __init__(self, value: float) -> None:
        self._value = value

    def random(self) -> float:
        return self._value


def client_of(peer: Peer, **more: Any) -> Client:
    """A client that reaches `peer`, and waits as long as it may before each attempt."""
    more = {"random": Constant(1.0), "open_connection": peer.open, "ssl_context": None, **more}
    return Client("g", ("broker", 8883, "name"), **more)


async def broken(client: Client) -> type:
    """Until the connection has failed: with what."""
    for _ in range(300):
        if client.last_error is None:
            await asyncio.sleep(0.1)
    assert not client.online
    return type(client.last_error)


Job = Callable[[Client, Peer], Coroutine[Any, Any, None]]


def walk_of(job: Job, peer: Peer | None = None, **more: Any) -> Peer:
    """Run `job(client, peer)` beside a client that has just connected; it is cancelled at the end, unless it ended."""
    broker = peer or Peer()

    async def whole() -> None:
        client = client_of(broker, **more)
        running = asyncio.create_task(client.run())
        await settle()
        try:
            await job(client, broker)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    in_no_time(whole())
    return broker
