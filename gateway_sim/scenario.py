"""Scenarios: a season in a file. Weather, gateways, zones, soils, crops and faults, read and checked; docs/field.md."""

from collections.abc import Callable
from collections.abc import Mapping as Table
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from checked_yaml import checks, mapping
from checked_yaml.checks import Check, near_or_all
from checked_yaml.errors import CheckedYamlError
from checked_yaml.mapping import Mapping
from gateway_sim import farm as farms
from gateway_sim import faults as breakage
from gateway_sim import weather as weathers
from gateway_sim.errors import FaultError, ScenarioError
from gateway_sim.farm import CROPS, DRUMMONDVILLE, MAX_RUN_S, SOILS, Crop, Farm, FarmGateway, Place, Soil, Zone
from gateway_sim.faults import Faults
from gateway_sim.weather import Weather
from protocol import farms as farm_ids
from protocol import topics

FOLDER = Path(__file__).parent / "scenarios"
DEFAULT = "drummondville"
EXCERPTS = {"drummondville-2020-summer": weathers.EXCERPT}
MOST_GATEWAYS, MOST_ZONES, MOST_DAYS, MOST_SEED = 200, 26, 366, 2**31
GUIDE = "docs/field.md"
FORECASTS = ("none", "good")
ABOVE_THIRST = 0.05  # of the available water: where a zone begins that does not say it
OLDEST_DAYS = 3650  # since a perennial's cycle began
_SEED, _DAYS = checks.whole_number(0, MOST_SEED), checks.whole_number(1, MOST_DAYS)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A farm, its weather and its faults. `description` is by language; `farm.seed` draws whatever is drawn.

    `forecast` is one of FORECASTS: what compute is told of the weather to come.
    """

    path: Path
    name: str
    description: Table[str, str]
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


def load(  # noqa: PLR0913 - what a command line may say instead, each by name
    name_or_path: str | Path = DEFAULT,
    *,
    gateways: int | None = None,
    days: int | None = None,
    seed: int | None = None,
    weather: Path | None = None,
    farm: str = farm_ids.DEFAULT,
) -> Scenario:
    """Read a scenario; what is given here counts instead of what the file says.

    Raises ScenarioError with every mistake of the file, a line each, or WeatherError.
    """
    instead = _Instead(gateways, days, seed, weather, farm)
    try:
        return _scenario(mapping.root(_path(name_or_path), GUIDE, "the scenario"), instead)
    except CheckedYamlError as error:
        raise ScenarioError(str(error)) from error


class _Instead(NamedTuple):
    """What counts instead of what the file says."""

    gateways: int | None
    days: int | None
    seed: int | None
    weather: Path | None
    farm: str


def _scenario(root: Mapping, instead: _Instead) -> Scenario:
    path = root.mistakes.path
    file_seed, file_days = root.take("seed", _SEED, 1), root.take("days", _DAYS, 5)
    seed = file_seed if instead.seed is None else instead.seed
    days = file_days if instead.days is None else instead.days
    name, timezone = root.take("name", checks.text, path.stem), root.take("timezone", checks.timezone, farms.TIMEZONE)
    forecast = root.take("forecast", checks.one_of(FORECASTS), FORECASTS[0])
    place, description = _place(root), _description(root)
    air = _weather(root, days, timezone, instead.weather)
    rows = _gateways(root, instead, seed, farms.local_day(air.start, timezone))
    farm = Farm(name, seed, rows, timezone, place)
    faults = _faults(root, farm, air.start)
    root.end("soils", "crops")
    root.mistakes.raise_if_any()
    return Scenario(
        path=path,
        name=name,
        description=description,
        days=days,
        farm=farm,
        weather=air,
        faults=faults,
        forecast=forecast,
    )


def _path(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    if Path(text).suffix in {".yaml", ".yml"} or Path(text).name != text:
        return Path(text)
    if text not in names():
        raise ScenarioError(f"{text!r}: no scenario of that name; {near_or_all(text, names())}; or a file's path")
    return FOLDER / f"{text}.yaml"


def _place(root: Mapping) -> Place:
    known_place = DRUMMONDVILLE
    return Place(
        root.take("latitude", checks.number(-66, 66), known_place.latitude),
        root.take("longitude", checks.number(-180, 180), known_place.longitude),
        root.take("elevation_m", checks.number(-450, 6000), known_place.elevation_m),
    )


def _description(root: Mapping) -> dict[str, str]:
    node = root.inner("description", required=False)
    if "description" not in root:
        return {"en": root.mistakes.path.stem, "pt": root.mistakes.path.stem}
    english = node.take("en", checks.text)
    description = {"en": english, "pt": node.take("pt", checks.text, english)}
    node.end()
    return description


def _weather(root: Mapping, days: int, timezone: str, instead: Path | None) -> Weather:
    """The weather; a season without one has no first day, so mistakes end here."""
    file, first = root.value("weather") if "weather" in root else next(iter(EXCERPTS)), None
    if isinstance(file, dict):
        node = root.inner("weather")
        file, first = node.take("file", checks.text), node.take("start", _day, None)
        node.end()
    elif not isinstance(file, str):
        root.wrong("weather", f"want {' or '.join(EXCERPTS)}, or the path of an hourly CSV file")
    if not root.good("weather", "days", "timezone"):
        root.mistakes.raise_if_any()
    if instead is not None:
        return weathers.load(instead, days, timezone)
    return weathers.load(EXCERPTS.get(file, root.mistakes.path.parent / file), days, timezone, first)


def _day(value: Any) -> str | None:
    return None if type(value) is date else "want a day as 2020-07-01"


def _gateways(root: Mapping, instead: _Instead, seed: int, first_day: date) -> tuple[FarmGateway, ...]:
    if isinstance(root.value("gateways"), dict):
        return _drawn_gateways(root.inner("gateways"), instead, seed)
    if instead.gateways is not None:
        root.wrong("gateways", f"its gateways are listed: leave the number {instead.gateways} out, or list others")
    kinds = _Kinds(_kinds(root, "soils", SOILS, _soil), _kinds(root, "crops", CROPS, _crop), first_day)
    nodes = root.rows("gateways")
    if not nodes and root.good("gateways"):
        root.wrong("gateways", "want a gateway at least, or `drawn`")
    rows = [_gateway(node, kinds) for node in nodes]
    _check_farm(nodes, instead.farm)
    _check_distinct("gateway", nodes)
    _check_distinct("zone_id", [zone for node in nodes for zone in node.rows("zones", required=False)])
    return tuple(row for row in rows if row)


def _check_farm(nodes: list[Mapping], farm: str) -> None:
    """What the broker takes another farm's thing for is nothing of this one's."""
    for node in nodes:
        if (
            farm != farm_ids.DEFAULT
            and node.good("gateway")
            and not farm_ids.may_have(farm, str(node.value("gateway")))
        ):
            node.wrong(
                "gateway", f"is no thing of the farm {farm}; its things are called {farm}-..., or leave --farm out"
            )


def _drawn_gateways(node: Mapping, instead: _Instead, seed: int) -> tuple[FarmGateway, ...]:
    drawn_farm = node.inner("drawn")
    node.end()
    drawn = drawn_farm.take("gateways", checks.whole_number(1, MOST_GATEWAYS), 8)
    number = drawn if instead.gateways is None else instead.gateways
    zones = drawn_farm.take("zones_per_gateway", checks.whole_number(1, MOST_ZONES), 3)
    drawn_farm.end()
    return farms.build(number, seed, zones, instead.farm).gateways


@dataclass(frozen=True)
class _Kinds:
    """What a zone may name (None: with a mistake of its own), and the day from which its crop's age counts back."""

    soils: Table[str, Soil | None]
    crops: Table[str, Crop | None]
    first_day: date


