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
    from collections.abc import Iterator, Sequence
    from typing import Any

    from gateway.interfaces import Store
    from gateway.journal import Text

    Message = dict[str, Any]
    Row = tuple[str, str | None, Message]
    Source = tuple[str, str, str | None]  # sensor, boot, zone
    Waiting = tuple[int, bytes]  # number, sample as it is written: decoded it takes a few times the room

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
        self._pending: dict[Source, list[Waiting]] = {}
        self._bytes = 0
        self._next_number = 0
        self._acks: list[int] = []
        self._drops: list[int] = []
        self._gone_counts = [0, 0]
        self._final: list[str] = []
        account = self._journal.open()
        self._behind = account is None  # the journal lacks something: only a snapshot brings it up to date
        self._is_small = _is_small()
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
        """Record the samples of one moment, rows of `(sensor_id, zone_id, sample)`: from now on they count as taken.

        Raises ProtocolError for one that no reading could hold; then none of them is recorded.
        """
        texts: list[Text] = []
        for source, sample, body in [_row(boot_id, *row) for row in rows]:
            number = self._number()
            texts.append(_sample_text(number, source, body))
            self._wait(source, number, body)
            self.last_sample_at = sample["measured_at"]
        self.samples_taken += len(rows)
        for source in [source for source in self._pending if len(self._pending[source]) >= MOST_PENDING]:
            self._pack(source)
        self._shrink()
        self._write(texts)

    def pack(self) -> None:
        """Make readings of all samples that wait."""
        self._pack_all()
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

    def _wait(self, source: "Source", number: int, body: bytes) -> None:
        self._pending.setdefault(source, []).append((number, self._compact(body)))
        self._bytes += len(body)

    def _pack_all(self) -> None:
        for source in sorted(self._pending):
            self._pack(source)

    def _pack(self, source: "Source") -> None:
        rows = self._pending.pop(source)
        while rows:
            count = _fitting(rows, self._most_reading())
            batch = rows[:count]
            del rows[:count]
            self._bytes -= _length(batch) - 2 * count
            self._tidy()
            entry = Entry(topics.data(source[0]), _payload(source, batch), count, [number for number, _ in batch])
            self._ordinary.append(entry)
            self._bytes += len(entry.payload)

    def _tidy(self) -> None:
        if self._is_small:
            gc.collect()

    def _compact(self, body: bytes) -> bytes:
        """A copy in the first free place: without PSRAM, what stays must not lie between what does not.

        Soon no large piece of the heap would be free.
        """
        self._tidy()
        return bytes(memoryview(body)) if self._is_small else body

    def _most_reading(self) -> int:
        """Bytes of a reading's samples: a small board has no room for a large one in one piece."""
        return min(messages.READING_BYTES - _HEADER_BYTES, self._most_bytes // 4)

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
                self._pack_all()
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
            size = self._journal.size + sum([len(piece) for text in texts for piece in text])
            if self._behind or size > 2 * self._most_bytes + _SLACK_BYTES:
                self._journal.rewrite(self._account(), self._snapshot())
            else:
                self._journal.append(texts)
            self._behind = False
        except StorageError as error:
            self._behind = True
            self._fail(str(error))

    def _marks(self) -> "list[Text]":
        marks: list[Text] = []
        if self._acks:
            marks.append((json.dumps([_ACKS, _ranges(self._acks)]).encode(),))
        if self._drops:
            marks.append((json.dumps([_DROPS, _ranges(self._drops), self._gone_counts]).encode(),))
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
        for source in self._pending:
            for number, body in self._pending[source]:
                yield _sample_text(number, source, body)

    def _fail(self, why: str) -> None:
        self.faults += 1
        self.fault = why

    # After a boot: the records are read twice, for a board has room for one of them beside what it makes of them.

    def _recover(self, account: "Any") -> None:
        if account:
            counts, self.last_sample_at, self._final = account
            self._next_number, self.samples_taken, self.dropped_messages, self.dropped_samples = counts
        numbers = self._left()
        for _, body in self._journal.records():
            number = _number_in(body)
            if number in numbers:
                numbers.discard(number)
                self._restore(body)
        self._pack_all()
        for entries in (self._urgent, self._ordinary):
            entries.sort(key=lambda entry: entry.numbers[0])
        self._shrink()
        if self._journal.fault:
            self._behind = True
            self._fail(self._journal.fault)
        self._write([])

    def _left(self) -> "set[int]":
        """The numbers of the records that are still to be sent; what else is there is counted."""
        numbers: set[int] = set()
        newest = b""
        for later, body in self._journal.records():
            number = _number_in(body)
            if not number:
                self._strike(json.loads(body), numbers)
                continue
            numbers.add(number)
            if later:
                self._next_number = number
                if _kind(body) == _SAMPLE:
                    self.samples_taken += 1
                    newest = body
                else:
                    self._recall(body)
        if newest:
            self.last_sample_at = json.loads(_parts(newest)[1])["measured_at"]
        return numbers

    def _strike(self, mark: "list[Any]", numbers: "set[int]") -> None:
        for first, last in mark[1]:
            for number in range(first, last + 1):
                numbers.discard(number)
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
            self._restore_sample((sensor_id, boot_id, zone_id), number, content)
        else:
            _, number, samples, topic = head
            entry = Entry(topic, self._compact(content), samples, [number])
            entry.urgent = not samples
            self._queue(entry).append(entry)
            self._bytes += len(content)
        while self._bytes > self._most_bytes and self._ordinary:  # it may have held more when it was written
            self._drop(self._ordinary.pop(0))

    def _restore_sample(self, source: "Source", number: int, body: bytes) -> None:
        """One from before an update may be one that the protocol no longer has: it must not stop every boot."""
        try:
            _check(source, json.loads(body), body)
        except ProtocolError as error:
            self.dropped_samples += 1
            self._behind = True
            self._fail(f"a sample on record is none to send: {error}")
            return
        rows = self._pending.get(source, ())
        if rows and _length(rows) + len(body) + 2 > self._most_reading():
            self._pack(source)
        self._wait(source, number, body)


def _is_small() -> bool:
    """Has this board no PSRAM? With it each collection takes long, and CPython does it by itself."""
    return hasattr(gc, "mem_free") and gc.mem_free() < _LARGE_BYTES


def _about(source: "Source") -> "Message":
    sensor_id, boot_id, zone_id = source
    gateway_id = topics.gateway_of(sensor_id)
    return {"gateway_id": gateway_id, "sensor_id": sensor_id, "zone_id": zone_id, "boot_id": boot_id}


def _row(boot_id: str, sensor_id: str, zone_id: "str | None", sample: "Message") -> "tuple[Source, Message, bytes]":
    source, body = (sensor_id, boot_id, zone_id), json.dumps(sample).encode()
    _check(source, sample, body)
    return source, sample, body


def _check(source: "Source", sample: "Message", body: bytes) -> None:
    if len(body) > messages.READING_BYTES - _HEADER_BYTES:
        raise ProtocolError(f"a sample of {source[0]} takes {len(body)} bytes")
    reading = _about(source)
    reading["samples"] = [sample]
    messages.check("reading", reading)


def _payload(source: "Source", rows: "list[Waiting]") -> bytes:
    """A reading of samples that were checked."""
    about = _about(source)
    about["v"] = messages.VERSION
    parts = [json.dumps(about)[:-1].encode(), b', "samples": [', b", ".join([body for _, body in rows]), b"]}"]
    return b"".join(parts)


def _length(rows: "Sequence[Waiting]") -> int:
    """Bytes of samples in a reading."""
    return sum([len(body) + 2 for _, body in rows])


def _sample_text(number: int, source: "Source", body: bytes) -> "Text":
    sensor_id, boot_id, zone_id = source
    head = json.dumps([_SAMPLE, number, sensor_id, zone_id, boot_id])
    return head[:-1].encode(), b", ", body, b"]"


def _text(entry: Entry) -> "Text":
    head = json.dumps([_MESSAGE, entry.numbers[0], entry.samples, entry.topic])
    return head[:-1].encode(), b", ", entry.payload, b"]"


def _kind(body: bytes) -> str:
    """What a record is; its number follows: ["s", 12, ..."""
    return body[2:3].decode()


def _number_in(body: bytes) -> int:
    """The number of a sample or message; 0 in marks."""
    if _kind(body) in (_ACKS, _DROPS):
        return 0
    end = body.find(b",", 6)
    return int(body[6:end])


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


def _fitting(rows: "list[Waiting]", most_bytes: int) -> int:
    """How many samples fit into one reading; one does in any case."""
    size = 0
    for count, (_, body) in enumerate(rows):
        size += len(body) + 2
        if size > most_bytes and count:
            return count
    return len(rows)
