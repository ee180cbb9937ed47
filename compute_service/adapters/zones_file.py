"""The zones file of a farm: read, checked in one place, and handed on as frozen dataclasses.

Every mistake of a file is reported at once, each with its line, its zone and field, the value, and the remedy.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from agronomy.site import POLAR_DEG, Site
from agronomy.units import DAY_S, HOUR_S
from checked_yaml import checks, document
from checked_yaml.checks import Check, did_you_mean
from checked_yaml.errors import CheckedYamlError
from checked_yaml.mapping import Cell, Mistakes, cells
from compute_service.adapters import crops_table, values
from compute_service.domain.constraints import MIN_RUN_S, Limits
from compute_service.domain.zone import Config, FallbackSettings, PlacedProbe, Zone, zone_of
from compute_service.errors import ConfigError
from protocol import farms, topics
from protocol.messages import MAX_RUN_S

GUIDE = "docs/compute.md"


def load(path: Path, farm: str | None = None) -> Config:
    """Read a zones file; raises ConfigError with every mistake in it.

    `farm`: the id of the farm that it has to be of, if one is known.
    """
    try:
        return _config(Mistakes(path, GUIDE), farm)
    except CheckedYamlError as error:
        raise ConfigError(path, error.mistakes) from error


def _config(mistakes: Mistakes, farm_id: str | None) -> Config:
    farm = _mapping(document.read(mistakes.path, GUIDE), _FARM_FIELDS, "", mistakes)
    zones = [_zone(node, place, mistakes) for place, node in _zone_nodes(farm)]
    _check_duplicates(zones, mistakes)
    _check_pump(farm, zones, mistakes)
    _check_shared_pump(farm, zones, mistakes)
    _check_prices(farm, mistakes)
    _check_nodes(farm, zones, mistakes)
    _check_sensors(farm, zones, mistakes)
    _check_stations(farm, zones, mistakes)
    if farm_id is not None:
        _check_farm(farm, zones, farm_id, mistakes)
    mistakes.raise_if_any()
    row = {name: cell.value for name, cell in farm.items()}
    return Config(
        farm=row["farm"],
        timezone=row["timezone"],
        site=Site(row["latitude"], row["longitude"], row["elevation_m"]),
        zones=tuple(zone.zone(row["timezone"], row.get("mode", "act")) for zone in zones),
        pump_l_min=row.get("pump_l_min"),
        forecast=row.get("forecast"),
        **{name: row.get(name) for name in (*_PRICES, "currency")},
        weather_stations=values.names_of(row.get("weather_stations", ())),
        nodes=values.names_of(row.get("nodes", ())),
    )


@dataclass(frozen=True, slots=True)
class _ZoneCells:
    place: str
    cells: dict[str, Cell]
    probes: list[dict[str, Cell]]
    limits: dict[str, Cell]
    fallback: dict[str, Cell]

    def zone(self, timezone: str, mode: str) -> Zone:
        """The zone, once no mistake was found."""
        row = {name: cell.value for name, cell in self.cells.items()}
        probes = tuple(PlacedProbe(**{name: cell.value for name, cell in probe.items()}) for probe in self.probes)
        limits = {name: cell.value for name, cell in self.limits.items()}
        if "hours" in limits:
            limits["hours"] = values.hours_of(limits["hours"])
        settings = {"mode": mode, **row, "timezone": timezone, "sown": values.day_of(row["sown"])}
        settings |= {"probes": probes, "limits": Limits(**limits)}
        if "fallback" in self.cells:
            settings["fallback"] = FallbackSettings(**{name: cell.value for name, cell in self.fallback.items()})
        return zone_of(settings, crops_table.crop(row["crop"], row.get("calendar")))

    def sensors(self) -> list[Cell]:
        """The cells that name a sensor of this zone."""
        return [row["sensor_id"] for row in (self.cells, *self.probes) if "sensor_id" in row]

    def good(self, *names: str) -> bool:
        return all(name in self.cells for name in names)

    def value(self, name: str) -> Any:
        return self.cells[name].value


_MODE = checks.one_of(("act", "advice"))
_PRICES = ("water_price_m3", "energy_price_m3")
_FARM_FIELDS: dict[str, Check] = {
    "farm": checks.text,
    "timezone": checks.timezone,
    "latitude": checks.measure(-POLAR_DEG, POLAR_DEG, "degrees, north is positive"),
    "longitude": checks.measure(-180, 180, "degrees, east is positive"),
    "elevation_m": checks.measure(-450, 6000, "metres above the sea"),
    "pump_l_min": checks.measure(1, 1_000_000, "litres a minute"),
    "forecast": checks.text,
    "weather_stations": values.gateways,
    "nodes": values.gateways,
    "mode": _MODE,
    **dict.fromkeys(_PRICES, checks.measure(0, 1e6, "a cubic metre, in the currency")),
    "currency": values.currency,
    "zones": checks.list_of("one zone or more, each starting with '- '"),
}
_MOISTURE = checks.measure(0.01, 0.9, "m3 of water per m3 of soil", ("percent", 0.01))
_DEPTH = checks.measure(0.01, 5, "metres", ("centimetres", 0.01))
_ZONE_FIELDS: dict[str, Check] = {
    "zone_id": values.word,
    "gateway_id": values.gateway,
    "sensor_id": values.sensor,
    "crop": values.crop,
    "sown": values.day,
    "soil": checks.text,
    "field_capacity": _MOISTURE,
    "wilting_point": _MOISTURE,
    "root_depth_m": checks.measure(0.02, 5, "metres", ("centimetres", 0.01)),
    "area_m2": checks.measure(0.1, 10_000_000, "square metres"),
    "application_rate_mm_h": checks.measure(0.1, 500, "millimetres an hour"),
    "efficiency": checks.measure(0.05, 1, "(a fraction)", ("percent", 0.01)),
    "max_run_s": checks.seconds(MIN_RUN_S, MAX_RUN_S),
    "cooldown_s": checks.seconds(0, 30 * DAY_S),
    "daily_cap_s": checks.seconds(MIN_RUN_S, DAY_S),
    "max_reading_age_s": checks.seconds(60, DAY_S),
    "calendar": checks.text,
    "allowed_depletion": checks.measure(0.1, 0.8, "(a fraction)", ("percent", 0.01)),
    "infiltration_mm_h": checks.measure(0.1, 500, "millimetres an hour"),
    "probe_depth_m": _DEPTH,
    "limits": checks.mapping_of("a mapping, such as {daily_l: 5000}"),
    "probes": checks.list_of("probes, each as {sensor_id: ..., depth_m: ...}"),
    "mode": _MODE,
    "fallback": checks.mapping_of("a mapping, such as {run_s: 1200, days: 5}"),
}
_PROBE_FIELDS: dict[str, Check] = {"sensor_id": values.sensor, "depth_m": _DEPTH}
_LIMIT_FIELDS: dict[str, Check] = {
    "daily_l": checks.measure(0, 1e9, "litres a day"),
    "seasonal_l": checks.measure(0, 1e12, "litres a season"),
    "hours": values.hours,
    "frost_c": checks.measure(-20, 20, "degrees Celsius"),
    "wind_m_s": checks.measure(0.5, 40, "metres a second"),
}
_FALLBACK_FIELDS: dict[str, Check] = {
    "run_s": checks.seconds(MIN_RUN_S, MAX_RUN_S),
    "days": checks.whole_number(1, 31),
    "after_offline_s": checks.seconds(HOUR_S, 30 * DAY_S),
}
_OPTIONAL_ZONE = {
    *("calendar", "allowed_depletion", "infiltration_mm_h", "probe_depth_m", "limits", "probes", "mode", "fallback"),
    "after_offline_s",
}
_OPTIONAL = {
    *_OPTIONAL_ZONE,
    *_LIMIT_FIELDS,
    "pump_l_min",
    "forecast",
    "weather_stations",
    "nodes",
    *_PRICES,
    "currency",
}
assert set(_FALLBACK_FIELDS) == {field.name for field in fields(FallbackSettings)}
assert set(_ZONE_FIELDS) | {"timezone", "place"} == {field.name for field in fields(Zone)}
assert set(_LIMIT_FIELDS) <= {field.name for field in fields(Limits)}

# Lesser field, relation, greater field: what must hold between the fields of one zone.
_ORDER = (
    ("wilting_point", "<", "field_capacity", "between them lies all that the crop can take"),
    ("max_run_s", "<=", "daily_cap_s", "one run may not exceed the day"),
)


def _zone_nodes(farm: Mapping[str, Cell]) -> Iterator[tuple[str, yaml.Node]]:
    if "zones" in farm:
        for index, node in enumerate(farm["zones"].node.value):
            yield f"zone {_name_of(node) or index + 1}", node


def _name_of(node: yaml.Node) -> str:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((str(value.value) for key, value in pairs if key.value == "zone_id"), "")


def _zone(node: yaml.Node, place: str, mistakes: Mistakes) -> _ZoneCells:
    cells = _mapping(node, _ZONE_FIELDS, place, mistakes)
    rows = enumerate(cells["probes"].value if "probes" in cells else (), 1)
    probes = [_mapping(row, _PROBE_FIELDS, f"{place}, probe {number}", mistakes) for number, row in rows]
    limits = _mapping(cells["limits"].node, _LIMIT_FIELDS, f"{place}, limits", mistakes) if "limits" in cells else {}
    fallback = {}
    if "fallback" in cells:
        fallback = _mapping(cells["fallback"].node, _FALLBACK_FIELDS, f"{place}, fallback", mistakes)
    zone = _ZoneCells(place, cells, probes, limits, fallback)
    _check_calendar(zone, mistakes)
    _check_fallback(zone, mistakes)
    for lesser, relation, greater, why in _ORDER:
        if zone.good(lesser, greater) and not _holds(zone.value(lesser), relation, zone.value(greater)):
            text = f"{zone.value(lesser)}: want {lesser} {relation} {greater} ({zone.value(greater)}): {why}"
            mistakes.add(zone.cells[lesser].node, f"{place}, {lesser}", text)
    return zone


def _holds(lesser: float, relation: str, greater: float) -> bool:
    return lesser < greater or (relation == "<=" and lesser == greater)


def _check_calendar(zone: _ZoneCells, mistakes: Mistakes) -> None:
    if zone.good("crop", "calendar"):
        crop, calendar = zone.value("crop"), zone.value("calendar")
        names = crops_table.calendars(crop)
        if calendar not in names:
            why = f"{calendar!r}: {crop} has no such calendar{did_you_mean(calendar, names)}; known: {', '.join(names)}"
            mistakes.add(zone.cells["calendar"].node, f"{zone.place}, calendar", why)


def _check_fallback(zone: _ZoneCells, mistakes: Mistakes) -> None:
    """A run without the cloud is a run like others; `max_run_s` is within the day's cap already."""
    if "run_s" in zone.fallback and zone.good("max_run_s"):
        run, most_s = zone.fallback["run_s"], zone.value("max_run_s")
        if run.value > most_s:
            why = f"{run.value}: want run_s <= max_run_s ({most_s}): no run of the zone may be longer"
            mistakes.add(run.node, f"{zone.place}, fallback, run_s", why)