def _kinds(root: Mapping, key: str, kinds: tuple[Any, ...], one: Callable[[Mapping], Any]) -> dict[str, Any]:
    own = {node.take("name", checks.text): one(node) for node in root.rows(key, required=False)}
    return {kind.name: kind for kind in kinds} | own


def _soil(node: Mapping) -> Soil | None:
    names = ("wilting_point", "field_capacity", "saturation")
    constants = {name: node.take(name, checks.number(0.01, 0.9)) for name in names}
    conductivity = node.take("conductivity_mm_h", checks.number(0.01, 10_000))
    soil = Soil(node.take("name", checks.text), **constants, conductivity_mm_h=conductivity)
    node.end()
    if node.good(*names) and not soil.wilting_point < soil.field_capacity < soil.saturation:
        limits = f"{soil.wilting_point:g} and {soil.saturation:g}"
        node.wrong("field_capacity", f"want wilting_point < field_capacity < saturation, not {limits}")
    return soil if node.good() else None


def _crop(node: Mapping) -> Crop | None:
    crop = Crop(
        node.take("name", checks.text),
        node.take("kc", checks.number(0.05, 2)),
        node.take("depletion", checks.number(0.15, 0.8)),
        node.take("grown_days", checks.whole_number(0, OLDEST_DAYS), 60),
    )
    node.end()
    return crop if node.good() else None


def _kind(node: Mapping, key: str, kinds: Table[str, Any], one: Callable[[Mapping], Any]) -> Any:
    """A soil or a crop: by its name, or its constants on the spot; None after a mistake."""
    if isinstance(node.value(key), dict):
        return one(node.inner(key))
    return kinds.get(node.take(key, checks.one_of(tuple(kinds))))


