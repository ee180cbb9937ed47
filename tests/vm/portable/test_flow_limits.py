"""Where exactly the flow watch begins to tell, to the millisecond and to the pulse, on both runtimes."""

import unittest

from tests.vm.portable.test_flow_pulses import Pipe

MINUTE_MS, HALF_HOUR_MS = 60000, 1800000


class Looked(Pipe):
    """A zone of 60 litres a minute with a meter of a litre a pulse, that is looked at when a test says so."""

    def __init__(self, litres=0.0):
        super().__init__(1, 60, 0)
        self.litres = litres
        self.board.metered_l = lambda _zone_id: self.litres
        self.flow.look()

    def look(self, ms, litres=0.0):
        """So much later, and so much that the meter has counted; all that was told until then."""
        self.pours(ms, litres)
        self.flow.look()
        return self.told

    def sample(self, ms, litres):
        """What a sample says of a leak as late: litres and seconds."""
        self.pours(ms, litres)
        return [(row[2]["volume_l"], row[2]["leak_s"]) for row in self.flow.leaks()]

    def pours(self, ms, litres):
        self.clock.ms += ms
        self.litres += litres

    def open(self, seconds=3600):
        """Open the valve."""
        command = {"command_id": "c1", "device_id": "g", "zone_id": "plot-1a", "action": "open", "epoch": 1}
        command.update({"duration_s": seconds, "issued_at": self.clock.now(), "expires_at": self.clock.now() + 60})
        self.valves.handle(command, self.clock.now(), True, self.clock.ms)


def ended(seconds):
    """The ack of a run as long, in which nothing flowed."""
    return {"zone_id": "plot-1a", "duration_s": seconds, "volume_source": "measured", "volume_l": 0.0}


class OfARun(unittest.TestCase):
    def test_the_first_minute_and_three_more(self):
        """Looked at from the minute on; without a pulse until three later it is blocked, and not a moment before."""
        pipe = Looked()
        pipe.open()
        self.assertEqual(pipe.look(MINUTE_MS - 1, 500), [])
        pipe.look(1)
        self.assertEqual(pipe.look(179999), [])
        self.assertEqual(pipe.look(1), ["unusual_flow"])

    def test_half_of_the_nominal_flow(self):
        """Just half, the pulse that is about to come counted, is enough."""
        for litres, told in ((88, []), (87.9, ["unusual_flow"])):
            pipe = Looked()
            pipe.open()
            pipe.look(MINUTE_MS)
            pipe.look(0, 1)
            self.assertEqual(pipe.look(180000, litres), told)

    def test_one_and_a_half_of_the_nominal_flow(self):
        """Just so much, and a pulse, latches nothing."""
        for litres, told in ((450, []), (450.1, ["leak"])):
            pipe = Looked()
            pipe.open()
            pipe.look(MINUTE_MS)
            pipe.look(0, 1)
            self.assertEqual(pipe.look(300000, litres), told)

    def test_a_run_that_is_just_too_short(self):
        """A minute is long enough, and a moment less is not."""
        for seconds, told in ((59.95, []), (60, ["unusual_flow"])):
            pipe = Looked()
            pipe.flow.heard(ended(seconds))
            self.assertEqual(pipe.told, told)

    def test_a_long_run_is_told_with_its_seconds(self):
        """To the second, and with what should have flowed in them."""
        pipe, said = Looked(), []
        pipe.gateway._report = lambda code, text, values: said.append((code, text, values["duration_s"]))
        pipe.flow.heard(ended(3600))
        self.assertEqual(said, [("unusual_flow", "plot-1a: 0 l in 3600 s, nominal 3600 l", 3600)])

    def test_a_meter_that_rests_in_a_run_is_looked_at_each_minute(self):
        """It should move."""
        pipe = Looked()
        self.assertEqual(pipe.flow.every_s(), 300)
        pipe.open()
        self.assertEqual(pipe.flow.every_s(), 60)

    def test_a_blocked_run_of_hours_is_told_once(self):
        """However often the look at it begins anew: nothing is over before the run is."""
        pipe = Looked()
        pipe.open(10800)
        for _ in range(150):
            pipe.look(MINUTE_MS)
        self.assertEqual(pipe.told, ["unusual_flow"])


