"""When a gateway does what, and up to which number: the limits that its documents name, on both runtimes."""

import asyncio
import json
import unittest

from gateway import mqtt
from gateway.errors import ValveError
from gateway.gateway import Gateway
from protocol import messages, topics
from tests.vm.portable.bench import NAME, START, Bench, GatewayTestCase, settle

NEVER = 86400  # the longest interval: nothing is due within a test


def seldom(**config):
    """A bench whose schedule has nothing to do but what `config` says."""
    intervals = dict.fromkeys(("sample_interval_s", "publish_interval_s", "status_interval_s"), NEVER)
    intervals.update(config)
    return Bench(**intervals)


class TheSchedule(GatewayTestCase):
    async def test_a_status_an_hour_and_diagnostics_a_day(self):
        """At full hours and at midnight (UTC) it says how it is, unasked."""
        bench = Bench(sample_interval_s=NEVER, publish_interval_s=NEVER)
        bench.clock.ms = 5000
        await bench.start()
        await bench.clock.advance(86400)
        statuses = bench.broker.of("status")
        hours = [status["uptime_s"] for status in statuses]
        self.assertEqual(hours, [0] + [3600 * hour - 5 for hour in range(1, 25)])
        self.assertEqual({(status["state"], status["firmware"]) for status in statuses}, {("online", "test")})
        [diagnostics] = bench.broker.of("diagnostics")
        self.assertEqual(diagnostics["at"] % 86400, 0)
        self.assertEqual(diagnostics["boot_id"], bench.gateway.boot_id)
        self.assertEqual(diagnostics["counters"]["samples_taken"], 1)
        await bench.stop()

    async def test_a_boot_between_two_quarters(self):
        """The first sample comes with the next full quarter, so that a fleet samples together."""
        bench = Bench()
        bench.clock.ms = 100_000
        await bench.start()
        await bench.clock.advance(3600)
        [reading] = bench.broker.of("reading")
        self.assertEqual([sample["measured_at"] - START for sample in reading["samples"]], [900, 1800, 2700, 3600])
        await bench.stop()

    async def test_readings_leave_at_their_own_time(self):
        """They wait for no status and for no other message."""
        bench = seldom(sample_interval_s=300, publish_interval_s=900)
        await bench.start()
        await bench.clock.advance(900)
        await settle()
        self.assertEqual([len(reading["samples"]) for reading in bench.broker.of("reading")], [3])
        await bench.stop()

    async def test_a_board_with_a_watchdog_loses_no_time(self):
        """What is due together is done together, however small the board."""
        bench = seldom(sample_interval_s=60, publish_interval_s=60, status_interval_s=60)
        bench.board.feed = lambda: None
        await bench.start()
        await bench.clock.advance(60)
        await settle()
        self.assertEqual([kind for kind, _ in bench.broker.published], ["status", "reading", "status"])
        await bench.stop()

    async def test_many_samples_leave_before_their_time(self):
        """When sixty of one probe wait they go, whenever the next publish is."""
        bench = seldom(sample_interval_s=60)
        await bench.start()
        await bench.clock.advance(3600)
        await settle()
        self.assertEqual(sum([len(reading["samples"]) for reading in bench.broker.of("reading")]), 60)
        await bench.stop()


