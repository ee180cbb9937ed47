"""Cases that came through a door once, each with the right outcome: what cannot be is refused, counted and told."""

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from checked_yaml import document
from checked_yaml.errors import CheckedYamlError
from compute_service.adapters import update_file, zones_file
from compute_service.adapters.forecast_source import ForecastError, Forecasts, load, parse
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.extraterrestrial import MM_A_MJ, most_et0_mm_d
from compute_service.domain.hourly_weather import HourRecord
from compute_service.domain.model_check import ModelError, check
from compute_service.domain.zone_model import WeatherHour, ZoneModel, begin
from compute_service.errors import ConfigError
from protocol import messages, physics, topics
from tests.compute_service.bench import GATEWAY, NOON, Bench, zone
from tests.compute_service.test_forecast import NOW
from tests.compute_service.test_zones_file import GOOD

HOURS = 48
NO_NUMBERS: list[Any] = [math.nan, math.inf, True, "0.2", None, []]
NOON_OF_JUNE = 1_750_000_000


def forecast_text(**columns: Any) -> bytes:
    """Two days of a forecast; a column is one value of all hours, or a list."""
    hourly: dict[str, Any] = {"time": [NOW // 3600 * 3600 + 3600 * hour for hour in range(HOURS)]}
    for name, value in columns.items():
        hourly[name] = value if isinstance(value, list) else [value] * HOURS
    return json.dumps({"hourly": hourly, "hourly_units": {"wind_speed_10m": "m/s"}}).encode()


@pytest.mark.parametrize(
    ("column", "value", "field"),
    [
        ("temperature_2m", -9999, "temperature_c"),
        ("temperature_2m", 10**400, "temperature_c"),
        ("temperature_2m", math.nan, "temperature_c"),
        ("precipitation", 2000, "rain_mm"),
        ("precipitation", -5, "rain_mm"),
        ("precipitation", 90, "rain_mm"),  # an hour can, two days cannot
        ("wind_speed_10m", 1.7e308, "wind_m_s"),
        ("et0_fao_evapotranspiration", 1e6, "et0_mm"),
        ("et0_fao_evapotranspiration", -5, "et0_mm"),
        ("et0_fao_evapotranspiration", 1.5, "et0_mm"),  # an hour can, no day can
        ("et0_fao_evapotranspiration", [*[0.1] * 20, 1000, *[0.1] * 27], "et0_mm"),
    ],
)
def test_a_value_that_cannot_be_is_not_told(
    column: str, value: Any, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    """-9999 for "missing", rain of 2,000 mm, more ET0 than the sun could give: as if nothing was said, but told."""
    forecast = parse(forecast_text(**{column: value, "snowfall": 1}), NOW, "here", 45.0)
    limit = {"temperature_c": -90, "wind_m_s": 0}.get(field, 0)
    assert all(value is None or limit <= value < 60 for value in (getattr(hour, field) for hour in forecast.hours))
    assert [hour for hour in forecast.hours if getattr(hour, field) is None]
    assert field in "".join(forecast.flaws)
    assert "here: refused" in caplog.text


def test_a_real_summer_passes() -> None:
    """ET0 of the hottest place, a cloudburst and a cyclone are weather, and stay as they are."""
    sun = [max(0.0, 1.3 * math.sin(math.pi * (hour % 24 - 6) / 12)) for hour in range(HOURS)]
    rain = [300.0, *[0.0] * (HOURS - 1)]
    columns = {"et0_fao_evapotranspiration": sun, "precipitation": [0.0, *rain[:-1]], "temperature_2m": 54.0}
    forecast = parse(forecast_text(**columns, wind_speed_10m=80), NOW, "here", 33.0)
    assert forecast.flaws == ()
    assert forecast.hours[0].rain_mm == 300.0


def test_the_extraterrestrial_radiation_is_fao_s() -> None:
    """FAO-56, example 8 (p. 47): 20 degrees south on the third of September, 32.2 MJ/m2."""
    assert most_et0_mm_d(-20, 1_756_900_000) / MM_A_MJ == pytest.approx(32.2, abs=0.2)


@pytest.mark.parametrize("offset", ["Infinity", "1e400", "-1e300", "9" * 400, "[]", '"x"', "true", "864000"])
def test_an_offset_that_is_none_is_refused(offset: str) -> None:
    """A document whose times cannot be read is no forecast, whatever stands there."""
    text = (
        b'{"hourly": {"time": ["2026-11-27T00:00"], "precipitation": [1]}, "utc_offset_seconds": %s}' % offset.encode()
    )
    with pytest.raises(ForecastError):
        parse(text, NOW)


@pytest.mark.parametrize("source", ["a\0b", "http://127.0.0.1:99999999/", "http://x\0y/", "http://[::1"])
def test_a_source_that_is_none_is_refused(source: str) -> None:
    """A NUL in a path and a port that no machine has are the grower's slips, not the service's end."""
    with pytest.raises(ForecastError):
        load(source, NOW, timeout_s=1)


def test_refusals_of_forecasts_are_counted(tmp_path: Path) -> None:
    """The counters tell how often a forecast was none, or had values that cannot be; the next is read as usual."""
    counts: list[str] = []
    path = tmp_path / "forecast.json"
    forecasts = Forecasts(str(path), 45.0, counts.append)
    path.write_bytes(b'{"utc_offset_seconds": Infinity}')
    forecasts.refresh(NOW)
    path.write_bytes(forecast_text(temperature_2m=-9999, precipitation=0))
    forecasts.refresh(NOW + 600)
    assert counts == ["forecasts_refused", "forecasts_with_values_refused"]
    assert forecasts.newest is not None


@pytest.mark.parametrize(
    "line",
    [
        "timezone: []",
        "timezone: {}",
        "timezone: {a: b}",
        "latitude: " + "9" * 400,
        "elevation_m: 0x" + "f" * 4000,
        "longitude: .nan",
        "latitude: !!timestamp x",
        'latitude: !!int ""',
        "latitude: 1:1.5" + ":59" * 300,
        "farm: " + "[" * 2000,
        "farm: " + "{a: " * 2000,
        "farm: !!timestamp x",
        "farm: 0001-01-01T00:00:00+23:59",
    ],
)
def test_a_zones_file_s_mistake_is_one_line(line: str, tmp_path: Path) -> None:
    """Each is a sentence for the grower, at once, and never a traceback."""
    name = line.partition(":")[0]
    lines = [line if row.startswith(f"{name}:") else row for row in GOOD.split("\n")]
    path = tmp_path / "zones.yaml"
    path.write_text("\n".join(lines))
    begun = time.process_time()
    with pytest.raises(ConfigError):
        zones_file.load(path)
    assert time.process_time() - begun < 5  # s of CPU; the square of 2,000 brackets once took longer


@pytest.mark.parametrize("number", ["9" * 400, "1:1.5" + ":59" * 300, ".inf", ".nan", "-9999", "[]", "!!timestamp x"])
def test_a_pump_that_cannot_be_is_a_mistake(number: str, tmp_path: Path) -> None:
    """Also where the number comes into a sum with the zones'."""
    path = tmp_path / "zones.yaml"
    path.write_text(GOOD.replace("zones:", f"pump_l_min: {number}\nzones:"))
    with pytest.raises(ConfigError):
        zones_file.load(path)


def test_merges_of_merges_end(tmp_path: Path) -> None:
    """Ten lines of `<<` that ask for ten thousand million entries are refused at once."""
    rows = ["a0: &a0 {}", *[f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 10)], "<<: *a9"]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(rows))
    root = document.read(path, "guide")
    assert isinstance(root, yaml.MappingNode)
    with pytest.raises(CheckedYamlError, match="1000 times"):
        document.entries(root, path)


@pytest.mark.parametrize(
    "text", ["device_id: !!timestamp x", "[" * 2000, "{device_id: all, settings: {a: 0x" + "f" * 9000]
)
def test_an_update_s_mistake_is_one_line(text: str, tmp_path: Path) -> None:
    """As for the zones file."""
    path = tmp_path / "update.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        update_file.load(path)


def station(bench: Bench, at: int, seq: int, **values: float) -> None:
    sample = {"seq": seq, "measured_at": at, "clock": "synced", **values}
    head = {"gateway_id": GATEWAY, "sensor_id": f"{GATEWAY}.weather", "boot_id": "boot-1", "samples": [sample]}
    bench.hear(topics.data(f"{GATEWAY}.weather"), head)


def test_rain_that_never_fell_is_refused(store: SqliteStore) -> None:
    """500 mm four times an hour are more than any hour had: the first counts, the rest is refused and counted."""
    bench = Bench(store, (zone(),))
    for quarter in range(4):
        station(bench, NOON - 900 * quarter, quarter + 1, rain_mm=300.0)
        station(bench, NOON - 900 * quarter, quarter + 1, rain_mm=300.0)  # told again
    rows = store.zones.weather(GATEWAY, NOON - 86400, NOON + 1)
    assert sum(row["rain_mm"] for row in rows) == 300.0
    assert store.updates.counters()["weather_samples_refused"] == 6
    assert [event["what"] for event in bench.events_of("refusal")] == ["rain"]  # told once


def spoil(store: SqliteStore, **changes: Any) -> None:
    """Put impossible numbers into what is stored of plot-1a."""
    [[text]] = store.database.all("SELECT model FROM models")
    row = json.loads(text)
    row["state"].update(changes)
    store.database.run("UPDATE models SET model = ?", json.dumps(row))


@pytest.mark.parametrize("value", [math.nan, math.inf, -1e300, 1e6, None, "wet", []])
def test_a_stored_model_that_cannot_be_is_made_anew(
    value: Any, store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A service of before stored nonsense: this one finds it at its start, tells, and believes what the book says."""
    bench = Bench(store, (zone(),))
    for _ in range(3):
        bench.hear_reading(vwc=0.25)
        bench.tick(10)
        bench.now += 3600
    before = store.zones.model(bench.zones[0])
    spoil(store, depletion_mm=value)
    with pytest.raises(ModelError):
        store.zones.model(bench.zones[0])
    again = Bench(store, bench.zones, now=bench.now)
    assert "plot-1a cannot be" in caplog.text
    assert store.updates.counters()["models_rebuilt"] == 1
    assert vars(again.service)["_zone_models"]._models["plot-1a"] == before
    again.hear_reading(vwc=0.25)
    again.tick(10)
    assert store.zones.model(bench.zones[0]) is not None


def test_an_hour_that_cannot_be_is_reckoned_anew(store: SqliteStore) -> None:
    """ET0 of a million mm, stored by a service of before, waters nothing."""
    bench = Bench(store, (zone(),))
    bench.hear_reading(vwc=0.28)
    bench.tick(10)
    model = store.zones.model(bench.zones[0])
    assert model is not None
    hour = HourRecord(WeatherHour(model.at, 1e6, -5.0, "forecast"))
    store.zones.save_model(bench.zones[0], model, [hour])
    bench.now += 7200
    bench.hear_reading(vwc=0.28)
    bench.tick(10)
    assert bench.commands() == []
    after = store.zones.model(bench.zones[0])
    assert after is not None
    assert after.day.et0_mm < 20


def test_a_model_that_becomes_impossible_is_not_saved(store: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever made it so, a decision is made from a model that can be, and that one is kept."""
    bench = Bench(store, (zone(),))
    bench.hear_reading(vwc=0.28)
    bench.tick(10)
    with store.transaction():
        store.database.run(
            "INSERT INTO water (water_id, zone_id, at, litres, duration_s, source, taken) VALUES (?, ?, ?, ?, ?, ?, 0)",
            *("w", "plot-1a", bench.now, math.inf, 60.0, "manual"),
        )
    bench.now += 900
    bench.hear_reading(vwc=0.28)
    bench.tick(10)
    assert "plot-1a cannot be" in caplog.text
    model = store.zones.model(bench.zones[0])
    assert model is not None
    check(model)
    bench.now += 900
    bench.hear_reading(vwc=0.28)
    bench.tick(10)
    assert store.updates.counters()["models_rebuilt"] == 1


@pytest.mark.parametrize("text", ["[]", "null", "{}", '{"at": 1}', "NaN"])
def test_a_model_that_is_none_is_told_so(text: str) -> None:
    """Half a row, or another thing in its place."""
    with pytest.raises(ModelError):
        ZoneModel.from_json(zone().place, json.loads(text))


def test_a_new_model_can_be() -> None:
    """What is believed before anything was heard passes."""
    check(begin(zone(), NOON))


def test_the_table_bounds_what_messages_carry() -> None:
    """Each quantity of a reading stands in the one table, with a unit and a source."""
    assert set(messages.QUANTITIES) <= set(physics.LIMITS)
    for name, (unit, least, most, source) in physics.LIMITS.items():
        assert (least < most, bool(unit), bool(source)) == (True, True, True), name
    assert physics.why_not("vwc", 10**400) == "cannot be: 0 to 1 m3/m3 can"
    assert [physics.can_be("vwc", value) for value in NO_NUMBERS] == [False] * 6


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened = SqliteStore(tmp_path / "compute.sqlite")
    yield opened
    opened.close()
