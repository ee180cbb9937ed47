"""A message that the broker hangs up at, on both runtimes: it is set aside, and nothing behind it waits for ever."""

import unittest

from gateway import mqtt
from gateway.outbox import SET_ASIDE_AFTER, SUSPICIOUS, Outbox
from protocol import topics
from tests.vm.portable.bench import NAME, Bench, Broker, CutStore, GatewayTestCase, settle
from tests.vm.portable.test_outbox import ack, read, rows


class DenyingBroker(Broker):
    """Hangs up at a publish to one of `denied`, as a policy would have it; with `denied` None at any."""

    def __init__(self, store, denied):
        super().__init__(store)
        self.denied = denied
        self.hang_ups = 0

    def take(self, wire, head, body):
        if head >> 4 == 3:
            size = body[0] << 8 | body[1]
            if self.denied is None or body[2 : 2 + size].decode() in self.denied:
                self.hang_ups += 1
                wire.hang_up()
        if not wire.closed:
            super().take(wire, head, body)


class Poison(GatewayTestCase):
    def setUp(self):
        super().setUp()
        self._backoff, mqtt.BACKOFF_S = mqtt.BACKOFF_S, (0, 0)

    def tearDown(self):
        mqtt.BACKOFF_S = self._backoff
        super().tearDown()

    async def bench(self, *denied, **more):
        bench = Bench(**more)
        bench.broker = DenyingBroker(bench.store, denied)
        await bench.start()
        return bench

    async def test_a_denied_reading_holds_up_no_ack(self):
        """A probe that the policy knows nothing of costs its own samples: they are counted and told of."""
        bench = await self.bench(topics.data(NAME + ".soil-a"))
        await bench.clock.advance(3600)
        for _ in range(40):
            await settle()
        bench.command()
        await bench.clock.advance(600)
        for _ in range(40):
            await settle()
        self.assertEqual([one["state"] for one in bench.broker.of("ack")], ["started", "done"])
        self.assertEqual(bench.broker.hang_ups, 2 + 8)
        counters = bench.gateway.counters
        self.assertEqual((counters["messages_set_aside"], counters["samples_dropped"]), (1, 4))
        self.assertEqual(counters["messages_published"], counters["messages_acked"])
        report = bench.broker.of("error")[-1]
        self.assertEqual((report["code"], report["text"].split(":")[0]), ("set_aside", topics.data(NAME + ".soil-a")))
        self.assertTrue(bench.gateway.idle())
        await bench.stop()
        self.assertEqual(bench.broker.of("status")[-1]["outbox_dropped"], 1)

    async def test_denied_acks_hold_up_no_reading(self):
        """Whatever it is that a policy denies: the rest arrives."""
        bench = await self.bench(topics.ack(NAME), topics.errors(NAME))
        bench.command()
        await bench.clock.advance(3600)
        for _ in range(120):
            await settle()
        [reading] = bench.broker.of("reading")
        self.assertEqual(len(reading["samples"]), 4)
        self.assertTrue(bench.gateway.counters["messages_set_aside"] >= 2)
        self.assertTrue(bench.gateway.idle())
        await bench.stop()

    async def test_a_broker_that_takes_nothing_is_no_verdict(self):
        """While it hangs up at everything nothing is given up; once it takes messages again, all of it arrives."""
        bench = await self.bench()
        bench.broker.denied = None
        await bench.clock.advance(3600)
        for _ in range(40):
            await settle()
        self.assertTrue(bench.broker.hang_ups > 3 * (SUSPICIOUS + SET_ASIDE_AFTER))
        bench.broker.denied = ()
        for _ in range(40):
            await settle()
        self.assertEqual(sum([len(reading["samples"]) for reading in bench.broker.of("reading")]), 4)
        self.assertEqual(bench.gateway.counters["messages_set_aside"], 0)
        await bench.stop()


class Outboxes(unittest.TestCase):
    def hang_up_at(self, outbox, kind):
        """One session: all but `kind` is taken, and at it the broker hangs up; returns what that led to."""
        while True:
            entry = outbox.next()
            if entry is None or read(entry)[0] == kind:
                return outbox.hung_up()
            outbox.acked(entry)

    def test_it_lasts(self):
        """What was set aside does not come back after a power cut, and stays counted."""
        store = CutStore()
        outbox = Outbox(100, store)
        outbox.take("boot-1", rows(1)[:1])
        outbox.pack()
        for number in range(SUSPICIOUS + SET_ASIDE_AFTER):
            outbox.say(ack(number))
            count, entry = self.hang_up_at(outbox, "reading")
        self.assertEqual((count, entry.samples), (1, 1))
        outbox.flush()
        again = Outbox(100, CutStore(store.copy()))
        self.assertEqual((again.depth, again.dropped_messages, again.dropped_samples), (0, 1, 1))

    def test_only_sessions_that_took_something_count(self):
        """A broker that has taken nothing yet says nothing about the message at which it hangs up."""
        outbox = Outbox(100, CutStore())
        outbox.take("boot-1", rows(1)[:1])
        outbox.pack()
        for _ in range(5):
            outbox.next()
            outbox.hung_up()
        aside = []
        for number in range(8):
            self.assertEqual(aside, [None] * number)
            outbox.say(ack(number))
            aside.append(self.hang_up_at(outbox, "reading")[1])
        self.assertEqual((aside[-1].samples, outbox.depth), (1, 0))

    def test_chance_changes_no_order(self):
        """A connection that breaks now and then, with a moment of rest between, leaves everything as it was."""
        outbox = Outbox(100, CutStore())
        for number in range(5):
            outbox.say(ack(number))
            self.assertEqual((outbox.next() is not None, outbox.hung_up()), (True, (0, None)))
            outbox.acked(outbox._in_flight[0])
        self.assertEqual(outbox.dropped_messages, 0)

    def test_a_link_that_breaks_at_every_third_message_loses_none(self):
        """With much to say over a bad link chance hits some messages again and again: none of them is given up."""
        seed = 1
        for _ in range(3):
            outbox = Outbox(1000, CutStore())
            for _ in range(200):
                outbox.append(topics.errors(NAME), b"{}")
            while outbox.depth:
                entry = outbox.next() or outbox._in_flight[0]
                seed = seed * 1103515245 + 12345 & 0x7FFFFFFF
                if seed >> 16 & 255 < 85:
                    outbox.hung_up()
                else:
                    outbox.acked(entry)
            self.assertEqual(outbox.dropped_messages, 0)

    def test_the_oldest_goes_first_again(self):
        """What comes back from a broken connection keeps its order, acks before readings."""
        outbox = Outbox(100, CutStore())
        for seq in (1, 2):
            outbox.take("boot-1", rows(seq)[:1])
            outbox.pack()
            outbox.say(ack(seq))
        before = [read(outbox.next()) for _ in range(4)]
        for _ in range(SUSPICIOUS):
            count, _ = outbox.hung_up()
        self.assertEqual(count, 4)
        after = []
        for _ in range(4):
            entry = outbox.next()
            self.assertTrue(outbox.next() is None)  # one at a time
            after.append(read(entry))
            outbox.acked(entry)
        self.assertEqual(after, before)
