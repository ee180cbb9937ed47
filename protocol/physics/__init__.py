"""What can be on Earth: one row a quantity, its unit, its least and most, and whose figure that is.

Every door holds a number against its row once, as it comes in: messages (whose rows a board has in `messages`, without
the words), forecasts, weather files, loggers' files, stored hours. A record is the least that must pass, so each bound
stands at a record or a little beyond it, never within. Boards do not get this folder.
"""

from protocol.messages import QUANTITIES

# unit, and where the bounds of `messages.QUANTITIES` are from
_OF_READINGS = {
    "vwc": ("m3/m3", "a share of the soil's volume"),
    "soil_temperature_c": ("°C", "WMO-No. 8: soil thermometers; bare desert soil stays below 80"),
    "air_temperature_c": ("°C", "WMO extremes outside of Antarctica: -67.8 and 56.7; farms below 6,000 m"),
    "relative_humidity_pct": ("%", "WMO-No. 8: 100, and 5 that a wet sensor reads too much"),
    "wind_speed_m_s": ("m/s", "mean of a sample; WMO's strongest gust outside of tornadoes is 113.3"),
    "solar_radiation_w_m2": ("W/m2", "solar constant 1,361 and cloud edges; -20 is a pyranometer's offset at night"),
    "rain_mm": ("mm", "within one sample; WMO: 305 mm in 42 min (Holt, 1947)"),
    "flow_l_min": ("l/min", "a pipe of 0.5 m at 8 m/s"),
    "volume_l": ("l", "a meter's count"),
    "pressure_kpa": ("kPa", "20 bar: rated pressure of irrigation pipes"),
    "battery_v": ("V", "extra-low voltage, IEC 61140"),
    "percolation_mm": ("mm", "within one sample: no more than the rain"),
}

# quantity: unit, least, most, source
LIMITS = {
    **{name: (unit, *QUANTITIES[name], source) for name, (unit, source) in _OF_READINGS.items()},
    "hour_rain_mm": ("mm/h", 0.0, 401.0, "WMO: 401 mm in an hour (Shangdi, 1975)"),
    "day_rain_mm": ("mm/d", 0.0, 1825.0, "WMO: 1,825 mm in 24 h (Foc-Foc, 1966)"),
    "hour_et0_mm": (
        "mm/h",
        0.0,
        2.1,
        "the extraterrestrial radiation of an hour, 5.07 MJ/m2 (FAO-56, eq. 28), as water",
    ),
    "day_et0_mm": ("mm/d", 0.0, 20.0, "the extraterrestrial radiation of a day, 48.6 MJ/m2 (FAO-56, eq. 21), as water"),
    "weather_temperature_c": ("°C", -90.0, 60.0, "of free air; WMO extremes: -89.2 and 56.7"),
    "weather_wind_m_s": ("m/s", 0.0, 114.0, "WMO: 113.3 (Barrow Island, 1996)"),
    "utc_offset_s": ("s", -12 * 3600, 14 * 3600, "IANA time zones: UTC-12 to UTC+14"),
}


def why_not(quantity: str, value: object) -> str | None:
    """Why a value can be none of a quantity, in words; None if it can. No value whatever makes this raise."""
    unit, least, most, _ = LIMITS[quantity]
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return "is no number"
    return None if least <= value <= most else f"cannot be: {least:g} to {most:g} {unit} can"


def can_be(quantity: str, value: object) -> bool:
    """True for a number that the quantity can have; neither NaN nor infinity can."""
    return why_not(quantity, value) is None
