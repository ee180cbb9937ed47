"""Scenarios: a season in a file. Weather, gateways, zones, soils, crops and faults, read and checked; docs/field.md."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from gateway_sim import farm as farms
from gateway_sim import faults as breakage
from gateway_sim import weather as weathers
from gateway_sim.checked_yaml import Node, Source, near_or_all, read
from gateway_sim.errors import ScenarioError
from gateway_sim.farm import CROPS, DRUMMONDVILLE, SOILS, Crop, Farm, FarmGateway, Place, Soil, Zone
from gateway_sim.faults import FaultError, Faults
from gateway_sim.weather import Weather
from protocol import topics

FOLDER = Path(__file__).parent / "scenarios"
DEFAULT = "drummondville"
EXCERPTS = {"drummondville-2020-summer": weathers.EXCERPT}
MOST_GATEWAYS, MOST_ZONES, MOST_DAYS, MOST_SEED = 200, 26, 366, 2**31
FORECASTS = ("none", "good")
ABOVE_THIRST = 0.05  # of the available water: where a zone begins that does not say it
OLDEST_DAYS = 3650  # since a perennial's cycle began


@dataclass(frozen=True)
class Scenario:
    """A farm, its weather and its faults. `description` is by language; `farm.seed` draws whatever is drawn.

    `forecast` is one of FORECASTS: what compute is told of the weather to come.
    """

    path: Path
    name: str
    description: Mapping[str, str]
    days: int
    farm: Farm
    weather: Weather
    faults: Faults
    forecast: str = FORECASTS[0]

    @property
    def first_day(self) -> date:
        """The farm's local day on which the season begins."""
        return farms.local_day(self.weather.start, self.farm.timezone)

    def moved_to(self, start: int) -> "Scenario":
        """The same, with weather and faults from another time (Unix s) on."""
        later = start - self.weather.start
        return replace(self, weather=replace(self.weather, start=start), faults=self.faults.moved(later))


