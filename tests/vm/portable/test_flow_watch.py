"""Water that does not run as it should is told: through a shut valve, or in a run, on both runtimes."""

import unittest

from tests.vm.portable.bench import Bench, GatewayTestCase, settle


class Metered(Bench):
    """A bench whose zone has a meter; `litres` is what it has counted."""

    def __init__(self, **config):
        super().__init__(**config)
        self.litres = 0.0
        self.board.metered_l = lambda _zone_id: self.litres

    def told(self):
        return [(error["code"], error["text"]) for error in self.broker.of("error")]

    async def pour(self, seconds, litres, step_s=30):
        """So much passes the meter in this time, a little every few seconds."""
        left_s = seconds
        while left_s:
            each_s = min(step_s, left_s)
            self.litres += litres * each_s / seconds
            await self.clock.advance(each_s)
            left_s -= each_s
        await settle()

    def open_again(self, number):
        """Another open, and what is answered."""
        self.command(packet_id=number, command_id=f"c{number}", epoch=number)

    def answer(self):
        """State and code of the last ack."""
        ack = self.broker.of("ack")[-1]
        return ack["state"], ack["code"], ack["end_reason"]

    async def run_of(self, seconds, litres, **fields):
        self.command(duration_s=seconds, **fields)
        await settle()
        await self.pour(seconds, litres)


