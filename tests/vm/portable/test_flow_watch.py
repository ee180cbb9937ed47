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

    async def run_of(self, seconds, litres, **fields):
        self.command(duration_s=seconds, **fields)
        await settle()
        self.litres += litres
        await self.clock.advance(seconds)
        await settle()


class TheFlow(GatewayTestCase):
    async def test_water_through_a_shut_valve_is_told(self):
        """Between two samples that both saw the valve shut nothing may run."""
        bench = Metered()
        await bench.start()
        await bench.clock.advance(900)
        bench.litres += 450
        await bench.clock.advance(900)
        await settle()
        self.assertEqual(bench.told(), [("flow_while_shut", "plot-1a: 450 l in 900 s")])
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
        self.assertEqual(told, [("flow_while_shut", "plot-1a: 19 l in 900 s")])
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
        for _ in range(3):
            bench.litres += 900
            await bench.clock.advance(900)
        bench.litres += 300
        await bench.clock.advance(900)
        await settle()
        self.assertEqual([ack["volume_l"] for ack in bench.broker.of("ack") if ack["state"] == "done"], [3000])
        self.assertEqual(bench.told(), [])
        await bench.stop()

    async def test_a_run_with_an_unusual_flow_is_told(self):
        """Less than half or more than one and a half of the nominal flow: blocked, or burst."""
        for litres, told in ((0, 1), (299.9, 1), (300, 0), (600, 0), (900, 0), (900.1, 1)):
            bench = Metered()
            await bench.start()
            await bench.run_of(600, litres)
            self.assertEqual([code for code, _ in bench.told()], ["unusual_flow"] * told, str(litres))
            await bench.stop()

    async def test_an_unusual_run_is_told_with_its_numbers(self):
        """For programs the zone, litres and seconds; for people the same in words. A minute is long enough."""
        bench = Metered()
        await bench.start()
        await bench.run_of(60, 0)
        self.assertEqual(bench.told(), [("unusual_flow", "plot-1a: 0 l in 60.0 s, nominal 60 l")])
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

    async def test_a_zone_that_is_no_more_is_not_judged(self):
        """The last run of a zone, answered for after it was taken out of the configuration, ends no start."""
        bench = Metered()
        await bench.start()
        ack = {"zone_id": "plot-9z", "volume_source": "measured", "duration_s": 600, "volume_l": 1.0}
        bench.gateway._watch_run(ack)
        await settle()
        self.assertEqual(bench.told(), [])
        await bench.stop()


if __name__ == "__main__":
    unittest.main()
