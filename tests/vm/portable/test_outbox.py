"""The outbox: what leaves first, what is kept until the broker has it, what goes when there is no room, what lasts."""

import json
import sys
import unittest

from gateway.errors import StorageError
from gateway.journal import Journal
from gateway.outbox import Outbox
from gateway.store import MemoryStore
from gateway.valves import KEPT_COMMANDS
from protocol import messages
from protocol.errors import ProtocolError
from tests.vm.portable.bench import NAME, CutStore

SOIL = NAME + ".soil-a"
STATION = NAME + ".weather"
# Every byte on CPython. MicroPython, and its VM above all, is slower, and what it does differently it does at any byte.
STRIDE = {"cpython": 1, "micropython": 17 if sys.platform == "webassembly" else 9}[sys.implementation.name]


def sample(seq):
    return {"seq": seq, "measured_at": 1591707600 + 900 * seq, "clock": "synced", "vwc": 0.2}


def rows(seq):
    return [(SOIL, "plot-1a", sample(seq)), (STATION, None, sample(seq))]


def ack(number, state="done", boot_id="boot-1"):
    return {
        "command_id": f"c{number}",
        "gateway_id": NAME,
        "zone_id": "plot-1a",
        "epoch": number,
        "state": state,
        "code": "ok",
        "duration_s": 600,
        "volume_l": 600.0,
        "volume_source": "measured",
        "end_reason": "duration",
        "boot_id": boot_id,
        "seq": number,
        "at": 1591707600,
    }


def record(store, number, body):
    """Write a sample on record as a firmware would that knows other samples."""
    journal = Journal(store, "outbox")
    journal.open()
    journal.append([(json.dumps(["s", number, SOIL, "plot-1a", "boot-1", body]).encode(),)])


def drain(outbox):
    """Everything in the order in which it leaves: `(kind, sensor or command, seqs)`."""
    found = []
    while True:
        entry = outbox.next()
        if entry is None:
            return found
        found.append(read(entry))


def read(entry):
    kind, message = messages.decode(entry.topic, entry.payload)
    if kind == "reading":
        return kind, message["sensor_id"], [row["seq"] for row in message["samples"]]
    return kind, message.get("command_id"), []


def contents(outbox):
    """The samples and commands in it, as sets; each must be there once."""
    samples, commands = [], []
    for kind, name, seqs in drain(outbox):
        samples += [(name, seq) for seq in seqs]
        commands += [name] if kind == "ack" else []
    if len(samples) != len(set(samples)) or len(commands) != len(set(commands)):
        raise AssertionError(f"something is there twice: {samples} {commands}")
    return set(samples), set(commands)


class TheOrder(unittest.TestCase):
    def test_acks_leave_before_readings(self):
        """An ack that came later leaves first; among equals the older one does."""
        outbox = Outbox(10)
        for seq in (1, 2):
            outbox.take("boot-1", rows(seq)[:1])
            outbox.pack()
        outbox.say(ack(1))
        outbox.take("boot-1", rows(3)[:1])
        outbox.pack()
        outbox.say(ack(2))
        self.assertEqual(
            drain(outbox),
            [("ack", "c1", []), ("ack", "c2", [])] + [("reading", SOIL, [seq]) for seq in (1, 2, 3)],
        )

    def test_a_message_stays_until_it_is_acknowledged(self):
        """Handing a message out does not forget it: only the broker's ack does."""
        outbox = Outbox(10)
        outbox.append("r1", b"one")
        entry = outbox.next()
        self.assertEqual((outbox.depth, outbox.next()), (1, None))
        outbox.acked(entry)
        self.assertEqual(outbox.depth, 0)

    def test_a_reading_never_exceeds_what_is_billed_once(self):
        """However many samples wait, each reading fits into 5 KB."""
        outbox = Outbox(100)
        for seq in range(1, 60):
            more = sample(seq)
            more.update({"soil_temperature_c": 12.25, "battery_v": 3.3})
            outbox.take("boot-1", [(SOIL, "plot-1a", more)])
        outbox.pack()
        sizes, seqs = [], []
        while outbox.depth > len(sizes):
            entry = outbox.next()
            sizes.append(len(entry.payload))
            seqs += read(entry)[2]
        self.assertEqual((len(sizes), max(sizes) <= messages.READING_BYTES), (2, True))
        self.assertEqual(seqs, list(range(1, 60)))


