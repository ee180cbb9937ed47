import json
import math
import random
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import jsonschema
import pytest

from local_cloud.demo.report import headline, runs_by_zone, volume, write_report
from local_cloud.demo.zone_chart import MOST_BINS, MOST_POINTS, Run, draw, frame, thinned

ROOT = Path(__file__).parents[3]
START = 1593576000  # 2020-07-01 00:00 in Montreal
HOUR = 3600
CROPS = (("maize", "sandy loam", 0.22, 0.10), ("potato", "loam", 0.30, 0.14), ("tomato", "clay loam", 0.36, 0.20))


def farm(gateways: int = 8, days: int = 5, seed: int = 1) -> dict[str, Any]:
    """A farm that was irrigated for some days: the six documents that write_report takes, without the folder."""
    chance = random.Random(seed)
    weather = [_hour(number, chance) for number in range(days * 24)]
    zones, traces, events = [], {}, []
    for number in range(gateways * 3):
        zone = _zone(number)
        readings, acks = _irrigated(zone, weather, chance)
        zones.append(zone)
        traces[zone["zone_id"]] = readings
        events += acks
    return {
        "summary": _summary(gateways, days, events, traces),
        "zones": {"farm": "Demonstration farm", "timezone": "America/Toronto", "zones": zones},
        "events": events,
        "traces": traces,
        "weather": weather,
    }


def _hour(number: int, chance: random.Random) -> dict[str, Any]:
    storm = 40 <= number % 110 <= 43
    temperature = 20 + 7 * math.sin((number % 24 - 9) / 24 * 2 * math.pi)
    return {
        "at": START + number * HOUR,
        "rain_mm": round(chance.uniform(0.5, 3.5), 1) if storm else 0.0,
        "air_temperature_c": temperature,
    }


def _zone(number: int) -> dict[str, Any]:
    crop, soil, field_capacity, wilting_point = CROPS[number % 3]
    return {
        "zone_id": f"plot-{number // 3 + 1}{'abc'[number % 3]}",
        "gateway_id": f"irrigation-gateway-{number // 3 + 1}",
        "crop": crop,
        "soil": soil,
        "area_m2": 1500 + 250 * (number % 4),
        "field_capacity": field_capacity,
        "wilting_point": wilting_point,
        "refill_point": round(wilting_point + 0.5 * (field_capacity - wilting_point), 3),
        "target": field_capacity - 0.01,
    }


def _irrigated(
    zone: dict[str, Any], weather: list[dict[str, Any]], chance: random.Random
) -> tuple[list[list[float]], list[dict[str, Any]]]:
    vwc = zone["refill_point"] + chance.uniform(0.0, 0.08)
    readings: list[list[float]] = []
    acks: list[dict[str, Any]] = []
    for hour in weather:
        for quarter in range(4):
            at = hour["at"] + quarter * HOUR // 4
            vwc += hour["rain_mm"] / 4 / 600 - max(hour["air_temperature_c"] - 14, 0) * 0.000022
            if vwc < zone["refill_point"] - 0.004 and not (acks and at - acks[-1]["at"] < 6 * HOUR):
                acks.append(_ack(zone, at + 2700, chance))
                vwc += 0.03
            vwc = min(vwc, zone["field_capacity"] + 0.01)
            readings.append([at, vwc + chance.gauss(0, 0.0008)])
    return readings, acks


def _ack(zone: dict[str, Any], at: int, chance: random.Random) -> dict[str, Any]:
    return {
        "kind": "ack",
        "command_id": f"{zone['zone_id']}-{at}",
        "zone_id": zone["zone_id"],
        "gateway_id": zone["gateway_id"],
        "state": "done",
        "code": "ok",
        "duration_s": 2700,
        "volume_l": round(zone["area_m2"] * 12 * chance.uniform(0.9, 1.1), 1),
        "at": at,
    }


def _summary(
    gateways: int, days: int, events: list[dict[str, Any]], traces: dict[str, list[list[float]]]
) -> dict[str, Any]:
    samples = sum(len(trace) for trace in traces.values())
    return {
        "gateways": gateways,
        "zones": gateways * 3,
        "field_days": days,
        "seed": 1,
        "broker": "embedded",
        "seconds": 61.4,
        "messages_published": 4210,
        "messages_acked": 4210,
        "samples_taken": samples,
        "samples_in_lake": samples,
        "samples_quarantined": 0,
        "samples_dropped_by_outbox": 0,
        "samples_lost": 0,
        "duplicates_dropped": 12,
        "commands_sent": len(events),
        "commands_done": len(events),
        "commands_rejected": 0,
        "commands_expired": 0,
        "valve_bound_violations": 0,
        "litres_delivered": sum(event["volume_l"] for event in events),
        "zones_below_wilting_point": 0,
        "glue_database": "pythoflow",
        "glue_tables": ["samples", "windows"],
        "parquet_dir": "demo-output/lake",
        "events_jsonl": "demo-output/events.jsonl",
        "report": "demo-output/report.html",
        "lake_sha256": "5f" * 32,
    }


