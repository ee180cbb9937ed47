"""What a person writes for one board, checked before anything is switched on: config.json and pins.json.

Runs on the board and on the computer that flashes it. Every complaint names the entry, its value and the remedy.
"""

from gateway.errors import ConfigError
from protocol import json_text
from protocol.messages import QUANTITIES
from protocol.topics import is_word

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    Row = dict[str, Any]

# ESP32: what a pin can be.
LAST_PIN = 39
NEVER = (
    ((6, 7, 8, 9, 10, 11), "belongs to the flash chip"),
    ((1, 3), "is the serial line"),
    ((0, 12), "decides how the chip starts, and must hang on nothing"),
    ((20, 24, 28, 29, 30, 31), "does not exist"),
)
INPUT_ONLY = (34, 35, 36, 37, 38, 39)
ADC_PINS = (32, 33, 34, 35, 36, 37, 38, 39)  # those of ADC1; ADC2 stops while Wi-Fi is on
BOOT_PINS = (2, 5, 14, 15)  # they pulse while the chip starts
PULLED_LOW = (4,)  # while the chip starts; the others float
MOST_NETWORKS = 3
FALSE_EDGES = (36, 39)  # pulled low for 80 ns whenever the converter is switched on: a fault of the chip


def load(path: str) -> "Row":
    """Read a JSON object. Raises ConfigError."""
    try:
        with open(path, "rb") as file:
            document = json_text.loads(file.read())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error}); copy it to the board again") from error
    except ValueError as error:
        raise ConfigError(f"{path}: no JSON ({error}); check its commas and quotes, and copy it again") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: holds {_short(document)}; it must be a JSON object")
    return document


def check_config(config: "Row") -> "Row":
    """The configuration, complete with its defaults. Raises ConfigError."""
    _walk("config.json", config, _CONFIG)
    complete = dict(DEFAULTS)
    complete.update(config)
    complete["wifi"] = check_wifi(config["wifi"])
    _walk("config.json broker", config["broker"], _BROKER)
    zones = config["zones"]
    for place, zone in _numbered("config.json zones", zones):
        _walk(place, zone, _ZONE if not config.get("sleep") else _ZONE_ASLEEP)
    _no_twins("config.json zones", [zone["zone_id"] for zone in zones])
    return complete


def check_wifi(wifi: "Any") -> "list[Row]":
    """The networks of config.json, as a list. Raises ConfigError."""
    rows = wifi if isinstance(wifi, list) else [wifi]
    if not 0 < len(rows) <= MOST_NETWORKS:
        raise ConfigError(f"config.json wifi: {len(rows)} networks; it must be {_CONFIG['wifi'][1]}")
    for place, row in _numbered("config.json wifi", rows):
        _walk(place if isinstance(wifi, list) else "config.json wifi", row, _WIFI)
    return rows


def needs(config: "Row") -> "tuple[list[str], bool]":
    """What `check_pins` wants of a checked configuration: its zones, and whether it sleeps."""
    return [zone["zone_id"] for zone in config["zones"]], bool(config.get("sleep"))


def check_pins(pins: "Row", zone_ids: "list[str]", sleeps: bool = False) -> "Row":
    """The pins, complete: a valve for every zone, none on a board that sleeps; no pin twice. Raises ConfigError."""
    _walk("pins.json", pins, dict(_PINS, valves=_NONE_ASLEEP, master=_NONE_ASLEEP) if sleeps else _PINS)
    if sleeps:
        pins["valves"] = []
    owners: Row = {}
    for place, row in _numbered("pins.json valves", pins["valves"]):
        _check_valve(place, row, owners)
        if row.get("zone_id") not in zone_ids:
            raise ConfigError(
                f"{place}: zone_id {_short(row.get('zone_id'))} is no zone of config.json; zones: {zone_ids}"
            )
    _no_twins("pins.json valves", [row["zone_id"] for row in pins["valves"]])
    missing = [
        zone_id for zone_id in zone_ids if not sleeps and zone_id not in [row["zone_id"] for row in pins["valves"]]
    ]
    if missing:
        raise ConfigError(f"pins.json valves: no valve for {missing[0]}; add a row with this zone_id")
    if pins.get("master") is not None:
        _check_valve("pins.json master", pins["master"], owners)
    for place, row in _numbered("pins.json sensors", pins.get("sensors") or []):
        _check_sensor(place, row, zone_ids, owners)
        if sleeps and row["kind"] in ("flow", "rain"):
            raise ConfigError(
                f"{place}: a board that sleeps misses its pulses; take out this row, or sleep of config.json"
            )
    rows = pins.get("sensors") or []
    _no_twins("pins.json sensors", [f"{row['sensor']} of kind {row['kind']}" for row in rows])
    _check_thermometers(rows)
    if pins.get("light") is not None:
        _take("pins.json light", pins["light"], owners)
        _refuse("pins.json light", pins["light"], INPUT_ONLY, "can only read")
    if pins.get("setup_pin") is not None:
        _take("pins.json setup_pin", pins["setup_pin"], owners)
        _refuse("pins.json setup_pin", pins["setup_pin"], INPUT_ONLY, "has no pull-up")
    return pins


