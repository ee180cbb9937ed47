"""A farm's zones as its owner describes them: soil, crop, probes, emitters, and what is allowed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from agronomy.balance import Soil
from agronomy.crops import Crop
from agronomy.errors import AgronomyError
from agronomy.refill import Emitters
from agronomy.site import Site
from agronomy.strategy import STRATEGY, Strategy
from agronomy.units import DAY_S
from compute_service.domain.constraints import NO_LIMITS, Limits
from compute_service.errors import ComputeError
from protocol import topics
from protocol.messages import AFTER_OFFLINE_S

MOST_EVAPORABLE = 0.7  # of the surface's water, that coarse soils give off easily (FAO-56, table 19)


class ZoneError(ComputeError):
    """Settings of a zone that come to no soil, crop or emitters that can be; the text says which and why."""


@dataclass(frozen=True, slots=True)
class PlacedProbe:
    """A moisture probe at one depth, besides the zone's own."""

    sensor_id: str
    depth_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackSettings:
    """What a zone's board may do without the cloud: a run of `run_s` in any 24 h, on so many `days` in all.

    It begins once the board had no cloud for `after_offline_s`.
    """

    run_s: int
    days: int
    after_offline_s: int = AFTER_OFFLINE_S


@dataclass(frozen=True, slots=True)
class Place:
    """What a zone's settings come to: its soil, its crop with this field's roots, its emitters, its strategy."""

    soil: Soil
    crop: Crop
    emitters: Emitters
    sown_at: int
    strategy: Strategy

    def day(self, at: int) -> float:
        """Days since sowing; negative before."""
        return (at - self.sown_at) / DAY_S

    def season_begun(self, at: int) -> int:
        """When this season began: a perennial's comes round again."""
        cycle_s = sum(self.crop.days) * DAY_S
        return at - (at - self.sown_at) % cycle_s if self.crop.perennial else self.sown_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """One valve, the soil that it waters, the crop on it and its probes. Moisture in m3 of water per m3 of soil.

    `root_depth_m` is how deep the roots go when full grown. `probe_depth_m` None is a probe over the whole root zone.
    Its settings are all fields but `place`, which is what they come to: see `zone_of`.
    """

    zone_id: str
    gateway_id: str
    sensor_id: str
    crop: str
    sown: date
    soil: str
    field_capacity: float
    wilting_point: float
    root_depth_m: float
    area_m2: float
    application_rate_mm_h: float
    efficiency: float
    max_run_s: int
    cooldown_s: int
    daily_cap_s: int
    max_reading_age_s: int
    timezone: str  # the farm's, an IANA name: the daily cap is counted by its local days
    calendar: str | None = None  # of the crop's stages, as crops.yaml names them
    allowed_depletion: float | None = None  # instead of the crop's own share of the available water
    infiltration_mm_h: float | None = None
    probe_depth_m: float | None = None
    limits: Limits = NO_LIMITS
    probes: tuple[PlacedProbe, ...] = ()
    mode: str = "act"  # or advice: its decisions never command
    fallback: FallbackSettings | None = None  # None: its board waters by commands alone
    place: Place

    @property
    def sensor_ids(self) -> tuple[str, ...]:
        """The zone's own probe, then the others."""
        return (self.sensor_id, *[probe.sensor_id for probe in self.probes])

    @property
    def measured_by(self) -> tuple[str, ...]:
        """The gateways that have its probes: its own, or nodes."""
        return tuple(dict.fromkeys(topics.gateway_of(sensor_id) for sensor_id in self.sensor_ids))

    @property
    def flow_l_min(self) -> float:
        """What its emitters take together: 1 mm on 1 m2 is 1 litre."""
        return self.place.emitters.flow_l_min


def zone_of(settings: Mapping[str, Any], crop: Crop) -> Zone:
    """The zone of such settings, by their names in Zone, and of its crop as the tables have it."""
    try:
        place = _place(settings, crop)
    except AgronomyError as error:
        raise ZoneError(f"zone {settings['zone_id']}: {error}") from error
    return Zone(**settings, place=place)


def _place(settings: Mapping[str, Any], crop: Crop) -> Place:
    capacity, wilting = settings["field_capacity"], settings["wilting_point"]
    top_mm = 1000 * (capacity - 0.5 * wilting) * 0.1
    soil = Soil(capacity, wilting, readily_evaporable_mm=min(8.0, MOST_EVAPORABLE * top_mm))
    crop, strategy = replace(crop, roots_m=settings["root_depth_m"]), STRATEGY
    own = settings.get("allowed_depletion")
    if own is not None:  # a grower's own limit is one: neither stage nor weather goes beyond it
        crop = replace(crop, depletion_fraction=own, closes=own)
        strategy = replace(STRATEGY, mid=1.0, late=1.0, most=1.0, counted=1.0)
    emitters = Emitters(
        settings["area_m2"],
        settings["application_rate_mm_h"],
        settings["efficiency"],
        settings.get("infiltration_mm_h"),
    )
    sown, farm = settings["sown"], ZoneInfo(settings["timezone"])
    sown_at = int(datetime(sown.year, sown.month, sown.day, tzinfo=farm).timestamp())
    return Place(soil, crop, emitters, sown_at, strategy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A farm and its zones, in the file's order. `forecast`: a URL, or a path from the file's folder on.

    A cubic metre of water costs `water_price_m3`, and the energy that lifts it `energy_price_m3`, in `currency`.
    `weather_stations`: the gateways whose station, in this order, serves those that have none or a silent one.
    `nodes`: gateways without a valve, whose probes any zone may go by.
    """

    farm: str
    timezone: str
    site: Site
    zones: tuple[Zone, ...]
    pump_l_min: float | None = None
    forecast: str | None = None
    water_price_m3: float | None = None
    energy_price_m3: float | None = None
    currency: str | None = None
    weather_stations: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()

    @property
    def gateway_ids(self) -> frozenset[str]:
        """Whose messages are heard: the gateways of its zones, and its nodes."""
        return frozenset(zone.gateway_id for zone in self.zones) | frozenset(self.nodes)