class Limits(GatewayTestCase):
    async def _read(self, values):
        """How a probe's values leave: what became of them, what they were, and the codes of what is told."""
        bench = seldom(sample_interval_s=60, publish_interval_s=60)
        bench.board.read = lambda: [("soil-a", "plot-1a", values)]
        await bench.start()
        await bench.clock.advance(60)
        await settle()
        [[sample]] = [reading["samples"] for reading in bench.broker.of("reading")]
        await bench.stop()
        read = {name: sample[name] for name in values}
        return read, sample.get("out_of_range"), [error["code"] for error in bench.broker.of("error")]

    async def test_what_a_quantity_can_be(self):
        """The least and the most that a probe can measure are measured, and a probe without an answer is no error."""
        least = {name: messages.QUANTITIES[name][0] for name in messages.QUANTITIES}
        most = {name: messages.QUANTITIES[name][1] for name in messages.QUANTITIES}
        nothing = dict.fromkeys(messages.QUANTITIES)
        for values in (least, most, nothing):
            self.assertEqual(await self._read(values), (values, None, []))
        for values in ({name: least[name] - 0.001 for name in least}, {name: most[name] + 0.001 for name in most}):
            tellable = {name: values[name] for name in values if values[name] <= 1e9}
            self.assertEqual(await self._read(values), (nothing, tellable, ["bad_value"]))

    async def test_what_is_worth_telling(self):
        """An impossible value is told as it is, up to a thousand million; beyond that it is no number."""
        for value, told in ((1e9, True), (1e9 + 0.5, False), (float("inf"), False), (float("nan"), False)):
            for each in (value, -value):
                expected = {"vwc": each} if told else None
                self.assertEqual(await self._read({"vwc": each}), ({"vwc": None}, expected, ["bad_value"]))

    async def test_an_error_a_minute(self):
        """A faulty probe is told of every minute, and not more often."""
        bench = seldom(sample_interval_s=15)
        bench.board.vwc = 19.0
        await bench.start()
        await bench.clock.advance(135)
        await settle()
        self.assertEqual([error["at"] - START for error in bench.broker.of("error")], [15, 75, 135])
        bench.clock.ms += 59_000
        bench.broker.deliver(topics.command(NAME), b"{}", 1)
        await settle()
        self.assertEqual(len(bench.broker.of("error")), 3)
        bench.clock.ms += 1_000
        bench.broker.deliver(topics.command(NAME), b"{}", 2)
        await settle()
        self.assertEqual(len(bench.broker.of("error")), 4)
        await bench.stop()

    async def test_a_long_reason_is_cut(self):
        """A message may say 400 characters."""
        bench = Bench()
        await bench.start()
        bench.broker.deliver("x" * 500, b"{}", 1)
        await settle()
        self.assertEqual([error["text"] for error in bench.broker.of("error")], ["x" * 400])
        await bench.stop()

    async def test_so_many_messages_wait(self):
        """Two thousand, or as many as the configuration says: then the oldest makes room."""
        for config, most in (({}, 2000), ({"outbox_messages": 3}, 3)):
            bench = seldom(sample_interval_s=900, publish_interval_s=900, outbox_bytes=10**7, **config)

            async def nobody(*_address, **_more):
                raise OSError(113)

            bench.broker.open_connection = nobody
            probes = [(f"p{number}", None, {"vwc": 0.2}) for number in range(most + 2)]
            bench.board.read = lambda probes=probes: probes
            await bench.start()
            await bench.clock.advance(900)
            await settle()
            counters = bench.gateway.counters
            self.assertEqual((counters["samples_taken"], counters["samples_dropped"]), (most + 2, 2))
            await bench.lose_power()


class TheWatchdog(GatewayTestCase):
    async def _fed(self, at_ms):
        """The last feeding of a gateway whose valve should have been closed a minute after `at_ms`, and was not."""
        bench, feeds = seldom(), []
        bench.board.feed = lambda: feeds.append(bench.clock.ms)
        await bench.start()
        await bench.clock.advance(2)
        bench.clock.ms = at_ms
        bench.command(duration_s=60)
        await settle()
        bench.gateway._tasks["valves"].cancel()
        await bench.clock.advance(70)
        await bench.stop()
        return feeds[-1]

    async def test_a_second_late_is_not_too_late(self):
        """A supervisor may be a second behind its deadline, and no more."""
        self.assertEqual(await self._fed(3000), 64000)
        self.assertEqual(await self._fed(2999), 62000)

    async def test_a_gateway_that_has_ended_feeds_nobody(self):
        """Nor does anything else of it go on: the board must restart."""
        bench, feeds = Bench(), []
        bench.board.feed = lambda: feeds.append(bench.clock.ms)
        await bench.start()
        await bench.stop()
        feeds.clear()
        await bench.clock.advance(3600)
        self.assertEqual((feeds, bench.gateway.counters["samples_taken"]), ([], 0))