def _check_valve(place: str, row: "Row", owners: "Row") -> None:
    _walk(place, row, _kind(place, row, _VALVES))
    for name in ("pin", "open_pin", "close_pin"):
        if name in row:
            _take(f"{place} {name}", row[name], owners)
            _refuse(f"{place} {name}", row[name], BOOT_PINS, "moves while the chip starts, and the valve with it")
            _refuse(f"{place} {name}", row[name], INPUT_ONLY, "can only read")
            if row.get("on") == 0:
                _refuse(f"{place} {name}", row[name], PULLED_LOW, "is pulled low while the chip starts, which opens it")


def _check_sensor(place: str, row: "Row", zone_ids: "list[str]", owners: "Row") -> None:
    _walk(place, row, _kind(place, row, _SENSORS))
    kind, zone_id = row["kind"], row.get("zone_id")
    if zone_id is not None and zone_id not in zone_ids:
        raise ConfigError(f"{place}: zone_id {_short(zone_id)} is no zone of config.json; zones: {zone_ids}")
    wires = [(name, row[name]) for name in ("pin", "tx", "rx", "enable", "sda", "scl") if name in row]
    for name, pin in wires:
        bus = [kind, row.get("uart"), wires] if kind in _ON_A_BUS else None
        _take(f"{place} {name}", pin, owners, bus)
        if (kind, name) not in _ONLY_READS:
            _refuse(f"{place} {name}", pin, INPUT_ONLY, "can only read")
        if kind in ("flow", "rain"):
            _refuse(f"{place} {name}", pin, FALSE_EDGES, "has false pulses when the chip measures a voltage")
    if "uart" in row:
        _claim(f"{place} uart", f"UART {row['uart']}", owners, [kind, row["uart"], wires])
    if kind in ("soil_adc", "battery") and row["pin"] not in ADC_PINS:
        raise ConfigError(f"{place} pin: GPIO {row['pin']} cannot measure beside Wi-Fi; use one of {ADC_PINS}")


def _check_thermometers(rows: "list[Row]") -> None:
    """Several on one pin are told apart by their ROMs."""
    for row in rows:
        mates = [other for other in rows if other["kind"] == row["kind"] == "ds18b20" and other["pin"] == row["pin"]]
        roms = [other.get("rom") for other in mates]
        if len(mates) > 1 and (None in roms or roms.count(row.get("rom")) > 1):
            raise ConfigError(
                f"pins.json sensors: {len(mates)} thermometers on GPIO {row['pin']}; give each the rom of its own"
            )


def _kind(place: str, row: "Any", kinds: "Row") -> "Row":
    kind = row.get("kind") if isinstance(row, dict) else row
    if not isinstance(kind, str) or kind not in kinds:
        raise ConfigError(f"{place}: kind {_short(kind)}; it must be one of {sorted(kinds)}")
    fields: Row = kinds[kind]
    return fields


def _take(place: str, pin: "Any", owners: "Row", bus: "Any" = None) -> None:
    if not _is_int(pin) or not 0 <= pin <= LAST_PIN:
        raise ConfigError(f"{place}: {_short(pin)} is no GPIO; it must be a number from 0 to {LAST_PIN}")
    for pins, why in NEVER:
        _refuse(place, pin, pins, why)
    _claim(place, f"GPIO {pin}", owners, bus)


