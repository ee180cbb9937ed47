"""The map of a logger's file: which column is which quantity of which sensor, read from YAML and checked."""

import codecs
import re
from collections.abc import Mapping as Table
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from checked_yaml import checks, mapping
from checked_yaml.errors import CheckedYamlError
from checked_yaml.mapping import REQUIRED, Mapping
from gateway_sim import units
from gateway_sim.errors import MapError
from protocol import messages

EPOCHS = {"epoch_s": 1, "epoch_ms": 1000}  # formats that need no timezone -> units a second
REORDER_WITHIN_S = 86400
_FIELD = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat:
    """How the text is laid out; `header` is the line of the header row, `skip_after_header` lines after it are none."""

    delimiter: str
    decimal: str
    encoding: str
    header: int
    skip_after_header: int
    newest_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRule:
    """Columns joined by a space, read by `format` (strptime's, or one of EPOCHS) in `timezone` (None: in the text)."""

    columns: tuple[str, ...]
    format: str
    timezone: ZoneInfo | None
    clock: str
    interval_s: int | None
    reorder_within_s: int


@dataclass(frozen=True, slots=True)
class SensorPlace:
    """Templates of a sensor: `{Column}` stands for that column's value, by way of the map's `words`."""

    gateway: str
    sensor: str
    zone: str | None

    def columns(self) -> set[str]:
        return {name for text in (self.gateway, self.sensor, self.zone or "") for name in _FIELD.findall(text)}


@dataclass(frozen=True, slots=True)
class Target:
    """What a value becomes. `unit` None: a column of the row says it; `area_m2` makes litres of a depth."""

    quantity: str
    unit: str | None
    area_m2: float | None
    place: SensorPlace | None = None

    def conversion(self, unit: str) -> tuple[float, float] | None:
        """Factor and offset from `unit`; None if the quantity is not measured in it."""
        depth = units.CONVERSIONS["mm"].get(units.ALIASES.get(unit, unit))
        if self.area_m2 and depth:
            return depth[0] * self.area_m2, 0.0  # 1 mm on 1 m2 is 1 litre
        return units.conversion(self.quantity, unit)


@dataclass(frozen=True, slots=True)
class Long:
    """One value a row: its column, the column that names the variable, the one that names the unit."""

    value: str
    variable: str
    unit: str | None
    targets: Table[str, Target]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggerMap:
    """A whole map. `wide` has a column's Target, or else `long` is given."""

    path: Path
    source: str
    file: FileFormat
    time: TimeRule
    missing: frozenset[str]
    place: SensorPlace
    words: Table[str, Table[str, str]]
    counter: str | None
    wide: Table[str, Target]
    long: Long | None
    ignored_columns: tuple[str, ...]
    ignored_rows: Table[str, frozenset[str]]

    def columns(self) -> set[str]:
        """Every column that the map speaks of."""
        targets = (self.long.targets if self.long else self.wide).values()
        places = [self.place, *(target.place for target in targets if target.place)]
        columns = {*self.time.columns, *self.wide, *self.ignored_columns, *self.ignored_rows}
        columns |= {name for place in places for name in place.columns()} | ({self.counter} if self.counter else set())
        if self.long:
            columns |= {self.long.value, self.long.variable} | ({self.long.unit} if self.long.unit else set())
        return columns

    def fill(self, template: str, row: Table[str, str]) -> str:
        """A template with the row's values. Raises KeyError(column, value) for a value that `words` does not know."""

        def word(match: re.Match[str]) -> str:
            column = match[1]
            if column not in self.words:
                return row[column]
            if row[column] not in self.words[column]:
                raise KeyError(column, row[column])
            return self.words[column][row[column]]

        return _FIELD.sub(word, template)


def load(path: Path) -> LoggerMap:
    """Read and check a map. Raises MapError with every mistake, a line each: file, line, key, value and remedy."""
    try:
        return _map(mapping.root(path, "docs/replay.md", "the map"))
    except CheckedYamlError as error:
        raise MapError(str(error)) from error


def _map(root: Mapping) -> LoggerMap:
    layout = root.take("layout", checks.one_of(("wide", "long")))
    place = _place(root.inner("sensor"))
    ignored_columns, ignored_rows = _ignored(root.inner("ignore", required=False))
    logger_map = LoggerMap(
        path=root.mistakes.path,
        source=root.take("source", checks.text, ""),
        file=_file(root.inner("file", required=False)),
        time=_time(root.inner("time")),
        missing=frozenset(_words(root, "missing", [""])),
        place=place,
        words=_tables(root.inner("words", required=False)),
        counter=root.take("counter", checks.text, None),
        wide=_targets(root.inner("columns"), place, True) if layout == "wide" else {},
        long=_long(root, place) if layout == "long" else None,
        ignored_columns=ignored_columns,
        ignored_rows=ignored_rows,
    )
    root.end("columns", "variables", *(() if layout else ("value", "variable", "unit")))
    root.mistakes.raise_if_any()
    _check_distinct(root, logger_map)
    root.mistakes.raise_if_any()
    return logger_map


def _words(node: Mapping, name: str, default: Any = REQUIRED) -> list[str]:
    """One text or a list of them."""
    entries = node.take(name, checks.each(checks.scalar), default)
    return [] if entries is None else [str(entry) for entry in checks.as_list(entries)]


def _ignored(node: Mapping) -> tuple[tuple[str, ...], dict[str, frozenset[str]]]:
    """Columns, and rows by the values of a column, that are left out deliberately."""
    rows = node.inner("rows", required=False)
    columns = tuple(_words(node, "columns", []))
    node.end()
    return columns, {key: frozenset(_words(rows, key, [])) for key in rows}


