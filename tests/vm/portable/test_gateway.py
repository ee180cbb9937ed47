"""A whole gateway on both runtimes, against a broker in memory that speaks the wire's bytes."""

import asyncio
import json
import unittest

from gateway.errors import ValveError
from protocol import topics
from tests.vm.portable.bench import NAME, START, Bench, GatewayTestCase, settle


class TheGateway(GatewayTestCase):
    async def test_it_subscribes_and_says_online(self):
        """On connect it listens for its commands and updates, and publishes its status."""
        bench = Bench()
        await bench.start()
        self.assertEqual(bench.broker.subscribed, list(topics.for_gateway(NAME)))
        status = bench.broker.of("status")[0]
        self.assertEqual(
            (status["state"], status["epochs"], status["boot_id"][:7]), ("online", {"plot-1a": 0}, "boot-1-")
        )
        self.assertTrue(bench.gateway.idle())
        await bench.stop()
        self.assertEqual(bench.broker.of("status")[-1]["state"], "offline")

    async def test_with_a_root_it_lives_below_that_of_its_farm(self):
        """It listens and speaks below the root of its config.json alone; the next gateway without one as ever."""
        bench = Bench(root="irrigation/sitio1")
        await bench.start()
        own = ["irrigation/sitio1/control/" + name + "/command" for name in (NAME, "all")]
        own.append("irrigation/sitio1/system/updates")
        self.assertEqual(bench.broker.subscribed, own)
        self.assertEqual(topics.status(NAME), "irrigation/sitio1/gateway/" + NAME + "/status")
        self.assertEqual(bench.broker.of("status")[0]["state"], "online")
        bench.command()
        await settle()
        self.assertEqual((bench.board.moves, bench.broker.puback_ids), ([True], [7]))
        await bench.stop()
        self.assertEqual(topics.parse("irrigation/sitio1/errors/g"), ("error", "g"))
        following = Bench()
        await following.start()
        self.assertEqual(following.broker.subscribed[-1], "irrigation/system/updates")
        await following.stop()

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

    async def test_a_sample_says_that_its_clock_is_not_trusted(self):
        """A board that no time server has told dates its samples by a guess, and says so with each."""
        bench = Bench()
        bench.clock.trusted = lambda: False
        await bench.start()
        await bench.clock.advance(3600)
        clocks = {sample["clock"] for reading in bench.broker.of("reading") for sample in reading["samples"]}
        self.assertEqual(clocks, {"estimated"})
        await bench.stop()

    async def test_a_probe_in_percent_is_caught(self):
        """An impossible value becomes a missing one, and is reported once."""
        bench = Bench()
        bench.board.vwc = 19.0
        await bench.start()
        await bench.clock.advance(3600)
        self.assertTrue(bench.broker.of("reading")[0]["samples"][0]["vwc"] is None)
        self.assertEqual(bench.broker.of("reading")[0]["samples"][0]["out_of_range"], {"vwc": 19.0})
        report = bench.broker.of("error")[0]
        self.assertEqual((report["code"], report["sensor_id"]), ("bad_value", NAME + ".soil-a"))
        await bench.stop()

    async def test_no_status_waits_in_the_place_of_readings(self):
        """A day without a broker, in an outbox that just holds its readings: every sample is kept."""
        bench = Bench(outbox_bytes=14000)

        async def nobody(*_address, **_more):
            raise OSError(113)

        bench.broker.open_connection = nobody
        await bench.start()
        await bench.clock.advance(86400 - 60)
        await settle()
        counters = bench.gateway.counters
        self.assertEqual((counters["samples_taken"], counters["samples_dropped"]), (95, 0))
        await bench.lose_power()

    async def test_settings_are_obeyed_and_survive_a_reboot(self):
        """An update changes the intervals; an older one, or another gateway's, does not."""
        bench = Bench()
        await bench.start()
        for number, (device_id, issued_at, seconds) in enumerate(
            ((NAME, START, 1200), ("all", START - 60, 60), ("irrigation-gateway-2", START + 60, 60))
        ):
            update = {"v": 1, "update_id": f"u{number}", "device_id": device_id, "issued_at": issued_at}
            update["settings"] = {"sample_interval_s": seconds}
            bench.broker.deliver(topics.updates(), json.dumps(update).encode(), number + 1)
            await settle()
        await bench.clock.advance(3600)
        self.assertEqual(bench.gateway.counters["samples_taken"], 3)
        await bench.stop()
        await bench.start()
        await bench.clock.advance(3600)
        self.assertEqual(bench.gateway.counters["samples_taken"], 6)
        self.assertTrue(bench.broker.of("reading")[-1]["boot_id"].startswith("boot-2-"))
        await bench.stop()

    async def test_no_boot_says_what_another_said(self):
        """A board that was reflashed, replaced or cloned begins to count anew; its samples are still no repeats."""
        names = set()
        for _ in range(5):  # each with an empty store, or a copy of the same
            bench = Bench()
            await bench.start()
            names.add(bench.gateway.boot_id)
            await bench.stop()
        self.assertEqual(len(names), 5)
        self.assertTrue(all(topics.is_word(name) and name.startswith("boot-1-") for name in names))

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
        bench.broker.wire.hang_up()  # the connection breaks: what was not acknowledged comes again, then the rest
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

    async def test_a_full_flash_is_reported_and_survived(self):
        """It samples, waters, acks and publishes from memory, says what is wrong, and catches up when there is room."""
        bench = Bench()
        await bench.start()
        bench.store.full = True
        await bench.clock.advance(3600)
        bench.command()
        await settle()
        self.assertEqual([sample["seq"] for sample in bench.broker.of("reading")[0]["samples"]], [1, 2, 3, 4])
        self.assertEqual([ack["code"] for ack in bench.broker.of("ack")], ["storage_fault"])  # no open without a record
        self.assertEqual([error["code"] for error in bench.broker.of("error")][:1], ["storage_fault"])
        self.assertTrue(bench.gateway.counters["storage_faults"] >= 4)
        bench.store.full = False
        await bench.clock.advance(3600)
        await bench.lose_power()
        await bench.start()
        self.assertEqual(bench.gateway.counters["samples_taken"], 8)
        await bench.stop()

    async def test_a_boot_continues_the_account(self):
        """After a power cut the samples of before are counted and sent under their own boot; the last time is known."""
        bench = Bench()
        await bench.start()
        await bench.clock.advance(1800)
        await bench.lose_power()
        await bench.start()
        self.assertEqual((bench.gateway.counters["samples_taken"], bench.gateway.last_sample_at), (2, START + 1800))
        await bench.clock.advance(1800)
        readings = bench.broker.of("reading")
        found = [(reading["boot_id"][:6], [sample["seq"] for sample in reading["samples"]]) for reading in readings]
        self.assertEqual(found, [("boot-1", [1, 2]), ("boot-2", [1, 2])])
        await bench.stop()

    async def test_a_task_may_be_cancelled_before_its_first_step(self):
        """Two commands in one turn start the deadlines' task and cancel it at once; nothing is left over."""
        bench = Bench()
        await bench.start()
        bench.command(command_id="c1", duration_s=600)
        bench.command(command_id="c2", duration_s=900, epoch=2)
        bench.command(command_id="c3", action="close", epoch=3)
        await settle()
        self.assertEqual(bench.board.moves, [True, False, True, False])
        await bench.stop()


