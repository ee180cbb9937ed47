"""What valves do when the flash fails: nothing opens that could not be remembered, on CPython and on MicroPython."""

import unittest

from gateway.errors import StorageError
from tests.vm.portable.test_valves import Bench


def read_error(_name):
    raise StorageError("read error")


class StorageFaults(unittest.TestCase):
    def test_no_open_without_storage(self):
        """What cannot be written does not move; once there is space again, it may."""
        bench = Bench()
        bench.store.full = True
        bench.send()
        self.assertEqual((bench.moved(), bench.answers()), ([], [("rejected", "storage_fault")]))
        bench.store.full = False
        bench.send(epoch=2)
        self.assertEqual(bench.answers()[-1], ("started", "ok"))

    def test_a_run_goes_on_when_its_replacement_cannot_be_written(self):
        """Nothing moves: the run before keeps its own deadline."""
        bench = Bench()
        bench.send(epoch=1, duration_s=60)
        bench.store.full = True
        bench.send(epoch=2, duration_s=600)
        self.assertEqual((bench.moved(), bench.answers()[-1]), ([], ("rejected", "storage_fault")))
        bench.store.full = False
        bench.after(60)
        self.assertEqual((bench.valves.open_valves, bench.acks[-1]["command_id"]), ([], "c1"))

    def test_a_close_is_obeyed_without_storage_and_written_later(self):
        """The valve closes at once; the raised epoch is written as soon as that works."""
        bench = Bench()
        bench.send(epoch=1)
        bench.store.full = True
        bench.send("close", command_id="x", epoch=5)
        self.assertEqual((bench.valves.open_valves, bench.answers()[-1]), ([], ("failed", "storage_fault")))
        bench.store.full = False
        bench.after(2)
        bench.reboot()
        self.assertEqual((bench.valves.epochs["plot-1a"], bench.acks), (5, []))

    def test_a_torn_write_costs_only_itself(self):
        """Power lost within a write leaves the state before it."""
        bench = Bench()
        command = bench.send(epoch=4, duration_s=60)
        bench.after(60)
        bench.store.torn = True
        bench.send(epoch=5)
        self.assertEqual(bench.moved(), [])
        bench.store.torn = False
        bench.reboot()
        self.assertEqual(bench.valves.epochs["plot-1a"], 4)
        bench.send(**command)
        self.assertEqual((bench.moved(), bench.answers()), ([], [("done", "ok")]))

    def test_the_first_write_after_a_boot_spares_the_newest_copy(self):
        """A write cut short right after a reboot leaves what the boot had read."""
        bench = Bench()
        for epoch in (1, 2, 3):
            bench.send(epoch=epoch, duration_s=1)
            bench.after(1)
            bench.reboot()
            bench.store.torn = True
            bench.send("close", command_id="x", epoch=9)
            bench.store.torn = False
            bench.reboot()
            self.assertEqual((bench.valves.epochs["plot-1a"], bench.acks), (epoch, []))

    def test_when_all_is_lost_old_opens_stay_shut(self):
        """With both copies unreadable nothing issued until now is believed: it may have run already."""
        bench = Bench()
        command = bench.send(epoch=4, duration_s=60)
        bench.after(60)
        for name in ("valves.0", "valves.1"):
            bench.store.save(name, b"rubbish")
        bench.reboot()
        bench.send(**command)
        self.assertEqual((bench.moved(), bench.answers()), ([], [("rejected", "fenced")]))
        bench.now += 1
        bench.send(epoch=5)
        self.assertEqual(bench.answers()[-1], ("started", "ok"))

    def test_when_nothing_can_be_read_old_opens_stay_shut(self):
        """Flash that cannot be read is as good as lost: what was issued until now may have run already."""
        bench = Bench()
        command = bench.send(epoch=4, duration_s=60)
        bench.after(60)
        bench.store.load = read_error
        bench.reboot()
        bench.send(**command)
        self.assertEqual((bench.moved(), bench.answers()), ([], [("rejected", "fenced")]))


if __name__ == "__main__":
    unittest.main()