def _file(node: Mapping) -> FileFormat:
    decimal = node.take("decimal", checks.one_of((".", ",")), ".")
    delimiter = node.take("delimiter", _delimiter, ";" if decimal == "," else ",")
    if node.good("delimiter", "decimal") and delimiter == decimal:
        node.wrong("delimiter", "the same as the decimal sign; a decimal comma needs another delimiter")
    layout = FileFormat(
        delimiter=delimiter,
        decimal=decimal,
        encoding=_codec(node.take("encoding", _encoding, "utf-8")),
        header=node.take("header", checks.whole_number(1), 1),
        skip_after_header=node.take("skip_after_header", checks.whole_number(0), 0),
        newest_first=node.take("newest_first", checks.one_of((True, False)), False),
    )
    node.end()
    return layout


def _delimiter(value: Any) -> str | None:
    is_good = isinstance(value, str) and len(value) == 1 and value not in '\r\n"'
    return None if is_good else "want one character, such as ',' or ';' or \"\\t\""


def _encoding(value: Any) -> str | None:
    try:
        codecs.lookup(value)
    except (LookupError, TypeError):
        return "no such encoding; try utf-8, cp1252 or utf-16"
    return None


def _codec(encoding: str) -> str:
    name = codecs.lookup(encoding).name
    return "utf-8-sig" if name == "utf-8" else name  # a byte order mark is no part of the first column's name


def _time(node: Mapping) -> TimeRule:
    pattern = node.take("format", _pattern)
    rule = TimeRule(
        columns=tuple(_words(node, "columns")),
        format=pattern,
        timezone=_timezone(node, pattern) if pattern else None,
        clock=node.take("clock", checks.one_of(messages.CLOCKS), "synced"),
        interval_s=node.take("interval_s", checks.whole_number(1), None),
        reorder_within_s=node.take("reorder_within_s", checks.whole_number(0), REORDER_WITHIN_S),
    )
    node.end("timezone")
    return rule


def _pattern(value: Any) -> str | None:
    if not isinstance(value, str) or (value not in EPOCHS and "%" not in value):
        return f"want a pattern as '%Y-%m-%d %H:%M', or {' or '.join(EPOCHS)}"
    try:
        datetime.strptime("", value)
    except re.error:
        return "has the same part of a time twice; leave one"
    except ValueError:  # which a text that is no time at all always is
        pass
    return None


def _timezone(node: Mapping, pattern: str) -> ZoneInfo | None:
    if pattern in EPOCHS or "%z" in pattern:
        if "timezone" in node:
            node.wrong("timezone", f"leave it out: {pattern!r} already says it")
        return None
    name = node.take("timezone", checks.timezone)
    return ZoneInfo(name) if name else None


def _place(node: Mapping, default: SensorPlace | None = None) -> SensorPlace:
    """Where a sensor stands; what a column does not say itself is the map's own `default`."""
    gateway, sensor = (
        node.take(name, checks.text, getattr(default, name) if default else REQUIRED) for name in ("gateway", "sensor")
    )
    zone = node.take("zone", checks.text, default.zone if default else None)
    if default is None:
        node.end()
    return SensorPlace(gateway or "", sensor or "", zone)


def _tables(node: Mapping) -> dict[str, dict[str, str]]:
    tables = {column: node.inner(column) for column in node}
    return {column: {key: (_words(table, key, []) or [""])[0] for key in table} for column, table in tables.items()}


def _long(root: Mapping, place: SensorPlace) -> Long:
    unit = root.take("unit", checks.text, None)
    value, variable = root.take("value", checks.text), root.take("variable", checks.text)
    return Long(value, variable, unit, _targets(root.inner("variables"), place, unit is None))


def _targets(node: Mapping, place: SensorPlace, with_unit: bool) -> dict[str, Target]:
    if node.good() and not list(node):
        node.wrong("", "maps nothing; name a column or variable and its quantity", {})
    return {name: _target(node.inner(name), place, with_unit) for name in node}


def _target(node: Mapping, place: SensorPlace, with_unit: bool) -> Target:
    quantity = node.take("quantity", checks.one_of(tuple(units.BASES)))
    unit = node.take("unit", checks.text) if with_unit else None
    if not with_unit and "unit" in node:
        node.wrong("unit", "leave it out: the map's `unit` column says it row by row")
    own_place = _place(node, place) if {"gateway", "sensor", "zone"} & set(node) else None
    target = Target(quantity, unit, node.take("area_m2", checks.number(1e-6), None), own_place)
    node.end("quantity", "unit", "area_m2", "gateway", "sensor", "zone")
    if target.area_m2 and quantity and quantity != "volume_l":
        node.wrong("area_m2", "leave it out: only a volume_l is made of a depth and an area")
    if unit and quantity and target.conversion(unit) is None:
        node.wrong("unit", f"{quantity} can be read from {', '.join(units.known(quantity))}; write one of them")
    return target


def _check_distinct(root: Mapping, logger_map: LoggerMap) -> None:
    columns: dict[tuple[SensorPlace, str], str] = {}
    for column, target in logger_map.wide.items():
        key = (target.place or logger_map.place, target.quantity)
        if key in columns:
            remedy = f"{columns[key]!r} gives the same quantity of the same sensor; give one another `sensor`"
            root.inner("columns").wrong(column, remedy, target.quantity)
        columns[key] = column
    both = set(logger_map.ignored_columns) & (set(logger_map.wide) | set(logger_map.time.columns))
    if both:
        root.inner("ignore").wrong("columns", "mapped and ignored; say one of both", min(both))
