"""A farm: gateways, zones, soils and crops, drawn from a seed or listed; what compute and a map are told of it."""

import itertools
import math
import random
import string
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from gateway_sim.errors import FarmError
from protocol import farms as farm_ids

TIMEZONE = "America/Toronto"
PATH_M = 4.0  # between zones on the map
STATIONS = 2  # whose weather serves the gateways whose own station is silent
WEATHER = "weather"  # the sensor of a gateway's weather station
MAX_RUN_S = 3600
HARD_CAP_S = MAX_RUN_S + 300  # the board's own limit, a little above what compute may ask for


@dataclass(frozen=True)
class Soil:
    """Water contents in m3/m3; `conductivity_mm_h` is that of the saturated soil."""

    name: str
    wilting_point: float
    field_capacity: float
    saturation: float
    conductivity_mm_h: float


@dataclass(frozen=True)
class Crop:
    """`kc` of the mid-season and `depletion`, the share of the available water it may use without stress.

    `grown_days` are those from sowing until the mid-season begins, when the roots are as deep as they grow.
    """

    name: str
    kc: float
    depletion: float
    grown_days: int = 60


# Within the ranges of FAO-56 table 19 (Allen et al. 1998); clay loam, and all conductivities, after Saxton and Rawls
# (2006), table 3.
SOILS = (
    Soil("sand", 0.05, 0.12, 0.40, 120.0),
    Soil("sandy loam", 0.11, 0.23, 0.44, 50.0),
    Soil("loam", 0.13, 0.27, 0.46, 15.5),
    Soil("clay loam", 0.19, 0.32, 0.48, 4.3),
)

# FAO-56 tables 12 (Kc mid), 22 (p) and 11 (the initial and the development stage together, of each crop's first row).
CROPS = (
    Crop("maize", 1.20, 0.55, 55),
    Crop("soybean", 1.15, 0.50, 30),
    Crop("tomato", 1.15, 0.40, 70),
    Crop("potato", 1.15, 0.35, 55),
    Crop("onion", 1.05, 0.30, 40),
)


@dataclass(frozen=True)
class Place:
    """Where a farm is, in degrees (north and east are positive) and metres above the sea."""

    latitude: float
    longitude: float
    elevation_m: float


DRUMMONDVILLE = Place(45.88, -72.48, 82.0)


@dataclass(frozen=True, kw_only=True)
class Zone:
    """One plot, one valve, one probe; `initial_vwc` in m3/m3, `efficiency` the share of the water that infiltrates.

    `sensor` sees the whole root zone. Each of `probe_depths_m` adds a sensor at that depth, named as `soil-a-20cm`.
    `salt_ds_m` is the soil water's conductivity: salt makes capacitive probes read wetter. The crop was sown
    `sown_days` before the season begins. `fallback` is the plan for days without a cloud, as zones.yaml has it.
    """

    zone_id: str
    sensor: str
    soil: Soil
    crop: Crop
    root_depth_m: float
    area_m2: float
    application_rate_mm_h: float
    efficiency: float
    initial_vwc: float
    probe_depths_m: tuple[float, ...] = ()
    salt_ds_m: float = 1.0
    sown_days: int = 60
    fallback: Mapping[str, int] = field(default_factory=dict)

    @property
    def probes(self) -> tuple[tuple[str, float], ...]:
        """The other probes: (sensor, depth in m)."""
        return tuple((f"{self.sensor}-{depth * 100:.0f}cm", depth) for depth in self.probe_depths_m)

    @property
    def litres_per_minute(self) -> float:
        """Flow through the open valve: 1 mm on 1 m2 is 1 litre."""
        return self.application_rate_mm_h * self.area_m2 / 60


@dataclass(frozen=True)
class FarmGateway:
    """One gateway and its zones.

    `at` is where it stands, in m east and south of the farm's corner; None: `layout` finds a place. With a `process` it
    is not simulated by a fleet: that command is the gateway.
    """

    gateway_id: str
    zones: tuple[Zone, ...]
    at: tuple[float, float] | None = None
    process: tuple[str, ...] = ()

    @property
    def sensor_ids(self) -> tuple[str, ...]:
        """Every sensor: its zones' own, those at depths, the weather station."""
        sensors = [name for zone in self.zones for name in (zone.sensor, *(sensor for sensor, _ in zone.probes))]
        return tuple(f"{self.gateway_id}.{sensor}" for sensor in (*sensors, WEATHER))