class TheWatchdog(GatewayTestCase):
    async def _fed(self, bench):
        self.feeds = []
        bench.board.feed = lambda: self.feeds.append(bench.clock.ms)
        await bench.start()

    async def test_a_healthy_supervisor_feeds_it(self):
        """Every two seconds, with a valve open and without."""
        bench = Bench()
        await self._fed(bench)
        await bench.clock.advance(10)
        bench.command()
        await bench.clock.advance(10)
        self.assertEqual(self.feeds, list(range(0, 22000, 2000)))
        await bench.stop()

    async def test_a_supervisor_that_is_late_starves_it(self):
        """A deadline that passes without the valve being closed stops the feeding, so that the board restarts."""
        bench = Bench()
        await self._fed(bench)
        bench.command(duration_s=60)
        await settle()
        bench.gateway._tasks["valves"].cancel()
        await bench.clock.advance(120)
        self.assertEqual(self.feeds[-1], 60000)
        await bench.stop()

    async def test_a_stuck_valve_starves_it(self):
        """A valve that does not close when told to is a reason to restart; when it closes, the feeding goes on."""
        bench = Bench()
        await self._fed(bench)
        set_valve = bench.board.set_valve

        def jammed(_zone_id, _is_open):
            raise ValveError("jammed")

        bench.command(duration_s=60)
        await settle()
        bench.board.set_valve = jammed
        await bench.clock.advance(69)
        self.assertEqual(self.feeds[-1], 58000)
        bench.board.set_valve = set_valve
        await bench.clock.advance(11)
        self.assertEqual(self.feeds[-1], 80000)
        await bench.stop()

    async def test_a_board_without_one_is_not_woken(self):
        """Nothing sleeps but the schedule: field time has no more to wait for than the next sample."""
        bench = Bench()
        await bench.start()
        self.assertEqual([at for at, _ in bench.clock.sleepers], [900 * 1000])
        await bench.stop()


if __name__ == "__main__":
    unittest.main()
