"""Every door at which people's files come in: what is good there, and what may be believed of what was accepted.

Whoever judges does not ask the door's own checks: limits stand here once more, and what was read is compared with the
text, read by others.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from checked_yaml import document, mapping
from compute_service.adapters import update_file, values, zones_file
from compute_service.domain.inputs import config_text
from compute_service.domain.zone import Config
from compute_service.errors import ComputeError
from firmware import config as board_config
from gateway.errors import ConfigError
from gateway_sim import logger_file, logger_map, logger_series, scenario, weather
from gateway_sim.errors import SimError
from tests.compute_service.test_zones_file import GOOD, OPTIONS, PROBES, SECOND
from tests.fuzz.meaning import A_DAY_S, PHYSICS, SENSOR, WORD, is_amount, is_time
from tests.fuzz.room import code_of
from tests.gateway_sim.logger_bench import LONG, LONG_HEADER, WIDE

ROOT = Path(__file__).parents[2]
FARM_OPTIONS = """elevation_m: 82
pump_l_min: 100
forecast: weather.json
water_price_m3: 0.5
currency: BRL
mode: advice"""
ZONES = (
    GOOD,
    GOOD + OPTIONS + PROBES,
    GOOD.replace("elevation_m: 82", FARM_OPTIONS) + SECOND.replace("plot-1a", "plot-1b").replace("soil-a", "soil-b"),
    GOOD.replace("  - zone_id", "  - &common\n    zone_id")
    + "  - <<: *common\n    zone_id: plot-1b\n    sensor_id: irrigation-gateway-1.soil-b\n    crop: bean\n",
    GOOD.replace("zones:", "weather_stations: [irrigation-gateway-1]\nzones:"),
)
UPDATES = (
    "device_id: all\nsettings:\n  sample_interval_s: 600\n",
    "device_id: irrigation-gateway-1\nsettings: &s\n  status_interval_s: 60\n  publish_interval_s: 86400\n",
    '{"device_id": "all", "settings": {"sample_interval_s": 10}}',
)
SCENARIO = """\
name: small
seed: 3
days: 2
weather: {file: drummondville-2020-summer, start: 2020-07-01}
soils:
  - {name: own, wilting_point: 0.1, field_capacity: 0.3, saturation: 0.45, conductivity_mm_h: 20}
gateways:
  - gateway: gateway-1
    at: [10, 20]
    zones:
      - {zone_id: plot-1, soil: own, crop: maize, area_m2: 100, initial_vwc: 0.2, probe_depths_m: [0.1, 0.3]}
faults:
  - {kind: noise, target: gateway-1.soil-a, from: 1h, until: 1d}