def names() -> list[str]:
    """The scenarios that come with the project."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(
    name_or_path: str | Path = DEFAULT,
    *,
    gateways: int | None = None,
    days: int | None = None,
    seed: int | None = None,
    weather: Path | None = None,
) -> Scenario:
    """Read a scenario; what is given here counts instead of what the file says. Raises ScenarioError, WeatherError."""
    path = _path(name_or_path)
    root = read(Source(path, "the scenario", ScenarioError, "docs/field.md"))
    told_seed, told_days = root.number("seed", 0, 1, most=MOST_SEED), root.number("days", 1, 5, most=MOST_DAYS)
    seed, days = told_seed if seed is None else seed, told_days if days is None else days
    name, timezone = root.text("name", path.stem), root.timezone("timezone", farms.TIMEZONE)
    air = _weather(root, days, timezone, weather)
    rows = _gateways(root, gateways, seed, farms.local_day(air.start, timezone))
    farm = Farm(name, seed, rows, timezone, _place(root))
    forecast = root.one_of("forecast", FORECASTS, FORECASTS[0])
    scenario = Scenario(path, name, _description(root), days, farm, air, _faults(root, farm, air.start), forecast)
    root.end()
    return scenario


def _path(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    if Path(text).suffix in {".yaml", ".yml"} or Path(text).name != text:
        return Path(text)
    if text not in names():
        raise ScenarioError(f"{text!r}: no scenario of that name; {near_or_all(text, names())}; or a file's path")
    return FOLDER / f"{text}.yaml"


def _place(root: Node) -> Place:
    known = DRUMMONDVILLE
    return Place(
        root.number("latitude", -66, known.latitude, float, most=66),
        root.number("longitude", -180, known.longitude, float, most=180),
        root.number("elevation_m", -450, known.elevation_m, float, most=6000),
    )


def _description(root: Node) -> dict[str, str]:
    node = root.node("description", {"en": root.source.path.stem})
    english = node.text("en")
    described = {"en": english, "pt": node.text("pt", english)}
    node.end()
    return described


def _weather(root: Node, days: int, timezone: str, instead: Path | None) -> Weather:
    value = root.get("weather", next(iter(EXCERPTS)))
    file, first = value, None
    if isinstance(value, dict):
        node = root.node("weather")
        file, first = node.text("file"), node.get("start", None)
        if first is not None and type(first) is not date:
            raise node.wrong("start", first, "want a day as 2020-07-01")
        node.end()
    if instead is not None:
        return weathers.load(instead, days, timezone)
    if not isinstance(file, str):
        raise root.wrong("weather", file, f"want {' or '.join(EXCERPTS)}, or the path of an hourly CSV file")
    return weathers.load(EXCERPTS.get(file, root.source.path.parent / file), days, timezone, first)


def _gateways(root: Node, wanted: int | None, seed: int, first_day: date) -> tuple[FarmGateway, ...]:
    if isinstance(root.get("gateways"), dict):
        drawn = root.node("gateways").node("drawn")
        root.node("gateways").end("drawn")
        number = drawn.number("gateways", 1, 8, most=MOST_GATEWAYS)
        zones = drawn.number("zones_per_gateway", 1, 3, most=MOST_ZONES)
        drawn.end()
        return farms.build(number if wanted is None else wanted, seed, zones).gateways
    if wanted is not None:
        remedy = f"its gateways are listed: leave the number {wanted} out, or list others"
        raise root.wrong("gateways", f"list of {len(root.get('gateways'))}", remedy)
    kinds = _Kinds(_named(root, "soils", SOILS, _soil), _named(root, "crops", CROPS, _crop), first_day)
    nodes = root.rows("gateways")
    if not nodes:
        raise root.wrong("gateways", [], "want a gateway at least, or `drawn`")
    rows = tuple(_gateway(node, kinds) for node in nodes)
    _check_distinct(nodes, [("gateway", row.gateway_id) for row in rows])
    _check_distinct(
        [zone for node in nodes for zone in node.rows("zones")],
        [("zone_id", zone.zone_id) for row in rows for zone in row.zones],
    )
    return rows


@dataclass(frozen=True)
class _Kinds:
    """What a zone may name, and the day from which its crop's age counts back."""

    soils: Mapping[str, Soil]
    crops: Mapping[str, Crop]
    first_day: date


def _named(root: Node, key: str, known: tuple[Any, ...], one: Callable[[Node, str], Any]) -> dict[str, Any]:
    own = [one(node, node.text("name")) for node in root.rows(key, [])]
    return {kind.name: kind for kind in (*known, *own)}


def _soil(node: Node, name: str) -> Soil:
    soil = Soil(
        name,
        node.number("wilting_point", 0.01, kind=float, most=0.9),
        node.number("field_capacity", 0.01, kind=float, most=0.9),
        node.number("saturation", 0.01, kind=float, most=0.9),
        node.number("conductivity_mm_h", 0.01, kind=float, most=10_000),
    )
    node.end()
    if not soil.wilting_point < soil.field_capacity < soil.saturation:
        remedy = f"want wilting_point < field_capacity < saturation, not {soil.wilting_point:g} and {soil.saturation:g}"
        raise node.wrong("field_capacity", soil.field_capacity, remedy)
    return soil


def _crop(node: Node, name: str) -> Crop:
    kc = node.number("kc", 0.05, kind=float, most=2)
    depletion = node.number("depletion", 0.15, kind=float, most=0.8)
    grown_days = node.number("grown_days", 0, 60, most=OLDEST_DAYS)
    node.end()
    return Crop(name, kc, depletion, grown_days)


def _kind(node: Node, key: str, known: Mapping[str, Any], one: Callable[[Node, str], Any]) -> Any:
    """A soil or a crop: by its name, or its constants on the spot."""
    if isinstance(node.get(key), dict):
        inner = node.node(key)
        return one(inner, inner.text("name"))
    return known[node.one_of(key, tuple(known))]


