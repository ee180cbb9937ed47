"""A rejection stays one however full the memory is, and a volume bound always says when to look next."""

import unittest

from gateway.valves import KEPT_COMMANDS
from tests.vm.portable.test_valves import NOW, Bench


class Rejections(unittest.TestCase):
    def fill(self, bench):
        """Reject so many commands, none of which has expired, that no more are remembered."""
        for number in range(KEPT_COMMANDS):
            bench.send(command_id=f"flood-{number}", zone_id="plot-9z", expires_at=NOW + 86400)

    def test_a_rejection_without_room_is_final(self):
        """An open that was too late once stays rejected when the clock goes back, though its id found no room."""
        bench = Bench()
        self.fill(bench)
        bench.now += 3600
        command = bench.send(epoch=7, issued_at=NOW, expires_at=NOW + 900)
        bench.now -= 3600
        for _ in range(2):
            bench.send(**command)
            self.assertEqual((bench.answers()[-1], bench.moved()), (("rejected", "stale_epoch"), []))
            bench.reboot()
        bench.send(epoch=8)
        self.assertEqual(bench.answers()[-1], ("started", "ok"))

    def test_expired_commands_leave_room_for_rejections(self):
        """After more runs than can be remembered a rejection still gives the same reason each time."""
        bench = Bench()
        for epoch in range(1, KEPT_COMMANDS + 8):
            bench.send(epoch=epoch, duration_s=1, expires_at=bench.now + 1)
            bench.after(3)
        bench.trusted = False
        command = bench.send(epoch=99)
        bench.trusted = True
        bench.send(**command)
        self.assertEqual((bench.moved(), bench.answers()[-2:]), ([], [("rejected", "clock_untrusted")] * 2))

    def test_a_known_rejection_costs_no_write(self):
        """A flood of repeats does not wear the flash."""
        bench = Bench()
        self.fill(bench)
        command = bench.send(zone_id="plot-9z", command_id="one-more")
        bench.send(**command)
        self.assertEqual(bench.log, [])


class LostFlash(unittest.TestCase):
    def test_what_was_lost_stays_in_mind(self):
        """With everything unreadable old opens stay shut, also after a write and one more reboot."""
        bench = Bench()
        command = bench.send(epoch=4, duration_s=60)
        for name in ("valves.0", "valves.1"):
            bench.store.save(name, b"rubbish")
        bench.reboot()
        bench.send("close", command_id="x", zone_id="plot-1b", epoch=1)
        bench.reboot()
        bench.send(**command)
        self.assertEqual((bench.moved(), bench.answers()), ([], [("rejected", "fenced")]))


class VolumeBounds(unittest.TestCase):
    def looks(self, bench):
        """How often the supervisor looks before the run is over; it must get somewhere each time."""
        looks = 0
        while bench.valves.open_valves:
            due_ms = bench.valves.next_deadline_ms()
            self.assertTrue(due_ms > bench.ticks_ms)
            bench.after((due_ms - bench.ticks_ms) / 1000)
            looks += 1
        return looks

    def test_a_bound_between_two_millilitres(self):
        """A bound finer than what is counted ends the run, within a look or two."""
        for litres in (20.0004, 7.77777, 0.0001, 0):
            bench = Bench()
            bench.send(duration_s=1800, max_volume_l=litres)
            if litres:
                self.assertTrue(self.looks(bench) <= 3)
            else:
                bench.after(0)
            self.assertEqual(bench.acks[-1]["end_reason"], "volume")

    def test_a_zone_whose_flow_nobody_knows(self):
        """Without a rated flow a meter is read each second; without a meter too, the duration is the only bound."""
        for meter_l, reason in ((100.0, "volume"), (None, "duration")):
            bench = Bench()
            bench.valves._zones["plot-1a"] = {"zone_id": "plot-1a", "hard_cap_s": 3900}
            bench.board.meter_l = meter_l
            bench.send(duration_s=30, max_volume_l=5)
            looks = 0
            while bench.valves.open_valves:
                due_ms = bench.valves.next_deadline_ms()
                self.assertTrue(due_ms > bench.ticks_ms)
                bench.board.meter_l = meter_l and bench.board.meter_l + (due_ms - bench.ticks_ms) / 1000
                bench.after((due_ms - bench.ticks_ms) / 1000)
                looks += 1
            self.assertEqual((bench.acks[-1]["end_reason"], looks), (reason, 5 if meter_l else 1))


if __name__ == "__main__":
    unittest.main()