class Page(HTMLParser):
    """What a reader of the page meets: its tags, attributes and words."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words += data


def charts(path: Path) -> list[ET.Element]:
    page = path.read_text(encoding="utf-8")
    return [ET.fromstring("<svg" + part.split("</svg>")[0] + "</svg>") for part in page.split("<svg")[1:]]


def shapes(chart: ET.Element, tag: str, kind: str) -> list[ET.Element]:
    return [shape for shape in chart.iter(tag) if kind in shape.get("class", "").split()]


def test_the_report_says_what_happened(tmp_path: Path) -> None:
    """The headline, the figures and each plot's line are words that a grower reads."""
    documents = farm()
    path = write_report(tmp_path, **documents)
    words = Page(path).words.replace("\u00a0", " ")
    assert path == tmp_path / "report.html"
    assert "5 days, 24 plots: " in words
    assert " m³ delivered, every valve closed on time" in words
    assert "1 July 2020 to 5 July 2020, in the farm's time (America/Toronto)" in words
    assert "Demonstration farm" in words
    assert "24 of 24plots always above the wilting point" in words
    assert "pythoflow: samples, windows" in words
    assert words.count("; lowest moisture ") == 24
    for zone in documents["zones"]["zones"]:
        assert f"{zone['crop']} · {zone['soil']}" in words


