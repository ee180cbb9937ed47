"""A whole gateway on both runtimes, against a broker in memory that speaks the wire's bytes."""

import asyncio
import json
import random
import unittest

from gateway.gateway import Gateway
from gateway.store import MemoryStore
from protocol import messages, topics

AsyncTestCase = getattr(unittest, "IsolatedAsyncioTestCase", unittest.TestCase)
NAME = "irrigation-gateway-1"
START = 1591707600
ZONES = [{"zone_id": "plot-1a", "hard_cap_s": 3900, "litres_per_minute": 60}]


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

    def close(self):
        self.closed = True
        self._arrived.set()


class Broker:
    """Answers one gateway, and keeps what it published; with `acking` False it acknowledges nothing."""

    def __init__(self):
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
        if kind == 1:
            wire.feed(b"\x20\x02\x00\x00")
        elif kind == 8:
            self.subscribed = filters(body[2:])
            wire.feed(bytes([0x90, 2 + len(self.subscribed)]) + body[:2] + b"\x01" * len(self.subscribed))
        elif kind == 3:
            size = body[0] << 8 | body[1]
            topic = body[2 : 2 + size].decode()
            (self.again if head & 8 else self.published).append(messages.decode(topic, body[4 + size :]))
            if self.acking:
                wire.feed(b"\x40\x02" + body[2 + size : 4 + size])
        elif kind == 4:
            self.puback_ids.append(body[0] << 8 | body[1])
        elif kind == 12:
            wire.feed(b"\xd0\x00")

    def deliver(self, topic, payload, packet_id):
        body = bytes([len(topic) >> 8, len(topic) & 255]) + topic.encode() + bytes([0, packet_id]) + payload
        self.wire.feed(bytes([0x32, len(body) & 127 | 128, len(body) >> 7]) + body)

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
    def __init__(self):
        self.vwc = 0.19
        self.moves = []

    def read(self):
        return [("soil-a", "plot-1a", {"vwc": self.vwc, "soil_temperature_c": 16.5})]

    def set_valve(self, zone_id, is_open):
        if is_open != bool(self.moves and self.moves[-1]):
            self.moves.append(is_open)

    def metered_l(self, _zone_id):
        return None

    def health(self):
        return {"firmware": "test"}


async def settle():
    for _ in range(60):
        await asyncio.sleep(0)


class Bench:
    def __init__(self, **config):
        self.broker, self.clock, self.board = Broker(), Clock(), Board()
        self.store = MemoryStore()
        self.events = []
        self.config = {"gateway_id": NAME, "host": "broker", "port": 8883, "zones": ZONES}
        self.config.update(config)

    async def start(self):
        asyncio.open_connection = self.broker.open_connection
        self.gateway = Gateway(
            self.config, self.board, self.clock, self.store, None, record=self.events.append, random=random
        )
        self.task = asyncio.create_task(self.gateway.run())
        await settle()

    async def stop(self):
        await self.gateway.stop(1)
        await self.task

    def command(self, **fields):
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
        self.broker.deliver(topics.command(command["device_id"]), json.dumps(command).encode(), 7)