class OfAShutZone(unittest.TestCase):
    def test_a_tenth_of_the_nominal_flow(self):
        """Just so much, and a pulse, is told of and latches nothing."""
        for litres, told in ((60, ["flow_while_shut"]), (60.1, ["leak"])):
            pipe = Looked()
            pipe.look(0, 1)
            self.assertEqual(pipe.look(600000, litres), told)

    def test_what_may_drip(self):
        """A fiftieth of the nominal flow and a litre, and a pulse: just so much is not told of."""
        for litres, told in ((13, []), (13.1, ["flow_while_shut"])):
            pipe = Looked()
            pipe.look(0, 1)
            self.assertEqual(pipe.look(600000, litres), told)

    def test_the_smallest_step_is_doubted(self):
        """Whatever the board says of its pulses: a meter that has moved by ten litres has none of a hundred."""
        pipe = Looked()
        pipe.look(MINUTE_MS, 10)
        self.assertEqual(pipe.told, [])
        self.assertEqual(pipe.look(MINUTE_MS, 100), ["leak"])

    def test_a_meter_that_begins_at_nothing_again(self):
        """What it counts from then on is water."""
        pipe = Looked(5000.0)
        pipe.litres = 0.0
        self.assertEqual(pipe.look(MINUTE_MS), [])
        pipe.look(MINUTE_MS, 1)
        self.assertEqual(pipe.look(MINUTE_MS, 200)[-1:], ["leak"])

    def test_a_valve_that_is_stuck_is_no_leak(self):
        """That water flows there is known, and told by another name."""
        pipe = Looked()
        pipe.valves._faulty.add("plot-1a")
        pipe.look(MINUTE_MS, 1)
        self.assertEqual((pipe.look(MINUTE_MS, 500), pipe.valves.latched), ([], []))

    def test_a_leak_is_over_after_half_an_hour(self):
        """Dry, or with no more than may drip: to the millisecond and to the pulse. What comes then is another one."""
        for ms, litres, again in (
            (HALF_HOUR_MS, 0, True),
            (HALF_HOUR_MS - 1, 0, False),
            (HALF_HOUR_MS, 36, True),
            (HALF_HOUR_MS, 36.1, False),
        ):
            pipe = Looked()
            pipe.sample(0, 0)
            self.assertEqual(pipe.sample(0, 10), [(10, 1)])
            pipe.look(ms, litres)
            self.assertEqual(pipe.told, ["flow_while_shut"])
            pipe.look(MINUTE_MS, 1)
            self.assertEqual(pipe.look(MINUTE_MS, 5), ["flow_while_shut"] * (1 + again), str((ms, litres)))

    def test_a_look_that_begins_anew_ends_no_leak(self):
        """Half an hour is counted from the last drop of it, not from before it."""
        pipe = Looked()
        pipe.look(MINUTE_MS, 1)
        self.assertEqual(pipe.look(25 * MINUTE_MS, 50), ["flow_while_shut"])
        pipe.look(5 * MINUTE_MS)
        pipe.look(MINUTE_MS, 1)
        self.assertEqual(pipe.look(MINUTE_MS, 10), ["flow_while_shut"])

    def test_after_a_clear_it_is_told_again(self):
        """Somebody has looked, and it still drips."""
        pipe = Looked()
        for times in (1, 2):
            pipe.look(MINUTE_MS, 1)
            self.assertEqual(pipe.look(MINUTE_MS, 5), ["flow_while_shut"] * times)
            pipe.flow.forget()
            pipe.look(0)


class OfASample(unittest.TestCase):
    def test_what_a_pulse_could_explain_waits(self):
        """A litre too much at each sample is a leak at the second one, of both; just as much as may drip is none."""
        pipe = Looked()
        pipe.sample(0, 0)
        self.assertEqual(pipe.sample(900000, 20), [])
        self.assertEqual(pipe.sample(900000, 20), [(40, 1800)])
        self.assertEqual(pipe.sample(900000, 19), [])
        self.assertEqual(pipe.sample(900000, 20.5), [(20.5, 900)])

    def test_after_a_clear_a_sample_begins_anew(self):
        """What flowed before somebody looked is in none."""
        pipe = Looked()
        pipe.sample(0, 0)
        pipe.pours(MINUTE_MS, 500)
        pipe.flow.forget()
        self.assertEqual(pipe.sample(900000, 0), [])
        self.assertEqual(pipe.sample(900000, 50), [(50, 900)])


if __name__ == "__main__":
    unittest.main()
