"""Where on Earth the weather is measured."""

from dataclasses import KW_ONLY, dataclass

from agronomy.errors import AgronomyError

POLAR_DEG = 66.0  # nearer to a pole there are days without a sunset, for which FAO-56 has no equation


class SiteError(AgronomyError):
    """A place on Earth that cannot be, or where FAO-56 has no equations; the text says what it should be."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where the weather is measured; east and north are positive."""

    latitude_deg: float
    longitude_deg: float
    elevation_m: float
    _: KW_ONLY
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
