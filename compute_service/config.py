"""The zones file of a farm: read, checked in one place, and handed on as frozen dataclasses.

Every mistake of a file is reported at once, each with its line, its zone and field, the value, and the remedy.
"""

import zoneinfo
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from compute_service.errors import ConfigError
from protocol import topics
from protocol.messages import MAX_RUN_S

MIN_RUN_S = 60  # a shorter run fills the pipes and waters nothing


@dataclass(frozen=True, slots=True)
class Probe:
    """A moisture probe at one depth, besides the zone's own."""

    sensor_id: str
    depth_m: float


@dataclass(frozen=True, slots=True)
class Zone:
    """One valve, the soil that it waters and the probe that watches it. Moisture in m3 of water per m3 of soil."""

    zone_id: str
    gateway_id: str
    sensor_id: str
    crop: str
    soil: str
    field_capacity: float
    wilting_point: float
    refill_point: float
    target: float
    root_depth_m: float
    area_m2: float
    application_rate_mm_h: float
    efficiency: float
    max_run_s: int
    cooldown_s: int
    daily_cap_s: int
    max_reading_age_s: int
    timezone: str  # the farm's, an IANA name: the daily cap is counted by its local days
    probes: tuple[Probe, ...] = ()

    @property
    def sensor_ids(self) -> tuple[str, ...]:
        """The zone's own probe, then the others."""
        return (self.sensor_id, *(probe.sensor_id for probe in self.probes))


@dataclass(frozen=True, slots=True)
class Config:
    """A farm and its zones, in the file's order."""

    farm: str
    timezone: str
    zones: tuple[Zone, ...]


def load(path: Path) -> Config:
    """Read a zones file; raises ConfigError with every mistake in it."""
    mistakes = _Mistakes(path)
    farm = _mapping(read_yaml(path), _FARM_FIELDS, "", mistakes)
    zones = [_zone(node, place, mistakes) for place, node in _zone_nodes(farm)]
    _check_duplicates(zones, mistakes)
    mistakes.raise_if_any()
    timezone = str(farm["timezone"].value)
    return Config(str(farm["farm"].value), timezone, tuple(zone.made(timezone) for zone in zones))