def _claim(place: str, what: str, owners: "Row", bus: "Any") -> None:
    """Each thing has one user; rows of one bus share theirs."""
    owner, its_bus = owners.setdefault(what, (place, bus))
    if owner != place and (bus is None or bus != its_bus):
        raise ConfigError(f"{place}: {what} is taken by {owner}; use another")


def _refuse(place: str, pin: int, pins: "tuple[int, ...]", why: str) -> None:
    if pin in pins:
        raise ConfigError(f"{place}: GPIO {pin} {why}; use another")


def _walk(place: str, row: "Any", fields: "Mapping[str, tuple[Callable[[Any], bool], str, bool | None]]") -> None:
    """Check each known field of a row: test, what it must be, whether it must be there. Unknown names are refused.

    If that is None, it may be left out or null; else null is a mistake, as boot.py and others want a value or nothing.
    """
    if not isinstance(row, dict):
        raise ConfigError(f"{place}: holds {_short(row)}; it must be an object with {sorted(fields)}")
    for name in sorted(fields):
        good, what, must = fields[name]
        if row.get(name) is None and (must is not False or name not in row):
            if must:
                raise ConfigError(f"{place}: {name} is missing; it must be {what}")
        elif not good(row[name]):
            text = "***" if name == "password" else _short(row[name])
            raise ConfigError(f"{place} {name}: {text}; it must be {what}")
    for name in row:
        if name not in fields:
            raise ConfigError(f"{place}: {name} is not known; it takes {sorted(fields)}")


def _numbered(place: str, rows: "list[Any]") -> "Iterator[tuple[str, Any]]":
    for number, row in enumerate(rows):
        yield f"{place}[{number}]", row


def _no_twins(place: str, names: "list[str]") -> None:
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ConfigError(f"{place}: {name} stands there twice; each needs a name of its own")


def _short(value: "Any") -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _is_int(value: "Any") -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(least: int, most: int) -> "Callable[[Any], bool]":
    return lambda value: _is_int(value) and least <= value <= most


def _number(least: float, most: float) -> "Callable[[Any], bool]":
    return lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


def _text(most: int) -> "Callable[[Any], bool]":
    return lambda value: isinstance(value, str) and 0 < len(value) <= most


def _rows(least: int) -> "Callable[[Any], bool]":
    return lambda value: isinstance(value, list) and len(value) >= least


def _points(value: "Any") -> bool:
    """At least two (millivolts, m3/m3), each voltage its own."""
    pairs = _rows(2)(value) and all(
        _rows(2)(pair) and len(pair) == 2 and _number(0, 3300)(pair[0]) and _number(0, 1)(pair[1]) for pair in value
    )
    return pairs and len({pair[0] for pair in value}) == len(value)


def _flag(value: "Any") -> bool:
    return isinstance(value, bool)


def _any(_value: "Any") -> bool:
    return True


_PIN = (_any, "a GPIO number", True)  # `_take` knows what is wrong with one
_SENSOR = (is_word, "a name of letters, digits, - and _, as soil-a", True)
_ZONE_ID = (_any, "a zone of config.json", None)
_KIND = (_any, "a kind", True)
_SECONDS = _whole(10, 86400)

