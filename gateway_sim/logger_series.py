"""The rows of each sensor in time: order, repeats, gaps and restarts, with every row and value in exactly one count."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

ROW_ENDS = ("used", "aside", "repeated", "missing", "ignored")  # a row's end is the first of these that part of it has
VALUE_ENDS = ("kept", "missing", "aside", "repeated")
PASSES = 2  # of the local hour that is repeated when summer time ends

Values = dict[str, float | None]


class Sensor(NamedTuple):
    """Whose sample it is."""

    gateway_id: str
    sensor_id: str
    zone_id: str | None


class Sample(NamedTuple):
    """One sensor at one time (Unix s), all its quantities; `boot` counts a logger's starts, `seq` its samples."""

    boot: int
    seq: int
    measured_at: int
    values: Values


class Aside(NamedTuple):
    """What could not be mapped: a value, or with `quantity` None all that a row had for a sensor."""

    line: int
    sensor_id: str | None
    quantity: str | None
    kind: str
    reason: str


class Moment(NamedTuple):
    """A time by the logger's clock, and the one or two times (Unix s) that it can be."""

    local: datetime
    passes: tuple[int, ...]


@dataclass(slots=True)
class Entry:
    """What one row says of one sensor."""

    line: int
    sensor: Sensor
    moment: Moment
    counter: int | None
    cells: tuple[tuple[str, float | None], ...]


@dataclass
class Course:
    """How one sensor's rows went: by time, not by value."""

    times: dict[int, datetime] = field(default_factory=dict)
    repeated_hours: Counter[str] = field(default_factory=Counter)
    out_of_order: int = 0
    latest_s: int = 0
    resets: list[tuple[int, int, int]] = field(default_factory=list)  # line, time before, time after


class Ledger:
    """Keeps the counts, so that they add up by themselves or not at all."""

    def __init__(self) -> None:
        self.rows_read = 0
        self.aside: list[Aside] = []
        self.repeated_lines: list[int] = []
        self.values_read: Counter[tuple[str, str]] = Counter()
        self.values: Counter[tuple[str, str, str]] = Counter()
        self._ends: dict[int, int] = {}

    def end(self, line: int, name: str) -> None:
        """Part of a row ended so."""
        rank = ROW_ENDS.index(name)
        self._ends[line] = min(rank, self._ends.get(line, rank))

    def put_aside(self, line: int, sensor: Sensor | None, quantities: list[str], why: tuple[str, str]) -> None:
        """Keep all of a sensor's part of a row aside, or one value of it."""
        one = quantities[0] if len(quantities) == 1 else None
        self.aside.append(Aside(line, sensor.sensor_id if sensor else None, one, *why))
        self.count(sensor, quantities, "aside")
        self.end(line, "aside")

    def count(self, sensor: Sensor | None, quantities: list[str], end: str) -> None:
        if sensor:
            self.values.update((sensor.sensor_id, quantity, end) for quantity in quantities)

    def rows(self) -> dict[str, int]:
        """Rows by their end; they add up to `rows_read`."""
        counts = Counter(ROW_ENDS[rank] for rank in self._ends.values())
        return {name: counts[name] for name in ROW_ENDS}

    def adds_up(self) -> bool:
        """True if every row read has an end, and every value read exactly one."""
        ends: Counter[tuple[str, str]] = Counter()
        for (sensor_id, quantity, _), count in self.values.items():
            ends[sensor_id, quantity] += count
        return sum(self.rows().values()) == self.rows_read and ends == self.values_read


class Placer:
    """Entries into samples: each series has its own order, repeats and restarts."""

    def __init__(self, reorder_within_s: int, ledger: Ledger) -> None:
        self._reorder_within_s = reorder_within_s
        self._ledger = ledger
        self._series: dict[tuple[Sensor, str], _Series] = {}
        self._values: dict[Sensor, dict[tuple[int, int], Values]] = defaultdict(dict)
        self.courses: dict[Sensor, Course] = defaultdict(Course)

    def take(self, group: str, entry: Entry) -> None:
        key = (entry.sensor, group)
        if key not in self._series:
            self._series[key] = _Series(self._reorder_within_s, self._ledger, self.courses[entry.sensor], self._keep)
        self._series[key].take(entry)

    def samples(self) -> dict[Sensor, list[Sample]]:
        """By sensor, in order of boot and time, numbered; a sample of nulls only is none."""
        for series in self._series.values():
            series.settle()
        return {
            sensor: _numbered(by_time) for sensor, by_time in sorted(self._values.items(), key=lambda pair: pair[0][1])
        }

    def _keep(self, entry: Entry, boot: int, at: int) -> None:
        for quantity, value in entry.cells:
            self._values[entry.sensor].setdefault((boot, at), {})[quantity] = value
            self._ledger.end(entry.line, "missing" if value is None else "used")
            if value is None:
                self._ledger.count(entry.sensor, [quantity], "missing")


