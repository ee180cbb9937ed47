"""Units of real loggers, and what makes them the protocol's own: a table row a unit."""

from protocol.messages import QUANTITIES

DECIMALS = 9  # of a converted value: far finer than any probe, and 15.5879732 % is 0.155879732 again

# What the protocol's quantities are measured in: their names end with it.
ENDINGS = {
    "vwc": "fraction",
    "_c": "C",
    "_pct": "%",
    "_m_s": "m/s",
    "_w_m2": "W/m2",
    "_mm": "mm",
    "_l_min": "L/min",
    "_l": "L",
    "_kpa": "kPa",
    "_v": "V",
}
BASES = {quantity: base for quantity in QUANTITIES for ending, base in ENDINGS.items() if quantity.endswith(ending)}

# base -> unit -> (factor, offset): base = unit * factor + offset. Inch, gallon (US), pound and mile are exact.
CONVERSIONS = {
    "fraction": {"fraction": (1.0, 0.0), "%": (0.01, 0.0)},
    "C": {"C": (1.0, 0.0), "F": (5 / 9, -160 / 9), "K": (1.0, -273.15)},
    "%": {"%": (1.0, 0.0), "fraction": (100.0, 0.0)},
    "m/s": {"m/s": (1.0, 0.0), "km/h": (1 / 3.6, 0.0), "mph": (0.44704, 0.0), "kn": (1852 / 3600, 0.0)},
    "W/m2": {"W/m2": (1.0, 0.0), "kW/m2": (1000.0, 0.0), "MJ/m2/h": (1e6 / 3600, 0.0)},
    "mm": {"mm": (1.0, 0.0), "cm": (10.0, 0.0), "in": (25.4, 0.0)},
    "L/min": {"L/min": (1.0, 0.0), "L/h": (1 / 60, 0.0), "m3/h": (1000 / 60, 0.0), "gal/min": (3.785411784, 0.0)},
    "L": {"L": (1.0, 0.0), "m3": (1000.0, 0.0), "gal": (3.785411784, 0.0)},
    "kPa": {
        "kPa": (1.0, 0.0),
        "Pa": (0.001, 0.0),
        "hPa": (0.1, 0.0),
        "bar": (100.0, 0.0),
        "psi": (6.894757293168, 0.0),
        "mmHg": (0.133322387415, 0.0),
        "inHg": (3.38638864, 0.0),
    },
    "V": {"V": (1.0, 0.0), "mV": (0.001, 0.0)},
}

# How else loggers and people write them.
ALIASES = {
    "m3/m3": "fraction",
    "m³/m³": "fraction",
    "percent": "%",
    "°C": "C",
    "deg C": "C",
    "degC": "C",
    "celsius": "C",
    "°F": "F",
    "deg F": "F",
    "degF": "F",
    "fahrenheit": "F",
    "kelvin": "K",
    "km.h-1": "km/h",
    "kph": "km/h",
    "m.s-1": "m/s",
    "knots": "kn",
    "W/m²": "W/m2",
    "W.m-2": "W/m2",
    "inch": "in",
    "inches": "in",
    "mbar": "hPa",
    "l": "L",
    "litre": "L",
    "l/min": "L/min",
    "l/h": "L/h",
    "gpm": "gal/min",
    "volt": "V",
}

assert set(BASES) == set(QUANTITIES), f"no unit is known for {sorted(set(QUANTITIES) - set(BASES))}"


def known(quantity: str) -> list[str]:
    """The units from which a quantity can be converted."""
    return list(CONVERSIONS[BASES[quantity]])


def conversion(quantity: str, unit: str) -> tuple[float, float] | None:
    """Factor and offset from `unit`, as a logger writes it, to the quantity's own; None if it is no unit of it."""
    return CONVERSIONS[BASES[quantity]].get(ALIASES.get(unit, unit))


def convert(value: float, factor: float, offset: float) -> float:
    """The value in the quantity's own unit; a value that is in it already stays as it is, to the last digit."""
    return value if (factor, offset) == (1.0, 0.0) else round(value * factor + offset, DECIMALS)
