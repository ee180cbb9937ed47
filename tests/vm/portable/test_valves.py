"""The valve rules of the design, one class a rule, on CPython and on MicroPython."""

import unittest

from gateway.errors import StorageError, ValveError
from gateway.store import MemoryStore
from gateway.valves import KEPT_COMMANDS, Valves
from protocol import messages

NOW = 1591711260
ZONES = (
    {"zone_id": "plot-1a", "hard_cap_s": 3900, "litres_per_minute": 60},
    {"zone_id": "plot-1b", "hard_cap_s": 600, "litres_per_minute": 30},
)


class FakeBoard:
    """Two valves; `log` tells what they and the store did, in order."""

    def __init__(self, log):
        self.log = log
        self.meter_l = None
        self.jammed = False  # moves no way
        self.sticks = False  # does not close

    def set_valve(self, zone_id, is_open):
        if self.jammed or (self.sticks and not is_open):
            raise ValveError("jammed")
        self.log.append(("open" if is_open else "close", zone_id))

    def metered_l(self, _zone_id):
        return self.meter_l


class FaultyStore(MemoryStore):
    """A store that can run out of space, or lose power within a write."""

    def __init__(self, log):
        super().__init__()
        self.log = log
        self.full = False
        self.torn = False

    def save(self, name, data):
        if self.torn:
            super().save(name, data[: len(data) // 2])
            raise StorageError("power cut")
        if self.full:
            raise StorageError("no space left")
        self.log.append(("save", name))
        super().save(name, data)


class Bench:
    """A supervisor with its board, store and time; a reboot keeps board and store."""

    def __init__(self, now=NOW):
        self.log = []
        self.board = FakeBoard(self.log)
        self.store = FaultyStore(self.log)
        self.now, self.ticks_ms, self.trusted = now, 5000, True
        self.boots = 0
        self.reboot()

    def reboot(self):
        self.acks = []
        self.boots += 1
        self.ticks_ms = 5000
        self.valves = Valves(ZONES, self.board, self.store, f"boot-{self.boots}", self.acks.append)
        del self.log[:]
        self.valves.boot(self.now, self.trusted)

    def send(self, action="open", **fields):
        command = {
            "command_id": f"c{fields.get('epoch', 1)}",
            "device_id": "irrigation-gateway-1",
            "zone_id": "plot-1a",
            "action": action,
            "duration_s": 1800,
            "issued_at": self.now,
            "expires_at": self.now + 900,
            "epoch": 1,
        }
        command.update(fields)
        messages.check("command", command)
        del self.log[:]
        self.valves.handle(command, self.now, self.trusted, self.ticks_ms)
        return command

    def after(self, seconds):
        """Let time pass as the gateway does: tick at each deadline."""
        end = self.ticks_ms + int(seconds * 1000)
        while True:
            due = self.valves.next_deadline_ms()
            if due is None or due > end:
                break
            self._pass(max(due, self.ticks_ms))
            self.valves.tick(self.ticks_ms, self.now)
        self._pass(end)

    def _pass(self, ticks_ms):
        self.now += (ticks_ms - self.ticks_ms) // 1000
        self.ticks_ms = ticks_ms

    def answers(self):
        """(state, code) of each ack; every ack must be a valid message."""
        for ack in self.acks:
            message = {"gateway_id": "irrigation-gateway-1"}
            message.update(ack)
            messages.check("ack", message)
        return [(ack["state"], ack["code"]) for ack in self.acks]

    def moved(self):
        return [entry for entry in self.log if entry[0] != "save"]


class Rule1Bound(unittest.TestCase):
    def test_a_run_ends_at_its_duration(self):
        """The valve closes after exactly what was asked, and the ack says so."""
        bench = Bench()
        bench.send(duration_s=1800)
        bench.after(1799.9)
        self.assertEqual(bench.valves.open_valves, ["plot-1a"])
        bench.after(0.1)
        self.assertEqual((bench.valves.open_valves, bench.moved()[-1]), ([], ("close", "plot-1a")))
        self.assertEqual(bench.answers(), [("started", "ok"), ("done", "ok")])
        done = bench.acks[1]
        self.assertEqual((done["duration_s"], done["end_reason"]), (1800, "duration"))

    def test_longer_than_the_hard_cap_is_clipped(self):
        """The zone's own cap holds, and the acks say `clipped`."""
        bench = Bench()
        bench.send(zone_id="plot-1b", duration_s=86400)
        bench.after(600)
        self.assertEqual(bench.answers(), [("started", "clipped"), ("done", "clipped")])
        self.assertEqual([ack["duration_s"] for ack in bench.acks], [600, 600])

    def test_a_volume_bound_ends_a_run_early(self):
        """Without a meter the rated flow decides when the volume is reached."""
        bench = Bench()
        bench.send(duration_s=1800, max_volume_l=120)
        bench.after(1800)
        done = bench.acks[1]
        self.assertEqual((done["end_reason"], done["duration_s"]), ("volume", 120))
        self.assertEqual((done["volume_l"], done["volume_source"]), (120, "estimated"))

    def test_a_metered_volume_bound(self):
        """With a meter the measured litres decide, looked at ever more often."""
        bench = Bench()
        bench.board.meter_l = 1000.0
        bench.send(duration_s=1800, max_volume_l=100)
        looks = 0
        while bench.valves.open_valves:
            bench.after((bench.valves.next_deadline_ms() - bench.ticks_ms) / 1000)
            bench.board.meter_l = 1000.0 + bench.ticks_ms / 1000 * 0.5  # half the rated flow
            looks += 1
            self.assertTrue(looks < 40)
        done = bench.acks[1]
        self.assertEqual((done["end_reason"], done["volume_source"]), ("volume", "measured"))
        self.assertTrue(100 <= done["volume_l"] <= 102)


class Rule2Order(unittest.TestCase):
    def test_written_before_the_relay_moves(self):
        """What rules 4 and 5 need is on flash before water flows; closing comes before writing."""
        bench = Bench()
        bench.send()
        self.assertEqual([entry[0] for entry in bench.log], ["save", "open"])
        bench.send("close", command_id="x", epoch=2)
        self.assertEqual([entry[0] for entry in bench.log if entry != ("close", "plot-1a")], ["save"])
        self.assertEqual(bench.log[0], ("close", "plot-1a"))

    def test_the_deadline_is_armed_when_the_relay_moves(self):
        """At the moment the relay opens its closing time is known."""
        bench = Bench()
        seen = []
        set_valve = bench.board.set_valve

        def watch(zone_id, is_open):
            if is_open:
                seen.append(bench.valves.next_deadline_ms())
            set_valve(zone_id, is_open)

        bench.board.set_valve = watch
        bench.send(duration_s=60)
        self.assertEqual(seen, [bench.ticks_ms + 60000])

    def test_a_clock_that_jumps_moves_no_deadline(self):
        """Only the monotonic clock counts."""
        for jump_s in (-86400, 86400):
            bench = Bench()
            bench.send(duration_s=60)
            bench.now += jump_s
            bench.after(59)
            self.assertEqual(bench.valves.open_valves, ["plot-1a"])
            bench.after(1)
            self.assertEqual(bench.valves.open_valves, [])

    def test_a_valve_that_will_not_open(self):
        """A fault of the relay is acked as such."""
        bench = Bench()
        bench.board.jammed = True
        bench.send()
        self.assertEqual(bench.answers(), [("failed", "valve_fault")])

    def test_a_valve_that_will_not_close_is_tried_until_it_does(self):
        """The zone counts as open, every second it is tried again, and no open is taken meanwhile."""
        bench = Bench()
        bench.send(duration_s=60)
        bench.board.jammed = True
        bench.after(65)
        self.assertEqual(bench.answers(), [("started", "ok"), ("failed", "valve_fault")])
        self.assertEqual(bench.valves.open_valves, ["plot-1a"])
        bench.send(epoch=2)
        self.assertEqual(bench.answers()[-1], ("rejected", "valve_fault"))
        bench.board.jammed = False
        del bench.log[:]
        bench.after(2)
        self.assertEqual((bench.moved()[0], bench.valves.open_valves), (("close", "plot-1a"), []))
        self.assertTrue(bench.valves.next_deadline_ms() is None)


class Rule3Boot(unittest.TestCase):
    def test_boot_closes_everything_first(self):
        """Before anything is read or said, every valve is shut."""
        bench = Bench()
        self.assertEqual(bench.log[:2], [("close", "plot-1a"), ("close", "plot-1b")])

    def test_a_cut_off_run_is_reported(self):
        """A run that a power cut ended is acked with the longest time it can have run."""
        bench = Bench()
        bench.send(duration_s=1800)
        bench.now += 300
        bench.reboot()
        self.assertEqual(bench.answers(), [("failed", "power_cut")])
        ack = bench.acks[0]
        self.assertEqual((ack["duration_s"], ack["volume_l"], ack["volume_source"]), (300, 300, "estimated"))
        self.assertEqual((ack["end_reason"], ack["command_id"], ack["boot_id"]), ("power_cut", "c1", "boot-2"))
        bench.reboot()
        self.assertEqual(bench.acks, [])

    def test_without_a_clock_the_bound_is_reported(self):
        """A board that does not know the time says the most: the run's whole bound."""
        bench = Bench()
        bench.send(duration_s=1800)
        bench.now, bench.trusted = 946684800, False
        bench.reboot()
        self.assertEqual((bench.answers(), bench.acks[0]["duration_s"]), ([("failed", "power_cut")], 1800))

    def test_a_clock_that_is_not_trusted_counts_the_whole_bound(self):
        """A board that may be wrong about the time books no less than the run's bound, however early it seems to be."""
        bench = Bench()
        bench.send(duration_s=1800)
        bench.now, bench.trusted = bench.now + 300, False
        bench.reboot()
        self.assertEqual(bench.acks[0]["duration_s"], 1800)

    def test_a_clock_that_went_back_counts_the_whole_bound(self):
        """A trusted clock that is before the run's start is of no use: no run lasted less than nothing."""
        bench = Bench()
        bench.send(duration_s=1800)
        bench.now -= 300
        bench.reboot()
        self.assertEqual((bench.answers(), bench.acks[0]["duration_s"]), ([("failed", "power_cut")], 1800))

    def test_a_long_outage_counts_no_more_than_the_bound(self):
        """A valve cannot have been open longer than its bound."""
        bench = Bench()
        bench.send(duration_s=600)
        bench.now += 86400
        bench.reboot()
        self.assertEqual(bench.acks[0]["duration_s"], 600)


class Rule4Repeats(unittest.TestCase):
    def test_a_repeat_moves_nothing_and_repeats_the_ack(self):
        """The same open again, running or done, gives the same answer and no water."""
        bench = Bench()
        command = bench.send(duration_s=60)
        bench.send(**command)
        self.assertEqual((bench.log, bench.answers()), ([], [("started", "ok")] * 2))
        bench.after(60)
        bench.send(**command)
        self.assertEqual((bench.log, bench.answers()[2:]), ([], [("done", "ok")] * 2))
        self.assertEqual(bench.acks[3]["duration_s"], 60)
        self.assertEqual([ack["seq"] for ack in bench.acks], [1, 2, 3, 4])

    def test_ids_survive_a_reboot(self):
        """After a power cut the repeated open still moves nothing."""
        bench = Bench()
        command = bench.send(duration_s=60)
        bench.after(60)
        bench.reboot()
        bench.send(**command)
        self.assertEqual((bench.log, bench.answers()), ([], [("done", "ok")]))

    def test_a_rejection_is_final(self):
        """An open that was rejected does not run later, when its reason is gone."""
        bench = Bench()
        bench.trusted = False
        command = bench.send()
        bench.trusted = True
        bench.reboot()
        bench.send(**command)
        self.assertEqual((bench.moved(), bench.answers()), ([], [("rejected", "clock_untrusted")]))

    def test_ids_are_kept_until_they_expire(self):
        """When the memory is full of commands that have not expired, a new open is rejected, none forgotten."""
        bench = Bench()
        first = bench.send(duration_s=1, expires_at=bench.now + 900)
        for epoch in range(2, KEPT_COMMANDS + 1):
            bench.after(1)
            bench.send(epoch=epoch, duration_s=1, expires_at=bench.now + 900)
        bench.after(1)
        bench.send(epoch=99)
        self.assertEqual(bench.answers()[-1], ("rejected", "storage_fault"))
        bench.send(**first)
        self.assertEqual((bench.moved(), bench.answers()[-1]), ([], ("done", "ok")))
        bench.now += 900
        bench.send(epoch=100)
        self.assertEqual(bench.answers()[-1], ("started", "ok"))


class Rule5Rejections(unittest.TestCase):
    def assert_rejected(self, bench, code, **fields):
        bench.send(**fields)
        self.assertEqual((bench.answers()[-1], bench.moved()), (("rejected", code), []))

    def test_expired(self):
        """At its expiry an open is too old."""
        bench = Bench()
        self.assert_rejected(bench, "expired", issued_at=NOW - 60, expires_at=NOW)

    def test_clock_untrusted(self):
        """A board that does not know the time cannot judge an expiry."""
        bench = Bench()
        bench.trusted = False
        self.assert_rejected(bench, "clock_untrusted")

    def test_unknown_zone(self):
        """A zone of nobody is not opened."""
        self.assert_rejected(Bench(), "unknown_zone", zone_id="plot-9z")

    def test_stale_epoch(self):
        """An open must have a greater epoch than any before, also after a reboot."""
        bench = Bench()
        bench.send(epoch=7, duration_s=1)
        bench.after(1)
        self.assert_rejected(bench, "stale_epoch", epoch=7, command_id="other")
        bench.reboot()
        self.assert_rejected(bench, "stale_epoch", epoch=6)
        self.assertEqual(bench.valves.epochs, {"plot-1a": 7, "plot-1b": 0})

    def test_a_stale_epoch_is_answered_with_the_boards_own(self):
        """A service that lost its store learns from the rejection where to go on; the ack's epoch is the command's."""
        bench = Bench()
        bench.send(epoch=2000001, duration_s=1)
        bench.after(1)
        bench.reboot()
        for _ in range(2):  # a repeat tells it too
            self.assert_rejected(bench, "stale_epoch", epoch=6)
            self.assertEqual((bench.acks[-1]["epoch"], bench.acks[-1]["held_epoch"]), (6, 2000001))
        bench.send(epoch=2000002, command_id="next")
        self.assertEqual(bench.answers()[-1], ("started", "ok"))
        self.assertTrue("held_epoch" not in bench.acks[-1])

    def test_a_late_close_never_lowers_an_epoch(self):
        """An open that was overtaken stays shut, though an older close comes between."""
        bench = Bench()
        bench.send(epoch=5, duration_s=1)
        bench.after(1)
        bench.send("close", command_id="late", epoch=3)
        del bench.log[:]
        self.assert_rejected(bench, "stale_epoch", epoch=4)

    def test_a_stop_drives_valves_that_are_believed_shut(self):
        """A relay that moved by itself, or stuck, is told again to shut."""
        bench = Bench()
        bench.send("stop_all", command_id="stop", epoch=0)
        self.assertEqual(bench.moved(), [("close", "plot-1a"), ("close", "plot-1b")])

    def test_close_raises_the_epoch_of_a_shut_valve(self):
        """An open that a later close overtook does not run, not even after a reboot."""
        bench = Bench()
        bench.send("close", command_id="x", epoch=5)
        self.assertEqual((bench.answers(), bench.moved()), ([("done", "ok")], [("close", "plot-1a")]))
        bench.reboot()
        self.assert_rejected(bench, "stale_epoch", epoch=5)

    def test_close_is_obeyed_late_repeated_and_without_a_clock(self):
        """A close needs no valid time, no epoch and no first time."""
        bench = Bench()
        for epoch in (3, 4):
            bench.send(epoch=epoch)
            bench.trusted = False
            bench.send("close", command_id="x", epoch=1, issued_at=NOW - 9000, expires_at=NOW - 8000)
            bench.trusted = True
            self.assertEqual(bench.valves.open_valves, [])
        self.assertEqual(bench.answers(), [("started", "ok"), ("done", "ok"), ("done", "ok")] * 2)
        self.assertEqual([ack["end_reason"] for ack in bench.acks[:3]], [None, "close", None])

    def test_stop_all_closes_and_fences(self):
        """All valves close, and an open issued at or before the stop is rejected, also after a reboot."""
        bench = Bench()
        bench.send(zone_id="plot-1a", epoch=1)
        bench.send(zone_id="plot-1b", epoch=1, command_id="b")
        bench.send("stop_all", zone_id=None, command_id="s", issued_at=NOW + 10)
        self.assertEqual(bench.valves.open_valves, [])
        self.assertEqual([ack["end_reason"] for ack in bench.acks[2:]], ["stop_all", "stop_all", None])
        bench.reboot()
        bench.now += 20
        self.assert_rejected(bench, "fenced", epoch=2, issued_at=NOW + 10)
        bench.send(epoch=3, issued_at=NOW + 11)
        self.assertEqual(bench.answers()[-1], ("started", "ok"))

    def test_an_older_stop_does_not_lower_the_fence(self):
        """A stop that arrives late is obeyed, and the later one's fence stays."""
        bench = Bench()
        bench.send("stop_all", zone_id=None, command_id="s2", issued_at=NOW + 10)
        bench.send("stop_all", zone_id=None, command_id="s1", issued_at=NOW - 10)
        self.assert_rejected(bench, "fenced", issued_at=NOW + 5)


class Rule6Replacement(unittest.TestCase):
    def test_a_newer_open_replaces_the_run(self):
        """The old run is acked with what it delivered, and the new bound counts from now."""
        bench = Bench()
        bench.send(epoch=1, duration_s=600)
        bench.after(100)
        bench.send(epoch=2, duration_s=60)
        self.assertEqual(bench.moved(), [("close", "plot-1a"), ("open", "plot-1a")])
        self.assertEqual(bench.answers(), [("started", "ok"), ("done", "ok"), ("started", "ok")])
        replaced = bench.acks[1]
        self.assertEqual(
            (replaced["command_id"], replaced["end_reason"], replaced["duration_s"], replaced["volume_l"]),
            ("c1", "replaced", 100, 100),
        )
        bench.after(60)
        self.assertEqual((bench.valves.open_valves, bench.acks[3]["duration_s"]), ([], 60))

    def test_a_valve_that_is_stuck_open_is_not_opened_anew(self):
        """The run before did not end: the new one is told as a fault, and its relay is not driven."""
        bench = Bench()
        bench.send(epoch=1, duration_s=600)
        bench.board.sticks = True
        bench.send(epoch=2, duration_s=60)
        self.assertEqual((bench.moved(), bench.answers()[-1]), ([], ("failed", "valve_fault")))

    def test_two_zones_run_side_by_side(self):
        """Each zone keeps its own deadline."""
        bench = Bench()
        bench.send(zone_id="plot-1a", duration_s=60)
        bench.send(zone_id="plot-1b", duration_s=30, command_id="b")
        bench.after(30)
        self.assertEqual(bench.valves.open_valves, ["plot-1a"])
        bench.after(30)
        self.assertEqual(bench.valves.open_valves, [])

    def test_a_late_tick_says_how_long_it_was(self):
        """If the loop hangs, the ack tells the time that really passed."""
        bench = Bench()
        bench.send(duration_s=60)
        bench.ticks_ms += 65000
        bench.valves.tick(bench.ticks_ms, bench.now)
        self.assertEqual(bench.acks[1]["duration_s"], 65)


class Rule7Settlement(unittest.TestCase):
    def test_a_meter_measures(self):
        """With a meter the ack carries the measured litres."""
        bench = Bench()
        bench.board.meter_l = 5000.0
        bench.send(duration_s=60)
        bench.board.meter_l = 5047.5
        bench.after(60)
        self.assertEqual((bench.acks[1]["volume_l"], bench.acks[1]["volume_source"]), (47.5, "measured"))

    def test_a_meter_that_was_reset_is_not_believed(self):
        """A meter that went back measured nothing; the rated flow is the estimate."""
        bench = Bench()
        bench.board.meter_l = 5000.0
        bench.send(duration_s=60)
        bench.board.meter_l = 3.0
        bench.after(60)
        self.assertEqual((bench.acks[1]["volume_l"], bench.acks[1]["volume_source"]), (60, "estimated"))

    def test_a_stopped_gateway_closes_and_settles(self):
        """When the gateway itself ends, the runs are acked with what they delivered."""
        bench = Bench()
        bench.send(duration_s=600)
        bench.after(30)
        bench.valves.close_all(bench.ticks_ms, bench.now)
        self.assertEqual((bench.valves.open_valves, bench.acks[1]["duration_s"]), ([], 30))


if __name__ == "__main__":
    unittest.main()