class TheFlow(GatewayTestCase):
    async def test_water_through_a_shut_valve_is_told(self):
        """Between two samples that both saw the valve shut nothing may run."""
        bench = Metered()
        await bench.start()
        await bench.clock.advance(900)
        bench.litres += 450
        await bench.clock.advance(900)
        await settle()
        self.assertEqual(bench.told(), [("flow_while_shut", "plot-1a: 450 l in 900 s, nominal 900 l")])
        report = bench.broker.of("error")[0]
        self.assertEqual((report["zone_id"], report["volume_l"], report["duration_s"]), ("plot-1a", 450.0, 900))
        await bench.clock.advance(1800)
        await settle()
        [leak] = [one for one in bench.broker.of("reading") if one["sensor_id"].endswith(".plot-1a")]
        self.assertEqual(leak["zone_id"], "plot-1a")
        self.assertEqual([(one["volume_l"], one["leak_s"]) for one in leak["samples"]], [(450.0, 900)])
        await bench.stop()

    async def test_a_drop_and_a_run_are_no_leak(self):
        """A meter's last pulses, and the water of a run between two samples, are nothing to tell."""
        bench = Metered()
        await bench.start()
        await bench.clock.advance(900)
        bench.litres += 15
        await bench.clock.advance(960)
        await bench.run_of(600, 600)
        await bench.clock.advance(900)
        self.assertEqual(bench.told(), [])
        await bench.stop()

    async def _leak(self, litres, interval_s=900, ticks=1.0):
        """What is told of so much water between two samples, and the samples that say it."""
        bench = Metered(sample_interval_s=interval_s, publish_interval_s=interval_s)
        bench.clock.ticks_ms = lambda: int(bench.clock.ms * ticks)
        bench.litres = 5000.0
        await bench.start()
        await bench.clock.advance(interval_s)
        bench.litres += litres
        await bench.clock.advance(interval_s)
        await settle()
        leaks = [one for one in bench.broker.of("reading") if one["sensor_id"].endswith(".plot-1a")]
        told = bench.told()
        await bench.stop()
        return told, [sample for leak in leaks for sample in leak["samples"]]

    async def test_more_than_a_fiftieth_of_the_nominal_flow_is_a_leak(self):
        """And a litre, for a meter's last pulse: just so much is none yet."""
        self.assertEqual(await self._leak(19.0), ([], []))
        told, [sample] = await self._leak(19.0126)
        self.assertEqual(told, [("flow_while_shut", "plot-1a: 19 l in 900 s, nominal 900 l")])
        self.assertEqual((sample["volume_l"], sample["leak_s"]), (19.013, 900))

    async def test_a_leak_lasts_from_a_second_to_a_day(self):
        """Even by ticks that do not keep the pace of the clock: a sample can say no less and no more."""
        for interval_s, ticks, seconds in ((1, 0.5, 1), (1, 1, 1), (86400, 1.5, 86400)):
            told, samples = await self._leak(100000, interval_s, ticks)
            self.assertEqual([code for code, _ in told], ["flow_while_shut"])
            self.assertEqual([sample["leak_s"] for sample in samples], [seconds])

    async def test_a_long_run_is_no_leak(self):
        """Samples that fall into one run see its water, and a valve that is open."""
        bench = Metered()
        await bench.start()
        await bench.clock.advance(60)
        self.assertEqual(bench.told(), [])
        bench.command(duration_s=3000)
        await settle()
        await bench.pour(3000, 3000)
        await bench.clock.advance(600)
        await settle()
        self.assertEqual([round(ack["volume_l"]) for ack in bench.broker.of("ack") if ack["state"] == "done"], [3000])
        self.assertEqual(bench.told(), [])
        await bench.stop()

    async def test_a_run_with_an_unusual_flow_is_told(self):
        """Less than half or more than one and a half of the nominal flow: blocked, or burst."""
        for litres, told in ((0, 1), (59.9, 1), (60, 0), (120, 0), (180, 0), (180.1, 1)):
            bench = Metered()
            await bench.start()
            await bench.run_of(120, litres)
            self.assertEqual([code for code, _ in bench.told()], ["unusual_flow"] * told, str(litres))
            await bench.stop()

    async def test_an_unusual_run_is_told_with_its_numbers(self):
        """For programs the zone, litres and seconds; for people the same in words. A minute is long enough."""
        bench = Metered()
        await bench.start()
        await bench.run_of(60, 0)
        self.assertEqual(bench.told(), [("unusual_flow", "plot-1a: 0 l in 60 s, nominal 60 l")])
        report = bench.broker.of("error")[0]
        self.assertEqual((report["zone_id"], report["volume_l"], report["duration_s"]), ("plot-1a", 0, 60))
        await bench.stop()

    async def test_an_estimate_is_not_judged(self):
        """Of a run without a meter the nominal flow is all that is known, and a rejected command has none."""
        bench = Bench()
        await bench.start()
        bench.command(duration_s=600)
        await bench.clock.advance(600)
        bench.command(packet_id=8, command_id="c2", duration_s=600)
        await settle()
        self.assertEqual([ack["code"] for ack in bench.broker.of("ack")], ["ok", "ok", "stale_epoch"])
        self.assertEqual(bench.broker.of("error"), [])
        await bench.stop()

    async def test_a_short_run_is_not_judged(self):
        """In less than a minute a whole pulse is too much or too little."""
        bench = Metered()
        await bench.start()
        await bench.run_of(59, 0)
        self.assertEqual(bench.told(), [])
        await bench.stop()

    async def test_a_blocked_run_is_told_while_it_goes_on(self):
        """Three minutes without water past the first one are enough; at the run's end it is known."""
        bench = Metered()
        await bench.start()
        bench.command(duration_s=1800)
        await bench.clock.advance(600)
        await settle()
        [(code, text)] = bench.told()
        self.assertEqual((code, bench.board.moves), ("unusual_flow", [True]), text)
        await bench.clock.advance(1200)
        await settle()
        self.assertEqual([code for code, _ in bench.told()], ["unusual_flow"])
        self.assertEqual((bench.answer(), bench.gateway._valves.latched), (("done", "ok", "duration"), []))
        await bench.stop()

    async def test_a_meter_that_is_slow_to_move_is_waited_for(self):
        """Three minutes past the first one: until then a run without a pulse is nothing to tell."""
        bench = Metered()
        await bench.start()
        bench.command(duration_s=1800)
        await bench.clock.advance(230)
        await settle()
        self.assertEqual(bench.told(), [])
        await bench.stop()

    async def test_large_pulses_of_a_good_flow_are_no_blocked_line(self):
        """One of 100 l in three minutes of 60 l a minute: the next may be about to come."""
        bench = Metered()
        await bench.start()
        bench.command(duration_s=1200)
        for _ in range(12):
            await bench.clock.advance(95)
            bench.litres += 100
            await bench.clock.advance(5)
        await settle()
        self.assertEqual((bench.told(), bench.answer()), ([], ("done", "ok", "duration")))
        await bench.stop()

    async def test_one_meter_that_moves_is_looked_at_each_minute(self):
        """Whatever the others do; all at rest are looked at each five."""
        bench = Metered()
        await bench.start()
        flow = bench.gateway._flow
        flow._marks = {"plot-1a": [0, 0.0, 0.0, 0], "plot-1b": [0, 0.0, 0.0, 0]}
        self.assertEqual(flow.every_s(), 300)
        flow._marks["plot-1b"][3] = 10.0
        self.assertEqual(flow.every_s(), 60)
        flow._marks = {}
        await bench.stop()

    async def test_a_zone_that_is_no_more_is_not_judged(self):
        """The last run of a zone, answered for after it was taken out of the configuration, ends no start."""
        bench = Metered()
        await bench.start()
        ack = {"zone_id": "plot-9z", "volume_source": "measured", "duration_s": 600, "volume_l": 1.0}
        bench.gateway._flow.heard(ack)
        await settle()
        self.assertEqual(bench.told(), [])
        await bench.stop()


