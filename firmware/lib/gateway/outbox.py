"""What waits to be published, beyond a power cut: bounded, urgent messages first, each until the broker has it.

Samples and acks are in a journal from the moment they are taken or said, one append for all that belongs to a moment;
a reading made of samples costs no write. What the broker has acknowledged is noted with the next append, so that after
a power cut some of it is sent again, and nothing is missing. Other messages speak of the present and live in memory.

A broker answers a publish that its policies deny by hanging up, without a word. After a few hang-ups messages go one at
a time, and the one at which it hangs up again and again, although it takes others, is set aside and counted.
"""

import gc
import json

from gateway.errors import StorageError
from gateway.journal import Journal
from gateway.store import MemoryStore
from protocol import messages, topics
from protocol.errors import ProtocolError

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from gateway.interfaces import Store
    from gateway.journal import Text

    Message = dict[str, Any]
    Row = tuple[str, str | None, Message]
    Waiting = tuple[int, int, Message]  # number, bytes, sample

# Five days without a broker, for four sensors and quarters of an hour. All of it is in memory too: a board without
# PSRAM is configured to a few kilobytes. The journal takes twice as much, thrice while it is rewritten.
MOST_BYTES = 256 * 1024
MOST_PENDING = 60  # samples of one sensor that wait for the next publish
KEPT_SAID = 32  # commands whose final ack is known to have been said: as many as the valve supervisor remembers
SUSPICIOUS = 2  # hang-ups without a moment of rest between, after which messages go one at a time
SET_ASIDE_AFTER = 8  # hang-ups at one that went alone, the broker took another before each: a bad link has fewer
_MOST_MARKS = 256
_SLACK_BYTES = 2048
_LARGE_BYTES = 500_000  # of free heap: there are holes enough
_HEADER_BYTES = 512  # a reading without its samples is shorter

# Records of the journal: [kind, ...].
_SAMPLE = "s"  # number, sensor_id, zone_id, boot_id, sample
_MESSAGE = "m"  # number, samples in it, topic, message
_ACKS = "d"  # ranges of numbers that the broker has
_DROPS = "x"  # ranges of numbers that had to make room, [messages, samples]


class Entry:
    """A message: `topic`, `payload`, how many `samples` it holds, the `numbers` of its records (none: in memory)."""

    urgent = False
    hang_ups = 0  # at it alone

    def __init__(self, topic: str, payload: bytes, samples: int = 0, numbers: "Sequence[int]" = ()) -> None:
        self.topic = topic
        self.payload = payload
        self.samples = samples
        self.numbers = numbers


