"""When a gateway asks for updates, on both runtimes: if it was told to, and never at the cost of its connection."""

import json
import sys

from gateway import mqtt
from protocol import topics
from tests.vm.portable.bench import NAME, Bench, Broker, GatewayTestCase, filters, settle

PREFIX = f"$aws/things/{NAME}/"
MODULES = ("gateway.update", "gateway.signature")
HOUR_S = 3600


class CloudBroker(Broker):
    """One with AWS IoT's jobs, of which there is none; or one that lets nobody near them, in its way."""

    def __init__(self, store, way="none"):
        super().__init__(store)
        self.way = way
        self.connects = 0
        self.more = []  # the filters that were subscribed to beside the gateway's own
        self.asks = 0

    def take(self, wire, head, body):
        kind = head >> 4
        self.connects += kind == 1
        if kind == 8 and b"$aws" in body:
            self.more.append(filters(body[2:]))
            if self.way == "hang up":
                wire.hang_up()
            code = b"\x80" if self.way == "refuse" else b"\x01"
            wire.feed(bytes([0x90, 2 + len(self.more[-1])]) + body[:2] + code * len(self.more[-1]))
        elif kind == 3 and body[2:6] == b"$aws":
            self._answer(wire, body)
        elif not wire.closed:
            super().take(wire, head, body)

    def _answer(self, wire, body):
        size = body[0] << 8 | body[1]
        self.asks += 1
        wire.feed(b"\x40\x02" + body[2 + size : 4 + size])
        if self.way == "none":
            self.deliver(PREFIX + "jobs/start-next/accepted", json.dumps({"timestamp": 1}).encode(), 9)
            self.session = []


class AskingForUpdates(GatewayTestCase):
    def setUp(self):
        super().setUp()
        self._backoff, mqtt.BACKOFF_S = mqtt.BACKOFF_S, (0, 0)
        self._modules = {name: sys.modules.get(name) for name in MODULES}

    def tearDown(self):
        mqtt.BACKOFF_S = self._backoff
        for name, module in self._modules.items():
            if module:
                sys.modules[name] = module
                setattr(sys.modules["gateway"], name.split(".")[1], module)
        super().tearDown()

    async def bench(self, way="none", **config):
        bench = Bench(**config)
        bench.broker = CloudBroker(bench.store, way)
        bench.board.root = "/nowhere"
        await bench.start()
        for _ in range(10):
            await settle()
        return bench

    async def test_it_does_not_ask_unless_it_was_told_to(self):
        """A broker that knows nothing of updates hears nothing of them."""
        for config in ({}, {"updates": False}):
            bench = await self.bench("hang up", **config)
            self.assertEqual((bench.broker.more, bench.broker.asks, bench.broker.connects), ([], 0, 1))
            await bench.stop()

    async def test_it_asks_when_it_comes_online(self):
        """After its own subscriptions are granted; and once there is no job, nothing of it stays in memory."""
        bench = await self.bench(updates=True)
        self.assertEqual(bench.broker.subscribed, list(topics.for_gateway(NAME)))
        [more] = bench.broker.more
        self.assertTrue(
            not [name for name in more if not name.startswith(PREFIX)] and PREFIX + "jobs/notify-next" in more
        )
        self.assertEqual(bench.broker.asks, 1)
        self.assertEqual([name for name in MODULES if name in sys.modules], [])
        self.assertTrue(bench.gateway._updater is None and bench.gateway.online())
        bench.broker.wire.hang_up()
        for _ in range(10):
            await settle()
        self.assertEqual(bench.broker.asks, 2)
        await bench.stop()

    async def test_a_broker_that_refuses_keeps_its_gateway(self):
        """In the answer to the subscription: it is online, and reports."""
        bench = await self.bench("refuse", updates=True)
        await bench.clock.advance(HOUR_S)
        self.assertTrue(bench.gateway.online())
        self.assertEqual((len(bench.broker.of("reading")), bench.broker.connects), (1, 1))
        await bench.stop()

    async def test_a_broker_that_hangs_up_loses_no_gateway(self):
        """By hanging up, without a word: it is asked ever less often, and hears everything else."""
        bench = await self.bench("hang up", updates=True, sample_interval_s=HOUR_S)
        for _ in range(48):
            await bench.clock.advance(HOUR_S)
            bench.broker.wire.hang_up()  # the link is a bad one, too: there are moments in which it could be asked
            for _ in range(4):
                await settle()
        self.assertTrue(2 <= len(bench.broker.more) <= 7, len(bench.broker.more))
        self.assertTrue(bench.gateway.online())
        self.assertEqual(len(bench.broker.of("reading")), 48)
        self.assertEqual(bench.gateway.counters["messages_set_aside"], 0)
        await bench.stop()