def _check_shared_pump(farm: Mapping[str, Cell], zones: list[_ZoneCells], mistakes: Mistakes) -> None:
    """Boards cannot speak to each other without the cloud, so only one of a pump's gateways may water then."""
    if "pump_l_min" not in farm:
        return
    first = ""
    for zone in zones:
        if not (zone.fallback and zone.good("gateway_id")):
            continue
        gateway_id = zone.value("gateway_id")
        first = first or gateway_id
        if gateway_id != first:
            why = (
                f"{gateway_id} and {first} share the pump, and without the cloud neither knows when the other waters;"
                " keep the fallback plans of one gateway, or leave pump_l_min away if each has a pump of its own"
            )
            mistakes.add(zone.cells["fallback"].node, f"{zone.place}, fallback", why)


def _check_pump(farm: Mapping[str, Cell], zones: list[_ZoneCells], mistakes: Mistakes) -> None:
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


def _check_prices(farm: Mapping[str, Cell], mistakes: Mistakes) -> None:
    for name in _PRICES:
        if name in farm and "currency" not in farm:
            mistakes.add(
                farm[name].node, name, f"{farm[name].value}: want the currency beside it, such as currency: BRL"
            )


def _nodes(farm: Mapping[str, Cell]) -> tuple[Any, ...]:
    return values.names_of(farm["nodes"].value) if "nodes" in farm else ()


