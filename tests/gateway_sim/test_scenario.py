"""Scenario files: what they give, what a command line may change of them, and what a mistake in one is told."""

import json
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from agronomy import crops
from compute_service.adapters import crops_table, zones_file
from gateway_sim import farm as farms
from gateway_sim import scenario as scenarios
from gateway_sim import weather as weathers
from gateway_sim.errors import ScenarioError, SimError, WeatherError
from gateway_sim.faults import KINDS
from protocol import topics

DAY_S = 86400
GUIDE = Path(__file__).parents[2] / "docs" / "field.md"
GOOD = """\
description: {en: Two plots, pt: Duas parcelas}
seed: 7
days: 3
weather: {file: drummondville-2020-summer, start: 2020-07-01}
soils:
  - {name: my silt, wilting_point: 0.1, field_capacity: 0.3, saturation: 0.5, conductivity_mm_h: 20}
gateways:
  - gateway: north
    at: [10, 20.5]
    zones:
      - {zone_id: one, soil: my silt, crop: maize, area_m2: 150, probe_depths_m: [0.1, 0.3]}
  - gateway: south
    process: [node, board.mjs]
    zones:
      - zone_id: two
        soil: loam
        crop: {name: olive, kc: 0.9, depletion: 0.4}
        area_m2: 96
        sensor: deep
faults:
  - {kind: bias, target: north.soil-a-10cm, from: 1d 6h, until: 2d}
  - {kind: swapped, target: [north.soil-a, north.soil-a-30cm]}
"""


def write(folder: Path, text: str = GOOD) -> Path:
    path = folder / "farm.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", scenarios.names())
def test_the_scenarios_of_the_project_are_whole(name: str) -> None:
    """Each loads under its name, and is described in both languages, in words of their own."""
    scenario = scenarios.load(name)
    assert scenario.name == name
    assert set(scenario.description) == {"en", "pt"}
    assert scenario.description["en"] != scenario.description["pt"]
    assert scenario.weather.end == scenario.weather.start + scenario.days * DAY_S
    assert scenario.path.parent == scenarios.FOLDER


def test_the_default_is_the_drawn_farm_under_the_excerpt() -> None:
    """Eight gateways, five days, seed 1, nothing breaks; each can be asked for otherwise."""
    scenario = scenarios.load()
    assert scenario.farm == farms.build(8, 1)
    assert scenario.weather == weathers.load(days=5)
    assert scenario.faults.all == ()
    other = scenarios.load(gateways=2, days=3, seed=9)
    assert other.farm == farms.build(2, 9)
    assert (other.days, len(other.weather.hours)) == (3, 72)


def test_the_hard_season_has_every_kind_of_fault() -> None:
    """And more than one gateway, probes at depths, and a gateway that is a process."""
    scenario = scenarios.load("hard-season")
    assert {fault.kind for fault in scenario.faults.all} == set(KINDS)
    assert [gateway.gateway_id for gateway in scenario.farm.gateways if gateway.process] == ["irrigation-gateway-6"]
    assert sum(len(zone.probes) for zone in scenario.farm.zones) >= 4
    device_faults = [fault for fault in scenario.faults.all if KINDS[fault.kind].strikes == "gateway"]
    begins = [(fault.begin - scenario.weather.start) % 900 for fault in device_faults if fault.kind != "brown_out"]
    assert begins == [420, 420, 420], "at a quarter of an hour it would be chance what is sent before"


def test_the_zones_of_mixed_soils_differ() -> None:
    """In soil, crop, size, depth and salt; one soil and one crop are the file's own."""
    zones = scenarios.load("mixed-soils").farm.zones
    for name in ("soil", "crop", "area_m2", "root_depth_m", "application_rate_mm_h", "salt_ds_m"):
        assert len({getattr(zone, name) for zone in zones}) > 1, name
    assert {"silt loam", "sand", "clay loam"} <= {zone.soil.name for zone in zones}


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    """Its rows are the farm; what it leaves out has a sound default."""
    scenario = scenarios.load(write(tmp_path))
    north, south = scenario.farm.gateways
    assert (scenario.name, scenario.days, scenario.farm.seed, scenario.farm.timezone) == ("farm", 3, 7, farms.TIMEZONE)
    assert (north.at, north.process, south.at, south.process) == ((10.0, 20.5), (), None, ("node", "board.mjs"))
    assert north.sensor_ids == ("north.soil-a", "north.soil-a-10cm", "north.soil-a-30cm", "north.weather")
    one, two = scenario.farm.zones
    assert (one.soil.name, one.crop.name, two.soil.name, two.crop.name) == ("my silt", "maize", "loam", "olive")
    assert (two.sensor, two.crop.kc) == ("deep", 0.9)
    assert one.soil.wilting_point < one.initial_vwc < one.soil.field_capacity
    assert scenario.farm.place == farms.DRUMMONDVILLE
    assert scenario.weather.start == weathers.load().start + 22 * DAY_S
    assert [fault.begin - scenario.weather.start for fault in scenario.faults.all] == [1.25 * DAY_S, 0]
    assert [gateway.gateway_id for gateway in scenario.farm.simulated.gateways] == ["north"]


