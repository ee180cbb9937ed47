"""The outbox: what leaves first, what is kept until the broker has it, and what goes when there is no room."""

import unittest

from gateway.outbox import Outbox


def topics_left(outbox):
    """The topics in the order in which they would leave."""
    entries = []
    while True:
        entry = outbox.next()
        if entry is None:
            return entries
        entries.append(entry[0])


class TheOutbox(unittest.TestCase):
    def test_acks_leave_before_readings(self):
        """An ack that came later leaves first; among equals the older one does."""
        outbox = Outbox(10)
        for topic, urgent in (("r1", False), ("r2", False), ("a1", True), ("r3", False), ("a2", True)):
            outbox.append(topic, b"", urgent)
        self.assertEqual(topics_left(outbox), ["a1", "a2", "r1", "r2", "r3"])

    def test_a_message_stays_until_it_is_acknowledged(self):
        """Handing a message out does not forget it: only the broker's ack does."""
        outbox = Outbox(10)
        outbox.append("r1", b"one")
        entry = outbox.next()
        self.assertEqual((outbox.depth, outbox.next()), (1, None))
        outbox.acked(entry)
        self.assertEqual(outbox.depth, 0)

    def test_the_oldest_reading_goes_when_full(self):
        """A full outbox loses its oldest reading, and counts the message and its samples."""
        outbox = Outbox(3)
        for number in range(5):
            outbox.append(f"r{number}", b"", samples=4)
        self.assertEqual((outbox.dropped_messages, outbox.dropped_samples), (2, 8))
        self.assertEqual(topics_left(outbox), ["r2", "r3", "r4"])

    def test_no_ack_goes_while_a_reading_can(self):
        """Readings make room for acks, never acks for readings."""
        outbox = Outbox(3)
        for topic, urgent in (("a1", True), ("r1", False), ("a2", True), ("a3", True), ("r2", False)):
            outbox.append(topic, b"", urgent, samples=0 if urgent else 4)
        self.assertEqual((outbox.dropped_messages, outbox.dropped_samples), (2, 8))
        self.assertEqual(topics_left(outbox), ["a1", "a2", "a3"])

    def test_it_stays_bounded_with_acks_alone(self):
        """Even acks are bounded: the oldest goes, counted."""
        outbox = Outbox(2)
        for number in range(5):
            outbox.append(f"a{number}", b"", urgent=True)
        self.assertEqual((outbox.depth, outbox.dropped_messages), (2, 3))

    def test_what_is_in_flight_is_never_dropped(self):
        """A message that the broker may have already is not the one that goes."""
        outbox = Outbox(2)
        outbox.append("r1", b"", samples=1)
        first = outbox.next()
        outbox.append("r2", b"", samples=1)
        outbox.append("r3", b"", samples=1)
        outbox.acked(first)
        self.assertEqual((topics_left(outbox), outbox.dropped_messages), (["r3"], 1))


if __name__ == "__main__":
    unittest.main()