class TheLink(GatewayTestCase):
    def setUp(self):
        super().setUp()
        self._backoff, mqtt.BACKOFF_S = mqtt.BACKOFF_S, (0, 0)

    def tearDown(self):
        mqtt.BACKOFF_S = self._backoff
        super().tearDown()

    async def _asked(self, **config):
        """Address, TLS and name by which a gateway asks for its connection."""
        bench, asked, context = Bench(**config), [], object()

        async def open_connection(*address, **more):
            asked.append((address, more))
            return await bench.broker.open_connection()

        bench.board.open_connection = open_connection
        one = Gateway(bench.config, bench.board, bench.clock, bench.store, context)
        task = asyncio.create_task(one.run())
        await settle()
        self.assertTrue(one.online())
        bench.broker.deliver(topics.command(NAME), b"{}", 1)  # nobody keeps a record of it
        await settle()
        self.assertEqual(one.counters["refusals"], 1)
        await one.stop(1)
        await task
        [(address, more)] = asked
        self.assertTrue(more["ssl"] is context)
        return address, more["server_hostname"]

    async def test_whose_certificate_it_wants(self):
        """That of the host, unless the configuration has another name for it."""
        self.assertEqual(await self._asked(), (("broker", 8883), "broker"))
        self.assertEqual(await self._asked(server_hostname="mqtt.farm"), (("broker", 8883), "mqtt.farm"))
        self.assertEqual(await self._asked(host="10.0.0.1", server_hostname=None), (("10.0.0.1", 8883), "10.0.0.1"))

    async def test_what_it_says_at_the_connect_and_at_the_end(self):
        """A keep-alive of a minute, and the will that it is offline, which a farewell takes back."""
        bench, heard = Bench(boot_id="boot-by-hand"), []
        take = bench.broker.take

        def hear(wire, head, body):
            heard.append((head, body))
            take(wire, head, body)

        bench.broker.take = hear
        await bench.start()
        self.assertEqual(bench.broker.of("status")[0]["boot_id"], "boot-by-hand")
        await bench.stop()
        head, connect = heard[0]
        self.assertEqual((head, connect[8:10], bench.broker.wire.closed), (0x10, b"\x00\x3c", True))
        _, rest = self._text(connect[10:])
        topic, rest = self._text(rest)
        payload, rest = self._text(rest)
        kind, will = messages.decode(topic.decode(), payload)
        expected = {"v": 1, "gateway_id": NAME, "boot_id": "boot-by-hand", "at": START, "state": "offline"}
        self.assertEqual((kind, will, rest), ("status", expected, b""))
        self.assertEqual(heard[-1], (0xE0, b""))

    def _text(self, body):
        end = 2 + (body[0] << 8 | body[1])
        return body[2:end], body[end:]

    async def test_its_counters_are_exact(self):
        """What was published, acknowledged and refused, and how often the link came back: from nothing, one by one."""
        bench = seldom()
        connect, down = bench.broker.open_connection, [OSError(113)]

        async def open_connection(*address, **more):
            if down:
                raise down[0]
            return await connect(*address, **more)

        bench.broker.open_connection = open_connection
        await bench.start()
        counters = bench.gateway.counters
        self.assertEqual(set(counters.values()), {0})
        self.assertEqual((bench.gateway.online(), bench.gateway.idle()), (False, False))
        self.assertTrue(bench.gateway.link_error is down[0])
        down.clear()
        for number in range(3):
            while not bench.gateway.idle():
                await settle()
            self.assertTrue(bench.gateway.online() and bench.gateway.link_error is None)
            counters = bench.gateway.counters
            expected = {"messages_published": number + 1, "messages_acked": number + 1, "reconnects": number}
            self.assertEqual({name: counters[name] for name in counters if counters[name]}, self._some(expected))
            bench.broker.wire.hang_up()
            await settle()
        await bench.lose_power()

    def _some(self, counts):
        return {name: counts[name] for name in counts if counts[name]}

    async def test_what_waited_for_the_broker_goes_the_first_time(self):
        """The status before the readings of an outage, and none of them as a repetition."""
        bench = Bench(publish_interval_s=900)
        connect, down = bench.broker.open_connection, [True]

        async def open_connection(*address, **more):
            if down:
                raise OSError(113)
            return await connect(*address, **more)

        bench.broker.open_connection = open_connection
        await bench.start()
        await bench.clock.advance(3600)
        down.clear()
        while not bench.gateway.idle():
            await settle()
        kinds = [kind for kind, _ in bench.broker.published]
        self.assertEqual((kinds, bench.broker.again), (["status"] + ["reading"] * 4, []))
        await bench.stop()