def _gateway(node: Mapping, kinds: _Kinds) -> FarmGateway | None:
    gateway_id = node.take("gateway", _gateway_word)
    at = node.take("at", _position, None)
    rows = node.rows("zones")
    if node.good("zones") and not 1 <= len(rows) <= MOST_ZONES:
        node.wrong("zones", f"want 1 to {MOST_ZONES} zones")
    zones = [_zone(row, f"soil-{chr(ord('a') + index)}", kinds) for index, row in enumerate(rows)]
    words = checks.as_list(node.take("process", checks.each(checks.scalar), []))
    node.end()
    if not node.good():
        return None
    position = (float(at[0]), float(at[1])) if at else None
    gateway = FarmGateway(gateway_id, tuple(zone for zone in zones if zone), position, tuple(map(str, words)))
    sensors = [sensor for sensor in gateway.sensor_ids if gateway.sensor_ids.count(sensor) > 1]
    if sensors:
        node.wrong("zones", "two sensors of that name; give each zone and each depth its own", sensors[0])
    return gateway


def _zone(node: Mapping, sensor: str, kinds: _Kinds) -> Zone | None:
    soil: Soil | None = _kind(node, "soil", kinds.soils, _soil)
    crop: Crop | None = _kind(node, "crop", kinds.crops, _crop)
    depth_m = node.take("root_depth_m", checks.number(0.1, 2), 0.45)
    row = {
        "zone_id": node.take("zone_id", _word),
        "sensor": node.take("sensor", _word, sensor),
        "root_depth_m": depth_m,
        "area_m2": node.take("area_m2", checks.number(1, 1_000_000)),
        "application_rate_mm_h": node.take("application_rate_mm_h", checks.number(0.5, 100), 10.0),
        "efficiency": node.take("efficiency", checks.number(0.1, 1), 0.85),
        "probe_depths_m": _depths(node.take("probe_depths_m", checks.each(checks.number(0.01, depth_m)), [])),
        "salt_ds_m": node.take("salt_ds_m", checks.number(0, 20), 1.0),
    }
    driest, wettest = (soil.wilting_point, soil.saturation) if soil else (0.0, 1.0)
    fallback = _fallback(node.inner("fallback")) if "fallback" in node else {}
    initial_vwc = node.take("initial_vwc", checks.number(driest, wettest), None)
    sown = node.take("sown", _sowing_day(kinds.first_day), None)
    node.end()
    if not soil or not crop or not node.good():
        return None
    start = soil.field_capacity - (crop.depletion - ABOVE_THIRST) * (soil.field_capacity - soil.wilting_point)
    start_vwc = round(start, 4) if initial_vwc is None else initial_vwc
    sown_days = crop.grown_days if sown is None else (kinds.first_day - sown).days
    return Zone(**row, soil=soil, crop=crop, initial_vwc=start_vwc, sown_days=sown_days, fallback=fallback)


def _fallback(node: Mapping) -> dict[str, int]:
    """The zone's plan for days without a cloud, as zones.yaml has it."""
    bounds = {"run_s": (1, MAX_RUN_S), "days": (1, 31), "after_offline_s": (3600, 30 * 86400)}
    plan = {
        name: node.take(name, checks.whole_number(*bounds[name]), *([None] if name == "after_offline_s" else []))
        for name in bounds
    }
    node.end()
    return {name: value for name, value in plan.items() if value is not None}


def _depths(depths: Any) -> tuple[float, ...]:
    return tuple(float(depth_m) for depth_m in checks.as_list(depths))


def _sowing_day(first_day: date) -> Check:
    """By its date; without one a crop has grown as many days as bring it into its mid-season."""

    def check(value: Any) -> str | None:
        if type(value) is date and 0 <= (first_day - value).days <= OLDEST_DAYS:
            return None
        return f"want a day as 2020-05-01, at most the season's first, {first_day}"

    return check


def _word(value: Any) -> str | None:
    return None if topics.is_word(value) else "want 1 to 64 letters, digits, '_' or '-'"


def _gateway_word(value: Any) -> str | None:
    return "is the group of all gateways; name one" if value == topics.GROUP_ALL else _word(value)


def _position(value: Any) -> str | None:
    why = checks.each(checks.number(-1e6, 1e6))(value)
    is_pair = isinstance(value, list) and len(value) == 2
    return why or (None if is_pair or value == [] else "want [metres east, metres south]")


def _check_distinct(key: str, nodes: list[Mapping]) -> None:
    names: set[str] = set()
    for node in nodes:
        if node.good(key) and key in node:
            name = str(node.value(key))  # which may be a list yet: what it must be is checked later
            if name in names:
                node.wrong(key, "stands before; give each its own name")
            names.add(name)


def _faults(root: Mapping, farm: Farm, start: int) -> Faults:
    targets = {
        "gateway": [gateway.gateway_id for gateway in farm.gateways],
        "zone": [zone.zone_id for zone in farm.zones],
        "sensor": [sensor_id for gateway in farm.gateways for sensor_id in gateway.sensor_ids],
    }
    rows = root.rows("faults", required=False)
    faults = []
    for number, node in enumerate(
        rows if root.good("gateways", "soils", "crops") else (), 1
    ):  # else their targets are not known
        row = {name: node.value(name) for name in node}
        try:
            faults.append(breakage.read(f"fault {number}", row, targets, start))
        except FaultError as error:
            root.mistakes.add_text(node.node, str(error))
    return Faults(faults, farm.seed)
