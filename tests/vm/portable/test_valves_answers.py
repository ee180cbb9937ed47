"""What valves answer besides doing it: to whom they do not know, after a power cut, when the gateway ends."""

import unittest

from gateway.errors import ValveError
from tests.vm.portable.test_valves import Bench


class Answers(unittest.TestCase):
    def test_a_close_of_an_unknown_zone(self):
        """It moves nothing, and whoever sent it hears why."""
        bench = Bench()
        bench.send("close", command_id="x", zone_id="plot-9z")
        self.assertEqual((bench.answers(), bench.moved()), ([("rejected", "unknown_zone")], []))
        self.assertEqual((bench.acks[0]["command_id"], bench.acks[0]["zone_id"]), ("x", "plot-9z"))

    def test_the_first_open_of_a_zone_may_have_the_first_epoch(self):
        """Neither a close nor an open that came with epoch 0 uses up epoch 1."""
        for action in ("close", "open"):
            bench = Bench()
            bench.send(action, command_id="zero", epoch=0)
            self.assertEqual((bench.valves.epochs["plot-1a"], bench.acks[0].get("held_epoch", 0)), (0, 0))
            bench.send(epoch=1)
            self.assertEqual(bench.answers()[-1], ("started", "ok"))

    def test_a_run_that_was_replaced_is_over(self):
        """Whoever repeats its command hears how it ended, also after a reboot."""
        bench = Bench()
        command = bench.send(duration_s=600)
        bench.after(100)
        bench.send(epoch=2, duration_s=60)
        bench.send(**command)
        acks = [bench.acks[-1]]
        bench.reboot()
        bench.send(**command)
        for ack in (acks[0], bench.acks[-1]):
            self.assertEqual((ack["state"], ack["end_reason"], ack["duration_s"]), ("done", "replaced", 100))

    def test_a_valve_that_only_shuts(self):
        """A relay that does not open is told of as a fault, although its valve is as shut as it should be."""
        bench = Bench()
        set_valve = bench.board.set_valve

        def shut_only(zone_id, is_open):
            if is_open:
                raise ValveError("the relay does not pull")
            set_valve(zone_id, is_open)

        bench.board.set_valve = shut_only
        bench.send()
        self.assertEqual((bench.answers(), bench.valves.stuck), ([("failed", "valve_fault")], []))
        self.assertEqual(bench.acks[0]["end_reason"], "fault")

    def test_power_that_goes_at_once(self):
        """Of a run that was cut off within its first second no water is told."""
        bench = Bench()
        bench.send()
        bench.reboot()
        self.assertEqual((bench.acks[0]["duration_s"], bench.acks[0]["volume_l"]), (0, 0))

    def test_a_run_outlives_the_expiry_of_its_command(self):
        """Its command is known as long as it runs, whatever else begins meanwhile."""
        bench = Bench()
        command = bench.send(duration_s=3600)
        bench.after(1000)
        bench.send(command_id="other", zone_id="plot-1b", duration_s=60)
        bench.send(**command)
        self.assertEqual((bench.answers()[-1], bench.moved()), (("started", "ok"), []))

    def test_acks_that_a_power_cut_kept_back_are_sent(self):
        """After a boot those are sent that were never said, as they were, and no others."""
        bench = Bench()
        for epoch in (1, 2, 3):
            bench.send(epoch=epoch, duration_s=60 * epoch)
            bench.after(200)
        bench.reboot()
        bench.valves.repeat_acks(lambda ack: ack["command_id"] == "c2")
        self.assertEqual(bench.answers(), [("done", "ok")] * 2)
        told = sorted([(ack["command_id"], ack["duration_s"], ack["boot_id"]) for ack in bench.acks])
        self.assertEqual(told, [("c1", 60, "boot-2"), ("c3", 180, "boot-2")])

    def test_the_gateways_end_shuts_what_is_believed_shut(self):
        """Nobody looks after a relay any more that moved by itself."""
        bench = Bench()
        del bench.log[:]
        bench.valves.close_all(bench.ticks_ms, bench.now)
        self.assertEqual((bench.moved(), bench.acks), ([("close", "plot-1a"), ("close", "plot-1b")], []))

    def test_a_fresh_board_has_nothing_to_do(self):
        """Until a first command nothing is due, and after the valves are shut nothing is written."""
        bench = Bench()
        self.assertTrue(bench.valves.next_deadline_ms() is None)
        bench.valves.tick(bench.ticks_ms, bench.now)
        self.assertEqual(bench.log, [("close", "plot-1a"), ("close", "plot-1b")])

    def test_a_valve_that_sticks_at_the_boot_is_due_at_once(self):
        """It is told of, and tried again without waiting, however young the board's clock is."""
        bench = Bench()
        bench.board.jammed = True
        bench.reboot()
        self.assertEqual((bench.valves.stuck, bench.valves.open_valves), (["plot-1a", "plot-1b"],) * 2)
        self.assertTrue(bench.valves.next_deadline_ms() <= 0)
        bench.board.jammed = False
        bench.after(0)
        self.assertEqual((bench.valves.stuck, bench.valves.next_deadline_ms()), ([], None))


if __name__ == "__main__":
    unittest.main()