class TheEnd(GatewayTestCase):
    async def test_a_stop_hands_over_what_was_measured(self):
        """All of it, through the smallest window, and the farewell comes last; it is not said again after a boot."""
        bench = seldom(sample_interval_s=900, window=1)
        bench.board.read = lambda: [(f"soil-{n}", "plot-1a", {"vwc": 0.2}) for n in range(5)]
        await bench.start()
        await bench.clock.advance(900)
        await bench.stop()
        kinds = [kind for kind, _ in bench.broker.published]
        self.assertEqual(sorted(kinds), ["reading"] * 5 + ["status"] * 2)
        del bench.broker.published[:]
        await bench.start()
        await bench.stop()
        self.assertEqual([kind for kind, _ in bench.broker.published], ["status"] * 2)

    async def test_a_stop_waits_for_a_slow_broker(self):
        """What the window has no room for is not left behind: it goes when the broker has taken what was before."""
        bench, packet_ids = seldom(sample_interval_s=900, window=1), []
        bench.board.read = lambda: [(f"soil-{n}", "plot-1a", {"vwc": 0.2}) for n in range(3)]
        await bench.start()
        await bench.clock.advance(900)
        take = bench.broker.take

        def hear(wire, head, body):
            if head >> 4 == 3:
                size = body[0] << 8 | body[1]
                packet_ids.append(body[2 + size : 4 + size])
            take(wire, head, body)

        bench.broker.take, bench.broker.acking = hear, False
        stopping = asyncio.create_task(bench.gateway.stop(60))
        while not packet_ids:
            await asyncio.sleep(0)
        await settle()
        self.assertEqual((len(packet_ids), stopping.done()), (1, False))
        bench.broker.acking = True
        bench.broker.wire.feed(b"\x40\x02" + packet_ids[0])
        await stopping
        await bench.task
        kinds = [kind for kind, _ in bench.broker.published]
        self.assertEqual(sorted(kinds), ["reading"] * 3 + ["status"] * 2)

    async def test_the_valves_do_not_wait_for_the_broker(self):
        """A stop that nobody hears closes them first, takes no more samples, and gives up in time."""
        bench = Bench()
        await bench.start()
        bench.command()
        await settle()
        bench.broker.acking = False
        stopping = asyncio.create_task(bench.gateway.stop(0.05))
        await settle()
        self.assertEqual(bench.board.moves, [True, False])
        await bench.clock.advance(900)
        await stopping
        await bench.task
        self.assertEqual(bench.gateway.counters["samples_taken"], 0)
        self.assertEqual([ack["end_reason"] for ack in bench.broker.of("ack") if ack["state"] == "done"], ["close"])

    async def test_the_first_failure_is_told(self):
        """When one thing leads to another, the first is the one to mend."""
        bench = seldom(sample_interval_s=60)
        bench.board.feed = lambda: None
        await bench.start()
        bench.board.read = None

        def bite():
            if bench.clock.ms >= 60_000:
                raise ValueError("the second")

        bench.board.feed = bite
        await bench.clock.advance(60)
        try:
            await bench.task
        except TypeError:
            return
        self.fail("it went on, or told the second")