_CONFIG = {
    "gateway_id": (is_word, "the thing's name, as irrigation-gateway-1", True),
    "root": (_text(40), "irrigation, or irrigation/FARM", False),
    "wifi": (_any, "an object with ssid and password, or a list of up to 3", True),
    "broker": (_any, "an object with host and port", True),
    "zones": (_rows(1), "a list with at least one zone", True),
    "time_servers": (
        lambda value: _rows(1)(value) and all(_text(100)(name) for name in value),
        "a list of NTP servers",
        False,
    ),
    "sample_interval_s": (_SECONDS, "seconds from 10 to 86400", False),
    "publish_interval_s": (_SECONDS, "seconds from 10 to 86400", False),
    "status_interval_s": (_whole(60, 86400), "seconds from 60 to 86400", False),
    "keepalive_s": (_whole(30, 1200), "seconds from 30 to 1200", False),
    "updates": (_flag, "true or false: whether updates over the air are asked for", None),
    "sleep": (_flag, "true or false: whether it sleeps between its samples, for a board without valves", None),
    "outbox_messages": (_whole(10, 5000), "messages from 10 to 5000", False),
    "outbox_bytes": (_whole(4000, 250_000), "bytes from 4000 to 250000", False),
}
_WIFI = {
    "ssid": (_text(32), "the network's name, 1 to 32 letters", True),
    "password": (
        lambda value: value == "" or (_text(63)(value) and len(value) >= 8),
        "8 to 63 letters, or empty for an open network",
        True,
    ),
}
_BROKER = {
    "host": (_text(200), "the endpoint's host name, as Terraform prints it in mqtt_endpoint", True),
    "port": (_whole(1, 65535), "a port, 8883 on AWS IoT Core", False),
    "server_hostname": (_text(200), "the name in the broker's certificate", None),
}
_ZONE = {
    "zone_id": (is_word, "a name of letters, digits, - and _, as plot-1a", True),
    "hard_cap_s": (_whole(1, 24 * 3600), "the longest run ever, seconds from 1 to 86400", True),
    "litres_per_minute": (_number(0.01, 100_000), "the nominal flow, more than 0", True),
}
_ZONE_ASLEEP = {name: (good, what, name == "zone_id" or None) for name, (good, what, _) in _ZONE.items()}
_NONE_ASLEEP = (
    lambda value: value == [],
    "left out: a board that sleeps shuts no valve; or take out sleep of config.json",
    None,
)
_PINS = {
    "valves": (_rows(1), "a list with at least one valve", True),
    "master": (_any, "a valve row without zone_id", None),
    "sensors": (_rows(0), "a list of sensors", False),
    "light": (_any, "a GPIO number", None),
    "setup_pin": (_any, "a GPIO number", None),
}
_VALVE = {"kind": _KIND, "zone_id": _ZONE_ID}
_VALVES = {
    "relay": dict(_VALVE, pin=_PIN, on=(_whole(0, 1), "the level that opens, 0 or 1", False)),
    "latching": dict(
        _VALVE, open_pin=_PIN, close_pin=_PIN, pulse_ms=(_whole(10, 200), "milliseconds from 10 to 200", False)
    ),
}
_ANY_SENSOR = {"kind": _KIND, "sensor": _SENSOR, "zone_id": _ZONE_ID}
_ON_A_BUS = ("ds18b20", "sht3x", "sdi12")
_ONLY_READS = (("soil_adc", "pin"), ("battery", "pin"), ("flow", "pin"), ("rain", "pin"), ("sdi12", "rx"))
_SENSORS = {
    "soil_adc": dict(
        _ANY_SENSOR, pin=_PIN, points=(_points, "at least two [millivolts, m3/m3], from calibration", True)
    ),
    "sdi12": dict(
        _ANY_SENSOR,
        tx=_PIN,
        rx=_PIN,
        enable=_PIN,
        uart=(_whole(1, 2), "UART 1 or 2", True),
        address=(lambda value: is_word(value) and len(value) == 1, "the probe's address, one letter or digit", True),
        values=(
            lambda value: _rows(1)(value) and all(_text(40)(name) and name in QUANTITIES for name in value),
            "the quantities in the probe's order, as vwc, soil_temperature_c",
            True,
        ),
    ),
    "ds18b20": dict(
        _ANY_SENSOR,
        pin=_PIN,
        rom=(
            lambda value: _text(16)(value) and len(value) == 16 and all(digit in "0123456789abcdef" for digit in value),
            "16 hex digits in small letters",
            None,
        ),
    ),
    "sht3x": dict(_ANY_SENSOR, sda=_PIN, scl=_PIN, address=(_whole(0x44, 0x45), "68 or 69", False)),
    "flow": dict(
        _ANY_SENSOR,
        pin=_PIN,
        pulses_per_litre=(_number(0.001, 10_000), "pulses a litre, from the meter's label", True),
        quiet_ms=(_whole(0, 1000), "milliseconds from 0 to 1000 in which a reed contact bounces", None),
    ),
    "rain": dict(_ANY_SENSOR, pin=_PIN, mm_per_tip=(_number(0.01, 5), "mm a tip, from the gauge's label", True)),
    "battery": dict(_ANY_SENSOR, pin=_PIN, ratio=(_number(1, 50), "the divider's ratio, as 2.0", True)),
}

DEFAULTS = {
    "time_servers": ["time.aws.com", "pool.ntp.org"],
    "window": 4,
    "most_bytes": 4096,
    "outbox_messages": 1000,
}