def test_the_example_of_the_guide_is_a_scenario(tmp_path: Path) -> None:
    """What the guide shows can be played, and its defaults are those of the code."""
    section = GUIDE.read_text().split("## Scenarios")[1]
    scenario = scenarios.load(write(tmp_path, section.split("```yaml\n")[1].split("```")[0]))
    assert (scenario.name, len(scenario.farm.zones), len(scenario.faults.all)) == ("my-farm", 2, 2)
    beds, field = scenario.farm.zones
    assert (field.root_depth_m, beds.application_rate_mm_h, beds.efficiency, beds.salt_ds_m) == (0.45, 10, 0.85, 1)
    assert all(f"| `{name}` |" in section for name in scenarios.names())


def test_the_zones_file_tells_of_every_probe(tmp_path: Path) -> None:
    """Compute knows the extra probes of a zone; a zone without any has no such key."""
    scenario = scenarios.load(write(tmp_path))
    first, second = farms.zones_document(scenario.farm, scenario.first_day)["zones"]
    assert first["probes"] == [
        {"sensor_id": "north.soil-a-10cm", "depth_m": 0.1},
        {"sensor_id": "north.soil-a-30cm", "depth_m": 0.3},
    ]
    assert "probes" not in second
    assert all(topics.is_sensor_id(probe["sensor_id"]) for probe in first["probes"])


def test_a_crop_is_sown_before_its_season(tmp_path: Path) -> None:
    """On the day that its row tells, or as long before as brings it into its mid-season; the farm says where it is."""
    text = GOOD.replace("area_m2: 96", "area_m2: 96\n        sown: 2020-05-20") + "latitude: -5.5\nlongitude: -45\n"
    scenario = scenarios.load(write(tmp_path, text + "elevation_m: 30\n"))
    document = farms.zones_document(scenario.farm, scenario.first_day)
    assert [row["sown"] for row in document["zones"]] == ["2020-05-07", "2020-05-20"]
    assert [document[name] for name in ("latitude", "longitude", "elevation_m")] == [-5.5, -45, 30]
    assert [row.get("allowed_depletion") for row in document["zones"]] == [None, 0.4]


@pytest.mark.parametrize("name", scenarios.names())
def test_compute_can_read_the_zones_of_every_scenario(tmp_path: Path, name: str) -> None:
    """Its crops are in compute's tables, and stand in their mid-season when the season begins."""
    scenario = scenarios.load(name)
    path = tmp_path / "zones.yaml"
    path.write_text(json.dumps(farms.zones_document(scenario.farm, scenario.first_day)))
    zones = zones_file.load(path).zones
    assert len(zones) == len(scenario.farm.zones)
    for zone in zones:
        assert crops.kc(crops_table.crop(zone.crop), (scenario.first_day - zone.sown).days).stage == "mid", zone.zone_id


def test_a_season_can_be_moved(tmp_path: Path) -> None:
    """Weather and faults begin at another time, as far apart as before."""
    scenario = scenarios.load(write(tmp_path))
    later = scenario.moved_to(2_000_000_000)
    assert later.weather.start == 2_000_000_000
    assert later.faults.all[0].begin - later.weather.start == 1.25 * DAY_S
    assert later.weather.hours == scenario.weather.hours


