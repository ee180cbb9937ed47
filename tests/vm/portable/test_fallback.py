"""Days without a cloud: what a board does by a plan that it holds, on CPython and on MicroPython."""

import gc
import sys
import unittest

from gateway.valves import KEPT_COMMANDS
from tests.vm.portable.test_valves import NOW, Bench

HOUR_S, DAY_S = 3600, 86400
DRY, WET = 0.15, 0.25
PLAN = {
    "command_id": "plan",
    "action": "fallback",
    "duration_s": 1200,
    "max_volume_l": 1600.0,
    "days": 3,
    "below_vwc": 0.19,
    "valid_from": NOW,
    "valid_until": NOW + 10 * DAY_S,
}


def row(vwc, zone_id="plot-1a", sensor="soil-a"):
    """A sample as it is being taken."""
    return ("irrigation-gateway-1." + sensor, zone_id, {"seq": 1, "measured_at": NOW, "clock": "synced", "vwc": vwc})


class Offline(Bench):
    """A supervisor that has taken a plan, and samples every quarter of an hour while the broker is away."""

    def __init__(self, **fields):
        super().__init__()
        self.rows = [row(DRY)]
        self.hold(**fields)

    def hold(self, **fields):
        plan = dict(PLAN)
        plan.update(fields)
        self.send(**plan)

    def plans(self):
        return self.valves.fallback(self.ticks_ms)

    def look(self):
        """Take a sample."""
        plans = self.plans()
        if plans:
            plans.look(self.rows, self.now, self.trusted, self.ticks_ms)

    def days(self):
        plans = self.plans()
        return plans.days() if plans else {}

    def pass_by(self, seconds):
        """Time, and a sample in every quarter of an hour."""
        for _ in range(seconds // 900):
            self.after(900)
            self.look()

    def runs(self):
        """How long each run was, by its final ack."""
        return [ack["duration_s"] for ack in self.acks if "plan-" in ack["command_id"] and ack["state"] == "done"]


class TakingAPlan(unittest.TestCase):
    def test_it_is_written_down_and_answered(self):
        """Its epoch is the zone's from then on; it opens nothing."""
        bench = Offline(epoch=3)
        self.assertEqual(bench.answers(), [("done", "ok")])
        self.assertEqual((bench.log, bench.valves.epochs["plot-1a"]), ([("save", "valves.0")], 3))
        self.assertEqual(bench.days(), {"plot-1a": 3})
        bench.reboot()
        self.assertEqual((bench.days(), bench.valves.epochs["plot-1a"]), ({"plot-1a": 3}, 3))

    def test_a_repeat_answers_as_before(self):
        """And brings no days back."""
        bench = Offline(expires_at=NOW + 2 * DAY_S)
        bench.pass_by(DAY_S + HOUR_S)
        bench.hold()
        self.assertEqual((bench.answers()[-1], bench.days()), (("done", "ok"), {"plot-1a": 2}))

    def test_longer_than_the_hard_cap_is_clipped(self):
        """It is taken, its ack says so, and so do its runs'."""
        bench = Offline(duration_s=5000, max_volume_l=1e6)
        self.assertEqual(bench.answers(), [("done", "clipped")])
        bench.pass_by(2 * DAY_S)
        self.assertEqual((bench.runs()[0], bench.answers()[1:3]), (3900, [("started", "clipped"), ("done", "clipped")]))

    def test_what_is_no_good_plan(self):
        """It is rejected as an open would be, and the plan from before is gone with its epoch."""
        for code, before, fields in (
            ("unknown_zone", None, {"zone_id": "plot-9z"}),
            ("expired", None, {"issued_at": NOW - 10, "expires_at": NOW}),
            ("clock_untrusted", "untrust", {}),
            ("fenced", "stop", {}),
            ("stale_epoch", None, {"epoch": 1}),
            ("storage_fault", "fill", {}),
            ("leak", "latch", {}),
        ):
            bench = Offline()
            if before == "stop":
                bench.send("stop_all", command_id="y", zone_id=None, duration_s=None)
            if before == "latch":
                bench.valves.latch(["plot-1b"], bench.ticks_ms, bench.now)
            bench.trusted = before != "untrust"
            bench.store.full = before == "fill"
            more = {"command_id": "next", "epoch": 2}
            more.update(fields)
            bench.hold(**more)
            self.assertEqual(bench.answers()[-1], ("rejected", code))
            left = {"plot-1a": 3} if code in ("unknown_zone", "stale_epoch") else {}
            self.assertEqual(bench.days(), left, code)

    def test_without_room_in_memory_no_plan_is_taken(self):
        """It is rejected, and an open is obeyed as ever."""
        bench = Bench()
        kept = sys.modules.pop("gateway.fallback", None)
        sys.modules["gateway.fallback"] = NoRoom()
        try:
            bench.send(**PLAN)
        finally:
            del sys.modules["gateway.fallback"]
            if kept:
                sys.modules["gateway.fallback"] = kept
        bench.send(epoch=2)
        self.assertEqual(bench.answers(), [("rejected", "storage_fault"), ("started", "ok")])

    def test_plans_leave_the_places_of_runs_alone(self):
        """Forty plans in five minutes, and as many runs as ever can be remembered; no plan is taken twice."""
        bench = Bench()
        plans = [bench.send(**dict(PLAN, command_id=f"plan-{epoch}x", epoch=epoch)) for epoch in range(1, 41)]
        self.assertEqual(bench.answers(), [("done", "ok")] * 40)
        for epoch in range(1, KEPT_COMMANDS + 2):
            bench.send(zone_id="plot-1b", command_id=f"b{epoch}", epoch=epoch, duration_s=60)
        started = [ack["command_id"] for ack in bench.acks if ack["state"] == "started"]
        self.assertEqual((len(started), bench.answers()[-1]), (KEPT_COMMANDS, ("rejected", "storage_fault")))
        bench.send(**dict(PLAN, command_id="plan-41x", epoch=41))
        self.assertEqual(bench.answers()[-1], ("done", "ok"))
        bench.reboot()
        bench.send(**plans[-1])
        self.assertEqual(bench.answers()[-1], ("rejected", "stale_epoch"))

    def test_a_held_plan_is_known_by_itself(self):
        """Its repeat is answered as before, clipped or not, after any time and a boot, and costs nothing."""
        for duration_s, code in ((1200, "ok"), (3900, "ok"), (3901, "clipped")):
            bench = Offline(duration_s=duration_s, max_volume_l=1e6)
            self.assertEqual((bench.answers(), bench.valves._state["known"]), ([("done", code)], {}))
            bench.now += DAY_S
            bench.reboot()
            bench.hold(duration_s=duration_s, issued_at=NOW, expires_at=NOW + 900)
            self.assertEqual((bench.answers(), bench.log), ([("done", code)], []))

    def test_an_answer_that_a_power_cut_swallowed_is_said_after_the_boot(self):
        """A plan that was written down and not spoken of; one that is known to be said is not said again."""
        for was_said, acks in ((False, [("done", "ok")]), (True, [])):
            bench = Offline()
            bench.reboot()
            bench.valves.repeat_acks(lambda ack, was_said=was_said: was_said)
            self.assertEqual(bench.answers(), acks)

    def test_a_newer_plan_replaces_the_older(self):
        """Only the days of the newer one count."""
        bench = Offline()
        bench.hold(command_id="plan-b", epoch=2, days=5)
        self.assertEqual(bench.days(), {"plot-1a": 5})


class NoRoom:
    """A module for which memory has no room."""

    def __getattr__(self, name):
        raise MemoryError


class ItsEnd(unittest.TestCase):
    def test_what_deletes_a_plan(self):
        """A close however old, a stop however old, an open or clear with a greater epoch; on flash, before the ack."""
        stop = {"zone_id": None, "duration_s": None}
        for action, fields in (
            ("close", {"epoch": 1}),
            ("close", {"epoch": 9}),
            ("stop_all", dict(stop, issued_at=NOW - 900)),
            ("open", {"epoch": 4}),
            ("open", {"epoch": 4, "issued_at": NOW - 10, "expires_at": NOW}),
            ("clear", dict(stop, epochs={"plot-1a": 4, "plot-1b": 1})),
        ):
            bench = Offline(epoch=3)
            more = {"command_id": "x", "duration_s": 60}
            more.update(fields)
            bench.send(action, **more)
            self.assertEqual(bench.days(), {}, action)
            bench.reboot()
            self.assertEqual(bench.days(), {}, action)

    def test_of_a_plan_that_is_over_nothing_stays_in_memory(self):
        """After its last run, and after a close, stop or greater epoch, though the rest of its zone is kept."""
        for action, fields in ((None, {}), ("close", {"epoch": 9}), ("open", {"epoch": 9})):
            bench = Offline(days=1)
            bench.pass_by(DAY_S)
            self.assertEqual(("gateway.fallback" in sys.modules, bench.days()), (True, {"plot-1a": 0}))
            if action:
                bench.send(action, command_id="x", **fields)
            else:
                bench.pass_by(900)
                self.assertEqual(bench.days(), {"plot-1a": 0}, "its last run goes on")
            bench.pass_by(2 * HOUR_S)
            self.assertEqual((bench.plans(), bench.runs()), (None, [0.0 if action else 1200]), action)
            self.assertEqual(hasattr(gc, "mem_free") and "gateway.fallback" in sys.modules, False)
            self.assertEqual(bench.valves._state["counts"]["plot-1a"] in (0, 600), True, action)
            bench.valves._state["given"].clear()
            bench.hold(command_id="next-plan", epoch=10, after_offline_s=HOUR_S)
            bench.pass_by(DAY_S - 900)
            self.assertEqual(bench.days(), {"plot-1a": 3})
            bench.pass_by(900)
            self.assertEqual(bench.days(), {"plot-1a": 2})

    def test_it_stays_in_memory_as_long_as_its_run(self):
        """A plan that is gone while its run goes on: the rest of the zone begins with the run's end."""
        bench = Offline()
        bench.pass_by(DAY_S)
        bench.send(epoch=4, issued_at=NOW - 10, expires_at=NOW)
        self.assertEqual((bench.days(), bench.valves.open_valves), ({}, ["plot-1a"]))
        self.assertTrue(bench.plans() is not None)
        bench.after(1200)
        self.assertTrue(bench.plans() is None)

    def test_what_leaves_a_plan(self):
        """What is for another zone, and an open that is older than the plan."""
        bench = Offline(epoch=3)
        bench.send(command_id="x", epoch=2)
        bench.send("close", command_id="y", zone_id="plot-1b", epoch=9)
        bench.send(command_id="z", zone_id="plot-1b", epoch=10)
        self.assertEqual(bench.days(), {"plot-1a": 3})

    def test_a_plan_that_older_firmware_left_behind_runs_no_more(self):
        """Put back for a while it obeyed a close and a stop, and knew nothing of plans."""
        for part in ({"epochs": {"plot-1a": 2}}, {"fence": NOW}):
            bench = Offline()
            bench.valves._state.update(part)
            bench.pass_by(3 * DAY_S)
            self.assertEqual(bench.runs(), [])

    def test_what_older_firmware_wrote_is_read(self):
        """A record without any of this."""
        bench = Bench()
        bench.valves._slots.save({"epochs": {"plot-1a": 4}, "fence": 7, "known": [], "running": {}})
        bench.reboot()
        self.assertEqual((bench.valves.epochs["plot-1a"], bench.valves.latched), (4, []))
        self.assertEqual(bench.valves.fallback(bench.ticks_ms), None)


class Runs(unittest.TestCase):
    def test_a_run_a_day_while_the_broker_is_away(self):
        """From 24 h on, each with its own id, the plan's epoch, and acks like every run, and no more than its days."""
        bench = Offline(epoch=3)
        bench.pass_by(DAY_S - 900)
        self.assertEqual((bench.runs(), bench.moved()), ([], []))
        bench.pass_by(6 * DAY_S)
        self.assertEqual(bench.runs(), [1200, 1200, 1200])
        told = [(ack["command_id"], ack["epoch"], ack["state"], ack["end_reason"]) for ack in bench.acks[1:3]]
        self.assertEqual(told, [("plan-1", 3, "started", None), ("plan-1", 3, "done", "duration")])
        self.assertEqual(bench.acks[-1]["command_id"], "plan-3")
        self.assertEqual(bench.days(), {})
        bench.answers()

    def test_24_hours_lie_between_two_runs(self):
        """From the end of one to the start of the next."""
        bench = Offline()
        bench.pass_by(6 * DAY_S)
        starts = [ack["at"] for ack in bench.acks if ack["state"] == "started"]
        for before, after in zip(starts, starts[1:]):  # noqa: B905, RUF007  # MicroPython
            self.assertTrue(DAY_S + 1200 <= after - before < DAY_S + 1200 + 900)

    def test_the_rest_is_kept_to_the_second_though_the_clock_leaps(self):
        """24 h of the board's own time from the end of the bound: what the clock says brings no run sooner."""
        bench = Offline()
        bench.pass_by(DAY_S)
        bench.after(1200)
        bench.now += 2 * DAY_S
        bench.after(DAY_S - 1)
        bench.look()
        self.assertEqual((bench.runs(), bench.days()), ([1200], {"plot-1a": 2}))
        bench.after(1)
        bench.look()
        self.assertEqual(bench.days(), {"plot-1a": 1})

    def test_a_rest_that_had_not_begun_begins_with_the_boot(self):
        """An hour within a long run is saved as no rest at all; after a power cut 24 h follow, to the second."""
        bench = Offline(duration_s=3900, max_volume_l=1e6)
        bench.pass_by(DAY_S + HOUR_S)
        bench.reboot()
        bench.now += 2 * DAY_S
        self.assertEqual(bench.days(), {"plot-1a": 2})
        bench.after(DAY_S - 1)
        bench.look()
        self.assertEqual(bench.days(), {"plot-1a": 2})
        bench.after(1)
        bench.look()
        self.assertEqual(bench.days(), {"plot-1a": 1})

    def test_a_plan_says_how_long_it_waits(self):
        """Without a PUBACK, and a PUBACK begins it anew."""
        bench = Offline(after_offline_s=2 * HOUR_S)
        bench.pass_by(HOUR_S)
        bench.plans().heard(bench.ticks_ms)
        bench.pass_by(2 * HOUR_S - 900)
        self.assertEqual(bench.runs(), [])
        bench.pass_by(HOUR_S)
        self.assertEqual(bench.runs(), [1200])

    def test_what_keeps_a_run_back(self):
        """Each condition, alone."""
        for name, change in (
            ("not dry", lambda bench: setattr(bench, "rows", [row(0.19)])),
            ("no reading", lambda bench: setattr(bench, "rows", [])),
            ("no value", lambda bench: setattr(bench, "rows", [row(None)])),
            ("another zone's reading", lambda bench: setattr(bench, "rows", [row(DRY, "plot-1b")])),
            ("the mean is wet", lambda bench: bench.rows.append(row(WET, sensor="soil-b"))),
            ("no trust in the clock", lambda bench: setattr(bench, "trusted", False)),
            ("another valve is open", lambda bench: bench.send(command_id="b", zone_id="plot-1b", duration_s=600)),
            ("a valve does not close", lambda bench: bench.valves._faulty.add("plot-1a")),
            ("a leak", lambda bench: bench.valves.latch(["plot-1b"], bench.ticks_ms, bench.now)),
            (
                "water within a day",
                lambda bench: bench.valves._state["given"].update({"plot-1a": [NOW - 1420070400, 9]}),
            ),
        ):
            bench = Offline()
            bench.pass_by(DAY_S - 900)
            change(bench)
            bench.now += 900
            bench.ticks_ms += 900_000
            if name == "water within a day":
                bench.valves._state["given"]["plot-1a"][0] += DAY_S
            bench.look()
            self.assertEqual([ack for ack in bench.acks if ack["command_id"] == "plan-1"], [], name)

    def test_the_mean_of_the_zones_own_probes_counts(self):
        """One without a value is left out, and one of another zone says nothing."""
        bench = Offline()
        bench.rows = [
            row(0.16),
            row(0.21, sensor="b"),
            row(None, sensor="c"),
            row(WET, "plot-1b", "d"),
            row(WET, None, "e"),
        ]
        bench.pass_by(DAY_S + HOUR_S)
        self.assertEqual(bench.runs(), [1200])

    def test_within_its_dates_only(self):
        """Not before valid_from, and a run ends with valid_until."""
        start = NOW + 30 * HOUR_S
        bench = Offline(valid_from=start, valid_until=start + 600)
        bench.pass_by(30 * HOUR_S - 900)
        self.assertEqual(bench.runs(), [])
        bench.pass_by(HOUR_S)
        self.assertEqual(bench.runs(), [600])
        bench = Offline(valid_from=NOW, valid_until=NOW + DAY_S)
        bench.pass_by(3 * DAY_S)
        self.assertEqual(bench.runs(), [])

    def test_the_volume_of_a_day_bounds_a_run(self):
        """As it bounds an open."""
        bench = Offline(max_volume_l=600.0)
        bench.pass_by(DAY_S + HOUR_S)
        self.assertEqual([(ack["end_reason"], ack["volume_l"]) for ack in bench.acks[2:]], [("volume", 600.0)])

    def test_one_zone_at_a_time(self):
        """The second waits for the first one's end, and has its run with the next sample."""
        bench = Offline()
        bench.hold(command_id="plan-b", zone_id="plot-1b", duration_s=600)
        bench.rows.append(row(DRY, "plot-1b", "soil-b"))
        bench.pass_by(DAY_S + 2 * HOUR_S)
        told = [(ack["zone_id"], ack["state"]) for ack in bench.acks[2:]]
        self.assertEqual(told, [(zone, state) for zone in ("plot-1a", "plot-1b") for state in ("started", "done")])

    def test_a_run_waits_until_it_can_be_remembered(self):
        """As an open does: while no answer of those that are remembered has expired, none begins."""
        bench = Offline()
        bench.pass_by(DAY_S - 1800)
        until = bench.now + 3000
        for epoch in range(1, KEPT_COMMANDS + 1):
            bench.send(zone_id="plot-1b", command_id=f"b{epoch}", epoch=epoch, duration_s=60, expires_at=until)
        bench.pass_by(2700)
        self.assertEqual((bench.runs(), bench.valves.open_valves), ([], []))
        bench.pass_by(2700)
        self.assertEqual(bench.runs(), [1200])

    def test_a_run_that_cannot_be_written_is_none(self):
        """Nothing opens and nothing is said; the next sample tries again."""
        bench = Offline()
        bench.pass_by(DAY_S - 900)
        bench.store.full = True
        bench.pass_by(900)
        self.assertEqual((len(bench.acks), bench.days()), (1, {"plot-1a": 3}))
        bench.store.full = False
        bench.pass_by(HOUR_S)
        self.assertEqual(bench.runs(), [1200])


class PowerCuts(unittest.TestCase):
    def test_a_run_that_the_power_cut_is_answered_and_counted(self):
        """Its day is gone, and the next run is 24 h away: of the time without power nobody knows."""
        bench = Offline()
        bench.pass_by(DAY_S)
        bench.after(600)
        bench.now += 5 * HOUR_S
        bench.reboot()
        self.assertEqual([(ack["command_id"], ack["code"]) for ack in bench.acks], [("plan-1", "power_cut")])
        self.assertEqual(bench.days(), {"plot-1a": 2})
        bench.valves._state["given"].clear()  # what the clock says of it
        bench.pass_by(DAY_S - 900)
        self.assertEqual(len(bench.acks), 1)
        bench.pass_by(2 * HOUR_S)
        self.assertEqual(bench.acks[1]["command_id"], "plan-2")

    def test_hours_without_the_broker_are_kept(self):
        """But for what came after the last save, an hour at most, and nothing of the time without power."""
        bench = Offline()
        bench.pass_by(20 * HOUR_S)
        bench.now += 3 * DAY_S
        bench.reboot()
        bench.pass_by(4 * HOUR_S - 900)
        self.assertEqual(bench.acks, [])
        bench.pass_by(2 * HOUR_S)
        self.assertEqual(bench.runs(), [1200])

    def test_saved_hours_count_to_the_second(self):
        """Twenty hours that were saved are no second more after the boot."""
        bench = Offline()
        bench.pass_by(20 * HOUR_S)
        bench.reboot()
        bench.plans()
        bench.after(4 * HOUR_S - 1)
        bench.look()
        self.assertEqual(bench.valves.open_valves, [])
        bench.after(1)
        bench.look()
        self.assertEqual(bench.valves.open_valves, ["plot-1a"])

    def test_they_are_written_once_an_hour(self):
        """And not at all while the broker is there."""
        bench = Offline()
        del bench.log[:]
        bench.pass_by(10 * HOUR_S)
        self.assertEqual(len(bench.log), 10)
        for _ in range(20):
            bench.plans().heard(bench.ticks_ms)
            bench.pass_by(1800)
        self.assertEqual(len(bench.log), 11)

    def test_hours_of_an_outage_that_is_over_are_none_of_a_later_plan(self):
        """A plan that comes counts anew, also if the power goes at once; what an earlier one had saved is gone."""
        for ends, epoch in (("close", 2), (None, 2)):
            bench = Offline()
            bench.pass_by(23 * HOUR_S)
            if ends:
                bench.send(ends, command_id="x", epoch=epoch)
                self.assertEqual(bench.plans(), None)
            bench.hold(command_id="next-plan", epoch=epoch + 1)
            bench.reboot()
            bench.pass_by(DAY_S - 900)
            self.assertEqual(bench.runs(), [])
            bench.pass_by(2 * HOUR_S)
            self.assertEqual(bench.runs(), [1200])

    def test_a_puback_is_not_forgotten(self):
        """What was saved of an outage is gone from the flash at its end."""
        bench = Offline()
        bench.pass_by(23 * HOUR_S)
        bench.plans().heard(bench.ticks_ms)
        bench.reboot()
        bench.pass_by(DAY_S - 900)
        self.assertEqual(bench.acks, [])

    def test_a_rest_is_kept_for_the_next_plan(self):
        """A plan that comes after a run, closed or not, waits for the rest of its 24 h, whatever the clock says."""
        bench = Offline(after_offline_s=HOUR_S)
        bench.pass_by(2 * HOUR_S)
        self.assertEqual(bench.runs(), [1200])
        bench.send("close", command_id="x", epoch=2)
        bench.valves._state["given"].clear()
        bench.hold(command_id="next-plan", epoch=3, after_offline_s=HOUR_S)
        bench.pass_by(12 * HOUR_S)
        bench.reboot()
        bench.pass_by(10 * HOUR_S)
        self.assertEqual(bench.runs(), [])
        bench.pass_by(3 * HOUR_S)
        self.assertEqual(bench.runs(), [1200])


if __name__ == "__main__":
    unittest.main()
