"""The zones file: what it gives, and what it tells a grower who made a mistake."""

import re
from datetime import date
from pathlib import Path

import pytest
import yaml

from agronomy.site import Site
from compute_service.adapters import crops_table, update_file, zones_file
from compute_service.domain.constraints import Limits
from compute_service.domain.inputs import zone_from, zone_text
from compute_service.domain.zone import FallbackSettings
from compute_service.errors import ConfigError

GOOD = """\
farm: Test farm
timezone: America/Toronto
latitude: 45.9
longitude: -72.5
elevation_m: 82
zones:
  - zone_id: plot-1a
    gateway_id: irrigation-gateway-1
    sensor_id: irrigation-gateway-1.soil-a
    crop: tomato
    sown: 2026-05-04
    soil: loam
    field_capacity: 0.29
    wilting_point: 0.12
    root_depth_m: 0.4
    area_m2: 100
    application_rate_mm_h: 12
    efficiency: 0.85
    max_run_s: 1800
    cooldown_s: 3600
    daily_cap_s: 5400
    max_reading_age_s: 3600
"""
FARM = "farm: x\ntimezone: UTC\nlatitude: 1\nlongitude: 1\nelevation_m: 1\n"
SECOND = "  - " + GOOD.split("  - ")[1]


def write(folder: Path, text: str) -> Path:
    path = folder / "zones.yaml"
    path.write_text(text)
    return path


def mistakes_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        zones_file.load(write(folder, text))
    return [line.removeprefix(f"{folder}/") for line in caught.value.mistakes]


def test_good_file(tmp_path: Path) -> None:
    """A good file becomes frozen zones, each with the farm's time zone."""
    farm = zones_file.load(write(tmp_path, GOOD))
    assert (farm.farm, len(farm.zones)) == ("Test farm", 1)
    assert farm.zones[0].field_capacity == 0.29
    assert farm.zones[0].timezone == "America/Toronto"
    assert farm.zones[0].sown == date(2026, 5, 4)
    assert (farm.site, farm.pump_l_min, farm.forecast) == (Site(45.9, -72.5, 82), None, None)
    with pytest.raises(AttributeError):
        farm.zones[0].area_m2 = 0.3  # type: ignore[misc] # that is the point


def test_documented_example(tmp_path: Path) -> None:
    """The example of the guide is a good file."""
    guide = Path(__file__).parents[2] / "docs" / "compute.md"
    example = guide.read_text().split("```yaml\n")[1].split("```")[0]
    assert zones_file.load(write(tmp_path, example)).zones


def test_every_key_is_documented() -> None:
    """The guide names every key of a zone."""
    guide = (Path(__file__).parents[2] / "docs" / "compute.md").read_text()
    assert [key for key in yaml.safe_load(GOOD)["zones"][0] if f"`{key}`" not in guide] == []


def test_merge_key(tmp_path: Path) -> None:
    """Zones can share what is common by a YAML anchor, and override it."""
    shared = "  - <<: *common\n    zone_id: plot-1b\n    sensor_id: irrigation-gateway-1.soil-b\n    crop: bean\n"
    farm = zones_file.load(write(tmp_path, GOOD.replace("  - zone_id", "  - &common\n    zone_id") + shared))
    assert [(zone.zone_id, zone.crop, zone.soil) for zone in farm.zones] == [
        ("plot-1a", "tomato", "loam"),
        ("plot-1b", "bean", "loam"),
    ]


OPTIONS = """\
    calendar: california_april
    allowed_depletion: 0.35
    infiltration_mm_h: 8
    probe_depth_m: 0.2
    limits:
      daily_l: 5000
      seasonal_l: 400000
      hours: ["20:00-06:00", "11:30-24:00"]
      frost_c: 1.5
      wind_m_s: 4
"""


def test_what_may_be_left_away(tmp_path: Path) -> None:
    """A zone's options, and the farm's, are taken as they stand; a date may be a text."""
    text = GOOD.replace("elevation_m: 82", "elevation_m: 82\npump_l_min: 100\nforecast: weather.json")
    farm = zones_file.load(write(tmp_path, text.replace("2026-05-04", "'2026-05-04'") + OPTIONS))
    [zone] = farm.zones
    assert (farm.pump_l_min, farm.forecast) == (100, "weather.json")
    assert zone.sown == date(2026, 5, 4)
    assert (zone.calendar, zone.allowed_depletion, zone.infiltration_mm_h) == ("california_april", 0.35, 8)
    assert zone.probe_depth_m == 0.2
    assert zone.limits == Limits(
        daily_l=5000, seasonal_l=400000, hours=((72000, 21600), (41400, 86400)), frost_c=1.5, wind_m_s=4
    )
    [plain] = zones_file.load(write(tmp_path, GOOD)).zones
    assert (plain.limits, plain.allowed_depletion, plain.probe_depth_m) == (Limits(), None, None)