class TheBounds(unittest.TestCase):
    def test_the_oldest_reading_goes_when_full(self):
        """A full outbox loses its oldest reading, and counts the message and its samples."""
        outbox = Outbox(3)
        for seq in range(1, 6):
            outbox.take("boot-1", rows(seq)[:1])
            outbox.take("boot-1", rows(seq + 100)[:1])
            outbox.pack()
        self.assertEqual((outbox.dropped_messages, outbox.dropped_samples, outbox.samples_taken), (2, 4, 10))
        self.assertEqual([seqs[0] for _, _, seqs in drain(outbox)], [3, 4, 5])

    def test_no_ack_goes_while_a_reading_can(self):
        """Readings make room for acks, never acks for readings."""
        outbox = Outbox(3)
        outbox.say(ack(1))
        for number in (2, 3):
            outbox.take("boot-1", rows(number)[:1])
            outbox.pack()
            outbox.say(ack(number))
        self.assertEqual((outbox.dropped_messages, outbox.dropped_samples), (2, 2))
        self.assertEqual([name for _, name, _ in drain(outbox)], ["c1", "c2", "c3"])

    def test_it_stays_bounded_with_acks_alone(self):
        """Even acks are bounded: the oldest goes, counted; samples that wait are not to blame."""
        outbox = Outbox(2)
        outbox.take("boot-1", rows(1)[:1])
        for number in range(5):
            outbox.say(ack(number))
        self.assertEqual((outbox.depth, outbox.dropped_messages, outbox.dropped_samples), (2, 3, 0))

    def test_what_is_in_flight_is_never_dropped(self):
        """A message that the broker may have already is not the one that goes."""
        outbox = Outbox(2)
        outbox.append("r1", b"")
        first = outbox.next()
        outbox.append("r2", b"")
        outbox.append("r3", b"")
        outbox.acked(first)
        self.assertEqual((outbox.next().topic, outbox.dropped_messages), ("r3", 1))

    def test_bytes_are_bounded_too(self):
        """Samples that wait go like readings when their bytes are too many; nothing grows for ever."""
        store = CutStore()
        outbox = Outbox(1000, store, 4000)
        for seq in range(1, 500):
            outbox.take("boot-1", rows(seq))
        self.assertTrue(outbox.dropped_samples > 900)
        segments = [len(data) for data in store.copy().values()]
        self.assertTrue(sum(segments) <= 2 * 4000 + 2048 + 200, segments)
        outbox.pack()
        left, _ = contents(outbox)
        self.assertEqual(outbox.samples_taken, outbox.dropped_samples + len(left))
        self.assertTrue((SOIL, 499) in left)

    def test_samples_that_wait_still_become_one_reading(self):
        """Where the oldest readings can make room, samples that wait go on waiting: each message is paid for."""
        outbox = Outbox(1000, None, 6000)
        for seq in range(1, 46):
            outbox.take("boot-1", rows(seq)[:1])
            if seq % 3 == 0:
                outbox.pack()
        for seq in range(46, 61):
            outbox.take("boot-1", rows(seq)[:1])
        dropped = outbox.dropped_samples
        self.assertTrue(dropped in range(3, 45))
        outbox.pack()
        seqs = [seqs for _, _, seqs in drain(outbox)]
        self.assertEqual((seqs[0][0], seqs[-1]), (dropped + 1, list(range(46, 61))))

    def test_a_sample_or_an_ack_costs_one_small_append(self):
        """No rewrite a message: taking, packing, publishing and acknowledging append a few hundred bytes in all."""
        store = CutStore()
        outbox = Outbox(1000, store)
        for hour in range(20):
            del store.writes[:]
            for quarter in range(4):
                outbox.take("boot-1", rows(hour * 4 + quarter + 1))
            outbox.pack()
            while outbox.depth:
                outbox.acked(outbox.next())
            self.assertEqual(len(store.writes), 4)
            self.assertTrue(sum([len(data) for _, _, data in store.writes]) < 4 * 400)