def _gateway(node: Node, kinds: _Kinds) -> FarmGateway:
    gateway_id = _word(node, "gateway")
    if gateway_id == topics.GROUP_ALL:
        raise node.wrong("gateway", gateway_id, "is the group of all gateways; name one")
    at = node.numbers("at", -1e6, 1e6) or None
    if at and len(at) != 2:
        raise node.wrong("at", at, "want [metres east, metres south]")
    rows = node.rows("zones")
    if not 1 <= len(rows) <= MOST_ZONES:
        raise node.wrong("zones", f"list of {len(rows)}", f"want 1 to {MOST_ZONES} zones")
    zones = tuple(_zone(row, f"soil-{chr(ord('a') + index)}", kinds) for index, row in enumerate(rows))
    gateway = FarmGateway(gateway_id, zones, (at[0], at[1]) if at else None, tuple(node.words("process", [])))
    node.end()
    sensors = [sensor for sensor in gateway.sensor_ids if gateway.sensor_ids.count(sensor) > 1]
    if sensors:
        raise node.wrong("zones", sensors[0], "two sensors of that name; give each zone and each depth its own")
    return gateway


def _zone(node: Node, sensor: str, kinds: _Kinds) -> Zone:
    soil: Soil = _kind(node, "soil", kinds.soils, _soil)
    crop: Crop = _kind(node, "crop", kinds.crops, _crop)
    available = soil.field_capacity - soil.wilting_point
    start = soil.field_capacity - (crop.depletion - ABOVE_THIRST) * available
    depth_m = node.number("root_depth_m", 0.1, 0.45, float, most=2)
    zone = Zone(
        zone_id=_word(node, "zone_id"),
        sensor=_word(node, "sensor", sensor),
        soil=soil,
        crop=crop,
        root_depth_m=depth_m,
        area_m2=node.number("area_m2", 1, kind=float, most=1_000_000),
        application_rate_mm_h=node.number("application_rate_mm_h", 0.5, 10.0, float, most=100),
        efficiency=node.number("efficiency", 0.1, 0.85, float, most=1),
        initial_vwc=node.number("initial_vwc", soil.wilting_point, round(start, 4), float, most=soil.saturation),
        probe_depths_m=tuple(node.numbers("probe_depths_m", 0.01, depth_m)),
        salt_ds_m=node.number("salt_ds_m", 0, 1.0, float, most=20),
        sown_days=_sown_days(node, crop, kinds.first_day),
    )
    node.end()
    return zone


def _sown_days(node: Node, crop: Crop, first_day: date) -> int:
    """Days from sowing to the first day: by its date, or as many as bring the crop into its mid-season."""
    sown = node.get("sown", None)
    if sown is None:
        return crop.grown_days
    if type(sown) is not date or not 0 <= (first_day - sown).days <= OLDEST_DAYS:
        raise node.wrong("sown", str(sown), f"want a day as 2020-05-01, at most the season's first, {first_day}")
    return (first_day - sown).days


def _word(node: Node, key: str, default: str | None = None) -> str:
    value: str = node.text(key) if default is None else node.text(key, default)
    if not topics.is_word(value):
        raise node.wrong(key, value, "want 1 to 64 letters, digits, '_' or '-'")
    return value


def _check_distinct(nodes: list[Node], named: list[tuple[str, str]]) -> None:
    for index, (node, (key, name)) in enumerate(zip(nodes, named, strict=True)):
        if (key, name) in named[:index]:
            raise node.wrong(key, name, "stands before; give each its own name")


def _faults(root: Node, farm: Farm, start: int) -> Faults:
    targets = {
        "gateway": [gateway.gateway_id for gateway in farm.gateways],
        "zone": [zone.zone_id for zone in farm.zones],
        "sensor": [sensor_id for gateway in farm.gateways for sensor_id in gateway.sensor_ids],
    }
    found = []
    for number, node in enumerate(root.rows("faults", []), 1):
        place = f"{root.source.path}:{node.line}: fault {number}"
        try:
            found.append(breakage.read(place, node.value, targets, start))
        except FaultError as error:
            raise ScenarioError(str(error)) from error
    return Faults(found, farm.seed)