PROBES = """\
    probes:
      - {sensor_id: irrigation-gateway-1.soil-a-20cm, depth_m: 0.2}
      - {sensor_id: irrigation-gateway-1.soil-a-40cm, depth_m: 0.4}
"""


def test_a_farm_may_name_its_weather_stations(tmp_path: Path) -> None:
    """Whose weather serves the others stands in the file, in order; a gateway of no zone, or no list, is a mistake."""
    named = "weather_stations: [irrigation-gateway-1]\nzones:"
    farm = zones_file.load(write(tmp_path, GOOD.replace("zones:", named)))
    assert farm.weather_stations == ("irrigation-gateway-1",)
    for text, why in (
        ("[irrigation-gateway-2]", "'irrigation-gateway-2': no zone here has such a gateway, did you mean"),
        ("irrigation-gateway-1", "want a list of gateways, such as [irrigation-gateway-1]"),
        ("[a b]", "'a b': want 1 to 64 letters"),
        ("[[a]]", "want 1 to 64 letters"),
        ("[all]", "'all': is the group of all gateways"),
    ):
        with pytest.raises(ConfigError, match=re.escape(why)):
            zones_file.load(write(tmp_path, GOOD.replace("zones:", f"weather_stations: {text}\nzones:")))


def test_a_zone_may_have_more_probes(tmp_path: Path) -> None:
    """Each with its depth; without them the zone's own probe is the only one."""
    [zone] = zones_file.load(write(tmp_path, GOOD + PROBES)).zones
    assert [(probe.sensor_id[-4:], probe.depth_m) for probe in zone.probes] == [("20cm", 0.2), ("40cm", 0.4)]
    assert zone.sensor_ids[0] == zone.sensor_id
    assert zones_file.load(write(tmp_path, GOOD)).zones[0].probes == ()


FALLBACK = "    fallback: {run_s: 1200, days: 5, after_offline_s: 172800}\n"


