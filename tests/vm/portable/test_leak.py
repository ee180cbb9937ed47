"""A leak latches a board, and a clear ends that, on CPython and on MicroPython."""

import unittest

from tests.vm.portable.test_fallback import PLAN, Offline
from tests.vm.portable.test_valves import Bench

ZONES = ("plot-1a", "plot-1b")


def clear(bench, number=9, epochs=(9, 9), **fields):
    """A clear for both zones, and what is answered."""
    more = {"zone_id": None, "duration_s": None, "epochs": dict(zip(ZONES, epochs)), "epoch": 9}  # noqa: B905
    more.update(fields)
    del bench.acks[:]
    bench.send("clear", command_id=f"clear-{number}", **more)
    return bench.answers()


def latched():
    """A bench with both zones open, of which one leaks."""
    bench = Bench()
    bench.send(epoch=1)
    bench.send(command_id="b", zone_id="plot-1b", duration_s=600, epoch=1)
    bench.after(300)
    del bench.log[:]
    bench.valves.latch(["plot-1b"], bench.ticks_ms, bench.now)
    return bench


class TheLatch(unittest.TestCase):
    def test_every_run_ends_and_every_valve_is_shut(self):
        """Whatever leaks: all stand still, and each run is answered for with what it gave."""
        bench = latched()
        self.assertEqual(bench.moved()[:2], [("close", "plot-1a"), ("close", "plot-1b")])
        self.assertEqual(bench.answers()[-2:], [("done", "ok")] * 2)
        self.assertEqual([(ack["end_reason"], ack["duration_s"]) for ack in bench.acks[-2:]], [("leak", 300.0)] * 2)
        self.assertEqual((bench.valves.latched, bench.valves.open_valves), (["plot-1b"], []))
        self.assertEqual(bench.valves.next_deadline_ms(), None)

    def test_it_is_written_before_it_is_said(self):
        """A power cut between the two leaves a board that opens nothing."""
        bench = Bench()
        bench.send()
        said = []
        bench.valves._on_ack = lambda ack: said.append((ack["state"], [name for name, _ in bench.log]))
        del bench.log[:]
        bench.valves.latch(["plot-1a"], bench.ticks_ms, bench.now)
        self.assertEqual(said, [("done", ["close", "close", "close", "save"])])

    def test_every_later_open_is_rejected(self):
        """Of every zone, also after a reboot; a close and a stop are obeyed as ever."""
        bench = latched()
        for number in (2, 3):
            bench.send(epoch=number)
            bench.send(command_id=f"b{number}", zone_id="plot-1b", epoch=number)
            self.assertEqual(bench.answers()[-2:], [("rejected", "leak")] * 2)
            self.assertEqual(bench.moved(), [])
            bench.reboot()
            self.assertEqual(bench.valves.latched, ["plot-1b"])
        bench.send("close", command_id="x", epoch=7)
        bench.send("stop_all", command_id="y", zone_id=None, duration_s=None)
        self.assertEqual(bench.answers(), [("done", "ok")] * 2)
        self.assertEqual(bench.valves.latched, ["plot-1b"])

    def test_a_second_leak_is_latched_too(self):
        """Both zones are named, and one clear is good for both."""
        bench = latched()
        bench.valves.latch(["plot-1a"], bench.ticks_ms, bench.now)
        self.assertEqual(bench.valves.latched, ["plot-1a", "plot-1b"])
        self.assertEqual(clear(bench), [("done", "ok")])
        self.assertEqual(bench.valves.latched, [])

    def test_it_holds_even_if_it_cannot_be_written(self):
        """On a flash that is full the valves are shut, nothing opens, and it is tried again."""
        bench = Bench()
        bench.send()
        bench.store.full = True
        bench.valves.latch(["plot-1a"], bench.ticks_ms, bench.now)
        self.assertEqual(bench.valves.latched, ["plot-1a"])
        bench.store.full = False
        bench.after(5)
        bench.reboot()
        self.assertEqual(bench.valves.latched, ["plot-1a"])