@dataclass(frozen=True)
class Farm:
    """All gateways of one farm."""

    name: str
    seed: int
    gateways: tuple[FarmGateway, ...]
    timezone: str = TIMEZONE
    place: Place = DRUMMONDVILLE

    @property
    def simulated(self) -> "Farm":
        """The part that a fleet plays: without the gateways that are processes of their own."""
        return replace(self, gateways=tuple(gateway for gateway in self.gateways if not gateway.process))

    @property
    def zones(self) -> tuple[Zone, ...]:
        """All zones, gateway by gateway."""
        return tuple(zone for gateway in self.gateways for zone in gateway.zones)


def build(gateways: int, seed: int, zones_per_gateway: int = 3, farm: str = farm_ids.DEFAULT) -> Farm:
    """Draw a farm, its gateways called after its id; the same arguments give the same farm. Raises FarmError."""
    if gateways < 1 or not 1 <= zones_per_gateway <= len(string.ascii_lowercase):
        raise FarmError(f"{gateways} gateways of {zones_per_gateway} zones: want at least 1, and 1 to 26 zones")
    names = [(number, farm_ids.gateway(farm, number)) for number in range(1, gateways + 1)]
    return Farm("drummondville", seed, tuple(_gateway(name, n, seed, zones_per_gateway) for n, name in names))


def local_day(unix_s: float, timezone: str) -> date:
    """The day that a calendar on the farm's wall shows."""
    return datetime.fromtimestamp(unix_s, ZoneInfo(timezone)).date()


def zones_document(farm: Farm, first_day: date, forecast: str | None = None) -> dict[str, Any]:
    """The content of compute's zones.yaml for a season that begins on that day: m3/m3, m, degrees, seconds.

    `forecast` is where compute finds one.
    """
    rows = [_zone_row(gateway.gateway_id, zone, first_day) for gateway in farm.gateways for zone in gateway.zones]
    about = {"farm": farm.name, "timezone": farm.timezone, **asdict(farm.place)}
    about["weather_stations"] = sorted(gateway.gateway_id for gateway in farm.gateways)[:STATIONS]
    return {**about, **({"forecast": forecast} if forecast else {}), "zones": rows}


def layout(farm: Farm) -> dict[str, list[dict[str, Any]]]:
    """A map of the farm, in m east (x) and south (y) of its corner: `gateways` as points, `zones` as rectangles.

    Zones have their area and lie east of their gateway, or in the nearest place that is free; no two overlap. The same
    farm has the same map.
    """
    boxes: list[_Box] = []
    gateways, zones = [], []
    places = _places(farm)
    for gateway, (x, y) in zip(farm.gateways, places, strict=True):
        kind = "process" if gateway.process else "simulated"
        gateways.append({"gateway_id": gateway.gateway_id, "x_m": x, "y_m": y, "kind": kind})
    for gateway, (x, y) in zip(farm.gateways, places, strict=True):
        east = x + PATH_M
        for zone in gateway.zones:
            box = _free(_Box(*_rounded((east, y)), *_sides(zone)), boxes)
            boxes.append(box)
            east = box.x + box.width + PATH_M
            row = {"zone_id": zone.zone_id, "gateway_id": gateway.gateway_id, "x_m": box.x, "y_m": box.y}
            zones.append({**row, "width_m": box.width, "height_m": box.height})
    return {"gateways": gateways, "zones": zones}


