"""A whole gateway that holds a fallback plan: what schedule, broker and power make of it, on both runtimes."""

import unittest

from tests.vm.portable.bench import START, Bench, GatewayTestCase, settle

HOUR_S, DAY_S = 3600, 86400


def plan(**fields):
    """A plan for the bench's zone, as a command's fields."""
    more = {"action": "fallback", "command_id": "plan", "duration_s": 600, "max_volume_l": 900.0, "days": 3}
    more.update({"below_vwc": 0.2, "valid_from": START, "valid_until": START + 7 * DAY_S})
    more.update(fields)
    return more


async def holding(**fields):
    """A bench whose gateway has a plan."""
    bench = Bench(sample_interval_s=HOUR_S, publish_interval_s=6 * HOUR_S)
    await bench.start()
    bench.command(**plan(**fields))
    await settle()
    return bench


class APlan(GatewayTestCase):
    async def test_it_waters_while_the_broker_is_away(self):
        """A day after its last word, by the sample of that moment; then all acks arrive, once."""
        bench = await holding()
        bench.broker.acking = False
        await bench.clock.advance(DAY_S - HOUR_S)
        self.assertEqual(bench.board.moves, [])
        await bench.clock.advance(2 * HOUR_S)
        self.assertEqual(bench.board.moves, [True, False])
        told = [(ack["command_id"], ack["state"], ack["code"]) for ack in bench.broker.of("ack")]
        self.assertEqual(told[0], ("plan", "done", "ok"))
        self.assertTrue(("plan-1", "started", "ok") in told or bench.gateway._outbox.depth)
        await bench.lose_power()
        bench.broker.acking = True
        await bench.start()
        await settle()
        told = [(ack["command_id"], ack["state"]) for ack in bench.broker.of("ack")]
        self.assertEqual(told.count(("plan-1", "done")), 1)
        self.assertEqual(bench.broker.of("status")[-1]["fallback_days"], {"plot-1a": 2})
        await bench.stop()

    async def test_it_waters_nothing_while_the_broker_answers(self):
        """Days of pubacks, and a dry probe: the cloud decides."""
        bench = await holding(after_offline_s=7 * HOUR_S)
        await bench.clock.advance(3 * DAY_S)
        self.assertEqual((bench.board.moves, bench.gateway.counters["messages_acked"] > 80), ([], True))
        self.assertEqual(bench.broker.of("status")[-1]["fallback_days"], {"plot-1a": 3})
        await bench.stop()

    async def test_a_value_that_cannot_be_is_no_reading(self):
        """Percent for a fraction, or none at all, waters nothing."""
        for vwc in (15.0, None):
            bench = await holding(after_offline_s=HOUR_S)
            bench.broker.acking = False
            bench.board.vwc = vwc
            await bench.clock.advance(6 * HOUR_S)
            self.assertEqual(bench.board.moves, [])
            await bench.stop()

    async def test_without_a_plan_none_of_it_is_in_memory(self):
        """A status says that there is none."""
        bench = Bench()
        await bench.start()
        await bench.clock.advance(HOUR_S)
        self.assertEqual(bench.broker.of("status")[-1]["fallback_days"], {})
        self.assertEqual(bench.gateway._valves._fallback, None)
        await bench.stop()


if __name__ == "__main__":
    unittest.main()
