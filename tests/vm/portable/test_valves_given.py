"""What a board tells of the water it gave, on CPython and on MicroPython."""

import unittest

from tests.vm.portable.test_valves import NOW, Bench


class Given(unittest.TestCase):
    def test_what_was_given_is_told_for_a_day(self):
        """A service that lost its store hears how long each valve stood open, also after a power cut of the board."""
        bench = Bench()
        self.assertEqual(bench.valves.given(bench.now), ({"plot-1a": 0, "plot-1b": 0}, {}))
        bench.send(duration_s=600)
        self.assertEqual(bench.valves.given(bench.now), ({"plot-1a": 600, "plot-1b": 0}, {"plot-1a": NOW + 600}))
        bench.after(3600)
        bench.send(duration_s=900, epoch=2)
        bench.after(100)
        bench.reboot()
        told = ({"plot-1a": 700, "plot-1b": 0}, {"plot-1a": NOW + 3700})
        self.assertEqual(bench.valves.given(bench.now), told)
        self.assertEqual(bench.valves.given(NOW + 600 + 86400)[0]["plot-1a"], 100)
        self.assertEqual(bench.valves.given(NOW + 3700 + 86400)[0]["plot-1a"], 0)

    def test_many_runs_of_a_day_are_all_told(self):
        """A board keeps four runs of a zone: with more none is left out, and none in the future is told."""
        bench = Bench()
        for epoch in range(1, 9):
            bench.send(duration_s=60, epoch=epoch)
            bench.after(600)
        watered, ended = bench.valves.given(bench.now)
        self.assertEqual((watered["plot-1a"], ended["plot-1a"]), (480, NOW + 7 * 600 + 60))
        self.assertEqual(bench.valves.given(NOW)[1]["plot-1a"], NOW)


if __name__ == "__main__":
    unittest.main()
