"""A gateway's world in memory, on both runtimes: broker, clock, board, and a store that can lose its power."""

import asyncio
import json
import random
import unittest

from gateway.errors import StorageError
from gateway.gateway import Gateway
from gateway.store import MemoryStore
from protocol import messages, topics

AsyncTestCase = getattr(unittest, "IsolatedAsyncioTestCase", unittest.TestCase)
NAME = "irrigation-gateway-1"
START = 1591707600
TURNS = 24  # of the event loop, after which a chain of woken tasks has come to rest
ZONES = [{"zone_id": "plot-1a", "hard_cap_s": 3900, "litres_per_minute": 60}]


class PowerCut(Exception):  # noqa: N818  # no error of anybody's
    """The end of everything that runs on the board."""


class CutStore(MemoryStore):
    """Loses its power in a chosen write: `cut` is its number and how many of its bytes get there.

    `writes` lists `(operation, name, bytes)`. A `save` is torn like the rest: the harshest of file systems. `full`
    fails every write instead, and the power stays.
    """

    def __init__(self, data=None):
        super().__init__()
        self._data = {name: bytearray(data[name]) for name in data or {}}
        self.writes = []
        self.cut = None
        self.dead = False
        self.full = False

    def save(self, name, data):
        self._write("save", name, data)

    def append(self, name, data):
        self._write("append", name, data)

    def remove(self, name):
        self._write("remove", name, b"")

    def copy(self):
        return {name: bytes(self._data[name]) for name in self._data}

    def power_on(self):
        self.dead, self.cut = False, None

    def apply(self, operation, name, data):
        getattr(MemoryStore, operation)(self, name, *(() if operation == "remove" else (data,)))

    def _write(self, operation, name, data):
        if self.dead:
            raise PowerCut
        if self.full:
            raise StorageError("no space left")
        number = len(self.writes)
        self.writes.append((operation, name, data))
        kept = len(data)
        if self.cut and self.cut[0] == number:
            self.dead = True
            kept = self.cut[1]
        self.apply(operation, name, data[:kept])
        if self.dead:
            raise PowerCut


class Wire:
    """Both ends of a connection: what the gateway writes is parsed at once, and answered as a broker would."""

    def __init__(self, broker):
        self._broker = broker
        self._out = b""
        self._in = b""
        self._arrived = asyncio.Event()
        self.closed = False

    def write(self, data):
        self._out += data
        while len(self._out) > 1:
            length, start = self._out[1] & 127, 2
            if self._out[1] > 127:
                length, start = length | self._out[2] << 7, 3
            packet, self._out = self._out[: start + length], self._out[start + length :]
            self._broker.take(self, packet[0], packet[start:])

    async def drain(self):
        await asyncio.sleep(0)

    async def readexactly(self, count):
        while len(self._in) < count:
            if self.closed:
                raise EOFError
            self._arrived.clear()
            await self._arrived.wait()
        data, self._in = self._in[:count], self._in[count:]
        return data

    def feed(self, data):
        self._in += data
        self._arrived.set()

    def hang_up(self):
        self.closed = True
        self._arrived.set()

    async def wait_closed(self):
        self.hang_up()


class Broker:
    """Answers one gateway, and keeps what it published; with `acking` False it acknowledges nothing.

    What `store` lost the power of is not heard any more. A command is delivered again at each connect until its PUBACK,
    unless the broker is `forgetful`.
    """

    def __init__(self, store):
        self.store = store
        self.forgetful = False
        self.session = []
        self.wire = None
        self.published = []
        self.again = []
        self.subscribed = []
        self.puback_ids = []
        self.acking = True

    async def open_connection(self, *_address, **_more):
        self.wire = Wire(self)
        return self.wire, self.wire

    def take(self, wire, head, body):
        kind = head >> 4
        if self.store.dead:
            return
        if kind == 1:
            wire.feed(b"\x20\x02\x00\x00")
        elif kind == 8:
            self.subscribed = filters(body[2:])
            wire.feed(bytes([0x90, 2 + len(self.subscribed)]) + body[:2] + b"\x01" * len(self.subscribed))
            for _, packet in [] if self.forgetful else self.session:
                wire.feed(packet)
        elif kind == 3:
            size = body[0] << 8 | body[1]
            topic = body[2 : 2 + size].decode()
            (self.again if head & 8 else self.published).append(messages.decode(topic, body[4 + size :]))
            if self.acking:
                wire.feed(b"\x40\x02" + body[2 + size : 4 + size])
        elif kind == 4:
            self.puback_ids.append(body[0] << 8 | body[1])
            self.session = [entry for entry in self.session if entry[0] != self.puback_ids[-1]]
        elif kind == 12:
            wire.feed(b"\xd0\x00")

    def deliver(self, topic, payload, packet_id):
        body = bytes([len(topic) >> 8, len(topic) & 255]) + topic.encode() + bytes([0, packet_id]) + payload
        packet = bytes([0x32, len(body) & 127 | 128, len(body) >> 7]) + body
        self.session.append((packet_id, packet))
        self.wire.feed(packet)

    def of(self, kind):
        return [message for found, message in self.published if found == kind]


