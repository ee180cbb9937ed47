"""The zones file of a farm: read, checked in one place, and handed on as frozen dataclasses.

Every mistake of a file is reported at once, each with its line, its zone and field, the value, and the remedy.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from compute_service.adapters import crops_table, values
from compute_service.adapters.values import Rule, did_you_mean
from compute_service.domain.constraints import MIN_RUN_S, Limits
from compute_service.domain.units import DAY_S
from compute_service.domain.zone import POLAR_DEG, Config, PlacedProbe, Site, Zone, zone_of
from compute_service.errors import ConfigError
from protocol import topics
from protocol.messages import MAX_RUN_S


def load(path: Path) -> Config:
    """Read a zones file; raises ConfigError with every mistake in it."""
    mistakes = _Mistakes(path)
    farm = _mapping(read_yaml(path), _FARM_FIELDS, "", mistakes)
    zones = [_zone(node, place, mistakes) for place, node in _zone_nodes(farm)]
    _check_duplicates(zones, mistakes)
    _check_pump(farm, zones, mistakes)
    mistakes.raise_if_any()
    row = {name: cell.value for name, cell in farm.items()}
    return Config(
        farm=row["farm"],
        timezone=row["timezone"],
        site=Site(row["latitude"], row["longitude"], row["elevation_m"]),
        zones=tuple(zone.zone(row["timezone"]) for zone in zones),
        pump_l_min=row.get("pump_l_min"),
        forecast=row.get("forecast"),
    )


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
    limits: dict[str, _Cell]

    def zone(self, timezone: str) -> Zone:
        """The zone, once no mistake was found."""
        row = {name: cell.value for name, cell in self.cells.items()}
        probes = tuple(PlacedProbe(**{name: cell.value for name, cell in probe.items()}) for probe in self.probes)
        limits = {name: cell.value for name, cell in self.limits.items()}
        if "hours" in limits:
            limits["hours"] = values.hours_of(limits["hours"])
        settings = {**row, "timezone": timezone, "sown": values.day_of(row["sown"])}
        settings |= {"probes": probes, "limits": Limits(**limits)}
        return zone_of(settings, crops_table.crop(row["crop"], row.get("calendar")))

    def sensors(self) -> list[_Cell]:
        """The cells that name a sensor of this zone."""
        return [row["sensor_id"] for row in (self.cells, *self.probes) if "sensor_id" in row]

    def good(self, *names: str) -> bool:
        return all(name in self.cells for name in names)

    def value(self, name: str) -> Any:
        return self.cells[name].value


_FARM_FIELDS: dict[str, Rule] = {
    "farm": values.text,
    "timezone": values.timezone,
    "latitude": values.measure(-POLAR_DEG, POLAR_DEG, "degrees, north is positive"),
    "longitude": values.measure(-180, 180, "degrees, east is positive"),
    "elevation_m": values.measure(-450, 6000, "metres above the sea"),
    "pump_l_min": values.measure(1, 1_000_000, "litres a minute"),
    "forecast": values.text,
    "zones": values.list_of("one zone or more, each starting with '- '"),
}
_MOISTURE = values.measure(0.01, 0.9, "m3 of water per m3 of soil", ("percent", 0.01))
_DEPTH = values.measure(0.01, 5, "metres", ("centimetres", 0.01))
_ZONE_FIELDS: dict[str, Rule] = {
    "zone_id": values.word,
    "gateway_id": values.gateway,
    "sensor_id": values.sensor,
    "crop": values.crop,
    "sown": values.day,
    "soil": values.text,
    "field_capacity": _MOISTURE,
    "wilting_point": _MOISTURE,
    "root_depth_m": values.measure(0.02, 5, "metres", ("centimetres", 0.01)),
    "area_m2": values.measure(0.1, 10_000_000, "square metres"),
    "application_rate_mm_h": values.measure(0.1, 500, "millimetres an hour"),
    "efficiency": values.measure(0.05, 1, "(a fraction)", ("percent", 0.01)),
    "max_run_s": values.seconds(MIN_RUN_S, MAX_RUN_S),
    "cooldown_s": values.seconds(0, 30 * DAY_S),
    "daily_cap_s": values.seconds(MIN_RUN_S, DAY_S),
    "max_reading_age_s": values.seconds(60, DAY_S),
    "calendar": values.text,
    "allowed_depletion": values.measure(0.1, 0.8, "(a fraction)", ("percent", 0.01)),
    "infiltration_mm_h": values.measure(0.1, 500, "millimetres an hour"),
    "probe_depth_m": _DEPTH,
    "limits": values.mapping_of("a mapping, such as {daily_l: 5000}"),
    "probes": values.list_of("probes, each as {sensor_id: ..., depth_m: ...}"),
}
_PROBE_FIELDS: dict[str, Rule] = {"sensor_id": values.sensor, "depth_m": _DEPTH}
_LIMIT_FIELDS: dict[str, Rule] = {
    "daily_l": values.measure(0, 1e9, "litres a day"),
    "seasonal_l": values.measure(0, 1e12, "litres a season"),
    "hours": values.hours,
    "frost_c": values.measure(-20, 20, "degrees Celsius"),
    "wind_m_s": values.measure(0.5, 40, "metres a second"),
}
_OPTIONAL_ZONE = {"calendar", "allowed_depletion", "infiltration_mm_h", "probe_depth_m", "limits", "probes"}
_OPTIONAL = {*_OPTIONAL_ZONE, *_LIMIT_FIELDS, "pump_l_min", "forecast"}
assert set(_ZONE_FIELDS) | {"timezone", "place"} == {field.name for field in fields(Zone)}
assert set(_LIMIT_FIELDS) <= {field.name for field in fields(Limits)}

# Lesser field, relation, greater field: what must hold between the fields of one zone.
_ORDER = (
    ("wilting_point", "<", "field_capacity", "between them lies all that the crop can take"),
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
    limits = _mapping(cells["limits"].node, _LIMIT_FIELDS, f"{place}, limits", mistakes) if "limits" in cells else {}
    zone = _ZoneCells(place, cells, probes, limits)
    _check_calendar(zone, mistakes)
    for lesser, relation, greater, why in _ORDER:
        if zone.good(lesser, greater) and not _holds(zone.value(lesser), relation, zone.value(greater)):
            text = f"{zone.value(lesser)}: want {lesser} {relation} {greater} ({zone.value(greater)}): {why}"
            mistakes.add(zone.cells[lesser].node, f"{place}, {lesser}", text)
    for cell in zone.sensors() if zone.good("gateway_id") else ():
        owner, gateway_id = topics.gateway_of(cell.value), zone.value("gateway_id")
        if owner != gateway_id:
            why = f"{cell.value!r}: is a sensor of {owner}, and the zone's gateway_id is {gateway_id}"
            mistakes.add(cell.node, f"{place}, sensor_id", why)
    return zone


def _holds(lesser: float, relation: str, greater: float) -> bool:
    return lesser < greater or (relation == "<=" and lesser == greater)


def _check_calendar(zone: _ZoneCells, mistakes: _Mistakes) -> None:
    if zone.good("crop", "calendar"):
        crop, calendar = zone.value("crop"), zone.value("calendar")
        names = crops_table.calendars(crop)
        if calendar not in names:
            why = f"{calendar!r}: {crop} has no such calendar{did_you_mean(calendar, names)}; known: {', '.join(names)}"
            mistakes.add(zone.cells["calendar"].node, f"{zone.place}, calendar", why)


def _check_pump(farm: Mapping[str, _Cell], zones: list[_ZoneCells], mistakes: _Mistakes) -> None:
    """A zone that takes more than the pump gives would never be watered."""
    if "pump_l_min" not in farm:
        return
    pump = farm["pump_l_min"].value
    for zone in zones:
        if zone.good("area_m2", "application_rate_mm_h"):
            rate = zone.value("application_rate_mm_h")
            takes = rate * zone.value("area_m2") / 60
            if takes > pump:
                why = f"{rate}: the zone takes {takes:.0f} l/min, and the pump gives {pump:g}; water a smaller area"
                mistakes.add(zone.cells["application_rate_mm_h"].node, f"{zone.place}, application_rate_mm_h", why)


def _check_duplicates(zones: list[_ZoneCells], mistakes: _Mistakes) -> None:
    counts = Counter[tuple[str, str]]()
    for zone in zones:
        names = [("sensor_id", cell) for cell in zone.sensors()]
        if zone.good("zone_id"):
            names.append(("zone_id", zone.cells["zone_id"]))
        for name, cell in names:
            counts[name, cell.value] += 1
            if counts[name, cell.value] == 2:
                why = f"{cell.value!r}: is used before; every zone and every probe has its own"
                mistakes.add(cell.node, f"{zone.place}, {name}", why)


def _mapping(node: yaml.Node, checks: Mapping[str, Rule], place: str, mistakes: _Mistakes) -> dict[str, _Cell]:
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
    """A scalar's value, its text if it is no date that ever was; the nodes of a list, or of a mapping."""
    if isinstance(node, yaml.ScalarNode):
        return node.value if _is_no_date(node) else plain(node, path)
    return node.value if isinstance(node, yaml.SequenceNode) else dict(node.value)


def _is_no_date(node: yaml.ScalarNode) -> bool:
    if node.tag != "tag:yaml.org,2002:timestamp":
        return False
    try:
        yaml.SafeLoader("").construct_object(node)
    except ValueError:
        return True
    return False


def _check_keys(node: yaml.MappingNode, checks: Mapping[str, Rule], where: str, mistakes: _Mistakes) -> None:
    names: set[str] = set()
    for key, _ in node.value:
        name = str(key.value)
        if name in names:
            mistakes.add(key, where, f"{name} is written twice; keep one")
        elif name not in checks and name != "<<":
            mistakes.add(key, where, f"unknown key {name!r}{did_you_mean(name, checks)}; known: {', '.join(checks)}")
        names.add(name)


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


def _short(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return f"{type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
