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

    async def test_a_run_with_an_unusual_flow_is_told(self):
        """Less than half or more than one and a half of the nominal flow: blocked, or burst."""
        for litres, told in ((0, 1), (299, 1), (301, 0), (600, 0), (899, 0), (901, 1)):
            bench = Metered()
            await bench.start()
            await bench.run_of(600, litres)
            self.assertEqual([code for code, _ in bench.told()], ["unusual_flow"] * told, str(litres))
            await bench.stop()

    async def test_a_short_run_is_not_judged(self):
        """In less than a minute a whole pulse is too much or too little."""
        bench = Metered()
        await bench.start()
        await bench.run_of(59, 0)
        self.assertEqual(bench.told(), [])
        await bench.stop()


if __name__ == "__main__":
    unittest.main()