def _check_nodes(farm: Mapping[str, Cell], zones: list[_ZoneCells], mistakes: Mistakes) -> None:
    """A gateway with a valve is named by its zone, and its probes are that board's own."""
    for name in _nodes(farm):
        owned = [zone for zone in zones if zone.good("gateway_id") and zone.value("gateway_id") == name]
        if owned:
            why = f"{name!r}: is the gateway of {owned[0].place}; a node has no valve, so take it out here"
            mistakes.add(farm["nodes"].node, "nodes", why)


def _check_sensors(farm: Mapping[str, Cell], zones: list[_ZoneCells], mistakes: Mistakes) -> None:
    """A zone goes by probes of its own gateway, and of nodes; a board alone, without the cloud, by its own only."""
    nodes = _nodes(farm)
    for zone in zones:
        for cell in zone.sensors() if zone.good("gateway_id") else ():
            owner, gateway_id = topics.gateway_of(cell.value), zone.value("gateway_id")
            why = ""
            if owner in nodes and zone.fallback:
                why = (
                    f"{cell.value!r}: is on a node, which its board cannot hear without the cloud, so no fallback here"
                )
            elif owner not in {gateway_id, *nodes}:
                why = (
                    f"{cell.value!r}: is a sensor of {owner}, and the zone's gateway_id is {gateway_id};"
                    f" if {owner} is a board without valves, name it in the farm's nodes"
                )
            if why:
                mistakes.add(cell.node, f"{zone.place}, sensor_id", why)


