"""The weather by the hour: measured, guessed in part, or stood in for; and what gateways report besides."""

import json
from typing import Any

import pytest

from compute_service import untrusted_reports
from compute_service.domain.conditions import Conditions, conditions
from compute_service.domain.forecast import Forecast, ForecastHour
from compute_service.domain.hourly_weather import reckon
from compute_service.domain.zone_model import ASSUMED_ET0_MM_D, WeatherHour
from protocol import messages, topics
from protocol.errors import ProtocolError
from tests.compute_service.bench import GATEWAY, NOON, SITE, reading, zone

AT = NOON // 3600 * 3600
SUNNY = {
    "air_temperature_c": 25.0,
    "relative_humidity_pct": 50.0,
    "wind_speed_m_s": 2.0,
    "solar_radiation_w_m2": 700.0,
    "rain_mm": 0.0,
}


def samples(**overrides: float | None) -> list[dict[str, Any]]:
    """Four samples of the hour, and one of the cold night before."""
    night = {"measured_at": AT - 10 * 3600, "air_temperature_c": 10.0}
    return [night, *({"measured_at": AT + n * 900, **SUNNY, **overrides} for n in range(4))]


def test_a_station_gives_the_hour() -> None:
    """A sunny hour before noon takes about half a millimetre, and its rain is the sum of its samples."""
    found = reckon(SITE, AT, samples(rain_mm=0.5), None, None, None)
    assert (found.hour.at, found.hour.rain_mm, found.hour.source) == (AT, 2.0, "measured")
    assert found.hour.et0_mm == pytest.approx(0.55, abs=0.1)
    assert found.sun_ratio is not None


@pytest.mark.parametrize("missing", ["relative_humidity_pct", "wind_speed_m_s", "solar_radiation_w_m2"])
def test_a_part_that_is_missing_is_guessed(missing: str) -> None:
    """Without one of them there is still an ET0 from the rest, and it is called estimated."""
    hour = reckon(SITE, AT, samples(**{missing: None}), None, None, None).hour
    assert hour.source == "estimated"
    assert hour.et0_mm == pytest.approx(0.5, abs=0.25)


def test_what_stands_in_for_a_silent_station() -> None:
    """A fresh forecast first, then the same hour of the day before, then what is usual in the course of the sun."""
    fresh = Forecast(AT, tuple(ForecastHour(AT + n * 3600, et0_mm=0.4) for n in range(3)))
    old = Forecast(AT - 30 * 3600, fresh.hours)
    before = WeatherHour(AT - 86400, 0.33, 5.0, "measured")
    assert reckon(SITE, AT, [], 0.7, before, fresh).hour == WeatherHour(AT, 0.4, 0.0, "forecast")
    assert reckon(SITE, AT, [], 0.7, before, old).hour == WeatherHour(AT, 0.33, 0.0, "yesterday")
    assert reckon(SITE, AT, [], 0.7, None, None).sun_ratio == 0.7
    assumed = [reckon(SITE, AT + n * 3600, [], None, None, None).hour for n in range(24)]
    assert {hour.source for hour in assumed} == {"assumed"}
    assert sum(hour.et0_mm for hour in assumed) == pytest.approx(ASSUMED_ET0_MM_D, rel=0.01)
    assert max(assumed, key=lambda hour: hour.et0_mm).at % 86400 // 3600 == 16  # noon by the sun, in Quebec


def test_a_broken_sensor_gives_no_et0() -> None:
    """What no hour can be, something else stands in for."""
    assert reckon(SITE, AT, samples(air_temperature_c=69.0), None, None, None).hour.source in {"assumed", "measured"}
    assert reckon(SITE, AT, samples(air_temperature_c=None), None, None, None).hour.source == "assumed"


def test_the_weather_outside_is_that_of_the_last_hour() -> None:
    """The newest temperature and wind, all rain; None where nothing was measured."""
    rows = [
        {"measured_at": NOON - 3700, "rain_mm": 9.0, "wind_speed_m_s": 9.0},
        {"measured_at": NOON - 1800, "rain_mm": 0.4, "air_temperature_c": 20.0},
        {"measured_at": NOON - 900, "rain_mm": 0.3, "air_temperature_c": 21.0},
    ]
    assert conditions(rows, NOON) == Conditions(temperature_c=21.0, rain_hour_mm=0.7)
    assert conditions([], NOON) == Conditions()


def test_samples_are_read_as_gateways_write_them() -> None:
    """A moisture that was held back counts where there is no other; water needs litres and seconds."""
    held: Any = {"vwc": None, "out_of_range": {"vwc": 25.1, "rain_mm": -3.0}}
    assert untrusted_reports.moisture(held) == 25.1
    assert untrusted_reports.moisture(held | {"vwc": 0.2}) == 0.2
    assert untrusted_reports.moisture(held | {"out_of_range": None}) is None
    leak: Any = {"measured_at": NOON, "volume_l": 450.0, "leak_s": 900}
    water = untrusted_reports.unasked_water(zone("a"), "boot-1", leak)
    assert water is not None
    assert (water.zone_id, water.litres, water.duration_s) == ("plot-1a", 450.0, 900)
    assert untrusted_reports.unasked_water(zone("a"), "boot-1", leak | {"leak_s": None}) is None
    assert untrusted_reports.unasked_water(zone("a"), "boot-1", leak | {"volume_l": None}) is None


@pytest.mark.parametrize(
    ("vwc", "sample", "is_percent"),
    [
        (25.0, {}, True),
        (100.5, {}, False),
        (-3.0, {}, False),
        ("25", {}, False),
        (25.0, {"measured_at": "noon"}, False),
        (25.0, {"seq": None}, False),
    ],
)
def test_percent_in_a_refused_reading(vwc: Any, sample: dict[str, Any], is_percent: bool) -> None:
    """Only a moisture above 1 in an otherwise good sample is taken for percent, whatever else was sent."""
    topic = topics.data(f"{GATEWAY}.soil-a")
    message = {"v": 1, **reading("a", vwc=vwc, sample=sample)}
    payload = json.dumps(message).encode()
    with pytest.raises(ProtocolError) as refused:
        messages.decode(topic, payload)
    found = untrusted_reports.in_percent(topic, payload, refused.value)
    assert (found[1] is not None) == is_percent
    assert not is_percent or found[0] == f"{GATEWAY}.soil-a"