def read_yaml(path: Path) -> yaml.Node:
    """The root node of a YAML (or JSON) file; raises ConfigError if the file cannot be read or is not YAML."""
    try:
        root = yaml.compose(path.read_bytes(), Loader=yaml.SafeLoader)
    except OSError as error:
        raise ConfigError(path, [f"{path}: cannot be read: {error.strerror}; give the path of a YAML file"]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(path, [_yaml_mistake(path, error)]) from error
    if root is None:
        raise ConfigError(path, [f"{path}: is empty; docs/compute.md has an example"])
    return root


def _yaml_mistake(path: Path, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f":{mark.line + 1}" if mark else ""
    return f"{path}{line}: not valid YAML: {getattr(error, 'problem', None) or error}; check indentation and quotes"


class _Mistakes:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[tuple[int, str]] = []

    def add(self, node: yaml.Node, place: str, why: str) -> None:
        line = node.start_mark.line + 1
        self.lines.append((line, f"{self.path}:{line}: {place}: {why}"))

    def raise_if_any(self) -> None:
        if self.lines:
            raise ConfigError(self.path, [text for _, text in sorted(self.lines)])


@dataclass(frozen=True, slots=True)
class _Cell:
    node: yaml.Node
    value: Any


@dataclass(frozen=True, slots=True)
class _ZoneCells:
    place: str
    cells: dict[str, _Cell]
    probes: list[dict[str, _Cell]]

    def made(self, timezone: str) -> Zone:
        """The zone, once no mistake was found."""
        row = {name: cell.value for name, cell in self.cells.items()}
        probes = tuple(Probe(**{name: cell.value for name, cell in probe.items()}) for probe in self.probes)
        return Zone(**{**row, "timezone": timezone, "probes": probes})

    def sensors(self) -> list[_Cell]:
        """The cells that name a sensor of this zone."""
        return [row["sensor_id"] for row in (self.cells, *self.probes) if "sensor_id" in row]

    def good(self, *names: str) -> bool:
        return all(name in self.cells for name in names)

    def value(self, name: str) -> Any:
        return self.cells[name].value


Check = Callable[[Any], str | None]


def _measure(least: float, most: float, unit: str, slip: tuple[str, float] | None = None) -> Check:
    """A check for a number of `unit`; `slip` is the unit that people write by mistake, and its factor."""

    def check(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return f"want a number of {unit} from {least:g} to {most:g}, without quotes"
        if least <= value <= most:
            return None
        if slip and least <= value * slip[1] <= most:
            return f"looks like {slip[0]}; write {value * slip[1]:g}"
        return f"want {least:g} to {most:g} {unit}"

    return check


def _seconds(least: int, most: int) -> Check:
    measure = _measure(least, most, "seconds", ("minutes", 60))

    def check(value: Any) -> str | None:
        return "want whole seconds, such as 1800" if not isinstance(value, int) else measure(value)

    return check


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and value.strip() else "want a text, in quotes if it looks like a number"


def _word(value: Any) -> str | None:
    return None if topics.is_word(value) else "want 1 to 64 letters, digits, '_' or '-', in quotes if only digits"


def _gateway(value: Any) -> str | None:
    if value == topics.GROUP_ALL:
        return "is the group of all gateways; name one gateway"
    return _word(value)


def _sensor(value: Any) -> str | None:
    return None if topics.is_sensor_id(value) else "want <gateway_id>.<sensor>, such as irrigation-gateway-1.soil-a"


def _timezone(value: Any) -> str | None:
    known = zoneinfo.available_timezones()
    if value in known:
        return None
    return f"is no time zone{did_you_mean(str(value), known)}; want an IANA name such as America/Toronto"


def _list_of_zones(value: Any) -> str | None:
    return None if isinstance(value, list) and value else "want a list of one zone or more, each starting with '- '"


def _list_of_probes(value: Any) -> str | None:
    return None if isinstance(value, list) else "want a list of probes, each as {sensor_id: ..., depth_m: ...}"


_FARM_FIELDS: dict[str, Check] = {"farm": _text, "timezone": _timezone, "zones": _list_of_zones}
_MOISTURE = _measure(0.01, 0.9, "m3 of water per m3 of soil", ("percent", 0.01))
_ZONE_FIELDS: dict[str, Check] = {
    "zone_id": _word,
    "gateway_id": _gateway,
    "sensor_id": _sensor,
    "crop": _text,
    "soil": _text,
    "field_capacity": _MOISTURE,
    "wilting_point": _MOISTURE,
    "refill_point": _MOISTURE,
    "target": _MOISTURE,
    "root_depth_m": _measure(0.02, 5, "metres", ("centimetres", 0.01)),
    "area_m2": _measure(0.1, 10_000_000, "square metres"),
    "application_rate_mm_h": _measure(0.1, 500, "millimetres an hour"),
    "efficiency": _measure(0.05, 1, "(a fraction)", ("percent", 0.01)),
    "max_run_s": _seconds(MIN_RUN_S, MAX_RUN_S),
    "cooldown_s": _seconds(0, 30 * 86400),
    "daily_cap_s": _seconds(MIN_RUN_S, 86400),
    "max_reading_age_s": _seconds(60, 86400),
    "probes": _list_of_probes,
}
_PROBE_FIELDS: dict[str, Check] = {"sensor_id": _sensor, "depth_m": _measure(0.01, 5, "metres", ("centimetres", 0.01))}
_OPTIONAL = {"probes"}
assert set(_ZONE_FIELDS) | {"timezone"} == {field.name for field in fields(Zone)}

# Lesser field, relation, greater field: what must hold between the fields of one zone.
_ORDER = (
    ("wilting_point", "<", "refill_point", "water must come before the crop wilts"),
    ("refill_point", "<", "target", "the gap between them keeps the valve from chattering"),
    ("target", "<=", "field_capacity", "water above field capacity drains away"),
    ("max_run_s", "<=", "daily_cap_s", "one run may not exceed the day"),
)


def _zone_nodes(farm: Mapping[str, _Cell]) -> Iterator[tuple[str, yaml.Node]]:
    if "zones" in farm:
        for index, node in enumerate(farm["zones"].node.value):
            yield f"zone {_name_of(node) or index + 1}", node


def _name_of(node: yaml.Node) -> str:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((str(value.value) for key, value in pairs if key.value == "zone_id"), "")


def _zone(node: yaml.Node, place: str, mistakes: _Mistakes) -> _ZoneCells:
    cells = _mapping(node, _ZONE_FIELDS, place, mistakes)
    rows = enumerate(cells["probes"].value if "probes" in cells else (), 1)
    probes = [_mapping(row, _PROBE_FIELDS, f"{place}, probe {number}", mistakes) for number, row in rows]
    zone = _ZoneCells(place, cells, probes)
    for lesser, relation, greater, why in _ORDER:
        if zone.good(lesser, greater) and not _holds(zone.value(lesser), relation, zone.value(greater)):
            told = f"{zone.value(lesser)}: want {lesser} {relation} {greater} ({zone.value(greater)}): {why}"
            mistakes.add(zone.cells[lesser].node, f"{place}, {lesser}", told)
    for cell in zone.sensors() if zone.good("gateway_id") else ():
        owner, gateway_id = topics.gateway_of(cell.value), zone.value("gateway_id")
        if owner != gateway_id:
            told = f"{cell.value!r}: is a sensor of {owner}, and the zone's gateway_id is {gateway_id}"
            mistakes.add(cell.node, f"{place}, sensor_id", told)
    return zone


def _holds(lesser: float, relation: str, greater: float) -> bool:
    return lesser < greater or (relation == "<=" and lesser == greater)


def _check_duplicates(zones: list[_ZoneCells], mistakes: _Mistakes) -> None:
    seen = Counter[tuple[str, str]]()
    for zone in zones:
        named = [("sensor_id", cell) for cell in zone.sensors()]
        if zone.good("zone_id"):
            named.append(("zone_id", zone.cells["zone_id"]))
        for name, cell in named:
            seen[name, cell.value] += 1
            if seen[name, cell.value] == 2:
                told = f"{cell.value!r}: is used before; every zone and every probe has its own"
                mistakes.add(cell.node, f"{zone.place}, {name}", told)


def _mapping(node: yaml.Node, checks: Mapping[str, Check], place: str, mistakes: _Mistakes) -> dict[str, _Cell]:
    """The good cells of a mapping; everything else about it becomes a mistake."""
    where = place or "file"
    if not isinstance(node, yaml.MappingNode):
        mistakes.add(node, where, f"want the keys {', '.join(checks)}")
        return {}
    _check_keys(node, checks, where, mistakes)
    cells: dict[str, _Cell] = {}
    bad: set[str] = set()
    for name, value_node in _pairs(node, mistakes.path).items():
        if name not in checks:
            continue
        cells[name] = _Cell(value_node, _value(value_node, mistakes.path))
        why = checks[name](cells[name].value)
        if why:
            mistakes.add(value_node, f"{place}, {name}" if place else name, f"{_short(cells[name].value)}: {why}")
            bad.add(name)
    for name in checks.keys() - cells.keys() - _OPTIONAL:
        mistakes.add(node, where, f"{name} is missing")
    return {name: cell for name, cell in cells.items() if name not in bad}


def _value(node: yaml.Node, path: Path) -> Any:
    """A scalar's value; the nodes of a list, or of a mapping, which only `zones` may be."""
    if isinstance(node, yaml.ScalarNode):
        return plain(node, path)
    return node.value if isinstance(node, yaml.SequenceNode) else dict(node.value)


def _check_keys(node: yaml.MappingNode, checks: Mapping[str, Check], where: str, mistakes: _Mistakes) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        name = str(key.value)
        if name in seen:
            mistakes.add(key, where, f"{name} is written twice; keep one")
        elif name not in checks and name != "<<":
            mistakes.add(key, where, f"unknown key {name!r}{did_you_mean(name, checks)}; known: {', '.join(checks)}")
        seen.add(name)


def _pairs(node: yaml.MappingNode, path: Path) -> dict[str, yaml.Node]:
    """Keys and value nodes, with `<<: *anchor` merged in; what the mapping says itself comes last, and so wins."""
    try:
        yaml.SafeLoader("").flatten_mapping(node)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(path, [_yaml_mistake(path, error)]) from error
    return {str(key.value): value for key, value in node.value}


def plain(node: yaml.Node, path: Path) -> Any:
    """What a node stands for: texts, numbers, lists and dicts; raises ConfigError for anything else."""
    try:
        return yaml.SafeLoader("").construct_object(node, deep=True)
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # an unknown tag; a loop; 2026-13-45
        raise ConfigError(path, [_yaml_mistake(path, error)]) from error


def did_you_mean(name: str, known: Any) -> str:
    """`, did you mean X?` if a known name is near, else nothing."""
    near = get_close_matches(name, list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def _short(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return f"{type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