MISTAKES = [
    ("seed: 7", "seed: -1", ":2: seed: -1: want a whole number from 0"),
    ("seed: 7", "sead: 7", ":2: the scenario: unknown key 'sead', did you mean 'seed'?"),
    ("days: 3", "days: 3\ndays: 4", ":4: the scenario: days is written twice; keep one"),
    ("2020-07-01", "July", ":4: weather, start: 'July': want a day as 2020-07-01"),
    ("conductivity_mm_h: 20", "conductivity_mm_h: fast", ":6: soils 1, conductivity_mm_h: 'fast': want a number from"),
    ("0.3, saturation", "30, saturation", ":6: soils 1, field_capacity: 30: want a number from 0.01 to 0.9"),
    ("saturation: 0.5", "saturation: 0.25", "soils 1, field_capacity: 0.3: want wilting_point < field_capacity < sat"),
    ("gateway: north", "gateway: north east", ":8: gateways 1, gateway: 'north east': want 1 to 64 letters"),
    ("gateway: north", "gateway: all", ":8: gateways 1, gateway: 'all': is the group of all gateways"),
    ("gateway: south", "gateway: north", ":12: gateways 2, gateway: 'north': stands before"),
    ("[10, 20.5]", "[10]", ":9: gateways 1, at: list of 1: want [metres east, metres south]"),
    ("my silt, crop", "mud, crop", ":11: gateways 1, zones 1, soil: 'mud': not known here; known: sand, sandy loam"),
    ("crop: maize", "crop: maiz", ":11: gateways 1, zones 1, crop: 'maiz': not known here; did you mean 'maize'?"),
    ("area_m2: 96", "area: 96", "unknown key 'area', did you mean 'area_m2'?"),
    (
        "[0.1, 0.3]",
        "[10, 30]",
        ":11: gateways 1, zones 1, probe_depths_m: list of 2: 10: want a number from 0.01 to 0.45",
    ),
    ("[0.1, 0.3]", "[0.1, 0.101]", "gateways 1, zones: 'north.soil-a-10cm': two sensors of that name"),
    ("zone_id: two", "zone_id: [[]]", ":15: gateways 2, zones 1, zone_id: list of 1: "),
    ("zone_id: two", "zone_id: one", ":15: gateways 2, zones 1, zone_id: 'one': stands before; give each its own name"),
    (
        "depletion: 0.4",
        "depletion: 40",
        ":17: gateways 2, zones 1, crop, depletion: 40: want a number from 0.15 to 0.8",
    ),
    (
        "depletion: 0.4}",
        "depletion: 0.4, grown_days: 5.5}",
        "crop, grown_days: 5.5: want a whole number from 0 to 3650",
    ),
    ("{name: olive, kc", "{kc", ":17: gateways 2, zones 1, crop: name is missing"),
    ("area_m2: 96", "area_m2: 96\n        sown: 2020-07-02", "1, sown: 2020-07-02: want a day as 2020-05-01, at most"),
    ("area_m2: 96", "area_m2: 96\n        sown: May", "1, sown: 'May': want a day as 2020-05-01, at most the season's"),
    ("seed: 7", "seed: 7\nforecast: god", ":3: forecast: 'god': not known here; did you mean 'good'?"),
    ("seed: 7", "seed: 7\nlatitude: 4588", ":3: latitude: 4588: want a number from -66 to 66"),
    ("sensor: deep", "salt: deep", ":19: gateways 2, zones 1: unknown key 'salt'"),
    ("kind: bias", "kind: bais", ":21: fault 1: unknown kind 'bais'; there are noise, bias"),
    ("soil-a-10cm", "soil-z", ":21: fault 1 (bias): no sensor 'north.soil-z'; there are north.soil-a"),
    ("soil-a-30cm]", "weather]", ":22: fault 2 (swapped): north.soil-a and north.weather; want two moisture probes"),
    ("north.soil-a-30cm]", "south.deep]", ":22: fault 2 (swapped): north.soil-a and south.deep; want two moisture"),
    ("until: 2d", "until: 2d, quantity: ph", ":21: fault 1 (bias): no quantity 'ph'; there are"),
    ("- gateway: north", "- north\n  - gateway: x", "gateways 1: 'north': write keys and values under it"),
    (
        GOOD[GOOD.index("gateways:") : GOOD.index("faults:")],
        "gateways: []\n",
        ":7: gateways: list of 0: want a gateway",
    ),
]


@pytest.mark.parametrize(("old", "new", "said"), MISTAKES)
def test_a_mistake_is_one_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    """It names the file, the line, the key, the value and the remedy."""
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ScenarioError) as caught:
        scenarios.load(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}:") for line in lines)
    assert any(said in line for line in lines), lines
    assert len(lines) == (2 if "unknown key 'area'" in said else 1), "a mistake invents no other; a wrong name is two"


def test_every_mistake_of_a_scenario_is_told_at_once(tmp_path: Path) -> None:
    """From top to bottom, so that a file is mended in one go."""
    text = (
        GOOD.replace("seed: 7", "seed: -7").replace("my silt, crop", "mud, crop").replace("area_m2: 96", "area_m2: x")
    )
    with pytest.raises(ScenarioError) as caught:
        scenarios.load(write(tmp_path, text.replace("saturation: 0.5", "saturation: 0.25")))
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == ["2", "6", "11", "18"]


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    """A near one is proposed; a file that is not there is named."""
    with pytest.raises(ScenarioError, match=r"'winter': no scenario of that name; known: drummondville, hard-season"):
        scenarios.load("winter")
    with pytest.raises(ScenarioError, match="did you mean 'hard-season'"):
        scenarios.load("hard-saeson")
    with pytest.raises(ScenarioError, match=r"nowhere\.yaml: cannot be read: No such file"):
        scenarios.load(tmp_path / "nowhere.yaml")