class Clear(unittest.TestCase):
    def test_a_clear_lets_the_board_open_again(self):
        """With epochs from the clear on; its ack names no zone."""
        bench = latched()
        self.assertEqual(clear(bench), [("done", "ok")])
        self.assertEqual(bench.acks[0]["zone_id"], None)
        bench.reboot()
        self.assertEqual((bench.valves.latched, bench.valves.epochs), ([], {"plot-1a": 9, "plot-1b": 9}))
        bench.send(command_id="old", epoch=9)
        bench.send(command_id="new", epoch=10)
        self.assertEqual(bench.answers(), [("rejected", "stale_epoch"), ("started", "ok")])

    def test_what_runs_ends_with_a_clear(self):
        """It raises every epoch: a run by a command and one by a plan end at once, answered for, and come not back."""
        bench = Offline()
        bench.pass_by(86400)
        bench.send(command_id="b", zone_id="plot-1b", duration_s=600, epoch=2)
        bench.after(60)
        del bench.log[:]
        self.assertEqual(clear(bench), [("done", "ok")] * 3)
        told = [(ack["command_id"], ack["epoch"], ack["end_reason"], ack["duration_s"]) for ack in bench.acks]
        self.assertEqual(told[:2], [("plan-1", 1, "close", 60.0), ("b", 2, "close", 60.0)])
        self.assertEqual((told[2][0], bench.moved()), ("clear-9", [("close", "plot-1a"), ("close", "plot-1b")]))
        self.assertEqual((bench.valves.open_valves, bench.valves.next_deadline_ms(), bench.days()), ([], None, {}))
        bench.reboot()
        self.assertEqual((bench.acks, bench.valves.open_valves), ([], []))
        self.assertEqual(bench.valves.given(bench.now)[0], {"plot-1a": 60, "plot-1b": 60})

    def test_a_clear_that_is_none_ends_nothing(self):
        """One that is too old, or repeated."""
        bench = Bench()
        clear(bench, epochs=(1, 1))
        bench.send(epoch=2)
        self.assertEqual(clear(bench, epochs=(1, 1)), [("done", "ok")])
        self.assertEqual(clear(bench, number=10, epochs=(2, 2)), [("rejected", "stale_epoch")])
        self.assertEqual(bench.valves.open_valves, ["plot-1a"])

    def test_clears_leave_half_of_the_memory_to_runs(self):
        """As rejections do: a seventeenth counts once by its epochs alone."""
        bench = Bench()
        for number in range(1, 18):
            self.assertEqual(clear(bench, number, (number, number)), [("done", "ok")])
        self.assertEqual(clear(bench, 16, (16, 16)), [("done", "ok")])
        self.assertEqual(clear(bench, 17, (17, 17)), [("rejected", "stale_epoch")])
        for epoch in range(18, 34):
            bench.send(epoch=epoch)
            self.assertEqual(bench.answers()[-1], ("started", "ok"))

    def test_a_repeat_answers_as_before(self):
        """And clears no leak that was seen since."""
        bench = latched()
        clear(bench)
        bench.valves.latch(["plot-1a"], bench.ticks_ms, bench.now)
        self.assertEqual(clear(bench), [("done", "ok")])
        self.assertEqual(bench.valves.latched, ["plot-1a"])

    def test_what_is_no_good_clear(self):
        """Too old, on a clock without trust, fenced, an epoch that is used, a zone that is missing."""
        for code, before, fields in (
            ("expired", None, {"expires_at": 1591711261, "issued_at": 1591711260}),
            ("clock_untrusted", "untrust", {}),
            ("fenced", "stop", {}),
            ("stale_epoch", None, {"epochs": (9, 1)}),
            ("stale_epoch", None, {"epochs": (9,)}),
            ("storage_fault", "fill", {}),
        ):
            bench = latched()
            if before == "stop":
                bench.send("stop_all", command_id="y", zone_id=None, duration_s=None)
            bench.trusted = before != "untrust"
            bench.store.full = before == "fill"
            self.assertEqual(clear(bench, **fields), [("rejected", code)])
            self.assertEqual(bench.valves.latched, ["plot-1b"], code)

    def test_a_rejected_clear_stays_rejected(self):
        """Its repeat too, when its epochs would do by then."""
        bench = latched()
        bench.trusted = False
        self.assertEqual(clear(bench), [("rejected", "clock_untrusted")])
        bench.trusted = True
        self.assertEqual(clear(bench), [("rejected", "clock_untrusted")])
        self.assertEqual(clear(bench, number=10), [("rejected", "stale_epoch")])
        self.assertEqual("held_epoch" in bench.acks[0], False)


class LeftOver(unittest.TestCase):
    def test_a_zone_that_is_no_more_leaves_no_plan(self):
        """Its plan goes with the boot, so that none comes back with the zone after a close that reached nobody."""
        bench = Bench()
        bench.send(**dict(PLAN, zone_id="plot-1a"))
        plans = bench.valves._state["plans"]
        plans["plot-9z"] = dict(plans["plot-1a"], zone_id="plot-9z")
        bench.valves._commit(bench.valves._state)
        bench.reboot()
        self.assertEqual(list(bench.valves._state["plans"]), ["plot-1a"])
        bench.reboot()
        self.assertEqual(list(bench.valves._state["plans"]), ["plot-1a"])

    def test_what_is_no_field_of_a_plan(self):
        """It is not kept, and names no run."""
        bench = Bench()
        bench.send(**dict(PLAN, ran="x", extra="y" * 500))
        plan = bench.valves._state["plans"]["plot-1a"]
        self.assertEqual((plan["ran"], "extra" in plan, "reason" in plan), (0, False, False))

    def test_memory_that_is_short_is_a_storage_fault(self):
        """What cannot be packed moves nothing, and ends nothing."""
        bench = Bench()

        def none_left(_document):
            raise MemoryError

        bench.valves._slots.save = none_left
        bench.send()
        self.assertEqual((bench.answers(), bench.valves.open_valves), ([("rejected", "storage_fault")], []))


if __name__ == "__main__":
    unittest.main()
