"""The map of a logger's file: which column is which quantity of which sensor, read from YAML and checked."""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from gateway_sim import units
from gateway_sim.errors import MapError
from protocol import messages

EPOCHS = {"epoch_s": 1, "epoch_ms": 1000}  # formats that need no timezone -> units a second
REORDER_WITHIN_S = 86400
_FIELD = re.compile(r"\{([^{}]+)\}")
_REQUIRED: Any = object()


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
    root = _Node(path, "", _read(path))
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


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML would take the last without a word."""


def _unique(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for index, key in enumerate(keys):
        if key in keys[:index]:
            raise yaml.MarkedYAMLError(problem=f"{key!r} stands twice", problem_mark=node.value[index][0].start_mark)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique)


def _read(path: Path) -> Any:
    try:
        return yaml.load(path.read_bytes(), Loader=_Loader)  # noqa: S506  # a SafeLoader, with stricter keys
    except OSError as error:
        raise MapError(f"{path}: cannot be read: {error.strerror}; give a map's path, as {_example()}") from error
    except (yaml.YAMLError, RecursionError, TypeError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        why = " ".join(str(getattr(error, "problem", None) or error).split())
        raise MapError(f"{path}{line}: not valid YAML: {why}; check keys, indentation and quotes") from error


def _example() -> Path:
    return Path(__file__).parent / "maps" / "drummondville_soil.yaml"


class _Node:
    """One mapping of the file; what is asked for is checked, and `end` refuses what nobody asked for."""

    def __init__(self, path: Path, key: str, value: Any) -> None:
        self._path, self._key = path, key
        self._asked: set[str] = set()
        if not isinstance(value, dict) or not all(isinstance(name, str | int | float) for name in value):
            raise self.wrong("", value, "write keys and values under it, as docs/replay.md shows")
        self.value: dict[str, Any] = {str(name): entry for name, entry in value.items()}

    def wrong(self, name: str, value: Any, remedy: str) -> MapError:
        key = ".".join(part for part in (self._key, name) if part) or "the map"
        shown = repr(value)
        return MapError(f"{self._path}: {key}: {shown if len(shown) <= 60 else shown[:57] + '...'}: {remedy}")

    def get(self, name: str, default: Any = _REQUIRED) -> Any:
        self._asked.add(name)
        if name in self.value:
            return self.value[name]
        if default is _REQUIRED:
            near = get_close_matches(name, self.value, 1)
            raise self.wrong(name, None, f"missing; did you mean it by {near[0]!r}?" if near else "missing; add it")
        return default

    def node(self, name: str, default: Any = _REQUIRED) -> "_Node":
        return _Node(self._path, f"{self._key}.{name}".strip("."), self.get(name, default))

    def text(self, name: str, default: Any = _REQUIRED) -> Any:
        value = self.get(name, default)
        if value is not default and not (isinstance(value, str) and value):
            raise self.wrong(name, value, "want a text; put it in quotes")
        return value

    def words(self, name: str, default: Any = _REQUIRED) -> list[str]:
        value = self.get(name, default)
        entries = value if isinstance(value, list) else [value]
        for entry in entries:
            if isinstance(entry, bool) or not isinstance(entry, str | int | float):
                raise self.wrong(name, entry, "want a list of texts; put each in quotes")
        return [str(entry) for entry in entries]

    def number(self, name: str, least: float, default: Any = _REQUIRED, kind: Any = int) -> Any:
        value = self.get(name, default)
        if value is default:
            return value
        if isinstance(value, bool) or not isinstance(value, (int, kind)) or not value >= least:
            raise self.wrong(name, value, f"want a number of at least {least:g}, without quotes")
        return value

    def one_of(self, name: str, allowed: Any, default: Any = _REQUIRED) -> Any:
        value = self.get(name, default)
        if isinstance(value, list | dict) or value not in allowed:
            near = get_close_matches(str(value), [str(word) for word in allowed], 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(map(str, allowed))}"
            raise self.wrong(name, value, f"not known here; {hint}")
        return value

    def end(self, *more: str) -> None:
        known = self._asked | set(more)
        for name in self.value:
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
                raise self.wrong(name, self.value[name], f"unknown key; {hint}")


def _file(node: _Node) -> FileFormat:
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


def _encoding(node: _Node) -> str:
    encoding = node.text("encoding", "utf-8")
    try:
        found = codecs.lookup(encoding).name
    except LookupError as error:
        raise node.wrong("encoding", encoding, "no such encoding; try utf-8, cp1252 or utf-16") from error
    return "utf-8-sig" if found == "utf-8" else found  # a byte order mark is no part of the first column's name


def _time(node: _Node) -> TimeRule:
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


def _timezone(node: _Node, pattern: str) -> ZoneInfo | None:
    if pattern in EPOCHS or "%z" in pattern:
        if "timezone" in node.value:
            raise node.wrong("timezone", node.value["timezone"], f"leave it out: {pattern!r} already says it")
        return None
    name = node.text("timezone")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        remedy = "no such zone; want an IANA name as America/Toronto, or Etc/GMT+5 for standard time all year"
        raise node.wrong("timezone", name, remedy) from error


def _place(node: _Node, default: Place | None) -> Place:
    values = {name: node.text(name, getattr(default, name) if default else _REQUIRED) for name in ("gateway", "sensor")}
    zone = node.text("zone", default.zone if default else None)
    if default is None:
        node.end()
    return Place(values["gateway"], values["sensor"], zone)


def _tables(node: _Node) -> dict[str, dict[str, str]]:
    return {column: {key: node.node(column).words(key)[0] for key in node.node(column).value} for column in node.value}


def _long(root: _Node, place: Place) -> Long:
    unit = root.text("unit", None)
    return Long(root.text("value"), root.text("variable"), unit, _targets(root.node("variables"), place, unit is None))


def _targets(node: _Node, place: Place, with_unit: bool) -> dict[str, Target]:
    if not node.value:
        raise node.wrong("", {}, "maps nothing; name a column or variable and its quantity")
    return {name: _target(node.node(name), place, with_unit) for name in node.value}


def _target(node: _Node, place: Place, with_unit: bool) -> Target:
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


def _check_distinct(root: _Node, logger_map: LoggerMap) -> None:
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
