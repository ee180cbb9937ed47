"""A farm drawn from a seed: gateways, zones, soils and crops, and the document that tells compute about them."""

import random
import string
from dataclasses import dataclass
from typing import Any

from gateway_sim.errors import FarmError

TIMEZONE = "America/Toronto"
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
    """`kc` of the mid-season and `depletion`, the share of the available water it may use without stress."""

    name: str
    kc: float
    depletion: float


# Within the ranges of FAO-56 table 19 (Allen et al. 1998); clay loam, and all conductivities, after Saxton and Rawls
# (2006), table 3.
SOILS = (
    Soil("sand", 0.05, 0.12, 0.40, 120.0),
    Soil("sandy loam", 0.11, 0.23, 0.44, 50.0),
    Soil("loam", 0.13, 0.27, 0.46, 15.5),
    Soil("clay loam", 0.19, 0.32, 0.48, 4.3),
)

# FAO-56 tables 12 (Kc mid) and 22 (p).
CROPS = (
    Crop("maize", 1.20, 0.55),
    Crop("soybean", 1.15, 0.50),
    Crop("tomato", 1.15, 0.40),
    Crop("potato", 1.15, 0.35),
    Crop("onion", 1.05, 0.30),
)


@dataclass(frozen=True)
class Zone:
    """One plot, one valve, one probe; `initial_vwc` in m3/m3, `efficiency` the share of the water that infiltrates.

    `sensor` sees the whole root zone. Each of `probe_depths_m` adds a sensor at that depth, named as `soil-a-20cm`.
    `salt_ds_m` is the soil water's conductivity: salt makes capacitive probes read wetter.
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

    @property
    def refill_point(self) -> float:
        """Where the crop begins to suffer, m3/m3 (FAO-56 equation 83)."""
        return round(self.soil.field_capacity - self.crop.depletion * self._available, 4)

    @property
    def target(self) -> float:
        """Where a run should end, m3/m3: short of field capacity, so that rain still finds room."""
        return round(self.soil.field_capacity - 0.1 * self._available, 4)

    @property
    def litres_per_minute(self) -> float:
        """Flow through the open valve: 1 mm on 1 m2 is 1 litre."""
        return self.application_rate_mm_h * self.area_m2 / 60

    @property
    def _available(self) -> float:
        return self.soil.field_capacity - self.soil.wilting_point


@dataclass(frozen=True)
class FarmGateway:
    """One gateway and its zones."""

    gateway_id: str
    zones: tuple[Zone, ...]


@dataclass(frozen=True)
class Farm:
    """All gateways of one farm."""

    name: str
    seed: int
    gateways: tuple[FarmGateway, ...]

    @property
    def zones(self) -> tuple[Zone, ...]:
        """All zones, gateway by gateway."""
        return tuple(zone for gateway in self.gateways for zone in gateway.zones)


def build(gateways: int, seed: int, zones_per_gateway: int = 3) -> Farm:
    """Draw a farm; the same arguments give the same farm. Raises FarmError."""
    if gateways < 1 or not 1 <= zones_per_gateway <= len(string.ascii_lowercase):
        raise FarmError(f"{gateways} gateways of {zones_per_gateway} zones: want at least 1, and 1 to 26 zones")
    return Farm("drummondville", seed, tuple(_gateway(n, seed, zones_per_gateway) for n in range(1, gateways + 1)))


def zones_document(farm: Farm) -> dict[str, Any]:
    """The content of compute's zones.yaml: water contents in m3/m3, times in seconds."""
    rows = [_zone_row(gateway.gateway_id, zone) for gateway in farm.gateways for zone in gateway.zones]
    return {"farm": farm.name, "timezone": TIMEZONE, "zones": rows}


def _gateway(number: int, seed: int, zones: int) -> FarmGateway:
    letters = string.ascii_lowercase[:zones]
    return FarmGateway(f"irrigation-gateway-{number}", tuple(_zone(number, letter, seed) for letter in letters))


def _zone(number: int, letter: str, seed: int) -> Zone:
    zone_id = f"plot-{number}{letter}"
    draw = random.Random(f"{seed}:{zone_id}")  # noqa: S311  # no secret; its own, so zones do not depend on each other
    soil, crop = draw.choice(SOILS), draw.choice(CROPS)
    available = soil.field_capacity - soil.wilting_point
    refill_point = soil.field_capacity - crop.depletion * available
    return Zone(
        zone_id=zone_id,
        sensor=f"soil-{letter}",
        soil=soil,
        crop=crop,
        root_depth_m=round(draw.uniform(0.35, 0.60), 2),
        area_m2=float(draw.randrange(200, 1001, 50)),
        application_rate_mm_h=round(draw.uniform(8.0, 14.0), 1),
        efficiency=round(draw.uniform(0.80, 0.92), 2),
        initial_vwc=round(refill_point + draw.uniform(0.0, 0.10) * available, 4),
    )


def _zone_row(gateway_id: str, zone: Zone) -> dict[str, Any]:
    return {
        "zone_id": zone.zone_id,
        "gateway_id": gateway_id,
        "sensor_id": f"{gateway_id}.{zone.sensor}",
        "crop": zone.crop.name,
        "soil": zone.soil.name,
        "field_capacity": zone.soil.field_capacity,
        "wilting_point": zone.soil.wilting_point,
        "refill_point": zone.refill_point,
        "target": zone.target,
        "root_depth_m": zone.root_depth_m,
        "area_m2": zone.area_m2,
        "application_rate_mm_h": zone.application_rate_mm_h,
        "efficiency": zone.efficiency,
        "max_run_s": MAX_RUN_S,
        "cooldown_s": 1800,
        "daily_cap_s": 4 * MAX_RUN_S,
        "max_reading_age_s": 3 * 3600,
    }