class AfterAPowerCut(unittest.TestCase):
    def test_a_boot_costs_no_write(self):
        """What is on record stays where it is, and what follows is added to it; only a fresh store gets a beginning."""
        store = CutStore()
        outbox = Outbox(10, store)
        self.assertEqual([operation for operation, _, _ in store.writes], ["save", "remove"])
        outbox.take("boot-1", rows(1))
        outbox.say(ack(1))
        del store.writes[:]
        outbox = Outbox(10, store)
        self.assertEqual((outbox.depth, store.writes), (3, []))
        outbox.take("boot-2", rows(2))
        self.assertEqual([operation for operation, _, _ in store.writes], ["append"])
        self.assertEqual(len(contents(Outbox(10, store))[0]), 4)

    def test_a_small_board_packs_as_it_reads(self):
        """Samples of a long outage become readings of a quarter of its room, so that few are in memory as objects."""
        store = MemoryStore()
        outbox = Outbox(1000, store, 4000)
        for seq in range(1, 40):
            outbox.take("boot-1", rows(seq)[:1])
        found = drain(Outbox(1000, store, 4000))
        self.assertEqual([seq for _, _, seqs in found for seq in seqs], list(range(1, 40)))
        self.assertTrue(max([len(seqs) for _, _, seqs in found]) * len(str(sample(1))) < 4000 // 4 + 200)
        self.assertEqual(len(drain(Outbox(1000, store))), 1)

    def test_everything_is_there_again(self):
        """Acks first, then readings, first come: with their own boot and sequence; so are samples not packed yet."""
        store = MemoryStore()
        outbox = Outbox(10, store)
        outbox.take("boot-1", rows(1))
        outbox.pack()
        outbox.take("boot-1", rows(2))
        outbox.say(ack(1))
        outbox.append("irrigation/gateway/status", b"of the moment")
        outbox = Outbox(10, store)
        outbox.take("boot-2", rows(1))
        outbox = Outbox(10, store)
        self.assertEqual((outbox.samples_taken, outbox.dropped_samples, outbox.last_sample_at), (6, 0, 1591708500))
        found = drain(outbox)
        self.assertEqual(found[0], ("ack", "c1", []))
        self.assertEqual(
            [seqs for _, name, seqs in found if name == SOIL],
            [[1, 2], [1]],  # the readings of that power were samples on record, and are packed again
        )
        self.assertEqual(len(found), 5)

    def test_what_the_broker_has_is_not_sent_again(self):
        """What it acknowledged is noted with the next record, or at an end in good order."""
        for end in ("flush", "take"):
            store = MemoryStore()
            outbox = Outbox(10, store)
            outbox.take("boot-1", rows(1))
            outbox.say(ack(1))
            outbox.pack()
            while outbox.depth:
                outbox.acked(outbox.next())
            if end == "flush":
                outbox.flush()
            else:
                outbox.take("boot-1", rows(2))
            samples, commands = contents(Outbox(10, store))
            self.assertEqual(commands, set())
            self.assertEqual(samples, set() if end == "flush" else {(SOIL, 2), (STATION, 2)})

    def test_what_made_room_for_itself_stays_away(self):
        """An ack that finds everything else in flight is dropped on arrival, and does not come back after a boot."""
        store = MemoryStore()
        outbox = Outbox(1, store)
        outbox.append("r1", b"")
        outbox.next()
        outbox.say(ack(1))
        self.assertEqual(outbox.dropped_messages, 1)
        outbox = Outbox(1, store)
        self.assertEqual((outbox.depth, outbox.dropped_messages), (0, 1))

    def test_it_knows_which_acks_were_said(self):
        """A final ack on record is known, sent or not, over boots and snapshots; a start is no final ack."""
        store = MemoryStore()
        outbox = Outbox(10, store, 600)
        outbox.say(ack(1, "started"))
        outbox.say(ack(2, "failed"))
        for number in range(3, 30):
            outbox.say(ack(number))
            outbox.acked(outbox.next())
        outbox = Outbox(10, store)
        known = [number for number in range(1, 40) if outbox.was_said(ack(number))]
        self.assertEqual(known, list(range(2, 30)))

    def test_it_knows_no_more_acks_than_a_board_has_room_for(self):
        """The valves remember so many commands, and so does the outbox: the oldest go."""
        outbox = Outbox(10, MemoryStore())
        for number in range(1, KEPT_COMMANDS + 3):
            outbox.say(ack(number))
        self.assertEqual([number for number in range(1, 5) if outbox.was_said(ack(number))], [3, 4])

    def test_a_full_store_costs_durability_alone(self):
        """The work goes on from memory, counted; as soon as there is room, everything is on record."""
        store = CutStore()
        outbox = Outbox(10, store)
        outbox.take("boot-1", rows(1))
        store.full = True
        outbox.take("boot-1", rows(2))
        outbox.say(ack(1))
        self.assertEqual((outbox.faults, outbox.fault, outbox.samples_taken), (2, "no space left", 4))
        self.assertEqual(contents(Outbox(10, CutStore(store.copy())))[0], {(SOIL, 1), (STATION, 1)})
        store.full = False
        outbox.take("boot-1", rows(3))
        samples, commands = contents(Outbox(10, store))
        self.assertEqual((len(samples), commands), (6, {"c1"}))

    def test_a_store_that_cannot_be_read_is_replaced(self):
        """An unreadable segment is reported and costs its content, not the gateway."""

        class Unreadable(MemoryStore):
            broken = False

            def load(self, name):
                if self.broken:
                    raise StorageError(f"cannot read {name}")
                return super().load(name)

        store = Unreadable()
        Outbox(10, store).take("boot-1", rows(1))
        store.broken = True
        outbox = Outbox(10, store)
        self.assertEqual((outbox.faults, outbox.samples_taken), (1, 0))
        outbox.take("boot-2", rows(1))
        store.broken = False
        self.assertEqual(contents(Outbox(10, store))[0], {(SOIL, 1), (STATION, 1)})

    def test_a_side_that_comes_back_does_not_undo_what_came_after(self):
        """What is recorded while the flash cannot be read, and erases nothing, is there once it is well again."""

        class Moody(MemoryStore):
            is_full = is_moody = False

            def append(self, name, data):
                if self.is_full:
                    raise StorageError("no space left")
                super().append(name, data)

            def load(self, name):
                if self.is_moody and name == "outbox.1":
                    raise StorageError(f"cannot read {name}")
                return super().load(name)

            def remove(self, name):
                if self.is_moody:
                    raise StorageError(f"cannot remove {name}")
                super().remove(name)

        store = Moody()
        outbox = Outbox(10, store)
        store.is_full = True
        outbox.take("boot-1", rows(1))
        store.is_full = False
        outbox.take("boot-1", rows(2))  # all of it again, on the other side
        store.is_moody = True
        Outbox(10, store).take("boot-2", rows(7))
        store.is_moody = False
        self.assertEqual(contents(Outbox(10, store))[0], {(SOIL, 7), (STATION, 7)})

    def test_a_sample_that_the_protocol_no_longer_has(self):
        """What an older firmware recorded and this one cannot send is counted and reported; the boot goes on."""
        store = MemoryStore()
        outbox = Outbox(10, store)
        outbox.take("boot-1", rows(1))
        foreign = sample(2)
        foreign["vwc"] = "moist"
        record(store, 3, foreign)
        outbox = Outbox(10, store)
        self.assertEqual((outbox.dropped_samples, outbox.faults), (1, 1))
        self.assertEqual(contents(outbox)[0], {(SOIL, 1), (STATION, 1)})
        self.assertEqual(Outbox(10, store).faults, 0)

    def test_a_sample_that_no_reading_holds_is_not_taken(self):
        """Nor is what was measured with it: who gives such a one hears of it, and it stops no boot after."""
        store = MemoryStore()
        outbox = Outbox(10, store)
        foreign = sample(1)
        foreign["vwc"] = "moist"
        moment = rows(1)
        moment.append((SOIL, "plot-1a", foreign))
        self.assertRaises(ProtocolError, outbox.take, "boot-1", moment)
        self.assertEqual((outbox.samples_taken, Outbox(10, store).depth), (0, 0))


class Life:
    """An outbox at work, and what is known of it from outside: what was taken and said, and what the broker has."""

    def __init__(self, capacity, most_bytes, publishes):
        self.capacity, self.most_bytes, self.publishes = capacity, most_bytes, publishes
        self.store = CutStore()
        self.outbox = Outbox(capacity, self.store, most_bytes)
        self.taken, self.said, self.acked = set(), set(), set()

    def steps(self, number):
        """A quarter of an hour, as `(samples, commands, act)`; what an hour publishes is not always all."""
        yield {(SOIL, number), (STATION, number)}, set(), lambda: self.outbox.take("boot-1", rows(number))
        if number % 5 == 2:
            yield set(), {f"c{number}"}, lambda: self.outbox.say(ack(number))
        if number % 4 == 0:
            yield set(), set(), self.outbox.pack
            for _ in range(self.publishes if number % 8 else self.publishes // 2):
                yield set(), set(), self.publish
        if number % 16 == 0:
            yield set(), set(), self.outbox.flush

    def publish(self):
        entry = self.outbox.next()
        if entry:
            kind, name, seqs = read(entry)
            self.acked |= {name} if kind == "ack" else {(name, seq) for seq in seqs}
            self.outbox.acked(entry)

    def live(self, number, check):
        """One quarter of an hour; `check(store, samples, commands)` sees what each possible power cut leaves."""
        for samples, commands, act in self.steps(number):
            for store in cuts(self.store, act):
                check(store, samples, commands)
            self.taken |= samples
            self.said |= commands


def cuts(store, act):
    """The stores that are left if the power goes at a byte of what `act` writes."""
    before, first = store.copy(), len(store.writes)
    act()
    written = store.writes[first:]
    for index, (operation, name, data) in enumerate(written):
        for kept in sorted(set(range(0, len(data), STRIDE)) | {len(data)}):
            left = CutStore(before)
            for write in written[:index]:
                left.apply(*write)
            left.apply(operation, name, data[:kept])
            yield left


class APowerCutAtEveryByte(unittest.TestCase):
    def _survives(self, life, quarters):
        """Lives, and holds what each cut leaves against what is known; gives the number of cuts."""
        self.cuts = 0

        def check(store, samples, commands):
            self.cuts += 1
            outbox = Outbox(life.capacity, store, life.most_bytes)
            found, said = contents(outbox)
            new = found & samples
            self.assertEqual(outbox.samples_taken, len(life.taken | new))
            gone = life.taken - found  # what the broker had may come again, and then be what makes room
            self.assertTrue(len(gone - life.acked) <= outbox.dropped_samples <= len(gone))
            self.assertEqual(found - life.taken, new)
            self.assertEqual(life.said - life.acked - said, set())
            self.assertEqual(said - life.said - commands, set())

        for number in range(1, quarters + 1):
            life.live(number, check)
        return self.cuts

    def test_nothing_is_lost_and_nothing_invented(self):
        """What was on record and not acknowledged is there again; of the moment of the cut, what got there."""
        life = Life(1000, 2000, 5)
        many = self._survives(life, 24)
        self.assertTrue(many * STRIDE > 7000, many)
        self.assertEqual(Outbox(1000, life.store).dropped_samples, 0)
        rewritten = [name for operation, name, _ in life.store.writes if operation == "save"]
        self.assertTrue(len(rewritten) >= 2, rewritten)

    def test_the_account_of_what_was_dropped_holds(self):
        """Every sample ever taken is at the broker, in the outbox, or counted as dropped, whenever the power goes."""
        life = Life(4, 100000, 1)
        self._survives(life, 16)
        self.assertTrue(life.outbox.dropped_samples >= 8)

    def test_cuts_during_the_recovery(self):
        """A second power cut while the first is recovered from changes nothing."""
        life = Life(1000, 100000, 5)
        for number in range(1, 8):
            life.live(number, lambda *_: None)
        life.outbox.flush()
        expected = contents(Outbox(1000, CutStore(life.store.copy())))
        self.assertTrue(len(expected[0]) > 5 and expected[1])
        for store in cuts(life.store, lambda: Outbox(1000, life.store)):
            outbox = Outbox(1000, store)
            self.assertEqual((contents(outbox), outbox.samples_taken), (expected, 14))


if __name__ == "__main__":
    unittest.main()