class Outbox:
    """Keeps at most `capacity` messages and `most_bytes`. Too full, the oldest that is not urgent goes, counted.

    `samples_taken` and `dropped_*` count over all boots, with what is on record. A store that fails costs durability
    alone: the work goes on from memory, `faults` counts, `fault` says why, and each later write tries to catch up.
    """

    def __init__(self, capacity: int, store: "Store | None" = None, most_bytes: int = MOST_BYTES) -> None:
        self._capacity = capacity
        self._most_bytes = most_bytes
        self._journal = Journal(store or MemoryStore(), "outbox")
        self._urgent: list[Entry] = []
        self._ordinary: list[Entry] = []
        self._in_flight: list[Entry] = []
        self._pending: dict[tuple[str, str], tuple[str | None, list[Waiting]]] = {}
        self._bytes = 0
        self._next_number = 0
        self._acks: list[int] = []
        self._drops: list[int] = []
        self._gone_counts = [0, 0]
        self._final: list[str] = []
        account = self._journal.open()
        self._behind = account is None  # the journal lacks something: only a snapshot brings it up to date
        self._hang_ups = 0  # with something in flight, since it last was not
        self._took_one = False  # the broker, since it last hung up at one that went alone
        self.samples_taken = 0
        self.dropped_messages = 0
        self.dropped_samples = 0
        self.last_sample_at: int | None = None
        self.faults = 0
        self.fault = ""
        self._recover(account)

    @property
    def depth(self) -> int:
        """Messages that the broker has not acknowledged yet."""
        return len(self._urgent) + len(self._ordinary) + len(self._in_flight)

    def take(self, boot_id: str, rows: "Sequence[Row]") -> None:
        """Record the samples of one moment, rows of `(sensor_id, zone_id, sample)`: from now on they count as taken."""
        texts: list[Text] = []
        for sensor_id, zone_id, sample in rows:
            number, body = self._number(), json.dumps(sample)
            texts.append(_sample_text(number, sensor_id, zone_id, boot_id, body))
            self._wait((sensor_id, boot_id), zone_id, (number, len(body), sample))
            self.last_sample_at = sample["measured_at"]
        self.samples_taken += len(rows)
        for key in [key for key in self._pending if len(self._pending[key][1]) >= MOST_PENDING]:
            self._pack(key)
        self._shrink()
        self._write(texts)

    def pack(self) -> None:
        """Make readings of all samples that wait."""
        for key in sorted(self._pending):
            self._pack(key)
        self._shrink()

    def say(self, ack: "Message") -> None:
        """Record an ack; it goes out before any reading."""
        entry = Entry(topics.ack(ack["gateway_id"]), messages.encode("ack", ack), 0, [self._number()])
        self._remember(ack)
        entry.urgent = True
        self._add(entry)
        self._write([_text(entry)])

    def was_said(self, ack: "Message") -> bool:
        """True if this final ack, one of the last, is on record: it was sent, or will be."""
        return ack["command_id"] in self._final

    def append(self, topic: str, payload: bytes, urgent: bool = False) -> None:
        """Add a message that a power cut may take."""
        entry = Entry(topic, payload)
        entry.urgent = urgent
        self._add(entry)

    def next(self) -> "Entry | None":
        """Hand out the message to publish next; it stays here until `acked`, or back after `hung_up`."""
        if self._in_flight and self._hang_ups >= SUSPICIOUS:
            return None
        for queue in (self._urgent, self._ordinary):
            if queue:
                entry = queue.pop(0)
                self._in_flight.append(entry)
                return entry
        return None

    def acked(self, entry: Entry) -> None:
        """The broker has it: forget it."""
        self._in_flight.remove(entry)
        self._took_one = True
        if not self.depth:
            self._hang_ups = 0
        self._bytes -= len(entry.payload)
        self._acks += entry.numbers
        if len(self._acks) >= _MOST_MARKS:
            self._write([])

    def hung_up(self) -> "tuple[int, Entry | None]":
        """The broker hung up at what is in flight: how many messages are back to be sent anew, which is set aside."""
        self._hang_ups += 1
        if self._hang_ups < SUSPICIOUS:
            return 0, None  # chance: the client sends them again
        back, self._in_flight = self._in_flight, []
        if self._hang_ups > SUSPICIOUS:
            suspect = back[0]
            suspect.hang_ups += self._took_one  # one that takes nothing at all says nothing about this one
            self._took_one = False
            if suspect.hang_ups >= SET_ASIDE_AFTER:
                self._drop(suspect)
                return 1, suspect
            self._queue(suspect).append(suspect)  # the others first
        else:
            for entry in reversed(back):
                self._queue(entry).insert(0, entry)
        return len(back), None

    def flush(self) -> None:
        """Record what is only noted so far, before an end in good order."""
        self._write([])

    # From samples to readings.

    def _wait(self, key: "tuple[str, str]", zone_id: "str | None", row: "Waiting") -> None:
        self._pending.setdefault(key, (zone_id, []))[1].append(row)
        self._bytes += row[1]

    def _pack(self, key: "tuple[str, str]") -> None:
        zone_id, rows = self._pending.pop(key)
        self._bytes -= sum([size for _, size, _ in rows])
        for batch in _batches(rows):
            reading = {
                "gateway_id": topics.gateway_of(key[0]),
                "sensor_id": key[0],
                "zone_id": zone_id,
                "boot_id": key[1],
                "samples": [sample for _, _, sample in batch],
            }
            numbers = [number for number, _, _ in batch]
            entry = Entry(topics.data(key[0]), messages.encode("reading", reading), len(batch), numbers)
            self._ordinary.append(entry)
            self._bytes += len(entry.payload)

    # Room.

    def _queue(self, entry: Entry) -> "list[Entry]":
        return self._urgent if entry.urgent else self._ordinary

    def _add(self, entry: Entry) -> None:
        self._queue(entry).append(entry)
        self._bytes += len(entry.payload)
        self._shrink()

    def _shrink(self) -> None:
        while self.depth > self._capacity or self._bytes > self._most_bytes:
            if self._bytes > self._most_bytes and not self._ordinary:
                for key in sorted(self._pending):
                    self._pack(key)
            queue = self._ordinary or self._urgent
            if not queue:
                return  # what is in flight, the broker may have already
            self._drop(queue.pop(0))

    def _drop(self, entry: Entry) -> None:
        self._bytes -= len(entry.payload)
        self.dropped_messages += 1
        self.dropped_samples += entry.samples
        self._drops += entry.numbers
        self._gone_counts[0] += 1
        self._gone_counts[1] += entry.samples

    # The journal.

    def _number(self) -> int:
        self._next_number += 1
        return self._next_number

    def _remember(self, ack: "Message") -> None:
        command_id = ack["command_id"]
        if ack["state"] in messages.FINAL_STATES and command_id not in self._final:
            self._final.append(command_id)
            del self._final[:-KEPT_SAID]

    def _write(self, texts: "list[Text]") -> None:
        """Append records, and the marks after them: a mark may never be there without what it speaks of."""
        texts += self._marks()
        if not texts and not self._behind:
            return
        try:
            size = self._journal.size + sum([len(text) for text in texts])
            if self._behind or size > 2 * self._most_bytes + _SLACK_BYTES:
                self._journal.rewrite(self._account(), self._snapshot())
            else:
                self._journal.append(texts)
            self._behind = False
        except StorageError as error:
            self._behind = True
            self._fail(str(error))

    def _marks(self) -> "list[str]":
        marks = []
        if self._acks:
            marks.append(json.dumps([_ACKS, _ranges(self._acks)]))
        if self._drops:
            marks.append(json.dumps([_DROPS, _ranges(self._drops), self._gone_counts]))
        self._acks, self._drops, self._gone_counts = [], [], [0, 0]
        return marks

    def _account(self) -> "list[Any]":
        counts = [self._next_number, self.samples_taken, self.dropped_messages, self.dropped_samples]
        return [counts, self.last_sample_at, self._final]

    def _snapshot(self) -> "Iterator[Text]":
        for queue in (self._in_flight, self._urgent, self._ordinary):
            for entry in queue:
                if entry.numbers:
                    yield _text(entry)
        for sensor_id, boot_id in self._pending:
            zone_id, rows = self._pending[sensor_id, boot_id]
            for number, _, sample in rows:
                yield _sample_text(number, sensor_id, zone_id, boot_id, json.dumps(sample))

    def _fail(self, why: str) -> None:
        self.faults += 1
        self.fault = why

    # After a boot: records one by one, as they are written, for a board has no room to decode all of them at once.

    def _recover(self, account: "Any") -> None:
        if account:
            counts, self.last_sample_at, self._final = account
            self._next_number, self.samples_taken, self.dropped_messages, self.dropped_samples = counts
        rest, is_small = self._left(), _is_small()
        for number in sorted(rest):
            if is_small:  # else the records lie between what their reading left: no large piece is free any more
                gc.collect()
            self._restore(rest.pop(number))
        for key in list(self._pending):
            self._pack_recovered(key)
        self._ordinary.sort(key=lambda entry: entry.numbers[0])
        self._shrink()
        if self._journal.fault:
            self._behind = True
            self._fail(self._journal.fault)
        self._write([])

    def _left(self) -> "dict[int, bytes]":
        """The records that are still to be sent, by number; what else is there is counted."""
        rest: dict[int, bytes] = {}
        newest = b""
        for later, body in self._journal.records():
            if _kind(body) in (_ACKS, _DROPS):
                self._strike(json.loads(body), rest)
                continue
            end = body.find(b",", 6)
            number = int(body[6:end])
            rest[number] = body
            if later:
                self._next_number = number
                if _kind(body) == _SAMPLE:
                    self.samples_taken += 1
                    newest = body
                else:
                    self._recall(body)
        if newest:
            self.last_sample_at = json.loads(_parts(newest)[1])["measured_at"]
        return rest

    def _strike(self, mark: "list[Any]", rest: "dict[int, bytes]") -> None:
        for first, last in mark[1]:
            for number in range(first, last + 1):
                rest.pop(number, None)
        if mark[0] == _DROPS:
            self.dropped_messages += mark[2][0]
            self.dropped_samples += mark[2][1]

    def _recall(self, body: bytes) -> None:
        """Remember an ack that the snapshot does not."""
        head, content = _parts(body)
        if not head[2]:
            self._remember(json.loads(content))

    def _restore(self, body: bytes) -> None:
        head, content = _parts(body)
        if head[0] == _SAMPLE:
            _, number, sensor_id, zone_id, boot_id = head
            key = (sensor_id, boot_id)
            self._wait(key, zone_id, (number, len(content), json.loads(content)))
            if sum([size for _, size, _ in self._pending[key][1]]) > min(messages.READING_BYTES, self._most_bytes // 4):
                self._pack_recovered(key)
        else:
            _, number, samples, topic = head
            entry = Entry(topic, content, samples, [number])
            entry.urgent = not samples
            self._queue(entry).append(entry)
            self._bytes += len(content)

    def _pack_recovered(self, key: "tuple[str, str]") -> None:
        """A sample from before an update may be one that the protocol no longer has: it must not stop every boot."""
        rows = self._pending[key][1]
        try:
            self._pack(key)
        except ProtocolError as error:
            self.dropped_samples += len(rows)
            self._behind = True
            self._fail(f"{len(rows)} samples on record are none to send: {error}")


def _is_small() -> bool:
    """Has this board no PSRAM? With it each collection takes long, and CPython does it by itself."""
    return hasattr(gc, "mem_free") and gc.mem_free() < _LARGE_BYTES


def _sample_text(number: int, sensor_id: str, zone_id: "str | None", boot_id: str, body: str) -> str:
    zone = '"%s"' % zone_id if zone_id else "null"
    return '["%s", %d, "%s", %s, "%s", %s]' % (_SAMPLE, number, sensor_id, zone, boot_id, body)


def _text(entry: Entry) -> bytes:
    head = json.dumps([_MESSAGE, entry.numbers[0], entry.samples, entry.topic])
    return b"".join((head[:-1].encode(), b", ", entry.payload, b"]"))


def _kind(body: bytes) -> str:
    """What a record is; its number follows: ["s", 12, ..."""
    return body[2:3].decode()


def _parts(body: bytes) -> "tuple[list[Any], bytes]":
    """What stands before the object at the end of a record, and the object as it is."""
    place = body.find(b", {")
    return json.loads(body[:place] + b"]"), body[place + 2 : -1]


def _ranges(numbers: "list[int]") -> "list[list[int]]":
    """The numbers as [first, last] of each unbroken run."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs


def _batches(rows: "list[Waiting]") -> "Iterable[list[Waiting]]":
    """The samples in runs that each fit into one reading."""
    fits = sum([size + 2 for _, size, _ in rows]) <= messages.READING_BYTES - _HEADER_BYTES
    if fits or len(rows) == 1:
        return [rows]
    middle = len(rows) // 2
    return list(_batches(rows[:middle])) + list(_batches(rows[middle:]))
