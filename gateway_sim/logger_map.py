"""The map of a logger's file: which column is which quantity of which sensor, read from YAML and checked."""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway_sim import units
from gateway_sim.checked_yaml import REQUIRED, Node, Source, read
from gateway_sim.errors import MapError
from protocol import messages

EPOCHS = {"epoch_s": 1, "epoch_ms": 1000}  # formats that need no timezone -> units a second
REORDER_WITHIN_S = 86400
_FIELD = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class FileFormat:
    """How the text is laid out; `header` is the line of the header row, `skip_after_header` lines after it are none."""

    delimiter: str
    decimal: str
    encoding: str
    header: int
    skip_after_header: int
    newest_first: bool


@dataclass(frozen=True, slots=True)
class TimeRule:
    """Columns joined by a space, read by `format` (strptime's, or one of EPOCHS) in `timezone` (None: in the text)."""

    columns: tuple[str, ...]
    format: str
    timezone: ZoneInfo | None
    clock: str
    interval_s: int | None
    reorder_within_s: int


@dataclass(frozen=True, slots=True)
class Place:
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
    place: Place | None = None

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
    targets: Mapping[str, Target]


@dataclass(frozen=True, slots=True)
class LoggerMap:
    """A whole map. `wide` has a column's Target, or else `long` is given."""

    path: Path
    source: str
    file: FileFormat
    time: TimeRule
    missing: frozenset[str]
    place: Place
    words: Mapping[str, Mapping[str, str]]
    counter: str | None
    wide: Mapping[str, Target]
    long: Long | None
    ignored_columns: tuple[str, ...]
    ignored_rows: Mapping[str, frozenset[str]]

    def columns(self) -> set[str]:
        """Every column that the map speaks of."""
        targets = (self.long.targets if self.long else self.wide).values()
        places = [self.place, *(target.place for target in targets if target.place)]
        named = {*self.time.columns, *self.wide, *self.ignored_columns, *self.ignored_rows}
        named |= {name for place in places for name in place.columns()} | ({self.counter} if self.counter else set())
        if self.long:
            named |= {self.long.value, self.long.variable} | ({self.long.unit} if self.long.unit else set())
        return named

    def fill(self, template: str, row: Mapping[str, str]) -> str:
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
    """Read and check a map. Raises MapError with the first mistake: file, key, value and remedy in one line."""
    root = read(Source(path, "the map", MapError, "docs/replay.md"))
    layout = root.one_of("layout", ("wide", "long"))
    place = _place(root.node("sensor"), None)
    ignored = root.node("ignore", {})
    logger_map = LoggerMap(
        path=path,
        source=root.text("source", ""),
        file=_file(root.node("file", {})),
        time=_time(root.node("time")),
        missing=frozenset(root.words("missing", [""])),
        place=place,
        words=_tables(root.node("words", {})),
        counter=root.text("counter", None),
        wide=_targets(root.node("columns"), place, True) if layout == "wide" else {},
        long=_long(root, place) if layout == "long" else None,
        ignored_columns=tuple(ignored.words("columns", [])),
        ignored_rows={key: frozenset(ignored.node("rows").words(key)) for key in ignored.node("rows", {}).value},
    )
    ignored.end(*ignored.value)
    root.end("sensor", "file", "time", "words", "ignore", "columns", "variables")
    _check_distinct(root, logger_map)
    return logger_map


def _file(node: Node) -> FileFormat:
    decimal = node.one_of("decimal", (".", ","), ".")
    delimiter = node.text("delimiter", ";" if decimal == "," else ",")
    if len(delimiter) != 1 or delimiter in '\r\n"':
        raise node.wrong("delimiter", delimiter, "want one character, such as ',' or ';' or \"\\t\"")
    if delimiter == decimal:
        raise node.wrong(
            "delimiter", delimiter, "the same as the decimal sign; a decimal comma needs another delimiter"
        )
    made = FileFormat(
        delimiter,
        decimal,
        _encoding(node),
        node.number("header", 1, 1),
        node.number("skip_after_header", 0, 0),
        node.one_of("newest_first", (True, False), False),
    )
    node.end()
    return made