class _Box(NamedTuple):
    """A rectangle, by its corner of least x and y, in m."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: "_Box") -> bool:
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


def _sides(zone: Zone) -> tuple[float, float]:
    """Half as long again as it is deep; to the centimetre, so that the area is right within a thousandth."""
    width = round(math.sqrt(1.5 * zone.area_m2), 2)
    return width, round(zone.area_m2 / width, 2)


def _places(farm: Farm) -> list[tuple[float, float]]:
    """Where each gateway stands: as it says, or on a grid whose cells hold a gateway's zones, south of those."""
    columns = max(1, round(math.sqrt(len(farm.gateways) / 2)))
    sides = [[_sides(zone) for zone in gateway.zones] for gateway in farm.gateways]
    wide = max(sum(width + PATH_M for width, _ in zones) + 3 * PATH_M for zones in sides)
    deep = max(height for zones in sides for _, height in zones) + 2 * PATH_M
    south = max((gateway.at[1] + deep for gateway in farm.gateways if gateway.at), default=0.0)
    cells = ((column * wide, south + row * deep) for row in itertools.count() for column in range(columns))
    return [gateway.at or _rounded(next(cells)) for gateway in farm.gateways]


def _rounded(place: tuple[float, float]) -> tuple[float, float]:
    return round(place[0], 2), round(place[1], 2)


def _free(own_box: _Box, others: list[_Box]) -> _Box:
    """The wanted box, or the nearest one beside those that are taken."""
    if not any(own_box.overlaps(box) for box in others):
        return own_box
    beside = {change for box in others for change in _beside(box)}
    boxes = [own_box._replace(x=own_box.x if x is None else x, y=own_box.y if y is None else y) for x, y in beside]
    boxes.sort(key=lambda box: (math.hypot(box.x - own_box.x, box.y - own_box.y), box))
    return next(box for box in boxes if not any(box.overlaps(other) for other in others))


def _beside(box: _Box) -> list[tuple[float | None, float | None]]:
    """Where another may begin: east of it, south of it, at its own height or (None) at the other's."""
    east, south = round(box.x + box.width + PATH_M, 2), round(box.y + box.height + PATH_M, 2)
    return [(east, None), (east, box.y), (None, south), (box.x, south)]


def _gateway(gateway_id: str, number: int, seed: int, zones: int) -> FarmGateway:
    letters = string.ascii_lowercase[:zones]
    return FarmGateway(gateway_id, tuple(_zone(number, letter, seed) for letter in letters))


def _zone(number: int, letter: str, seed: int) -> Zone:
    """A drawn zone begins somewhere between its last refill and its next, as a farm in mid season has them."""
    zone_id = f"plot-{number}{letter}"
    draw = random.Random(f"{seed}:{zone_id}")  # noqa: S311  # no secret; its own, so zones do not depend on each other
    soil, crop = draw.choice(SOILS), draw.choice(CROPS)
    available = soil.field_capacity - soil.wilting_point
    return Zone(
        zone_id=zone_id,
        sensor=f"soil-{letter}",
        soil=soil,
        crop=crop,
        root_depth_m=round(draw.uniform(0.35, 0.60), 2),
        area_m2=float(draw.randrange(200, 1001, 50)),
        application_rate_mm_h=round(draw.uniform(8.0, 14.0), 1),
        efficiency=round(draw.uniform(0.80, 0.92), 2),
        initial_vwc=round(soil.field_capacity - draw.uniform(0.0, crop.depletion) * available, 4),
        sown_days=crop.grown_days,
    )


def _zone_row(gateway_id: str, zone: Zone, first_day: date) -> dict[str, Any]:
    own_depletion = {} if zone.crop in CROPS else {"allowed_depletion": zone.crop.depletion}
    probes = [{"sensor_id": f"{gateway_id}.{sensor}", "depth_m": depth} for sensor, depth in zone.probes]
    return {
        "zone_id": zone.zone_id,
        "gateway_id": gateway_id,
        "sensor_id": f"{gateway_id}.{zone.sensor}",
        "crop": zone.crop.name,
        "sown": (first_day - timedelta(days=zone.sown_days)).isoformat(),
        "soil": zone.soil.name,
        "field_capacity": zone.soil.field_capacity,
        "wilting_point": zone.soil.wilting_point,
        "root_depth_m": zone.root_depth_m,
        "area_m2": zone.area_m2,
        "application_rate_mm_h": zone.application_rate_mm_h,
        "efficiency": zone.efficiency,
        "max_run_s": MAX_RUN_S,
        "cooldown_s": 1800,
        "daily_cap_s": 4 * MAX_RUN_S,
        "max_reading_age_s": 3 * 3600,
        **own_depletion,
    } | {name: value for name, value in (("probes", probes), ("fallback", dict(zone.fallback))) if value}
