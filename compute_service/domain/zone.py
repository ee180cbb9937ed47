"""A farm's zones as its owner describes them: soil, crop, probes, emitters, and what is allowed."""

from dataclasses import dataclass
from datetime import date

from compute_service.errors import ComputeError

DAY_S = 86400
MIN_RUN_S = 60  # a shorter run fills the pipes and waters nothing
POLAR_DEG = 66.0  # nearer to a pole there are days without a sunset, for which FAO-56 has no equation


class SiteError(ComputeError):
    """A place on Earth that cannot be, or where FAO-56 has no equations; the text says what it should be."""


class LimitError(ComputeError):
    """A limit that cannot be; the text says which, and what it should be."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is allowed; None is no limit. `hours` are pairs of seconds after local midnight, and may pass it."""

    daily_l: float | None = None
    seasonal_l: float | None = None
    hours: tuple[tuple[int, int], ...] = ()
    frost_c: float | None = 2.0
    wind_m_s: float | None = None  # at 2 m; sprinklers lose a fifth or more above 4
    rain_now_mm_h: float | None = 1.0
    rain_ahead_h: int = 24

    def __post_init__(self) -> None:
        for name in ("daily_l", "seasonal_l", "wind_m_s", "rain_now_mm_h"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise LimitError(f"{name} {value}: want 0 or more, or leave it away")
        for begin, end in self.hours:
            if not (0 <= begin <= DAY_S and 0 <= end <= DAY_S) or begin == end:
                raise LimitError(
                    f"hours from {begin} to {end}: want two different times of 0 to {DAY_S} s after midnight"
                )


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Site:
    """Where the weather is measured; east and north are positive."""

    latitude_deg: float
    longitude_deg: float
    elevation_m: float
    wind_height_m: float = 2.0
    coastal: bool = False
    arid: bool = False

    def __post_init__(self) -> None:
        if not -POLAR_DEG <= self.latitude_deg <= POLAR_DEG:
            raise SiteError(f"latitude {self.latitude_deg}: want -{POLAR_DEG:g} to {POLAR_DEG:g} degrees, north +")
        if not -180 <= self.longitude_deg <= 180:
            raise SiteError(f"longitude {self.longitude_deg}: want -180 to 180 degrees, east +")
        if not -450 <= self.elevation_m <= 6000:
            raise SiteError(f"elevation {self.elevation_m}: want -450 to 6000 m")
        if not 0.5 <= self.wind_height_m <= 50:
            raise SiteError(f"wind height {self.wind_height_m}: want 0.5 to 50 m above the ground")


@dataclass(frozen=True, slots=True)
class Probe:
    """A moisture probe at one depth, besides the zone's own."""

    sensor_id: str
    depth_m: float


@dataclass(frozen=True, slots=True)
class Zone:
    """One valve, the soil that it waters, the crop on it and its probes. Moisture in m3 of water per m3 of soil.

    `root_depth_m` is how deep the roots go when full grown. `probe_depth_m` None is a probe over the whole root zone.
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
    probes: tuple[Probe, ...] = ()

    def __hash__(self) -> int:
        """By the name alone: every decision looks things up by the zone."""
        return hash(self.zone_id)

    @property
    def sensor_ids(self) -> tuple[str, ...]:
        """The zone's own probe, then the others."""
        return (self.sensor_id, *[probe.sensor_id for probe in self.probes])

    @property
    def flow_l_min(self) -> float:
        """What its emitters take together: 1 mm on 1 m2 is 1 litre."""
        return self.application_rate_mm_h * self.area_m2 / 60


@dataclass(frozen=True, slots=True)
class Config:
    """A farm and its zones, in the file's order. `forecast`: a URL, or a path from the file's folder on."""

    farm: str
    timezone: str
    site: Site
    zones: tuple[Zone, ...]
    pump_l_min: float | None = None
    forecast: str | None = None
