"""Where the outbox's bounds lie, to the byte, and what its journal looks like to a firmware of another day."""

import json
import unittest

from gateway.outbox import Outbox
from gateway.store import MemoryStore
from protocol import messages
from tests.vm.portable.bench import CutStore
from tests.vm.portable.test_outbox import SOIL, STATION, ack, contents, drain, read, record, rows, sample

OF_ANOTHER_DAY = (  # as 0.1.0 wrote it
    b'\na2bd37fe["m", 4, 1, "irrigation/sensors/irrigation-gateway-1.soil-a/data", {"v": 1, "gateway_id": '
    b'"irrigation-gateway-1", "sensor_id": "irrigation-gateway-1.soil-a", "zone_id": "plot-1a", "boot_id": "boot-1", '
    b'"samples": [{"seq": 2, "measured_at": 1591709400, "clock": "synced", "vwc": 0.2}]}]'
    b'\nf6acec3d["head", 1, [[9, 4, 1, 2], 1591709400, ["c1"]]]'
    b'\n880ff2e0["s", 10, "irrigation-gateway-1.weather", null, "boot-1", {"seq": 3, "measured_at": 1591710300, '
    b'"clock": "synced"}]'
)


def padded(seq, size):
    """A row whose sample takes so many bytes; what a protocol does not know of it is sent along."""
    row = sample(seq)
    row["note"] = ""
    row["note"] = "x" * (size - len(json.dumps(row)))
    return (SOIL, "plot-1a", row)


def seqs_in(outbox):
    """The sequence numbers in each reading, in the order in which these leave."""
    return [seqs for kind, _, seqs in drain(outbox) if kind == "reading"]


class Sizes(unittest.TestCase):
    def test_without_a_setting_it_keeps_256_kilobytes(self):
        """So many bytes find room, and one more makes the oldest message go."""
        outbox = Outbox(1000)
        for _ in range(256):
            outbox.append("r", b"x" * 1024)
        self.assertEqual((outbox.depth, outbox.dropped_messages), (256, 0))
        outbox.append("r", b"x")
        self.assertEqual((outbox.depth, outbox.dropped_messages), (256, 1))

    def test_sixty_samples_are_a_reading(self):
        """A probe that is read often has its samples packed before the next publish."""
        outbox = Outbox(10)
        for seq in range(1, 60):
            outbox.take("boot-1", rows(seq)[:1])
        self.assertEqual(outbox.depth, 0)
        outbox.take("boot-1", rows(60)[:1])
        self.assertEqual(seqs_in(outbox), [list(range(1, 61))])

    def test_a_reading_has_half_a_kilobyte_for_its_head(self):
        """Samples that fit beside it are one reading, a byte more makes two, each with half of the samples."""
        room = messages.READING_BYTES - 512
        for first, second, expected in ((2302, room - 2306, [[1, 2]]), (2302, room - 2305, [[1], [2]])):
            outbox = Outbox(10)
            outbox.take("boot-1", [padded(1, first), padded(2, second)])
            outbox.pack()
            self.assertEqual(seqs_in(outbox), expected)
        outbox = Outbox(10)
        outbox.take("boot-1", [padded(seq, 1000) for seq in range(1, 9)])
        outbox.pack()
        self.assertEqual(seqs_in(outbox), [[1, 2, 3, 4], [5, 6, 7, 8]])

    def test_a_boot_packs_what_exceeds_a_quarter_or_a_reading(self):
        """No more samples are decoded at once than that, however many wait on record."""
        for most_bytes, size, expected in ((4000, 100, [9, 9, 7]), (100000, 512, [8, 8, 8, 1])):
            store = MemoryStore()
            outbox = Outbox(100, store, most_bytes)
            for seq in range(1, 26):
                outbox.take("boot-1", [padded(seq, size)])
            found = seqs_in(Outbox(100, store, most_bytes))
            self.assertEqual([len(seqs) for seqs in found], expected)
            self.assertEqual([seq for seqs in found for seq in seqs], list(range(1, 26)))

    def test_samples_wait_while_their_bytes_just_fit(self):
        """With too many messages, but not too many bytes, the oldest ack goes, and no sample that waits."""
        row = padded(1, 100)
        size = len(messages.encode("ack", ack(1)))
        outbox = Outbox(2, None, 100 + 3 * size)
        outbox.take("boot-1", [row])
        for number in (1, 2, 3):
            outbox.say(ack(number))
        self.assertEqual((outbox.dropped_messages, outbox.dropped_samples), (1, 0))

    def test_samples_that_wait_go_before_an_ack(self):
        """Where no reading can make room for an ack, the samples that wait are packed, and make it."""
        outbox = Outbox(10, None, 2000)
        outbox.take("boot-1", [padded(seq, 900) for seq in (1, 2)])
        outbox.say(ack(1))
        self.assertEqual((outbox.dropped_messages, outbox.dropped_samples), (1, 1))
        self.assertEqual([kind for kind, _, _ in drain(outbox)], ["ack", "reading"])

    def test_the_journal_grows_to_twice_its_content_and_two_kilobytes(self):
        """An append that just fits is one; a byte more, and the segment is written anew without what is gone."""

        def last(size):
            store = CutStore()
            outbox = Outbox(10, store, 1000)
            for seq in range(1, 6):
                outbox.take("boot-1", [padded(seq, 500)])
                outbox.pack()
                outbox.acked(outbox.next())
            outbox.take("boot-1", [padded(6, size)])
            return store.writes[-1][0], max([len(data) for data in store.copy().values()])

        line_breaks = 2 * 9  # and checksums, of a sample and of a mark
        fits = 100 + 2 * 1000 + 2048 + line_breaks - last(100)[1]
        self.assertEqual(last(fits), ("append", 2 * 1000 + 2048 + line_breaks))
        operation, size = last(fits + 1)
        self.assertTrue(operation == "remove" and size < 2000, size)