def filters(body):
    found = []
    while body:
        size = body[0] << 8 | body[1]
        found.append(body[2 : 2 + size].decode())
        body = body[3 + size :]
    return found


class Clock:
    """Field time that moves when the test says so."""

    def __init__(self):
        self.ms = 0
        self.sleepers = []

    def now(self):
        return START + self.ms // 1000

    def ticks_ms(self):
        return self.ms

    def trusted(self):
        return True

    async def sleep_ms(self, ms):
        sleeper = (self.ms + ms, asyncio.Event())
        self.sleepers.append(sleeper)
        await sleeper[1].wait()

    async def advance(self, seconds):
        end = self.ms + seconds * 1000
        while True:
            await settle()
            due = [sleeper for sleeper in self.sleepers if sleeper[0] <= end]
            if not due:
                break
            self.ms = min([at for at, _ in due])
            woken = [sleeper for sleeper in due if sleeper[0] <= self.ms]
            self.sleepers = [sleeper for sleeper in self.sleepers if sleeper not in woken]
            for _, event in woken:
                event.set()
        self.ms = end


class Board:
    """One probe, one valve; without power neither does anything."""

    def __init__(self, store):
        self._store = store
        self.vwc = 0.19
        self.moves = []

    def read(self):
        return [("soil-a", "plot-1a", {"vwc": self.vwc, "soil_temperature_c": 16.5})]

    def set_valve(self, zone_id, is_open):
        if self._store.dead:
            raise PowerCut
        if is_open != bool(self.moves and self.moves[-1]):
            self.moves.append(is_open)

    def metered_l(self, _zone_id):
        return None

    def pulse_l(self, _zone_id):
        return 0

    def health(self):
        return {"firmware": "test"}


def complain(_loop, context):
    """MicroPython tells at once of a task that died, even if somebody will ask it; a power cut is no news here."""
    if not isinstance(context.get("exception"), PowerCut):
        print(context["message"], repr(context.get("exception")))  # noqa: T201  # the VM's only voice


async def ended(task):
    """Wait for a task, whatever becomes of it."""
    try:  # noqa: SIM105  # MicroPython has no contextlib
        await task
    except (Exception, asyncio.CancelledError):
        pass


async def settle():
    for _ in range(TURNS):
        await asyncio.sleep(0)


class GatewayTestCase(AsyncTestCase):
    """Gives the real network back after each test."""

    def setUp(self):
        self._open_connection = getattr(asyncio, "open_connection", None)

    def tearDown(self):
        asyncio.open_connection = self._open_connection


class Bench:
    def __init__(self, **config):
        self.store = CutStore()
        self.broker, self.clock, self.board = Broker(self.store), Clock(), Board(self.store)
        self.gateway = self.task = None
        self.events = []
        self.config = {"gateway_id": NAME, "host": "broker", "port": 8883, "zones": ZONES}
        self.config.update(config)

    async def start(self):
        asyncio.open_connection = self.broker.open_connection
        asyncio.get_event_loop().set_exception_handler(complain)
        self.gateway = Gateway(
            self.config, self.board, self.clock, self.store, None, record=self.events.append, random=random
        )
        self.task = asyncio.create_task(self.gateway.run())
        await settle()

    async def stop(self):
        await self.gateway.stop(1)
        await self.task

    async def lose_power(self):
        """Nothing goes on; what is written stays, and the next `start` finds it."""
        self.store.dead = True
        if self.task:
            tasks = list(self.gateway._tasks.values())
            tasks.append(self.task)
            for task in tasks:
                task.cancel()
                await ended(task)
        self.task = None
        self.clock.sleepers = []
        self.store.power_on()

    def command(self, packet_id=7, **fields):
        command = {
            "v": 1,
            "command_id": "c1",
            "device_id": NAME,
            "zone_id": "plot-1a",
            "action": "open",
            "duration_s": 600,
            "issued_at": self.clock.now(),
            "expires_at": self.clock.now() + 900,
            "epoch": 1,
        }
        command.update(fields)
        self.broker.deliver(topics.command(command["device_id"]), json.dumps(command).encode(), packet_id)