def _check_stations(farm: Mapping[str, Cell], zones: list[_ZoneCells], mistakes: Mistakes) -> None:
    """Only what a gateway of the farm says is heard."""
    names = sorted({zone.value("gateway_id") for zone in zones if zone.good("gateway_id")} | set(_nodes(farm)))
    for name in values.names_of(farm["weather_stations"].value if "weather_stations" in farm else ()):
        if name not in names:
            why = f"{name!r}: no zone here has such a gateway{did_you_mean(name, names)}; known: {', '.join(names)}"
            mistakes.add(farm["weather_stations"].node, "weather_stations", why)


def _check_farm(farm: Mapping[str, Cell], zones: list[_ZoneCells], farm_id: str, mistakes: Mistakes) -> None:
    """A service hears and commands on its farm's topics alone: another farm's gateway would never hear it."""
    cells = [(f"{zone.place}, gateway_id", zone.cells["gateway_id"]) for zone in zones if zone.good("gateway_id")]
    names = [(place, cell.node, cell.value) for place, cell in cells]
    names += [("nodes", farm["nodes"].node, name) for name in _nodes(farm)]
    for place, node, name in names:
        if not farms.may_have(farm_id, name):
            why = (
                f"{name!r}: is a thing of the farm {farms.whose(name)}, and this one is {farm_id}, whose gateways are"
                f" called as {farms.gateway(farm_id, 1)}; or give the --farm of these zones"
            )
            mistakes.add(node, place, why)


def _check_duplicates(zones: list[_ZoneCells], mistakes: Mistakes) -> None:
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


def _mapping(node: yaml.Node, fields: Mapping[str, Check], place: str, mistakes: Mistakes) -> dict[str, Cell]:
    return cells(node, fields, place, mistakes, _OPTIONAL)