class TheLatch(GatewayTestCase):
    async def test_a_burst_ends_the_run_and_latches(self):
        """Twice the nominal flow: shut within minutes, told with zone and litres, and nothing opens after that."""
        bench = Metered()
        await bench.start()
        bench.command(duration_s=3600)
        await bench.pour(900, 1800)
        self.assertEqual((bench.board.moves, bench.answer()), ([True, False], ("done", "ok", "leak")))
        [report] = [error for error in bench.broker.of("error") if error["code"] == "leak"]
        self.assertEqual(report["zone_id"], "plot-1a")
        self.assertEqual(report["volume_l"] * 60, report["duration_s"] * 120)
        self.assertEqual(bench.broker.of("status")[-1]["latched"], ["plot-1a"])
        bench.open_again(2)
        await settle()
        self.assertEqual((bench.board.moves, bench.answer()), ([True, False], ("rejected", "leak", None)))
        await bench.stop()

    async def test_after_a_clear_nothing_is_held_against_it(self):
        """The water of before is over: a repaired pipe latches nothing and is told of no more."""
        bench = Metered()
        await bench.start()
        await bench.pour(660, 660)
        self.assertEqual(bench.gateway._valves.latched, ["plot-1a"])
        told = len(bench.told())
        await bench.clock.advance(60)
        bench.command(packet_id=9, command_id="c9", action="clear", zone_id=None, epochs={"plot-1a": 9}, epoch=9)
        await settle()
        self.assertEqual(bench.gateway._valves.latched, [])
        await bench.clock.advance(3600)
        await settle()
        self.assertEqual((bench.gateway._valves.latched, len(bench.told())), ([], told))
        await bench.stop()

    async def test_a_valve_that_shuts_slowly_latches_nothing(self):
        """What passes within a minute of a run's end is still the run's."""
        bench = Metered()
        await bench.start()
        bench.command(duration_s=600)
        await settle()
        await bench.pour(600, 600)
        for _ in range(5):
            bench.litres += 6
            await bench.clock.advance(10)
        await bench.clock.advance(1200)
        await settle()
        self.assertEqual(bench.gateway._valves.latched, [])
        await bench.stop()

    async def test_a_latch_outlives_the_power_and_ends_by_a_clear(self):
        """Only a clear with a greater epoch for every zone lets the board open again."""
        bench = Metered()
        await bench.start()
        await bench.pour(1200, 1200)
        self.assertEqual(bench.gateway._valves.latched, ["plot-1a"])
        await bench.lose_power()
        await bench.start()
        bench.open_again(2)
        await settle()
        self.assertEqual(bench.answer(), ("rejected", "leak", None))
        clear = {"action": "clear", "zone_id": None, "duration_s": None}
        bench.command(packet_id=3, command_id="c3", epochs={"plot-1a": 2}, **clear)
        await settle()
        self.assertEqual(bench.answer(), ("rejected", "stale_epoch", None))
        bench.command(packet_id=4, command_id="c4", epochs={"plot-1a": 4}, **clear)
        await settle()
        self.assertEqual(bench.answer(), ("done", "ok", None))
        self.assertEqual(bench.broker.of("status")[-1]["latched"], [])
        bench.open_again(5)
        await settle()
        self.assertEqual((bench.answer(), bench.board.moves), (("started", "ok", None), [True]))
        await bench.stop()

    async def test_how_much_latches_a_shut_zone(self):
        """More than a tenth of the nominal flow. What is less, but more than a fiftieth, is told before a sample is."""
        for share, codes in ((0.01, []), (0.09, ["flow_while_shut"]), (0.13, ["leak"])):
            bench = Metered(sample_interval_s=86400, publish_interval_s=86400)
            await bench.start()
            await bench.pour(1800, share * 60 * 30)
            told = [code for code, _ in bench.told()]
            self.assertEqual((told[-1:], bool(bench.gateway._valves.latched)), (codes, "leak" in codes), str(share))
            await bench.stop()

    async def test_how_much_latches_a_run(self):
        """More than one and a half of the nominal flow, past the first minute, in which a pipe fills."""
        for first_l, share, is_latched in ((600, 1, False), (60, 1.45, False), (60, 1.8, True)):
            bench = Metered()
            await bench.start()
            await bench.clock.advance(270)  # so that the next look is within the first minute
            bench.command(duration_s=1800)
            await bench.pour(60, first_l)
            await bench.pour(1500, share * 60 * 25)
            self.assertEqual(bool(bench.gateway._valves.latched), is_latched, str(share))
            await bench.stop()

    async def test_a_meter_with_large_pulses_latches_nothing(self):
        """A pulse that is worth minutes of flow, in a run, at its end and while the pipe empties, is no leak."""
        for pulse_l in (96, 250):
            bench = Metered()
            true = [1e6 // pulse_l * pulse_l - 1802]  # two litres after the run the last pulse comes
            bench.board.metered_l = lambda _zone_id, true=true, pulse_l=pulse_l: true[0] // pulse_l * pulse_l
            bench.board.pulse_l = lambda _zone_id, pulse_l=pulse_l: pulse_l
            await bench.start()
            bench.command(duration_s=1800)
            await settle()
            for second in range(0, 3600, 30):
                true[0] += 30 if second < 1800 else 0.06
                await bench.clock.advance(30)
            self.assertEqual((bench.gateway._valves.latched, bench.answer()), ([], ("done", "ok", "duration")))
            await bench.stop()

    async def test_a_zone_without_a_meter_is_passed_over(self):
        """The one beside it is watched, by look and by sample."""
        zones = [
            {"zone_id": zone_id, "hard_cap_s": 3900, "litres_per_minute": 60} for zone_id in ("plot-1a", "plot-1b")
        ]
        bench = Metered(zones=zones)
        bench.board.metered_l = lambda zone_id: bench.litres if zone_id == "plot-1b" else None
        await bench.start()
        await bench.pour(1800, 162)
        self.assertEqual([error["zone_id"] for error in bench.broker.of("error")], ["plot-1b"])
        await bench.clock.advance(1800)
        leaks = [one["zone_id"] for one in bench.broker.of("reading") if "leak_s" in one["samples"][0]]
        self.assertEqual(leaks, ["plot-1b"])
        await bench.stop()

    async def test_a_board_without_meters_watches_none(self):
        """And has none of this in memory."""
        bench = Bench()
        await bench.start()
        self.assertEqual(bench.gateway._flow, None)
        self.assertEqual(bench.broker.of("status")[-1]["latched"], [])
        await bench.stop()


if __name__ == "__main__":
    unittest.main()
