import json
import random
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import jsonschema

from demo.report import Season, write_report
from demo.report.boxes import headline
from demo.report.languages import REPORT_ENGLISH
from tests.demo.report_documents import START, farm
from views.plots import runs_by_zone
from views.zone_chart import MOST_BINS, MOST_POINTS, Plot, Run, draw, frame, thinned

ROOT = Path(__file__).parents[2]


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
    path = write_report(tmp_path, Season(**documents))
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
    summary = farm()["summary"]
    jsonschema.validate({key: summary[key] for key in schema["required"]}, schema)


def test_the_report_needs_no_other_file(tmp_path: Path) -> None:
    """No link, script, picture or font is fetched: the page works without a network, and on paper."""
    path = write_report(tmp_path, Season(**farm(gateways=1)))
    page = Page(path)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    links = [value for name, value in page.attributes if name in ("src", "href", "srcset")]
    assert all(link == "report.pt-BR.html" or link.startswith("#zone-") for link in links)
    text = path.read_text(encoding="utf-8")
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_every_zone_has_a_chart_with_its_runs(tmp_path: Path) -> None:
    """A chart holds one bar and one shade for each run, and the three limits of its soil."""
    documents = farm()
    path = write_report(tmp_path, Season(**documents))
    runs = runs_by_zone(documents["events"])
    pictures = charts(path)
    assert len(pictures) == 24
    assert sum(len(own) for own in runs.values()) > 0
    for zone, chart in zip(documents["zones"]["zones"], pictures, strict=True):
        own = runs.get(zone["zone_id"], [])
        assert len(shapes(chart, "rect", "water")) == len(shapes(chart, "rect", "run")) == len(own)
        assert len(shapes(chart, "line", "limit")) == 3
        assert len(shapes(chart, "path", "moisture")) == 1
        titles = " ".join(title.text or "" for title in chart.iter("title"))
        assert all(f"{run.litres:,.0f} L" in titles for run in own)


def test_a_season_stays_light_and_readable(tmp_path: Path) -> None:
    """Sixty days of quarter-hours: at most 2 MB, and no chart with more shapes than a screen can show."""
    path = write_report(tmp_path, Season(**farm(days=60)))
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
    thin = thinned(readings, 60 * 86400)
    assert len(thin) <= 2 * (MOST_POINTS + 1)
    assert thin == sorted(thin)
    assert {min(readings, key=lambda r: r[1]), max(readings, key=lambda r: r[1])} <= set(thin)


def test_a_gap_in_the_readings_is_a_gap_in_the_line(tmp_path: Path) -> None:
    """Where a gateway was silent, the chart shows nothing instead of a straight line."""
    documents = farm(gateways=1)
    trace = documents["traces"]["plot-1a"]
    documents["traces"]["plot-1a"] = trace[:100] + trace[160:]
    first, second, _ = charts(write_report(tmp_path, Season(**documents)))
    assert len(shapes(first, "path", "moisture")) == 2
    assert len(shapes(second, "path", "moisture")) == 1


def test_a_zone_without_readings_says_so(tmp_path: Path) -> None:
    """A zone that never reported is in the report, in words."""
    documents = farm(gateways=1)
    del documents["traces"]["plot-1b"]
    documents["events"] = []
    path = write_report(tmp_path, Season(**documents))
    assert shapes(charts(path)[1], "text", "nothing")[0].text == "no readings"
    assert "no readings" in Page(path).words


def test_nothing_at_all_is_still_a_report(tmp_path: Path) -> None:
    """A run that was too short for any reading, weather or event gives a page, not a crash."""
    documents = farm(gateways=1)
    documents |= {"events": [], "traces": {}, "weather": []}
    assert len(charts(write_report(tmp_path, Season(**documents)))) == 3


def test_all_text_is_escaped(tmp_path: Path) -> None:
    """A name with markup in it is shown, never run."""
    documents = farm(gateways=1)
    evil = '<script>alert("x")</script>&'
    documents["zones"]["farm"] = documents["zones"]["zones"][0]["crop"] = documents["summary"]["broker"] = evil
    zone_id = documents["zones"]["zones"][1]["zone_id"] = '"><b>'
    documents["traces"][zone_id] = documents["traces"]["plot-1b"]
    page = Page(write_report(tmp_path, Season(**documents)))
    assert "script" not in page.tags
    assert page.words.count(evil) == 3
    assert zone_id in page.words
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_bad_news_is_in_the_headline_and_marked(tmp_path: Path) -> None:
    """A valve that stood open too long, a dry plot and lost samples are said first, and in the boxes in red."""
    documents = farm(gateways=1)
    documents["summary"] |= {"valve_bound_violations": 1, "zones_below_wilting_point": 2, "samples_lost": 1}
    sentence = headline(documents["summary"], REPORT_ENGLISH)
    assert sentence.endswith("1 valve opening beyond the bound, 2 plots below the wilting point, 1 sample lost")
    path = write_report(tmp_path, Season(**documents))
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
    zone = {"zone_id": "z", "field_capacity": 0.3, "wilting_point": 0.1}
    chart = ET.fromstring(draw(Plot(zone=zone, readings=[], runs=[]), axis))
    places = [float(line.get("x1", "0")) for line in shapes(chart, "line", "day")]
    hour = axis.x(spring + 3600) - axis.x(spring)
    hours = [round((later - earlier) / hour) for earlier, later in pairwise(places)]
    assert hours[:3] == [24, 23, 24]
