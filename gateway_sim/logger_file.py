"""A real logger's table into samples, by its map: what fits becomes samples, the rest is counted and kept aside.

Nothing is invented and nothing vanishes: every row, and every value of a known sensor, ends in exactly one count.
"""

import csv
import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path

from gateway_sim import units
from gateway_sim.errors import LoggerFileError, SimError
from gateway_sim.logger_map import EPOCHS, LoggerMap, SensorPlace, Target, TimeRule
from gateway_sim.logger_series import Aside, Course, Entry, Ledger, Moment, Placer, Sample, Sensor
from protocol import messages, topics

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_EPOCH = datetime(1970, 1, 1)


class _UnmappableError(SimError):
    """A row or value that cannot be mapped: `(kind, reason)`."""


@dataclass(kw_only=True)
class Recording:
    """A file as samples, by sensor and then by time, and what became of the rest."""

    path: Path
    sha256: str
    logger_map: LoggerMap
    samples: dict[Sensor, list[Sample]]
    courses: dict[Sensor, Course]
    ledger: Ledger


def read(path: Path, logger_map: LoggerMap) -> Recording:
    """Read a whole file. Raises LoggerFileError."""
    header, rows = open_rows(path, logger_map)
    ledger = Ledger()
    parser = _Parser(path, logger_map, header, ledger)
    placer = Placer(logger_map.time.reorder_within_s, ledger)
    for line, row in rows:
        ledger.rows_read += 1
        for group, entry in parser.entries(line, row):
            placer.take(group, entry)
    samples = placer.samples()
    for sensor, entries in samples.items():
        for sample in entries:
            ledger.count(sensor, [name for name, value in sample.values.items() if value is not None], "kept")
    digest = hashlib.sha256(path.read_bytes() + logger_map.path.read_bytes()).hexdigest()
    return Recording(
        path=path, sha256=digest, logger_map=logger_map, samples=samples, courses=placer.courses, ledger=ledger
    )