class TheGateway(AsyncTestCase):
    def setUp(self):
        self._open_connection = getattr(asyncio, "open_connection", None)

    def tearDown(self):
        asyncio.open_connection = self._open_connection

    async def test_it_subscribes_and_says_online(self):
        """On connect it listens for its commands and updates, and publishes its status."""
        bench = Bench()
        await bench.start()
        self.assertEqual(bench.broker.subscribed, list(topics.for_gateway(NAME)))
        status = bench.broker.of("status")[0]
        self.assertEqual((status["state"], status["epochs"], status["boot_id"]), ("online", {"plot-1a": 0}, "boot-1"))
        self.assertTrue(bench.gateway.idle())
        await bench.stop()
        self.assertEqual(bench.broker.of("status")[-1]["state"], "offline")

    async def test_samples_leave_in_batches_at_full_hours(self):
        """Four samples a probe and hour, taken at the quarters, leave as one reading."""
        bench = Bench()
        await bench.start()
        await bench.clock.advance(7200)
        readings = bench.broker.of("reading")
        times = [[sample["measured_at"] - START for sample in reading["samples"]] for reading in readings]
        self.assertEqual(times, [[900, 1800, 2700, 3600], [4500, 5400, 6300, 7200]])
        self.assertEqual([sample["seq"] for sample in readings[1]["samples"]], [5, 6, 7, 8])
        self.assertEqual((readings[0]["zone_id"], readings[0]["samples"][0]["vwc"]), ("plot-1a", 0.19))
        await bench.stop()

    async def test_a_command_waters_and_is_acknowledged(self):
        """The valve opens for its time; the broker gets its PUBACK, compute its acks."""
        bench = Bench()
        await bench.start()
        bench.command()
        await settle()
        self.assertEqual((bench.board.moves, bench.broker.puback_ids), ([True], [7]))
        await bench.clock.advance(599)
        self.assertEqual(bench.board.moves, [True])
        await bench.clock.advance(1)
        await settle()
        self.assertEqual(bench.board.moves, [True, False])
        acks = bench.broker.of("ack")
        self.assertEqual([ack["state"] for ack in acks], ["started", "done"])
        self.assertEqual((acks[1]["duration_s"], acks[1]["volume_l"]), (600, 600))
        await bench.stop()

    async def test_a_probe_in_percent_is_caught(self):
        """An impossible value becomes a missing one, and is reported once."""
        bench = Bench()
        bench.board.vwc = 19.0
        await bench.start()
        await bench.clock.advance(3600)
        self.assertTrue(bench.broker.of("reading")[0]["samples"][0]["vwc"] is None)
        self.assertEqual(bench.broker.of("error")[0]["code"], "bad_value")
        await bench.stop()

    async def test_settings_are_obeyed_and_survive_a_reboot(self):
        """An update changes the intervals; an older one, or another gateway's, does not."""
        bench = Bench()
        await bench.start()
        for number, (device_id, issued_at, seconds) in enumerate(
            ((NAME, START, 1200), ("all", START - 60, 60), ("irrigation-gateway-2", START + 60, 60))
        ):
            update = {"v": 1, "update_id": f"u{number}", "device_id": device_id, "issued_at": issued_at}
            update["settings"] = {"sample_interval_s": seconds}
            bench.broker.deliver(topics.UPDATES, json.dumps(update).encode(), number + 1)
            await settle()
        await bench.clock.advance(3600)
        self.assertEqual(bench.gateway.counters["samples_taken"], 3)
        await bench.stop()
        await bench.start()
        await bench.clock.advance(3600)
        self.assertEqual(bench.gateway.counters["samples_taken"], 3)
        self.assertEqual(bench.broker.of("reading")[-1]["boot_id"], "boot-2")
        await bench.stop()

    async def test_garbage_changes_nothing(self):
        """What does not decode is counted, recorded, reported once, and acknowledged so that it does not come back."""
        bench = Bench()
        await bench.start()
        for number in range(3):
            bench.broker.deliver(topics.command(NAME), b'{"v": 9}' + b" " * 200, number + 1)
        await settle()
        self.assertEqual((bench.gateway.counters["refusals"], len(bench.broker.of("error"))), (3, 1))
        self.assertEqual([event["kind"] for event in bench.events], ["refusal"] * 3)
        self.assertEqual((bench.board.moves, bench.broker.puback_ids), ([], [1, 2, 3]))
        await bench.stop()

    async def test_a_command_to_a_group_opens_no_foreign_zone(self):
        """A group's command for a zone of another gateway is none of ours; its stop is."""
        bench = Bench()
        await bench.start()
        bench.command(device_id="all", zone_id="plot-9z")
        bench.command(command_id="c2")
        bench.command(device_id="all", zone_id=None, action="stop_all", command_id="c3", epoch=0)
        await settle()
        self.assertEqual(bench.board.moves, [True, False])
        self.assertEqual([ack["command_id"] for ack in bench.broker.of("ack")], ["c2", "c2", "c3"])
        await bench.stop()

    async def test_readings_wait_while_the_broker_is_silent(self):
        """Nothing is forgotten before its PUBACK; the window stays bounded, and acks overtake readings."""
        bench = Bench(publish_interval_s=900)
        await bench.start()
        bench.broker.acking = False
        await bench.clock.advance(900 * 30)
        sent = len(bench.broker.published)
        self.assertTrue(sent <= 17 and not bench.gateway.idle())
        bench.command()
        bench.broker.acking = True
        await settle()
        bench.broker.wire.close()  # the connection breaks: what was not acknowledged comes again, then the rest
        while not bench.gateway.idle():
            await asyncio.sleep(0.05)
        again = [message for kind, message in bench.broker.again if kind == "reading"]
        readings = bench.broker.of("reading") + again
        seqs = {sample["seq"] for reading in readings for sample in reading["samples"]}
        self.assertEqual((seqs, len(bench.broker.again)), (set(range(1, 31)), 16))
        after = [kind for kind, _ in bench.broker.published[sent:]]
        self.assertTrue(after.index("ack") < after.index("reading"))
        await bench.stop()

    async def test_a_task_that_dies_takes_the_gateway_down(self):
        """No silent death: the valves close, and `run` raises."""
        bench = Bench()
        await bench.start()
        bench.command(duration_s=1800)
        await settle()
        bench.board.read = None
        await bench.clock.advance(900)
        await settle()
        self.assertEqual(bench.board.moves, [True, False])
        try:
            await bench.task
        except TypeError:
            return
        self.fail("it went on")


if __name__ == "__main__":
    unittest.main()
