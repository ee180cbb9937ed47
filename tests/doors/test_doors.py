"""Every door where a number enters, against spoiled documents: the room's own error, or nothing impossible."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from compute_service.adapters import forecast_source, update_file, zones_file
from compute_service.domain.inputs import config_text
from compute_service.errors import ComputeError
from gateway_sim import logger_file, logger_map, scenario, weather
from gateway_sim.errors import SimError
from protocol import messages, physics
from protocol.errors import ProtocolError
from tests.compute_service.test_forecast import NOW, text
from tests.compute_service.test_zones_file import GOOD
from tests.doors.spoiled import texts
from tests.gateway_sim.logger_bench import WIDE
from tests.safety.garbage import TOPICS, documents

SHORT, LONG = 120, 25_000
UPDATE = "device_id: all\nsettings:\n  sample_interval_s: 600\n"
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
WEATHER = "\n".join(weather.EXCERPT.read_text(encoding="utf-8-sig").split("\n")[:60])
LOGGER = "time,moisture\n2020-06-01 00:00,23.5\n2020-06-01 01:00,24\n2020-06-01 02:00,-9999\n2020-06-01 03:00,25.5"
WEATHER_LIMITS = {
    "rain_mm": "hour_rain_mm",
    "air_temperature_c": "weather_temperature_c",
    "wind_speed_m_s": "weather_wind_m_s",
}


class Door(NamedTuple):
    """What is good there, how it is read (from a file of that name), and the errors that may leave."""

    good: str
    file: str
    read: Callable[[Path], Any]
    errors: type[Exception] | tuple[type[Exception], ...]


def _forecast(path: Path) -> Iterator[tuple[str, float | None]]:
    forecast = forecast_source.parse(path.read_bytes(), NOW, "forecast", 45.0)
    for hour in forecast.hours:
        yield "hour_rain_mm", hour.rain_mm
        yield "hour_et0_mm", hour.et0_mm
        yield "weather_temperature_c", hour.temperature_c
        yield "weather_wind_m_s", hour.wind_m_s


def _zones(path: Path) -> Iterator[tuple[str, float | None]]:
    farm = zones_file.load(path)
    json.loads(config_text(farm), parse_constant=pytest.fail)  # every number of it is one
    for zone in farm.zones:
        yield "vwc", zone.place.soil.field_capacity
        yield "flow_l_min", zone.flow_l_min / 1000  # of the greatest zone there may be


def _update(path: Path) -> Iterator[tuple[str, float | None]]:
    _, settings = update_file.load(path)
    assert all(messages.SETTINGS[name][0] <= value <= messages.SETTINGS[name][1] for name, value in settings.items())
    return iter(())


def _scenario(path: Path) -> Iterator[tuple[str, float | None]]:
    for zone in scenario.load(path).farm.zones:
        yield "vwc", zone.initial_vwc


def _weather(path: Path) -> Iterator[tuple[str, float | None]]:
    for hour in weather.load(path).hours:
        for name, value in hour.items():
            yield WEATHER_LIMITS.get(name, name), value


def _logger(path: Path) -> Iterator[tuple[str, float | None]]:
    rules = path.with_name("map.yaml")
    if not rules.exists():
        rules.write_text(WIDE)
    recording = logger_file.read(path, logger_map.load(rules))
    assert recording.ledger.adds_up()
    for samples in recording.samples.values():
        for sample in samples:
            yield from sample.values.items()


def _map(path: Path) -> Iterator[tuple[str, float | None]]:
    (path.parent / "logger.csv").write_text(LOGGER)
    recording = logger_file.read(path.parent / "logger.csv", logger_map.load(path))
    return (value for samples in recording.samples.values() for sample in samples for value in sample.values.items())


def _reading(path: Path) -> Iterator[tuple[str, float | None]]:
    reading: Any = messages.decode(TOPICS["reading"], path.read_bytes())[1]
    for sample in reading["samples"]:
        yield from ((name, sample.get(name)) for name in messages.QUANTITIES)


DOORS = {
    "forecast": Door(json.dumps(json.loads(text()), indent=0), "forecast.json", _forecast, ComputeError),
    "zones": Door(GOOD, "zones.yaml", _zones, ComputeError),
    "update": Door(UPDATE, "update.yaml", _update, ComputeError),
    "scenario": Door(SCENARIO, "small.yaml", _scenario, SimError),
    "weather": Door(WEATHER, "weather.csv", _weather, SimError),
    "logger": Door(LOGGER, "logger.csv", _logger, SimError),
    "map": Door(WIDE, "map.yaml", _map, SimError),
    "reading": Door(json.dumps(documents(NOW)["reading"], indent=0), "reading.json", _reading, ProtocolError),
}


def _go_through(door: Door, folder: Path, data: bytes) -> bool:
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
        assert value is None or (math.isfinite(value) and physics.can_be(quantity, value)), (quantity, value)
    return True


@pytest.mark.parametrize("name", DOORS)
def test_good_documents_pass(name: str, tmp_path: Path) -> None:
    """What the doors are there for comes in."""
    assert _go_through(DOORS[name], tmp_path, DOORS[name].good.encode())


@pytest.mark.parametrize("name", DOORS)
def test_spoiled_documents_meet_the_room_s_own_error(name: str, tmp_path: Path) -> None:
    """Whatever becomes of a document, no other exception leaves the room, and no number that cannot be comes in."""
    for data in texts(DOORS[name].good, 7, SHORT):
        _go_through(DOORS[name], tmp_path, data)


@pytest.mark.soak
@pytest.mark.parametrize("name", DOORS)
def test_many_spoiled_documents(name: str, tmp_path: Path) -> None:
    """The same, of many more documents."""
    passed = sum(_go_through(DOORS[name], tmp_path, data) for data in texts(DOORS[name].good, 8, LONG))
    assert 0 < passed < LONG
