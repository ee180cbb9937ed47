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

    def test_of_many_runs_the_oldest_two_are_told_together(self):
        """Beyond four runs none is told too short: two that are added up stay until the later end is a day old."""
        bench = Bench()
        ends = []
        for epoch in range(1, 7):
            bench.send(duration_s=2**epoch, epoch=epoch)
            ends.append(bench.now + 2**epoch)
            bench.after(600)
        told = [bench.valves.given(end + 86400)[0]["plot-1a"] for end in ends]
        self.assertEqual(told, [126, 126, 112, 96, 64, 0])
        self.assertEqual(bench.valves.given(ends[2] + 86399)[0]["plot-1a"], 126)
        bench.reboot()
        self.assertEqual(bench.valves.given(ends[1] + 86400), ({"plot-1a": 126, "plot-1b": 0}, {"plot-1a": ends[-1]}))

    def test_a_second_begun_is_told(self):
        """A run that is closed between two seconds is told rounded up: never less than was given."""
        bench = Bench()
        bench.send()
        bench.after(100.4)
        bench.send("close", command_id="x", epoch=2)
        self.assertEqual((bench.acks[1]["duration_s"], bench.valves.given(bench.now)[0]["plot-1a"]), (100.4, 101))

    def test_a_clock_that_went_back_forgets_no_run_early(self):
        """A run that seems to end before it began is told for a day after its beginning."""
        bench = Bench()
        bench.send(duration_s=60)
        bench.now -= 3600
        bench.after(60)
        told = [bench.valves.given(now)[0]["plot-1a"] for now in (bench.now, NOW + 86399, NOW + 86400)]
        self.assertEqual(told, [60, 60, 0])

    def test_a_run_that_was_replaced_is_told(self):
        """What the first run gave counts beside what the second did."""
        bench = Bench()
        bench.send(duration_s=600)
        bench.after(100)
        bench.send(duration_s=60, epoch=2)
        bench.after(60)
        self.assertEqual(bench.valves.given(bench.now)[0]["plot-1a"], 160)

    def test_no_more_than_a_day_is_told(self):
        """However the clock went: a service is told of no day that is longer than one."""
        bench = Bench()
        for epoch in range(1, 26):
            bench.send(duration_s=3900, epoch=epoch)
            bench.after(3900)
            bench.now = NOW
        self.assertEqual(bench.valves.given(NOW)[0]["plot-1a"], 86400)


if __name__ == "__main__":
    unittest.main()
