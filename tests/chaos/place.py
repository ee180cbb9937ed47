"""Where a chaos run lives: its folders, its field time, its farm; what each of its processes is told."""

import json
import random
import time
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from gateway_sim import farm as farms
from gateway_sim.farm import Farm, FarmGateway, Zone
from gateway_sim.scenario import load
from gateway_sim.weather import Weather

COMPUTE = "irrigation-compute"
BUCKET, RAW_PREFIX, LAKE_PREFIX = "pythoflow-chaos", "raw/", "lake/"
START_H = 9  # of the farm's day, so that the hours of most evapotranspiration come
SAMPLE_EVERY_S = range(600, 1201, 60)  # of field time: each gateway has its own, so that something is always under way
THIRST = (0.85, 1.10)  # of the refill point: where zones begin, so that many are watered within hours


@dataclass(frozen=True)
class Pace:
    """Field time that keeps pace with this machine's, `speed` times as fast, in every process alike."""

    start_ms: int
    began_s: float
    speed: float

    def now_ms(self) -> int:
        """Unix milliseconds of field time."""
        return self.start_ms + int((time.monotonic() - self.began_s) * 1000 * self.speed)

    def real_s(self, field_s: float) -> float:
        """So much field time in the seconds of this machine."""
        return field_s / self.speed


@dataclass(frozen=True, kw_only=True)
class Place:
    """Ports and folders of a run; `store` and `events` are small file systems of their own."""

    root: str
    gateways: int
    seed: int
    gate_port: int
    broker_port: int
    aws_port: int  # of the proxy in front of the AWS API
    service_port: int  # of the link between the service and the gate
    forecast_port: int
    link_ports: dict[str, int]  # between each gateway and the gate
    pace: Pace

    @property
    def path(self) -> Path:
        """The folder of all."""
        return Path(self.root)

    @property
    def store(self) -> Path:
        """The service's store."""
        return self.path / "store" / "compute.sqlite"

    @property
    def zones(self) -> Path:
        """The zones file."""
        return self.path / "zones.yaml"

    @property
    def clock_shift(self) -> Path:
        """Seconds by which somebody has set the service's clock."""
        return self.path / "clock_shift"

    def save(self) -> str:
        """Write it where the processes read it; gives the path."""
        path = self.path / "place.json"
        path.write_text(json.dumps(asdict(self)))
        return str(path)

    @classmethod
    def load(cls, path: str) -> "Place":
        """What `save` wrote."""
        document = json.loads(Path(path).read_text())
        return cls(**{**document, "pace": Pace(**document["pace"])})


def weather_of_run() -> Weather:
    """Two days in July."""
    return load(days=2).weather


def farm_of(gateways: int, seed: int) -> Farm:
    """So many gateways of a zone each, most of them thirsty; the last one is enrolled, and hostile."""
    farm = farms.build(gateways + 1, seed, 1)
    rows = tuple(replace(one, zones=tuple(_thirsty(zone, seed) for zone in one.zones)) for one in farm.gateways)
    return replace(farm, gateways=rows)


def honest(farm: Farm) -> tuple[FarmGateway, ...]:
    """The gateways that are simulated."""
    return farm.gateways[:-1]


def _thirsty(zone: Zone, seed: int) -> Zone:
    draw = random.Random(f"thirst:{seed}:{zone.zone_id}")
    soil = zone.soil
    used = draw.uniform(*THIRST) * zone.crop.depletion * (soil.field_capacity - soil.wilting_point)
    return replace(zone, initial_vwc=round(soil.field_capacity - used, 4))


def zones_text(farm: Farm, first_day: date, forecast: str) -> str:
    """The zones file of the farm, with a pause of ten minutes between two runs."""
    document: dict[str, Any] = farms.zones_document(farm, first_day, forecast)
    for row in document["zones"]:
        row["cooldown_s"] = 600
    return yaml.safe_dump(document, sort_keys=False)
