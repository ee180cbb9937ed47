"""What the sun sends to the top of the atmosphere in a day, as the water that it could evaporate (FAO-56, eq. 21)."""

import math
from datetime import UTC, datetime

SOLAR_MJ_M2_MIN = 0.0820
MM_A_MJ = 0.408  # 1 / the latent heat of vaporisation, 2.45 MJ/kg (FAO-56, p. 30)
LEAST_MM_D = 5.0  # in a polar winter wind and warm air evaporate more than the sun does


def most_et0_mm_d(latitude_deg: float, at: int) -> float:
    """The most ET0 of a day (mm) at a latitude on the day that holds this Unix time."""
    angle = 2 * math.pi * datetime.fromtimestamp(at, UTC).timetuple().tm_yday / 365
    nearness, declination = 1 + 0.033 * math.cos(angle), 0.409 * math.sin(angle - 1.39)
    latitude = math.radians(latitude_deg)
    sunset = math.acos(min(max(-math.tan(latitude) * math.tan(declination), -1.0), 1.0))
    up = sunset * math.sin(latitude) * math.sin(declination)
    mj_m2 = (
        24
        * 60
        / math.pi
        * SOLAR_MJ_M2_MIN
        * nearness
        * (up + math.cos(latitude) * math.cos(declination) * math.sin(sunset))
    )
    return max(MM_A_MJ * mj_m2, LEAST_MM_D)