"""
WEATHER = "\n".join(weather.EXCERPT.read_text(encoding="utf-8-sig").split("\n")[:24])
LOGGER = "time,moisture\n2020-06-01 00:00,23.5\n2020-06-01 01:00,24\n2020-06-01 02:00,-9999\n2020-06-01 03:00,25.5"
LOGGERS = (
    LOGGER,
    (
        "time,moisture\n2020-11-01 01:30,1e1\n2020-11-01 01:30,11.\n2020-03-08 02:30,12\n"
        "2020-06-01 03:00,\n2019-01-01 00:00,.5"
    ),
    'moisture,time\n"99.5","2099-06-01 00:00"\r\nNA,2020-06-01 01:00\r\n101,2020-06-01 02:00\n\n24,2020-06-01 02:00\n',
)
LONG_LOGGER = f"""{LONG_HEADER}
2020-06-01,E1,First Sensor,Moisture,23.5,%,10
2020-06-01,E1,First Sensor,Temperature,61,F,10
2020-06-02,E2,Second Sensor,Moisture,0.24,m3/m3,10
2020-06-02,E2,Second Sensor,Salt,7,%,10
2020-06-03,E1,First Sensor,Moisture,NaN,%,10"""
BOARD = json.dumps(
    {name: json.loads((ROOT / "firmware" / f"{name}_example.json").read_text()) for name in ("config", "pins")},
    indent=0,
)
# What no record of the Earth exceeds, where a file of weather may tell more than a farm's own sensor.
RECORDS = PHYSICS | {"rain_mm": (0, 401), "air_temperature_c": (-90, 60), "wind_speed_m_s": (0, 114)}

Numbers = Iterable[tuple[str, float | None]]


class Door(NamedTuple):
    """What is good there, how it is read (from a file of that name), the errors that may leave, and who reads.

    `read` gives the numbers that came in, by quantity, and raises AssertionError where what came in cannot be.
    """

    goods: tuple[str, ...]
    file: str
    read: Callable[[Path], Numbers]
    errors: type[Exception]
    code: tuple[Any, ...]


def _zones(path: Path) -> Iterator[tuple[str, float | None]]:
    farm = zones_file.load(path)
    numbers = json.loads(config_text(farm), parse_constant=_no_number)  # every number of it is one
    assert len(json.dumps(numbers)) < 10**6
    if written := _written(path):
        _check_written(farm, written)
    assert abs(farm.site.latitude_deg) <= 90 and abs(farm.site.longitude_deg) <= 180
    assert farm.pump_l_min is None or is_amount(farm.pump_l_min, 1, 1e6)
    sensors = [sensor_id for zone in farm.zones for sensor_id in zone.sensor_ids]
    assert len(set(sensors)) == len(sensors) and len({zone.zone_id for zone in farm.zones}) == len(farm.zones) > 0
    for zone in farm.zones:
        assert WORD.fullmatch(zone.zone_id) and WORD.fullmatch(zone.gateway_id)
        assert all(SENSOR.fullmatch(one) and one.split(".")[0] == zone.gateway_id for one in zone.sensor_ids)
        assert all(is_amount(getattr(zone, name), *limits) for name, limits in AMOUNTS.items())
        assert 0 < zone.wilting_point < zone.field_capacity < 1
        assert (
            0 < zone.max_run_s <= zone.daily_cap_s <= A_DAY_S and type(zone.max_run_s) is type(zone.daily_cap_s) is int
        )
        assert is_amount(zone.cooldown_s, 0, 30 * A_DAY_S) and is_amount(zone.max_reading_age_s, 60, A_DAY_S)
        assert 2000 <= zone.sown.year < 2100
        yield "flow_l_min", zone.flow_l_min / 1000  # of the greatest zone there may be


def _written(path: Path) -> Any:
    """What the library alone reads; None where it can not, as of a date that never was."""
    try:
        return yaml.load(path.read_bytes(), Loader=yaml.SafeLoader)
    except ValueError:
        return None


def _check_written(farm: Config, written: Any) -> None:
    assert (farm.farm, farm.timezone) == (written["farm"], written["timezone"])
    assert (farm.site.latitude_deg, farm.site.longitude_deg) == (written["latitude"], written["longitude"])
    for zone, row in zip(farm.zones, written["zones"], strict=True):
        assert all(
            getattr(zone, name) == row[name] for name in ("zone_id", "crop", *AMOUNTS, "max_run_s", "daily_cap_s")
        )


AMOUNTS = {
    "field_capacity": (0.01, 0.9),
    "wilting_point": (0.01, 0.9),
    "root_depth_m": (0.02, 5),
    "area_m2": (0.1, 1e7),
    "application_rate_mm_h": (0.1, 500),
    "efficiency": (0.05, 1),
}


def _no_number(text: str) -> None:
    raise AssertionError(f"{text} is no number")


def _update(path: Path) -> Numbers:
    device_id, settings = update_file.load(path)
    assert WORD.fullmatch(device_id) and settings
    least = {"sample_interval_s": 10, "publish_interval_s": 10, "status_interval_s": 60}
    assert all(type(value) is int and least[name] <= value <= A_DAY_S for name, value in settings.items())
    if written := _written(path):
        assert (device_id, settings) == (written["device_id"], written["settings"])
    return ()


def _scenario(path: Path) -> Iterator[tuple[str, float | None]]:
    small = scenario.load(path)
    assert 0 < small.days <= 3660
    for zone in small.farm.zones:
        assert WORD.fullmatch(zone.zone_id) and is_amount(zone.area_m2, 1e-6, 1e9)
        yield "vwc", zone.initial_vwc


def _weather(path: Path) -> Numbers:
    return (entry for hour in weather.load(path).hours for entry in hour.items())


def _logger(path: Path, rules: str, own_unit: str | None) -> Iterator[tuple[str, float | None]]:
    map_path = path.with_name("map.yaml")
    map_path.write_text(rules, encoding="utf-8")
    recording = logger_file.read(path, logger_map.load(map_path))
    assert recording.ledger.adds_up()
    told = {float(text) for text in NUMBER.findall(path.read_text(encoding="utf-8-sig"))} if own_unit else set()
    for sensor, samples in recording.samples.items():
        assert SENSOR.fullmatch(sensor.sensor_id) and sensor.sensor_id.split(".")[0] == sensor.gateway_id
        assert len({(sample.boot, sample.seq) for sample in samples}) == len(samples)
        for sample in samples:
            assert is_time(sample.measured_at)
            vwc = sample.values.get("vwc")
            assert vwc is None or not told or any(math.isclose(vwc * 100, one, abs_tol=1e-7) for one in told), vwc
            yield from sample.values.items()


NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def _map(path: Path, table: str) -> Numbers:
    (path.parent / "logger.csv").write_text(table)
    recording = logger_file.read(path.parent / "logger.csv", logger_map.load(path))
    return (entry for samples in recording.samples.values() for sample in samples for entry in sample.values.items())


def _board(path: Path) -> Numbers:
    written = board_config.load(str(path))
    entries = board_config.check_config(written.get("config", {}))
    zone_ids, sleeps = board_config.needs(entries)
    pins = board_config.check_pins(written.get("pins", {}), zone_ids, sleeps)
    assert WORD.fullmatch(entries["gateway_id"]) and len(set(zone_ids)) == len(zone_ids)
    if sleeps:
        assert pins["valves"] == [] and not pins.get("master")
        return ()
    assert all(type(zone["hard_cap_s"]) is int and 1 <= zone["hard_cap_s"] <= A_DAY_S for zone in entries["zones"])
    assert all(is_amount(zone["litres_per_minute"], 0.01, 1e5) for zone in entries["zones"])
    assert sorted(row["zone_id"] for row in pins["valves"]) == sorted(zone_ids)
    rows = [*pins["valves"], *([pins["master"]] if pins.get("master") else [])]
    wires = [row[name] for row in rows for name in ("pin", "open_pin", "close_pin") if name in row]
    assert len(set(wires)) == len(wires) and set(wires) <= CAN_DRIVE, wires
    return ()


# GPIOs of an ESP32 that may move a valve: outputs that neither boot, flash nor the serial line use.
CAN_DRIVE = {4, 13, 16, 17, 18, 19, 21, 22, 23, 25, 26, 27, 32, 33}
_YAML = (document, *code_of(mapping, "cells _value"))
_LOGGER_CODE = (logger_file, logger_series.Placer)

DOORS = {
    "zones": Door(ZONES, "zones.yaml", _zones, ComputeError, (zones_file, values, *_YAML)),
    "settings": Door(UPDATES, "update.yaml", _update, ComputeError, (update_file, document.read, document.plain)),
    "scenarios": Door((SCENARIO,), "small.yaml", _scenario, SimError, (scenario,)),
    "weather": Door((WEATHER,), "weather.csv", _weather, SimError, (weather.load,)),
    "loggers": Door(LOGGERS, "logger.csv", partial(_logger, rules=WIDE, own_unit="%"), SimError, _LOGGER_CODE),
    "long loggers": Door(
        (LONG_LOGGER,), "logger.csv", partial(_logger, rules=LONG, own_unit=None), SimError, _LOGGER_CODE
    ),
    "maps": Door((WIDE,), "map.yaml", partial(_map, table=LOGGER), SimError, (logger_map,)),
    "long maps": Door((LONG,), "map.yaml", partial(_map, table=LONG_LOGGER), SimError, (logger_map,)),
    "boards": Door((BOARD,), "board.json", _board, ConfigError, (board_config,)),
}


def go_through(door: Door, folder: Path, data: bytes) -> bool:
    """Read one document at a door; False if it was refused."""
    path = folder / door.file
    path.write_bytes(data)
    try:
        numbers = list(door.read(path))
    except door.errors as error:
        assert str(error)
        str(error).encode()  # can be logged anywhere
        return False
    for quantity, value in numbers:
        least, most = (RECORDS if door.file == "weather.csv" else PHYSICS).get(quantity, (-math.inf, math.inf))
        assert value is None or (math.isfinite(value) and least <= value <= most), (quantity, value)
    return True