def _numbered(by_time: dict[tuple[int, int], Values]) -> list[Sample]:
    samples: list[Sample] = []
    for (boot, at), values in sorted(by_time.items()):
        if any(value is not None for value in values.values()):
            seq = samples[-1].seq + 1 if samples and samples[-1].boot == boot else 1
            samples.append(Sample(boot, seq, at, values))
    return samples


class _Series:
    """The rows of one sensor (and variable) in the order of the file."""

    def __init__(
        self, reorder_within_s: int, ledger: Ledger, course: Course, keep: Callable[[Entry, int, int], None]
    ) -> None:
        self._reorder_within_s, self._ledger, self._course, self._keep = reorder_within_s, ledger, course, keep
        self._pending: list[Entry] = []  # a run of rows in an hour that passes twice
        self._boot = 1
        self._newest: Entry | None = None
        self._newest_at = 0
        self._entries: dict[int, Entry] = {}  # by time, of this boot
        self._counters: dict[int, int] = {}
        self._whole: set[tuple[int, int | None, object]] = set()  # of every boot: a file read out twice

    def take(self, entry: Entry) -> None:
        if len(entry.moment.passes) == PASSES:
            self._pending.append(entry)
            return
        if self._pending:
            self.settle()
        self._place(entry, entry.moment.passes[0])

    def settle(self) -> None:
        """Tell the passes of a repeated local hour apart by order; of more rows than passes the first holds."""
        groups: dict[datetime, list[Entry]] = defaultdict(list)
        for entry in self._pending:
            groups[entry.moment.local].append(entry)
        latest = datetime.min
        for entry in self._pending:
            group = groups[entry.moment.local]
            if entry is not group[0]:
                self._course.repeated_hours["told_apart" if len(group) == PASSES else "not_told_apart"] += 1
            if len(group) > PASSES and entry is not group[0]:
                self._refuse_repeat(entry, group)
            else:
                second = entry is not group[0] or (len(group) == 1 and entry.moment.local < latest)
                self._place(entry, entry.moment.passes[second])
            latest = max(latest, entry.moment.local)
        self._pending = []

    def _refuse_repeat(self, entry: Entry, group: list[Entry]) -> None:
        if entry.cells == group[0].cells:
            self._repeat(entry)
            return
        why = f"{entry.moment.local} stands {len(group)} times and the hour passes twice; line {group[0].line} is kept"
        self._conflict(entry, ("repeated hour", why))

    def _place(self, entry: Entry, at: int) -> None:
        mark = (at, entry.counter, entry.cells)
        if mark in self._whole and entry.cells:
            self._repeat(entry)
            return
        if self._clashes(entry, at, entry.counter):
            return
        if self._is_reset(entry, at):
            self._restart(entry, at)
        if self._clashes(entry, at, None):
            return
        self._note(entry, at)
        self._whole.add(mark)
        self._keep(entry, self._boot, at)

    def _clashes(self, entry: Entry, at: int, counter: int | None) -> bool:
        """True, and the entry aside, if an earlier one has the time (and the counter, if one is given)."""
        first = self._entries.get(at)
        if first is None or (counter is not None and counter != first.counter):
            return False
        self._conflict(entry, ("conflicting repeat", f"other values than line {first.line} at the same time"))
        return True

    def _is_reset(self, entry: Entry, at: int) -> bool:
        """A logger starts anew: its counter does, or its clock falls back further than rows get out of order."""
        newest, counter = self._newest, entry.counter
        if newest is None:
            return False
        if counter is None or newest.counter is None:
            return at < self._newest_at - self._reorder_within_s
        if counter > newest.counter:
            return at < self._newest_at  # it counted on, so its clock was set back
        return at > self._newest_at or self._counters.get(counter, at) != at

    def _restart(self, entry: Entry, at: int) -> None:
        self._course.resets.append((entry.line, self._newest_at, at))
        self._boot += 1
        self._newest, self._counters = None, {}
        if entry.counter is not None:  # without one, a time that stands again is no proof of another measurement
            self._entries = {}

    def _note(self, entry: Entry, at: int) -> None:
        if self._newest is not None and at < self._newest_at:
            self._course.out_of_order += 1
            self._course.latest_s = max(self._course.latest_s, self._newest_at - at)
        else:
            self._newest, self._newest_at = entry, at
        if entry.cells:
            self._entries[at] = entry
        self._course.times[at] = entry.moment.local
        if entry.counter is not None:
            self._counters[entry.counter] = at

    def _repeat(self, entry: Entry) -> None:
        self._ledger.count(entry.sensor, [quantity for quantity, _ in entry.cells], "repeated")
        self._ledger.repeated_lines.append(entry.line)
        self._ledger.end(entry.line, "repeated")

    def _conflict(self, entry: Entry, why: tuple[str, str]) -> None:
        if entry.cells:
            self._ledger.put_aside(entry.line, entry.sensor, [quantity for quantity, _ in entry.cells], why)