def test_a_zone_may_have_a_fallback_plan(tmp_path: Path) -> None:
    """For its board, while that has no cloud; off by default, and after a day without cloud."""
    [zone] = zones_file.load(write(tmp_path, GOOD + FALLBACK)).zones
    assert zone.fallback == FallbackSettings(run_s=1200, days=5, after_offline_s=172800)
    [zone] = zones_file.load(write(tmp_path, GOOD + FALLBACK.replace(", after_offline_s: 172800", ""))).zones
    assert zone.fallback == FallbackSettings(run_s=1200, days=5, after_offline_s=86400)
    assert zone_from(zone_text(zone), crops_table.crop) == zone
    [zone] = zones_file.load(write(tmp_path, GOOD)).zones
    assert zone.fallback is None
    assert zone_from(zone_text(zone), crops_table.crop) == zone


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("run_s: 1200", "run_s: 20", ":23: zone plot-1a, fallback, run_s: 20: looks like minutes; write 1200"),
        ("run_s: 1200", "run_s: 1801", ":23: zone plot-1a, fallback, run_s: 1801: want run_s <= max_run_s (1800)"),
        ("days: 5", "days: 32", ":23: zone plot-1a, fallback, days: 32: want a whole number from 1 to 31"),
        ("days: 5", "days: 1.5", ":23: zone plot-1a, fallback, days: 1.5: want a whole number from 1 to 31"),
        ("days: 5", "day: 5", ":23: zone plot-1a, fallback: unknown key 'day', did you mean 'days'"),
        ("run_s: 1200, ", "", ":23: zone plot-1a, fallback: run_s is missing"),
        ("172800", "600", ":23: zone plot-1a, fallback, after_offline_s: 600: looks like minutes; write 36000"),
        ("{run_s: 1200, days: 5, after_offline_s: 172800}", "yes", ":23: zone plot-1a, fallback: True: want a mapping"),
    ],
)
def test_mistakes_of_a_fallback_plan(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """Each with its line, and the remedy."""
    told = mistakes_of(tmp_path, GOOD + FALLBACK.replace(old, new))
    assert any(expected in line for line in told), told


def test_boards_that_share_a_pump_cannot_all_have_plans(tmp_path: Path) -> None:
    """Without the cloud they cannot agree who waters; several zones of one board can."""
    second = (SECOND + FALLBACK).replace("plot-1a", "plot-1b").replace("soil-a", "soil-b")
    other = second.replace("gateway-1", "gateway-2")
    pump = GOOD.replace("zones:", "pump_l_min: 100\nzones:")
    assert len(zones_file.load(write(tmp_path, pump + FALLBACK + second)).zones) == 2
    assert len(zones_file.load(write(tmp_path, pump + other)).zones) == 2
    assert len(zones_file.load(write(tmp_path, GOOD + FALLBACK + other)).zones) == 2
    [told] = mistakes_of(tmp_path, pump + FALLBACK + other)
    assert told.startswith("zones.yaml:41: zone plot-1b, fallback: irrigation-gateway-2 and irrigation-gateway-1 share")
    assert "keep the fallback plans of one gateway, or leave pump_l_min away if each has a pump of its own" in told


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("depth_m: 0.2", "depth_m: 20", ":24: zone plot-1a, probe 1, depth_m: 20: looks like centimetres; write 0.2"),
        (", depth_m: 0.2", "", ":24: zone plot-1a, probe 1: depth_m is missing"),
        ("1.soil-a-40cm", "2.soil-a", ":25: zone plot-1a, sensor_id: 'irrigation-gateway-2.soil-a': is a sensor of"),
        ("a-40cm", "a-20cm", ":25: zone plot-1a, sensor_id: 'irrigation-gateway-1.soil-a-20cm': is used before"),
        ("soil-a-20cm", "soil-a", ":24: zone plot-1a, sensor_id: 'irrigation-gateway-1.soil-a': is used before"),
        (PROBES, "    probes: 20cm\n", ":23: zone plot-1a, probes: '20cm': want a list of probes"),
        (PROBES, "    probes: [20cm]\n", ":23: zone plot-1a, probe 1: want the keys sensor_id, depth_m"),
    ],
)
def test_mistakes_of_a_probe(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """A probe's mistake has its line, its zone and the remedy too."""
    assert old in GOOD + PROBES
    first, second = (GOOD + PROBES).split("    probes", 1)
    text = (GOOD + PROBES).replace(old, new) if old == PROBES else first + ("    probes" + second).replace(old, new)
    [mistake] = mistakes_of(tmp_path, text)
    assert expected in mistake


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "field_capacity: 0.29",
            "field_capacity: 29",
            ":13: zone plot-1a, field_capacity: 29: looks like percent; write 0.29",
        ),
        ("efficiency: 0.85", "efficiency: 85", "efficiency: 85: looks like percent; write 0.85"),
        ("root_depth_m: 0.4", "root_depth_m: 40", "root_depth_m: 40: looks like centimetres; write 0.4"),
        ("max_run_s: 1800", "max_run_s: 30", "max_run_s: 30: looks like minutes; write 1800"),
        ("max_run_s: 1800", "max_run_s: 30 min", "max_run_s: '30 min': want whole seconds"),
        ("max_run_s: 1800", "max_run_s: 1800.5", "max_run_s: 1800.5: want whole seconds"),
        ("max_run_s: 1800", "max_run_s: true", "max_run_s: True: want a number"),
        ("area_m2: 100", "area_m2: '100'", "area_m2: '100': want a number of square metres"),
        ("area_m2: 100", "area_m2: .nan", "area_m2: nan: want 0.1 to"),
        ("area_m2: 100", "area_m2: [100]", "area_m2: list of 1: want a number"),
        ("wilting_point: 0.12", "wilting_point: 0.3", "wilting_point: 0.3: want wilting_point < field_capacity (0.29)"),
        ("latitude: 45.9", "latitude: 72", "zones.yaml:3: latitude: 72: want -66 to 66 degrees, north is positive"),
        ("longitude: -72.5\n", "", "zones.yaml:1: file: longitude is missing"),
        ("elevation_m: 82", "elevation_m: 82\npump_l_min: 0", "pump_l_min: 0: want 1 to 1e+06 litres a minute"),
        (
            "elevation_m: 82",
            "elevation_m: 82\nwater_price_m3: 2",
            "water_price_m3: 2: want the currency beside it, such as currency: BRL",
        ),
        (
            "elevation_m: 82",
            "elevation_m: 82\ncurrency: R$",
            "currency: 'R$': want a currency's three letters, such as BRL",
        ),
        (
            "elevation_m: 82",
            "elevation_m: 82\npump_l_min: 19",
            "application_rate_mm_h: 12: the zone takes 20 l/min, and the pump gives 19; water a smaller area",
        ),
        ("elevation_m: 82", "elevation_m: 82\nforecast: 7", "forecast: 7: want a text"),
        ("    sown: 2026-05-04\n", "", "zones.yaml:7: zone plot-1a: sown is missing"),
        (
            "2026-05-04",
            "2026-02-30",
            "zones.yaml:11: zone plot-1a, sown: '2026-02-30': is no date; write year-month-day",
        ),
        ("2026-05-04", "04/05/2026", "sown: '04/05/2026': is no date; write year-month-day, such as 2026-05-04"),
        ("2026-05-04", "126", "sown: 126: is no date"),
        ("2026-05-04", "2026-05-04 10:00:00", "is no date"),
        ("2026-05-04", "0226-05-04", "want a date of the years 2000 to 2099"),
        ("crop: tomato", "crop: tomatoe", "crop: 'tomatoe': no crop 'tomatoe', did you mean 'tomato'?; known: maize,"),
        (
            "crop: tomato",
            "crop: tomato\n    calendar: idaho",
            "calendar: 'idaho': tomato has no such calendar; known",
        ),
        (
            "crop: tomato",
            "crop: tomato\n    allowed_depletion: 40",
            "allowed_depletion: 40: looks like percent; write",
        ),
        ("crop: tomato", "crop: tomato\n    infiltration_mm_h: -1", "infiltration_mm_h: -1: want 0.1 to 500"),
        ("crop: tomato", "crop: tomato\n    probe_depth_m: 20", "probe_depth_m: 20: looks like centimetres; write 0.2"),
        ("crop: tomato", "crop: tomato\n    limits: 5000", "limits: 5000: want a mapping, such as {daily_l: 5000}"),
        (
            "crop: tomato",
            "crop: tomato\n    limits:\n      daily_l: -5",
            "zones.yaml:12: zone plot-1a, limits, daily_l: -5: want 0 to 1e+09 litres a day",
        ),
        (
            "crop: tomato",
            "crop: tomato\n    limits: {dayly_l: 5}",
            "zone plot-1a, limits: unknown key 'dayly_l', did you mean 'daily_l'?",
        ),
        (
            "crop: tomato",
            "crop: tomato\n    limits: {hours: '20:00-06:00'}",
            "limits, hours: '20:00-06:00': want a list of spans, such as",
        ),
        (
            "crop: tomato",
            "crop: tomato\n    limits: {hours: [20-6]}",
            "'20-6': want the hours from and to",
        ),
        (
            "crop: tomato",
            "crop: tomato\n    limits: {hours: ['06:00-06:00']}",
            "'06:00-06:00': want the hours from and to",
        ),
        ("max_run_s: 1800", "max_run_s: 7200", "max_run_s: 7200: want max_run_s <= daily_cap_s (5400)"),
        (
            "application_rate_mm_h: 12",
            "application_rate_mm_h: -12",
            "application_rate_mm_h: -12: want 0.1 to 500 millimetres an hour",
        ),
        ("area_m2: 100", "area_m2: 0", "area_m2: 0: want 0.1 to 1e+07 square metres"),
        ("cooldown_s: 3600", "cooldown_s: -1", "cooldown_s: -1: want 0 to"),
        ("cooldown_s: 3600", "cooldwon_s: 3600", "unknown key 'cooldwon_s', did you mean 'cooldown_s'?"),
        ("    cooldown_s: 3600\n", "", "zone plot-1a: cooldown_s is missing"),
        ("    crop: tomato", "    crop: tomato\n    crop: bean", "zones.yaml:11: zone plot-1a: crop is written twice"),
        ("crop: tomato", "crop: 12", "crop: 12: want a text"),
        ("zone_id: plot-1a", "zone_id: plot 1a", "zone_id: 'plot 1a': want 1 to 64 letters"),
        (
            "zone_id: plot-1a",
            "zone_id: 12",
            "zone_id: 12: want 1 to 64 letters, digits, '_' or '-', in quotes if only digits",
        ),
        ("gateway_id: irrigation-gateway-1", "gateway_id: all", "gateway_id: 'all': is the group of all gateways"),
        (
            "gateway-1.soil-a",
            "gateway-10.soil-a",
            "'irrigation-gateway-10.soil-a': is a sensor of irrigation-gateway-10",
        ),
        (
            "sensor_id: irrigation-gateway-1.soil-a",
            "sensor_id: soil-a",
            "sensor_id: 'soil-a': want <gateway_id>.<sensor>",
        ),
        ("America/Toronto", "America/Torronto", "is no time zone, did you mean 'America/Toronto'?"),
        ("farm: Test farm\n", "", "zones.yaml:1: file: farm is missing"),
        (
            GOOD,
            "farm: x\ntimezone: UTC\nlatitude: 1\nlongitude: 1\nelevation_m: 1\nzones: []\n",
            "zones: list of 0: want a list of one zone or more",
        ),
        (
            GOOD,
            "farm: x\ntimezone: UTC\nlatitude: 1\nlongitude: 1\nelevation_m: 1\nzones: {a: b}\n",
            "zones: dict of 1: want a list of one zone or more",
        ),
        (
            GOOD,
            "farm: x\ntimezone: UTC\nlatitude: 1\nlongitude: 1\nelevation_m: 1\nzones: [hello]\n",
            "zones.yaml:6: zone 1: want the keys zone_id,",
        ),
        (GOOD, "- a\n", "zones.yaml:1: file: want the keys farm, timezone, latitude"),
        (GOOD, "", "zones.yaml: is empty"),
        ("crop: tomato", "crop: 'tomato", "not valid YAML"),
        ("crop: tomato", "crop: !!python/name:os.system x", "zones.yaml:10: not valid YAML"),
        ("crop: tomato", "crop: *nothing", "zones.yaml:10: not valid YAML"),
        (GOOD, "&a {<<: *a}", "zones.yaml"),
        (GOOD, "[" * 100_000, "not valid YAML"),
    ],
)
def test_mistakes(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """Every mistake is told with its line, zone, field, value and remedy, in one line."""
    assert old in GOOD
    told = mistakes_of(tmp_path, GOOD.replace(old, new))
    assert any(expected in line for line in told), told
    assert not any("\n" in line for line in told)


def test_one_mistake_gives_one_line(tmp_path: Path) -> None:
    """A mistake does not hide, or invent, others."""
    assert len(mistakes_of(tmp_path, GOOD.replace("field_capacity: 0.29", "field_capacity: 29"))) == 1


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    """A file with several mistakes tells them all, from top to bottom."""
    text = (
        GOOD.replace("0.29", "29").replace("efficiency: 0.85", "efficiency: 85").replace("crop: tomato", "corp: tomato")
    )
    lines = [line.split(":")[1] for line in mistakes_of(tmp_path, text)]
    assert len(lines) == 4
    assert lines == sorted(lines, key=int)


def test_duplicates(tmp_path: Path) -> None:
    """Two zones share neither a name nor a probe, and the second one is told."""
    told = mistakes_of(tmp_path, GOOD + SECOND)
    assert [line.split(": ")[2] for line in told] == ["'plot-1a'", "'irrigation-gateway-1.soil-a'"]
    assert told[0].startswith("zones.yaml:23: zone plot-1a, zone_id")


@pytest.mark.parametrize("name", ["nothing.yaml", "."])
def test_unreadable(tmp_path: Path, name: str) -> None:
    """A file that cannot be read is named."""
    with pytest.raises(ConfigError, match="cannot be read"):
        zones_file.load(tmp_path / name)


def test_binary(tmp_path: Path) -> None:
    """A file that is no text is a mistake like any other."""
    path = tmp_path / "zones.yaml"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ConfigError, match="not valid YAML"):
        zones_file.load(path)