def open_rows(path: Path, logger_map: LoggerMap) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The header, and every row that is not blank with its line. Raises LoggerFileError, also while it is read."""
    rows = _lines(path, logger_map)
    for line, row in rows:
        if line >= logger_map.file.header:
            header = [name.strip() for name in row]
            break
    else:
        raise LoggerFileError(f"{path}: no header row at line {logger_map.file.header}; see `file.header` in the map")
    data = (pair for pair in rows if pair[0] > logger_map.file.header + logger_map.file.skip_after_header)
    return header, (iter(list(data)[::-1]) if logger_map.file.newest_first else data)


def _lines(path: Path, logger_map: LoggerMap) -> Iterator[tuple[int, list[str]]]:
    rule = logger_map.file
    try:
        with path.open(newline="", encoding=rule.encoding) as file:
            reader = csv.reader(file, delimiter=rule.delimiter, strict=False)
            for row in reader:
                if row and (len(row) > 1 or row[0].strip()):
                    yield reader.line_num, row
    except (OSError, UnicodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else f"{error}; see `file` in {logger_map.path}"
        raise LoggerFileError(f"{path}: cannot be read: {why}") from error


class _Parser:
    """Rows into entries: sensor, time and values, each row by itself."""

    def __init__(self, path: Path, logger_map: LoggerMap, header: list[str], ledger: Ledger) -> None:
        self._map, self._header, self._ledger = logger_map, header, ledger
        _check_header(path, logger_map, header)
        self._sensors: dict[tuple[SensorPlace, tuple[str, ...]], Sensor] = {}
        self._zones: dict[str, str | None] = {}
        self._moments: dict[str, Moment] = {}
        self._sentinels = {number for word in logger_map.missing if (number := _plain(word)) is not None}
        self._places: dict[SensorPlace, list[tuple[str, Target]]] = defaultdict(list)
        for column, target in logger_map.wide.items():
            self._places[target.place or logger_map.place].append((column, target))

    def entries(self, line: int, row: list[str]) -> Iterator[tuple[str, Entry]]:
        """`(group, entry)`: rows of the same sensor and group are one series in time."""
        if [text.strip() for text in row] == self._header:  # files that were put together
            return self._ledger.end(line, "ignored")
        if len(row) != len(self._header):
            why = f"{len(row)} columns, the header has {len(self._header)}"
            return self._ledger.put_aside(line, None, [], ("wrong row", why))
        cells = {name: text.strip() for name, text in zip(self._header, row, strict=True)}
        if any(cells[column] in words for column, words in self._map.ignored_rows.items()):
            return self._ledger.end(line, "ignored")
        yield from self._long(line, cells) if self._map.long else self._wide(line, cells)

    def _long(self, line: int, cells: dict[str, str]) -> Iterator[tuple[str, Entry]]:
        rule = self._map.long
        assert rule is not None
        name = cells[rule.variable]
        target = rule.targets.get(name)
        if target is None:
            why = ("unknown variable", f"{rule.variable} {name!r}; known: {', '.join(rule.targets)}")
            return self._ledger.put_aside(line, None, [], why)
        unit = cells[rule.unit] if rule.unit else None
        yield from self._entry(
            line, cells, target.place or self._map.place, [(rule.value, target)], unit, target.quantity
        )

    def _wide(self, line: int, cells: dict[str, str]) -> Iterator[tuple[str, Entry]]:
        for place, columns in self._places.items():
            yield from self._entry(line, cells, place, columns, None, "")

    def _entry(  # noqa: PLR0913, PLR0917  # a row's share for one sensor
        self,
        line: int,
        cells: dict[str, str],
        place: SensorPlace,
        columns: list[tuple[str, Target]],
        unit: str | None,
        group: str,
    ) -> Iterator[tuple[str, Entry]]:
        quantities = [target.quantity for _, target in columns]
        sensor = None
        try:
            sensor = self._sensor(place, cells)
            self._ledger.values_read.update((sensor.sensor_id, quantity) for quantity in quantities)
            moment = self._moment(cells)
            counter = self._counter(cells)
        except _UnmappableError as error:
            return self._ledger.put_aside(line, sensor, quantities if sensor else [], error.args)
        values = []
        for column, target in columns:
            try:
                values.append((target.quantity, self._value(cells[column], target, unit)))
            except _UnmappableError as error:
                self._ledger.put_aside(line, sensor, [target.quantity], error.args)
        yield group, Entry(line, sensor, moment, counter, tuple(values))

    def _sensor(self, place: SensorPlace, cells: dict[str, str]) -> Sensor:
        key = (place, tuple(cells[name] for name in sorted(place.columns())))
        if key not in self._sensors:
            self._sensors[key] = self._named(place, cells)
        return self._sensors[key]

    def _named(self, place: SensorPlace, cells: dict[str, str]) -> Sensor:
        try:
            gateway_id, sensor = self._map.fill(place.gateway, cells), self._map.fill(place.sensor, cells)
            zone_id = self._map.fill(place.zone, cells) if place.zone else None
        except KeyError as error:
            column, word = error.args
            words = ", ".join(self._map.words[column])
            raise _UnmappableError("unknown sensor", f"{column} {word!r}; known: {words}") from error
        for word in (gateway_id, sensor, zone_id):
            if word is not None and not topics.is_word(word):
                raise _UnmappableError("unknown sensor", f"{word!r} is no name: letters, digits, '_' and '-' only")
        sensor_id = f"{gateway_id}.{sensor}"
        zone = self._zones.setdefault(sensor_id, zone_id)
        if zone != zone_id:
            remedy = "give each its own sensor"
            raise _UnmappableError("unknown sensor", f"{sensor_id} stands in zones {zone} and {zone_id}; {remedy}")
        return Sensor(gateway_id, sensor_id, zone_id)

    def _moment(self, cells: dict[str, str]) -> Moment:
        text = " ".join(cells[column] for column in self._map.time.columns)
        moment = self._moments.get(text)
        if moment is None:
            moment = self._moments[text] = _moment(text, self._map.time)
        return moment

    def _counter(self, cells: dict[str, str]) -> int | None:
        if self._map.counter is None:
            return None
        number = _plain(cells[self._map.counter])
        if number is None:
            raise _UnmappableError("bad counter", f"{self._map.counter} {cells[self._map.counter]!r} is no number")
        return int(number)

    def _value(self, text: str, target: Target, unit: str | None) -> float | None:
        if text in self._map.missing:
            return None
        number = self._number(text)
        if number in self._sentinels:
            return None
        name = unit if target.unit is None else target.unit
        rule = target.conversion(name or "")
        if rule is None:
            unit_names = ", ".join(units.known(target.quantity))
            raise _UnmappableError("unknown unit", f"{name!r} is no unit of {target.quantity}; known: {unit_names}")
        value = units.convert(number, *rule)
        least, most = messages.QUANTITIES[target.quantity]
        if not least <= value <= most:
            what = f"{target.quantity} of {value:g} from {text!r} in {name}"
            raise _UnmappableError("out of range", f"{what}; it can be {least:g} to {most:g}: wrong unit?")
        return value

    def _number(self, text: str) -> float:
        sign = self._map.file.decimal
        number = None if sign == "," and "." in text else _plain(text.replace(sign, "."))
        if number is None:
            raise _UnmappableError("bad number", f"{text!r} is no number; a word for a missing value goes to `missing`")
        return number


def _check_header(path: Path, logger_map: LoggerMap, header: list[str]) -> None:
    for name, count in Counter(header).items():
        if count > 1:
            raise LoggerFileError(f"{path}: column {name!r} stands {count} times; rename one in the file's header")
    for name in sorted(logger_map.columns()):
        if name not in header:
            near = get_close_matches(name, header, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"found: {', '.join(header)}"
            raise LoggerFileError(f"{path}: no column {name!r}, which {logger_map.path} maps; {hint}")
    for name in header:
        if name not in logger_map.columns():
            remedy = "map it, or list it under ignore.columns"
            raise LoggerFileError(f"{path}: column {name!r} is not in {logger_map.path}; {remedy}")


def _plain(text: str) -> float | None:
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    return value if math.isfinite(value) else None


def _moment(text: str, rule: TimeRule) -> Moment:
    local, passes = _epoch(text, EPOCHS[rule.format]) if rule.format in EPOCHS else _local(text, rule)
    if not all(messages.EARLIEST <= at < messages.LATEST for at in passes):
        raise _UnmappableError("bad time", f"{text!r} is not in 2015 to 2099; the logger's clock was not set")
    return Moment(local, passes)


def _epoch(text: str, units_a_second: int) -> tuple[datetime, tuple[int]]:
    number = _plain(text)
    if number is None or not 0 <= number / units_a_second < messages.LATEST:
        raise _UnmappableError("bad time", f"{text!r} is no time in seconds (or ms) since 1970")
    at = int(number // units_a_second)
    return _EPOCH + timedelta(seconds=at), (at,)


def _local(text: str, rule: TimeRule) -> tuple[datetime, tuple[int, ...]]:
    try:
        local = datetime.strptime(text, rule.format)
        first, second = (
            math.floor(local.replace(tzinfo=local.tzinfo or rule.timezone, fold=fold).timestamp()) for fold in (0, 1)
        )
    except (ValueError, OverflowError) as error:
        raise _UnmappableError("bad time", f"{text!r} is no time as {rule.format!r}") from error
    if second < first:
        raise _UnmappableError("bad time", f"{text!r} does not exist in {rule.timezone}: clocks go forward over it")
    return local.replace(tzinfo=None), (first,) if first == second else (first, second)


def write_aside(recording: Recording, path: Path) -> None:
    """Write what was kept aside: line, sensor, quantity, reason, and the row as it stands in the file."""
    by_line: dict[int, list[Aside]] = defaultdict(list)
    for aside in recording.ledger.aside:
        by_line[aside.line].append(aside)
    header, rows = open_rows(recording.path, recording.logger_map)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["line", "sensor_id", "quantity", "kind", "reason", *header])
        for line, row in rows:
            for aside in by_line.get(line, ()):
                writer.writerow([*aside, *row])


def show(at: int, rule: TimeRule) -> str:
    """A time (Unix s) as the logger's place has it, with its offset from UTC."""
    return datetime.fromtimestamp(at, rule.timezone or UTC).isoformat(timespec="minutes" if at % 60 == 0 else "seconds")
