"""What hangs on the pins of a board that joins a farm: its pins.json by the zones of a job, and what each wire says."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from firmware.drivers.sht3x import crc8
from tests.vm.bench.board import BenchError

VALVE_PINS = (16, 17, 18, 19, 23, 25, 26, 27)  # a relay takes one, a latching valve two
METER_PINS = (5, 14, 15, 2)
SOIL_PINS = (34, 35, 36, 39, 37, 38, 33)
MASTER_PIN, ONE_WIRE_PIN, RAIN_PIN, SDA_PIN, SCL_PIN = 13, 4, 32, 21, 22
POINTS = ((900, 0.55), (1500, 0.25), (2300, 0.0))  # a probe's calibration: millivolts, m3/m3
TORN_UV = 0  # what a torn wire measures: outside of every calibration
PULSES_PER_LITRE = 10
MM_PER_TIP = 0.2
SHT3X, MEASURE = 0x44, "2400"
WEATHER = "weather"

Row = dict[str, Any]
Values = Mapping[str, float | None]


def pins_for(zones: Sequence[Row]) -> Row:
    """The pins.json: relays and latching valves in turn behind a master valve, meters, probes, thermometers, weather.

    `zones` as in a job. Raises BenchError if the chip has too few pins for them.
    """
    valves, meters, soils = iter(VALVE_PINS), iter(METER_PINS), iter(SOIL_PINS)
    rows: dict[str, list[Row]] = {"valves": [], "sensors": []}
    try:
        for number, zone in enumerate(zones):
            rows["valves"].append({"zone_id": zone["zone_id"], **_valve(number, valves)})
            meter = {"sensor": f"flow-{zone['zone_id']}", "pin": next(meters), "pulses_per_litre": PULSES_PER_LITRE}
            rows["sensors"].append({"kind": "flow", "zone_id": zone["zone_id"], **meter})
            for sensor in sensors_of(zone):
                place = {"sensor": sensor, "zone_id": zone["zone_id"]}
                rows["sensors"].append({"kind": "soil_adc", **place, "pin": next(soils), "points": POINTS})
                rows["sensors"].append({"kind": "ds18b20", **place, "pin": ONE_WIRE_PIN, "rom": rom(zone, sensor)})
    except StopIteration:
        raise BenchError(
            f"{len(zones)} zones: this board has pins for {len(METER_PINS)}, and {len(SOIL_PINS)} probes; take fewer"
        ) from None
    rows["sensors"].append({"kind": "sht3x", "sensor": WEATHER, "sda": SDA_PIN, "scl": SCL_PIN})
    rows["sensors"].append({"kind": "rain", "sensor": WEATHER, "pin": RAIN_PIN, "mm_per_tip": MM_PER_TIP})
    return {**rows, "master": {"kind": "relay", "pin": MASTER_PIN}}


def sensors_of(zone: Row) -> list[str]:
    """A zone's own sensor, and those at depths, named as gateway_sim names them."""
    return [zone["sensor"], *(f"{zone['sensor']}-{depth * 100:.0f}cm" for depth in zone["probe_depths_m"])]


def rom(zone: Row, sensor: str) -> str:
    """The number in a thermometer, 16 hex digits."""
    return f"28{abs(hash_of(zone['zone_id'] + sensor)):012x}00"


def hash_of(text: str) -> int:
    """48 bits of a text, the same every time."""
    return sum(ord(letter) * 257**place for place, letter in enumerate(text)) % 2**48


def valve_pins(pins: Row) -> list[int]:
    """Every pin that can move water."""
    return [row[name] for row in (pins["master"], *pins["valves"]) for name in _OUTPUTS if name in row]


def wires(pins: Row, sensors: Mapping[str, Values]) -> Row:
    """The world at the pins (see WORLD in host.mjs) for what each sensor would say: name -> values."""
    rows = pins["sensors"]
    soil = {row["pin"]: microvolts(sensors[row["sensor"]]["vwc"]) for row in rows if row["kind"] == "soil_adc"}
    warmth = {row["rom"]: sensors[row["sensor"]]["soil_temperature_c"] for row in rows if row["kind"] == "ds18b20"}
    there = {rom_id: celsius for rom_id, celsius in warmth.items() if celsius is not None}
    return {"microvolts": soil, "one_wire": {ONE_WIRE_PIN: there}, "i2c": {SHT3X: air(sensors[WEATHER])}}


def microvolts(vwc: float | None) -> int:
    """What a probe gives in soil of this moisture (m3/m3): whole millivolts, as the chip's converter has them."""
    if vwc is None:
        return TORN_UV
    index = next((n for n in range(1, len(POINTS) - 1) if vwc > POINTS[n][1]), len(POINTS) - 1)
    (low_mv, low), (high_mv, high) = POINTS[index - 1], POINTS[index]
    return round(low_mv + (high_mv - low_mv) * (vwc - low) / (high - low)) * 1000


def air(values: Values) -> dict[str, list[int]]:
    """The answer of an SHT3x by what it is asked; of one that lacks a value, none."""
    celsius, percent = values["air_temperature_c"], values["relative_humidity_pct"]
    if celsius is None or percent is None:
        return {}
    words = [(round(share * 65535)).to_bytes(2, "big") for share in ((celsius + 45) / 175, min(percent, 100) / 100)]
    return {MEASURE: [byte for word in words for byte in (*word, crc8(word))]}


class Plumbing:
    """To which zones water can flow, by what pins and power did: the master valve and the zone's own are open."""

    def __init__(self, pins: Row) -> None:
        self._on = {row["zone_id"]: False for row in pins["valves"]}
        self._master = False
        self._pins = pins

    @property
    def open(self) -> set[str]:
        """Zones with water."""
        return {zone_id for zone_id, on in self._on.items() if on and self._master}

    def moves(self, pin: int, level: int) -> list[tuple[str, bool]]:
        """A pin has changed: the zones for which that opened or shut the way."""
        before = self.open
        for row in self._pins["valves"]:
            self._on[row["zone_id"]] = _position(row, pin, level, self._on[row["zone_id"]])
        self._master = _position(self._pins["master"], pin, level, self._master)
        return self._changes(before)

    def dark(self) -> list[tuple[str, bool]]:
        """The power is gone: relays fall shut, a latching valve stays where it is."""
        before = self.open
        self._on.update({row["zone_id"]: False for row in self._pins["valves"] if row["kind"] == "relay"})
        self._master = False
        return self._changes(before)

    def _changes(self, before: set[str]) -> list[tuple[str, bool]]:
        return [(zone_id, zone_id in self.open) for zone_id in sorted(before ^ self.open)]


_OUTPUTS = ("pin", "open_pin", "close_pin")


def _valve(number: int, pins: Iterator[int]) -> Row:
    if number % 2 == 0:
        return {"kind": "relay", "pin": next(pins)}
    return {"kind": "latching", "open_pin": next(pins), "close_pin": next(pins)}


def _position(row: Row, pin: int, level: int, before: bool) -> bool:
    if row["kind"] == "relay":
        return bool(level) if pin == row["pin"] else before
    if level and pin in {row["open_pin"], row["close_pin"]}:
        return pin == row["open_pin"]
    return before