def _encoding(node: Node) -> str:
    encoding = node.text("encoding", "utf-8")
    try:
        found = codecs.lookup(encoding).name
    except LookupError as error:
        raise node.wrong("encoding", encoding, "no such encoding; try utf-8, cp1252 or utf-16") from error
    return "utf-8-sig" if found == "utf-8" else found  # a byte order mark is no part of the first column's name


def _time(node: Node) -> TimeRule:
    pattern = node.text("format")
    if pattern not in EPOCHS and "%" not in pattern:
        raise node.wrong("format", pattern, f"want a pattern as '%Y-%m-%d %H:%M', or {' or '.join(EPOCHS)}")
    interval_s = node.number("interval_s", 1, None)
    rule = TimeRule(
        tuple(node.words("columns")),
        pattern,
        _timezone(node, pattern),
        node.one_of("clock", messages.CLOCKS, "synced"),
        interval_s,
        node.number("reorder_within_s", 0, REORDER_WITHIN_S),
    )
    node.end()
    return rule


def _timezone(node: Node, pattern: str) -> ZoneInfo | None:
    if pattern in EPOCHS or "%z" in pattern:
        if "timezone" in node.value:
            raise node.wrong("timezone", node.value["timezone"], f"leave it out: {pattern!r} already says it")
        return None
    return ZoneInfo(node.timezone("timezone"))


def _place(node: Node, default: Place | None) -> Place:
    values = {name: node.text(name, getattr(default, name) if default else REQUIRED) for name in ("gateway", "sensor")}
    zone = node.text("zone", default.zone if default else None)
    if default is None:
        node.end()
    return Place(values["gateway"], values["sensor"], zone)


def _tables(node: Node) -> dict[str, dict[str, str]]:
    return {column: {key: node.node(column).words(key)[0] for key in node.node(column).value} for column in node.value}


def _long(root: Node, place: Place) -> Long:
    unit = root.text("unit", None)
    return Long(root.text("value"), root.text("variable"), unit, _targets(root.node("variables"), place, unit is None))


def _targets(node: Node, place: Place, with_unit: bool) -> dict[str, Target]:
    if not node.value:
        raise node.wrong("", {}, "maps nothing; name a column or variable and its quantity")
    return {name: _target(node.node(name), place, with_unit) for name in node.value}


def _target(node: Node, place: Place, with_unit: bool) -> Target:
    quantity = node.one_of("quantity", tuple(units.BASES))
    unit = node.text("unit") if with_unit else None
    if not with_unit and "unit" in node.value:
        raise node.wrong("unit", node.value["unit"], "leave it out: the map's `unit` column says it row by row")
    own = _place(node, place) if {"gateway", "sensor", "zone"} & set(node.value) else None
    target = Target(quantity, unit, node.number("area_m2", 1e-6, None, float), own)
    node.end("gateway", "sensor", "zone")
    if target.area_m2 and quantity != "volume_l":
        raise node.wrong("area_m2", target.area_m2, "leave it out: only a volume_l is made of a depth and an area")
    if unit is not None and target.conversion(unit) is None:
        known = units.known(quantity)
        raise node.wrong("unit", unit, f"{quantity} can be read from {', '.join(known)}; write one of them")
    return target


def _check_distinct(root: Node, logger_map: LoggerMap) -> None:
    taken: dict[tuple[Place, str], str] = {}
    for column, target in logger_map.wide.items():
        key = (target.place or logger_map.place, target.quantity)
        if key in taken:
            remedy = f"{taken[key]!r} gives the same quantity of the same sensor; give one another `sensor`"
            raise root.wrong(f"columns.{column}", target.quantity, remedy)
        taken[key] = column
    both = set(logger_map.ignored_columns) & (set(logger_map.wide) | set(logger_map.time.columns))
    if both:
        raise root.wrong("ignore.columns", min(both), "mapped and ignored; say one of both")