def test_settings_file(tmp_path: Path) -> None:
    """An update file, in YAML or JSON, gives the device and the settings."""
    for text in (
        "device_id: all\nsettings: {sample_interval_s: 600}",
        '{"device_id":"all","settings":{"sample_interval_s":600}}',
    ):
        assert update_file.load(write(tmp_path, text)) == ("all", {"sample_interval_s": 600})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("settings: {sample_interval_s: 600}", "device_id: missing"),
        ("device_id: all", "settings: missing"),
        ("device_id: all\nsettings: {}", "want an object with a setting or more"),
        ("device_id: all\nsettings: {sample_intervall_s: 600}", "did you mean 'sample_interval_s'?"),
        ("device_id: all\nsettings: {sample_interval_s: 1}", "sample_interval_s: want an integer from 10"),
        ("device_id: all\nsettings: [1]", "want an object"),
        ("device: all\nsettings: {sample_interval_s: 600}", "unknown key 'device', did you mean 'device_id'?"),
        ("device_id: a b\nsettings: {sample_interval_s: 600}", "device_id: want letters"),
        ("hello", "want the keys device_id and settings"),
    ],
)
def test_settings_mistakes(tmp_path: Path, text: str, expected: str) -> None:
    """A mistake in an update file is told with its field and the remedy."""
    with pytest.raises(ConfigError) as caught:
        update_file.load(write(tmp_path, text))
    assert expected in str(caught.value)
