"""A rejection stays one however full the memory is, and a volume bound always says when to look next."""

import unittest

from gateway import valves as supervisor
from gateway.valves import KEPT_COMMANDS
from tests.vm.portable.test_fallback import PLAN
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

    def test_runs_find_room_for_32_commands_and_rejections_for_half(self):
        """A seventeenth rejection is final by its epoch alone; with it sixteen runs are left to be remembered."""
        bench = Bench()
        bench.trusted = False
        rejections = [bench.send(epoch=epoch) for epoch in range(1, 18)]
        bench.trusted = True
        del bench.acks[:]
        for command in rejections:
            bench.send(**command)
        codes = [code for _, code in bench.answers()]
        self.assertEqual(codes, ["clock_untrusted"] * 16 + ["stale_epoch"])
        for epoch in range(18, 34):
            bench.send(epoch=epoch)
            self.assertEqual(bench.answers()[-1], ("started", "ok"))
        for now, answer in ((NOW, "rejected"), (NOW + 900, "rejected"), (NOW + 901, "started")):  # all expire at once
            bench.now = now
            bench.send(epoch=now - NOW + 34)
            self.assertEqual(bench.answers()[-1], (answer, "ok" if answer == "started" else "storage_fault"))

    def test_what_could_not_be_written_keeps_its_reason(self):
        """Commands that have expired make room for that rejection too: its repeat is answered alike."""
        bench = Bench()
        for epoch in range(1, 21):
            bench.send(epoch=epoch, duration_s=1, expires_at=bench.now + 100)
            bench.after(1)
        bench.now += 200
        bench.store.full = True
        command = bench.send(epoch=50)
        bench.store.full = False
        bench.send(**command)
        self.assertEqual((bench.moved(), bench.answers()[-2:]), ([], [("rejected", "storage_fault")] * 2))

    def test_a_known_rejection_costs_no_write(self):
        """A flood of repeats does not wear the flash."""
        bench = Bench()
        self.fill(bench)
        command = bench.send(zone_id="plot-9z", command_id="one-more")
        bench.send(**command)
        self.assertEqual(bench.log, [])


class Heap:
    """What a board's `gc` says once it has collected."""

    def __init__(self, free):
        self.free, self.collected = free, 0

    def collect(self):
        self.collected += 1

    def mem_free(self):
        return self.free if self.collected else 0


class PlansAndMemory(unittest.TestCase):
    def test_a_board_that_is_too_full_takes_no_plan(self):
        """It is told so by a rejection, before anything is loaded or written for it; opens are taken as ever."""
        kept = supervisor.gc
        try:
            for free, answer in ((supervisor.PLAN_BYTES, ("done", "ok")), (supervisor.PLAN_BYTES - 1, "storage_fault")):
                bench = Bench()
                supervisor.gc = Heap(free)
                bench.send(**PLAN)
                if answer == "storage_fault":
                    self.assertEqual((bench.answers(), bench.valves._fallback), ([("rejected", answer)], None))
                    bench.send(epoch=2)
                    self.assertEqual(bench.answers()[-1], ("started", "ok"))
                else:
                    self.assertEqual(bench.answers(), [answer])
                self.assertEqual(supervisor.gc.collected, 1)
        finally:
            supervisor.gc = kept


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

    def test_a_clock_that_is_not_trusted_ends_no_doubt(self):
        """A board that does not know the time cannot say how late a lost command may be: the next good time does."""
        bench = Bench()
        command = bench.send(epoch=4, duration_s=60)
        bench.after(60)
        for name in ("valves.0", "valves.1"):
            bench.store.save(name, b"rubbish")
        bench.reboot()
        bench.now, bench.trusted = NOW - 86400, False
        bench.send(command_id="early")
        bench.now, bench.trusted = NOW + 120, True
        bench.send(**command)
        self.assertEqual(bench.answers(), [("rejected", "clock_untrusted"), ("rejected", "fenced")])
        self.assertEqual(bench.moved(), [])


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

    def test_a_look_between_that_finds_no_volume(self):
        """A run whose volume nobody can tell goes on when another zone's deadline has the valves looked at."""
        bench = Bench()
        bench.valves._zones["plot-1a"] = {"zone_id": "plot-1a", "hard_cap_s": 3900}
        bench.send(duration_s=60, max_volume_l=5)
        bench.send(zone_id="plot-1b", command_id="b", duration_s=30)
        bench.after(30)
        self.assertEqual(bench.valves.open_valves, ["plot-1a"])
        bench.after(30)
        self.assertEqual((bench.acks[-1]["volume_l"], bench.acks[-1]["volume_source"]), (None, "none"))

    def test_a_meter_at_twice_the_rated_flow(self):
        """The first look comes when that could have given the volume: not a litre too much, and no look too many."""
        bench = Bench()
        bench.board.meter_l = 0.0
        bench.send(duration_s=1800, max_volume_l=100)
        due_ms = bench.valves.next_deadline_ms()
        bench.board.meter_l = (due_ms - bench.ticks_ms) / 1000 * 2
        bench.after((due_ms - bench.ticks_ms) / 1000)
        done = bench.acks[-1]
        self.assertEqual((done["end_reason"], done["duration_s"], done["volume_l"]), ("volume", 50, 100))

    def test_no_volume_at_all_with_a_meter(self):
        """A bound of nothing is reached at once, not a second later."""
        bench = Bench()
        bench.board.meter_l = 7.0
        bench.send(duration_s=1800, max_volume_l=0)
        bench.after(0)
        self.assertEqual((bench.acks[-1]["end_reason"], bench.acks[-1]["duration_s"]), ("volume", 0))

    def test_a_meter_that_comes_or_goes(self):
        """Only one that was read at both ends of a run has measured it; one that stood still has, too."""
        for first, last, told in (
            (None, 9.0, (60, "estimated")),
            (9.0, None, (60, "estimated")),
            (9.0, 9.0, (0, "measured")),
            (9.0, 56.12345, (47.123, "measured")),
        ):
            bench = Bench()
            bench.board.meter_l = first
            bench.send(duration_s=60)
            bench.board.meter_l = last
            bench.after(60)
            self.assertEqual((bench.acks[-1]["volume_l"], bench.acks[-1]["volume_source"]), told)

    def test_an_estimate_is_told_in_millilitres(self):
        """No more digits than anybody could have measured."""
        bench = Bench()
        bench.send(zone_id="plot-1b")
        bench.ticks_ms += 33333
        bench.send("close", command_id="x", zone_id="plot-1b", epoch=2)
        self.assertTrue(bench.acks[1]["volume_l"] in (16.666, 16.667))


if __name__ == "__main__":
    unittest.main()
