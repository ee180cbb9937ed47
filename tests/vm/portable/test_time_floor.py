"""The least that a board's time can be: who tells less, and what may raise it."""

import unittest

from gateway.clock import DRIFT_S, INSISTS_S, TimeFloor
from gateway.store import MemoryStore, TwoSlots
from protocol.messages import EARLIEST, LATEST

REMEMBERED = 1790000000
RETRY_S = 20


def floor(least=REMEMBERED):
    store = MemoryStore()
    TwoSlots(store, "time").save(least)
    return TimeFloor(store)


def insisted(one, told, seconds):
    """Is a server believed that tells a time, which goes on, again and again for so long?"""
    return any(one.believes(told + passed, passed * 1000) for passed in range(0, seconds, RETRY_S))


class TheFloor(unittest.TestCase):
    def test_an_earlier_time_is_not_believed(self):
        """But what a chip's own clock may have run ahead is no contradiction; what no message carries is no time."""
        for told in (REMEMBERED, REMEMBERED - DRIFT_S, REMEMBERED + 10**8, LATEST - 1):
            self.assertTrue(floor().believes(told, 0))
        for told in (REMEMBERED - DRIFT_S - 1, 1750000000, 0, -1, -(10**10), LATEST, LATEST + 10**9):
            self.assertTrue(not floor().believes(told, 0))
        self.assertTrue(not floor(0).believes(EARLIEST - 1, 0))
        self.assertTrue(floor(0).believes(EARLIEST, 0))

    def test_a_wrong_floor_does_not_lock_a_board_for_ever(self):
        """Servers that tell nothing but one earlier time for a day are believed, and it is the new floor."""
        one = floor()
        self.assertTrue(not insisted(one, 1750000000, INSISTS_S))
        self.assertTrue(one.believes(1750000000 + INSISTS_S, INSISTS_S * 1000))
        self.assertEqual(one.least, 1750000000 + INSISTS_S)
        self.assertTrue(one.believes(1750000000 + INSISTS_S, INSISTS_S * 1000))

    def test_a_wrong_server_beside_a_right_one_is_never_believed(self):
        """However long it goes on: each time the right one is asked next."""
        one = floor()
        for passed in range(0, 3 * INSISTS_S, 6 * 3600):
            self.assertTrue(not one.believes(1750000000 + passed, passed * 1000))
            self.assertTrue(one.believes(REMEMBERED + passed, passed * 1000 + 500))

    def test_who_tells_now_this_and_now_that_is_never_believed(self):
        """A clock that stands still, or one that leaps, insists on nothing."""
        one = floor()
        for passed in range(0, 3 * INSISTS_S, 600):
            self.assertTrue(not one.believes(1750000000, passed * 1000))
        for passed in range(0, 3 * INSISTS_S, 600):
            self.assertTrue(not one.believes(1750000000 + passed % 7200 * 10, passed * 1000))

    def test_what_the_broker_proves_is_the_floor(self):
        """Only on a connection, and after the clock was put far only on one that was made since."""
        one = floor()
        self.assertEqual((one.rise(REMEMBERED + 10, False), one.least), (False, REMEMBERED))
        self.assertEqual((one.rise(REMEMBERED + 20, True), one.least), (True, REMEMBERED + 20))
        one.moved(True)
        self.assertEqual((one.rise(REMEMBERED + 10**8, True), one.least), (False, REMEMBERED + 20))
        self.assertTrue(not one.rise(REMEMBERED + 10**8, False))
        self.assertTrue(one.rise(REMEMBERED + 10**8, True))
        one.moved(False)
        self.assertTrue(one.rise(REMEMBERED + 10**8 + 5, True))

    def test_it_outlives_a_power_cut(self):
        """From the first save on; a board that never was anywhere has none."""
        store = MemoryStore()
        one = TimeFloor(store)
        self.assertEqual(one.least, 0)
        one.rise(REMEMBERED, True)
        self.assertEqual(TimeFloor(store).least, 0)
        one.save()
        self.assertEqual(TimeFloor(store).least, REMEMBERED)


if __name__ == "__main__":
    unittest.main()