def test_the_report_takes_what_the_schema_promises() -> None:
    """The summary that these tests report on has the keys of docs/summary.schema.json."""
    schema = json.loads((ROOT / "docs" / "summary.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(farm()["summary"], schema)


def test_the_report_needs_no_other_file(tmp_path: Path) -> None:
    """No link, script, picture or font is fetched: the page works without a network, and on paper."""
    path = write_report(tmp_path, **farm(gateways=1))
    page = Page(path)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name in ("src", "href", "srcset")]
    text = path.read_text(encoding="utf-8")
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_every_zone_has_a_chart_with_its_runs(tmp_path: Path) -> None:
    """A chart holds one bar and one shade for each run, and the three limits of its soil."""
    documents = farm()
    path = write_report(tmp_path, **documents)
    runs = runs_by_zone(documents["events"])
    drawn = charts(path)
    assert len(drawn) == 24
    assert sum(len(found) for found in runs.values()) > 0
    for zone, chart in zip(documents["zones"]["zones"], drawn, strict=True):
        own = runs.get(zone["zone_id"], [])
        assert len(shapes(chart, "rect", "water")) == len(shapes(chart, "rect", "run")) == len(own)
        assert len(shapes(chart, "line", "limit")) == 3
        assert len(shapes(chart, "path", "moisture")) == 1
        titles = " ".join(title.text or "" for title in chart.iter("title"))
        assert all(f"{run.litres:,.0f} L" in titles for run in own)


def test_a_season_stays_light_and_readable(tmp_path: Path) -> None:
    """Sixty days of quarter-hours: at most 2 MB, and no chart with more shapes than a screen can show."""
    path = write_report(tmp_path, **farm(days=60))
    assert path.stat().st_size < 2_000_000
    for chart in charts(path):
        assert len(shapes(chart, "rect", "hover")) < MOST_BINS + 60
        [line] = shapes(chart, "path", "moisture")
        assert line.get("d", "").count(",") <= 2 * (MOST_POINTS + 1)
        labels = [label for label in shapes(chart, "text", "scale") if (label.text or "").endswith(("Jul", "Aug"))]
        places = [float(label.get("x", "0")) for label in labels]
        assert len(places) > 3
        assert all(later - earlier > 40 for earlier, later in pairwise(places))


def test_thinning_keeps_the_extremes() -> None:
    """The driest and the wettest reading survive, and time goes forward."""
    chance = random.Random(3)
    readings = [(START + number * 900, chance.random()) for number in range(5760)]
    kept = thinned(readings, 60 * 86400)
    assert len(kept) <= 2 * (MOST_POINTS + 1)
    assert kept == sorted(kept)
    assert {min(readings, key=lambda r: r[1]), max(readings, key=lambda r: r[1])} <= set(kept)


def test_a_gap_in_the_readings_is_a_gap_in_the_line(tmp_path: Path) -> None:
    """Where a gateway was silent, the chart shows nothing instead of a straight line."""
    documents = farm(gateways=1)
    trace = documents["traces"]["plot-1a"]
    documents["traces"]["plot-1a"] = trace[:100] + trace[160:]
    first, second, _ = charts(write_report(tmp_path, **documents))
    assert len(shapes(first, "path", "moisture")) == 2
    assert len(shapes(second, "path", "moisture")) == 1


def test_a_zone_without_readings_says_so(tmp_path: Path) -> None:
    """A zone that never reported is in the report, in words."""
    documents = farm(gateways=1)
    del documents["traces"]["plot-1b"]
    documents["events"] = []
    path = write_report(tmp_path, **documents)
    assert shapes(charts(path)[1], "text", "nothing")[0].text == "no readings"
    assert "no readings" in Page(path).words


def test_nothing_at_all_is_still_a_report(tmp_path: Path) -> None:
    """A run that was too short for any reading, weather or event gives a page, not a crash."""
    documents = farm(gateways=1)
    documents |= {"events": [], "traces": {}, "weather": []}
    assert len(charts(write_report(tmp_path, **documents))) == 3


def test_all_text_is_escaped(tmp_path: Path) -> None:
    """A name with markup in it is shown, never run."""
    documents = farm(gateways=1)
    evil = '<script>alert("x")</script>&'
    documents["zones"]["farm"] = documents["zones"]["zones"][0]["crop"] = documents["summary"]["broker"] = evil
    zone_id = documents["zones"]["zones"][1]["zone_id"] = '"><b>'
    documents["traces"][zone_id] = documents["traces"]["plot-1b"]
    page = Page(write_report(tmp_path, **documents))
    assert "script" not in page.tags
    assert page.words.count(evil) == 3
    assert zone_id in page.words
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_bad_news_is_in_the_headline_and_marked(tmp_path: Path) -> None:
    """A valve that stood open too long, a dry plot and lost samples are said first, and in the boxes in red."""
    documents = farm(gateways=1)
    documents["summary"] |= {"valve_bound_violations": 1, "zones_below_wilting_point": 2, "samples_lost": 1}
    said = headline(documents["summary"])
    assert said.endswith("1 valve opening beyond the bound, 2 plots below the wilting point, 1 sample lost")
    path = write_report(tmp_path, **documents)
    assert path.read_text(encoding="utf-8").count('class="bad"') == 3


def test_an_ack_that_came_twice_is_one_run() -> None:
    """Repeated and unfinished acks do not add water."""
    ack = {
        "kind": "ack",
        "command_id": "c",
        "zone_id": "z",
        "state": "done",
        "duration_s": 60,
        "volume_l": 5,
        "at": START,
    }
    started = ack | {"state": "started", "duration_s": 0, "volume_l": 0}
    rejected = ack | {"command_id": "d", "state": "rejected", "duration_s": None, "volume_l": None}
    assert runs_by_zone([started, ack, dict(ack), rejected]) == {"z": [Run(START - 60, START, 5)]}


def test_the_days_are_the_farms_own() -> None:
    """Over a clock change the day lines stand at the farm's midnights, 23 and 25 hours apart."""
    toronto = ZoneInfo("America/Toronto")
    spring = 1583643600  # 2020-03-08 00:00 in Toronto, the day of 23 hours
    axis = frame(spring - 86400, spring + 3 * 86400, toronto, [])
    zone = {"field_capacity": 0.3, "refill_point": 0.2, "wilting_point": 0.1}
    chart = ET.fromstring(draw(zone, [], [], axis, "z"))
    places = [float(line.get("x1", "0")) for line in shapes(chart, "line", "day")]
    hour = axis.x(spring + 3600) - axis.x(spring)
    hours = [round((later - earlier) / hour) for earlier, later in pairwise(places)]
    assert hours[:3] == [24, 23, 24]


@pytest.mark.parametrize(
    ("litres", "words"), [(0, "0 L"), (840.4, "840 L"), (8_440, "8.4 m³"), (118_300, "118 m³"), (2_500_000, "2,500 m³")]
)
def test_volumes_read_well(litres: float, words: str) -> None:
    """Water is told in the unit that fits its amount."""
    assert volume(litres).replace("\u00a0", " ") == words