def test_a_listed_farm_has_the_gateways_that_it_lists(tmp_path: Path) -> None:
    """Another number of them cannot be asked for."""
    with pytest.raises(ScenarioError, match=r"farm\.yaml:8: gateways: list of 2: its gateways are listed: leave"):
        scenarios.load(write(tmp_path), gateways=5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"days": 100}, "100 were asked for"),
        ({"weather": Path("nowhere.csv")}, r"nowhere\.csv: cannot be read"),
    ],
)
def test_weather_that_is_not_there(tmp_path: Path, change: dict[str, object], said: str) -> None:
    """More days than the file has, or a file that is missing."""
    with pytest.raises(WeatherError, match=said):
        scenarios.load(write(tmp_path), **change)  # type: ignore[arg-type] # rows of a table


@pytest.mark.parametrize("first", ["2020-05-01", "2020-12-01"])
def test_weather_begins_within_its_file(tmp_path: Path, first: str) -> None:
    """Days before it, or after it, are not made up."""
    with pytest.raises(WeatherError, match=first):
        scenarios.load(write(tmp_path, GOOD.replace("2020-07-01", first)))


def test_weather_of_ones_own_lies_beside_the_scenario(tmp_path: Path) -> None:
    """A path is taken from the scenario's folder, and read in the farm's time zone."""
    rows = weathers.EXCERPT.read_text().splitlines()[:49]
    (tmp_path / "mine.csv").write_text("\n".join(rows) + "\n")
    text = GOOD.replace("weather: {file: drummondville-2020-summer, start: 2020-07-01}", "weather: mine.csv")
    scenario = scenarios.load(write(tmp_path, "timezone: Europe/Berlin\n" + text.replace("days: 3", "days: 2")))
    assert scenario.weather.start == weathers.load().start - 6 * 3600
    assert scenario.first_day == date(2020, 6, 9)
    assert farms.zones_document(scenario.farm, scenario.first_day)["timezone"] == "Europe/Berlin"


def test_an_anchor_shares_what_zones_have_in_common(tmp_path: Path) -> None:
    """`<<` works as YAML has it, and what a zone says itself counts."""
    zones = """\
      - &common {zone_id: one, soil: loam, crop: maize, area_m2: 150}
      - {<<: *common, zone_id: three, area_m2: 200}
"""
    old = "      - {zone_id: one, soil: my silt, crop: maize, area_m2: 150, probe_depths_m: [0.1, 0.3]}\n"
    text = GOOD.replace(old, zones).split("faults:")[0]
    first, second, _ = scenarios.load(write(tmp_path, text)).farm.zones
    assert (first.area_m2, second.area_m2, second.soil, second.sensor) == (150, 200, first.soil, "soil-b")


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    return all(
        one[low] + 0.005 < other[low] + other[size] and other[low] + 0.005 < one[low] + one[size]
        for low, size in (("x_m", "width_m"), ("y_m", "height_m"))
    )


@pytest.mark.parametrize("crowded", [False, True])
def test_a_map_has_every_zone_in_its_size_and_none_over_another(tmp_path: Path, crowded: bool) -> None:
    """Also where the gateways stand closer together than their zones are wide; the same farm has the same map."""
    farm = farms.build(12, 3)
    if crowded:
        rows = (replace(gateway, at=(7.0 * n % 40, 3.0 * n)) for n, gateway in enumerate(farm.gateways))
        farm = replace(farm, gateways=(*rows,))
    drawn = farms.layout(farm)
    assert drawn == farms.layout(farm)
    assert [row["zone_id"] for row in drawn["zones"]] == [zone.zone_id for zone in farm.zones]
    for row, zone in zip(drawn["zones"], farm.zones, strict=True):
        assert row["width_m"] * row["height_m"] == pytest.approx(zone.area_m2, rel=1e-3)
    assert not any(overlap(one, other) for n, one in enumerate(drawn["zones"]) for other in drawn["zones"][:n])
    if crowded:
        assert [(row["x_m"], row["y_m"]) for row in drawn["gateways"]] == [gateway.at for gateway in farm.gateways]
    else:
        places = sorted({row["y_m"] for row in drawn["gateways"]})
        assert all(below - above > 10 for above, below in pairwise(places))
    assert {row["kind"] for row in farms.layout(scenarios.load(write(tmp_path)).farm)["gateways"]} == {
        "simulated",
        "process",
    }


def test_every_error_is_the_rooms() -> None:
    """Whoever catches the simulator's errors catches a scenario's."""
    assert issubclass(ScenarioError, SimError)