class Commands(GatewayTestCase):
    async def test_an_ack_that_a_power_cut_left_unsaid_is_said(self):
        """The supervisor has written it down, the outbox has not: the next boot sends it."""
        bench = seldom()
        await bench.start()
        bench.command(duration_s=60)
        await settle()
        bench.store.cut = (len(bench.store.writes) + 1, 0)
        await bench.clock.advance(60)
        await bench.lose_power()
        self.assertEqual([ack["state"] for ack in bench.broker.of("ack")], ["started"])
        self.assertEqual([name[:6] for _, name, _ in bench.store.writes[-2:]], ["valves", "outbox"])
        await bench.start()
        self.assertEqual([ack["state"] for ack in bench.broker.of("ack")][-1], "done")
        await bench.stop()

    async def test_a_valve_that_is_stuck_at_boot_is_tried_again(self):
        """Every second, from the first on, whatever else there is to do."""
        bench, tries = Bench(), []
        bench.board.set_valve = lambda zone_id, is_open: self._jam(tries, bench.clock.ms)
        await bench.start()
        await bench.clock.advance(3)
        self.assertEqual(sorted(set(tries)), [0, 1000, 2000, 3000])
        await bench.lose_power()

    def _jam(self, tries, at):
        tries.append(at)
        raise ValveError("jammed")

    async def test_a_group_opens_a_zone_of_its_own(self):
        """A group's command for a zone that is ours is ours; a command of our own for another zone is refused."""
        bench = Bench()
        await bench.start()
        bench.command(device_id="all")
        await settle()
        self.assertEqual(bench.board.moves, [True])
        bench.command(packet_id=8, command_id="c2", zone_id="plot-9z")  # to itself: a mistake, and answered as one
        await settle()
        self.assertEqual([ack["code"] for ack in bench.broker.of("ack")], ["ok", "unknown_zone"])
        await bench.stop()

    async def test_a_deadline_that_has_passed_is_met_at_once(self):
        """A loop that was busy over a deadline closes the valve in its next turn."""
        bench = Bench()
        await bench.start()
        bench.command(duration_s=60)
        await settle()
        bench.clock.ms += 61_000
        bench.command(packet_id=8, command_id="c2", zone_id="plot-9z")
        await settle()
        await bench.clock.advance(0)
        await settle()
        self.assertEqual(bench.board.moves, [True, False])
        await bench.stop()


class Faults(GatewayTestCase):
    async def test_a_full_flash_is_told_with_the_sample(self):
        """It does not wait for the next message to say so."""
        bench = seldom(sample_interval_s=900)
        await bench.start()
        bench.store.full = True
        await bench.clock.advance(900)
        await settle()
        self.assertEqual([error["code"] for error in bench.broker.of("error")], ["storage_fault"])
        bench.store.full = False
        await bench.stop()

    async def test_settings_that_cannot_be_written_hold_and_are_told(self):
        """Until the next boot; one that was issued in the same second is no newer."""
        bench = seldom()
        await bench.start()
        bench.store.full = True
        for number, seconds in enumerate((600, 60)):
            update = {"v": 1, "update_id": f"u{number}", "device_id": NAME, "issued_at": START}
            update["settings"] = {"sample_interval_s": seconds}
            bench.broker.deliver(topics.updates(), json.dumps(update).encode(), number + 1)
            await settle()
        [error] = bench.broker.of("error")
        self.assertEqual((error["code"], error["text"][:27]), ("storage_fault", "the settings hold until the"))
        bench.store.full = False
        await bench.clock.advance(1200)
        self.assertEqual(bench.gateway.counters["samples_taken"], 2)
        await bench.stop()


if __name__ == "__main__":
    unittest.main()