class Marks(unittest.TestCase):
    def test_256_acknowledgements_are_written_down(self):
        """With nothing to record beside them no more than 255 messages are sent twice after a power cut."""
        store = CutStore()
        outbox = Outbox(1000, store)
        for number in range(1, 257):
            outbox.say(ack(number))
        del store.writes[:]
        while outbox.depth > 1:
            outbox.acked(outbox.next())
        self.assertEqual(store.writes, [])
        outbox.acked(outbox.next())
        self.assertEqual([data[9:] for _, _, data in store.writes], [b'["d", [[1, 256]]]'])
        self.assertEqual(Outbox(1000, store).depth, 0)

    def test_a_gap_in_what_the_broker_has(self):
        """What it has not acknowledged between others is still there after a power cut; the mark tells just those."""
        store = CutStore()
        outbox = Outbox(10, store)
        for number in range(1, 8):
            outbox.say(ack(number))
        for entry in [outbox.next() for _ in range(7)]:
            if read(entry)[1] not in ("c3", "c6"):
                outbox.acked(entry)
        outbox.flush()
        self.assertEqual(store.writes[-1][2][9:], b'["d", [[1, 2], [4, 5], [7, 7]]]')
        self.assertEqual([name for _, name, _ in drain(Outbox(10, store))], ["c3", "c6"])

    def test_what_was_dropped_is_counted_once(self):
        """Each boot adds what was dropped since the last mark, over as many marks as there were."""
        store = MemoryStore()
        outbox = Outbox(1, store)
        for seq in range(1, 5):
            outbox.take("boot-1", rows(seq)[:1])
            outbox.pack()
            outbox.flush()  # in good order, with nothing to tell but what made room
        outbox = Outbox(1, store)
        self.assertEqual((outbox.dropped_messages, outbox.dropped_samples, outbox.depth), (3, 3, 1))

    def test_an_ack_that_is_repeated_takes_one_place(self):
        """A command that is delivered again and again makes no other forgotten."""
        outbox = Outbox(100)
        outbox.say(ack(1))
        for _ in range(40):
            outbox.say(ack(2))
        self.assertTrue(outbox.was_said(ack(1)) and outbox.was_said(ack(2)))


class OnRecord(unittest.TestCase):
    def test_a_fresh_store_gets_an_empty_account(self):
        """To the letter: kind, generation, account (numbers, samples, what was dropped), last time, acks said."""
        store = CutStore()
        outbox = Outbox(10, store)
        self.assertEqual(store.copy(), {"outbox.0": b'\n3c0ef9fa["head", 1, [[0, 0, 0, 0], null, []]]'})
        outbox.take("boot-1", rows(1))
        numbers = [line[8:14] for line in store.copy()["outbox.0"].split(b"\n")[2:]]
        self.assertEqual(numbers, [b'["s", ', b'["s", '])
        self.assertTrue(b'["s", 1, "' in store.copy()["outbox.0"] and b'["s", 2, "' in store.copy()["outbox.0"])

    def test_what_another_firmware_wrote_is_read(self):
        """An update finds everything that was on record: samples, acks that were said, and the account."""
        store = CutStore({"outbox.0": OF_ANOTHER_DAY})
        outbox = Outbox(10, store)
        self.assertEqual((outbox.fault, store.writes), ("", []))
        self.assertEqual((outbox.samples_taken, outbox.dropped_messages, outbox.dropped_samples), (5, 1, 2))
        self.assertEqual((outbox.last_sample_at, outbox.was_said(ack(1))), (1591710300, True))
        outbox.take("boot-2", rows(1)[:1])
        self.assertTrue(b'["s", 11, "' in store.writes[-1][2])
        self.assertEqual(contents(Outbox(10, store))[0], {(SOIL, 2), (STATION, 3), (SOIL, 1)})

    def test_readings_of_a_boot_leave_in_the_order_of_their_samples(self):
        """A probe that filled a reading early does not overtake one whose sample came before."""
        store = MemoryStore()
        outbox = Outbox(100, store, 4000)
        outbox.take("boot-1", rows(1)[1:])
        for seq in range(1, 21):
            outbox.take("boot-1", rows(seq)[:1])
        found = drain(Outbox(100, store, 4000))
        self.assertEqual([name for _, name, _ in found], [STATION, SOIL, SOIL])

    def test_a_smaller_outbox_after_a_boot(self):
        """What no longer fits goes before anything is sent, the oldest first, counted."""
        store = MemoryStore()
        outbox = Outbox(10, store)
        for seq in range(1, 5):
            outbox.take(f"boot-{seq}", rows(seq)[:1])
        outbox = Outbox(2, store)
        self.assertEqual((outbox.depth, outbox.dropped_messages, outbox.dropped_samples), (2, 2, 2))
        self.assertEqual(seqs_in(outbox), [[3], [4]])
        outbox = Outbox(2, store)
        self.assertEqual((outbox.depth, outbox.dropped_messages, outbox.dropped_samples), (2, 2, 2))

    def test_a_sample_too_large_for_a_reading(self):
        """It is counted and told of, and stops no boot."""
        store = MemoryStore()
        Outbox(10, store).flush()
        record(store, 1, padded(1, 6000)[2])
        outbox = Outbox(10, store)
        self.assertEqual((outbox.depth, outbox.dropped_samples, outbox.faults), (0, 1, 1))


if __name__ == "__main__":
    unittest.main()
