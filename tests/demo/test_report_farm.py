"""The farm's map and its water in the report."""

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from demo.report import Season, write_report
from gateway_sim.farm import build, layout, zones_document
from tests.demo.report_documents import START, account, farm, fault, truth
from views.farm_map import farm_map
from views.trouble import Trouble
from views.water_balance import (
    COLUMNS,
    Balance,
    balance_table,
    balances,
    by_calendar,
    largest_error_mm,
    mean,
)
from views.words_en import ENGLISH
from views.words_pt import PORTUGUESE
from views.zone_chart import Plot, Run

ZONES = farm(gateways=2)["zones"]["zones"]
PLOTS = [
    Plot(
        zone=zone,
        readings=[(START, zone["field_capacity"])],
        runs=[Run(START, START + 60, 40.0 * zone["area_m2"])],
    )
    for zone in ZONES
]


def rows(**changes: float) -> list[Balance]:
    return balances({zone["zone_id"]: account(**changes) for zone in ZONES}, PLOTS)


def test_in_less_out_is_the_change() -> None:
    """The account of the documents closes: 1,070.6 in, 1,062.1 out, 8.5 more in the soil."""
    first = rows()[0]
    assert first.in_mm == pytest.approx(1070.6)
    assert first.out_mm == pytest.approx(1062.1)
    assert first.change_mm == pytest.approx(8.5)
    assert first.difference_mm == pytest.approx(0.0)
    assert largest_error_mm(rows()) < 1e-9


def test_a_calendar_is_told_beside_what_was_given() -> None:
    """In mm over the farm: 25 mm a week for a week, and the account's own figures."""
    area = sum(zone["area_m2"] for zone in ZONES)
    assert "would have given 25.0 mm in" in by_calendar(rows(), 25 * area, ENGLISH).replace("\u00a0", " ")
    sentence = by_calendar(rows(), 25 * area, PORTUGUESE).replace("\u00a0", " ")
    assert "receberam 40,0 mm e 1.030,6 mm de chuva; as culturas e o solo usaram 48,1 mm." in sentence


def test_an_account_that_does_not_close_is_marked() -> None:
    """Half a millimetre and more that nobody can explain is red, in the table and in the sentence."""
    assert largest_error_mm(rows(runoff_mm=7.4)) == pytest.approx(0.6)
    assert balance_table(rows(runoff_mm=7.4), ENGLISH).count('class="difference bad"') == len(ZONES) + 1
    assert "difference bad" not in balance_table(rows(), ENGLISH)


def test_both_bars_of_a_zone_are_equally_long() -> None:
    """What came in with what the soil gave is as long as what went out with what the soil kept."""
    for change in (108.5, 60.0):
        table = balance_table(rows(stored_at_end_mm=change, percolation_mm=1108.5 - change), ENGLISH)
        bars = re.findall(r'<span class="stack[^"]*">(.*?)</span>', table)
        lengths = [sum(float(width) for width in re.findall(r"width:([\d.]+)%", bar)) for bar in bars]
        assert len(lengths) == 2 * (len(ZONES) + 1)
        assert all(
            upper == pytest.approx(lower, abs=0.05) for upper, lower in zip(lengths[::2], lengths[1::2], strict=True)
        )


def test_one_flood_does_not_hide_the_others() -> None:
    """A zone with much more water than the rest has its bar cut, and the rest can still be seen."""
    accounts = {zone["zone_id"]: account(rain_mm=30.6, percolation_mm=0.0) for zone in ZONES}
    accounts["plot-1a"] = account(rain_mm=5030.6, percolation_mm=5000.0)
    table = balance_table(balances(accounts, PLOTS), ENGLISH)
    assert table.count('class="stack long"') == 4, "its own two bars, and those of the mean"
    widths = re.findall(r'class="irrigation" style="width:([\d.]+)%', table)
    assert float(widths[1]) > 10


def test_water_that_no_ack_tells_of_is_marked() -> None:
    """A valve that did not close gave more than its acks say: the last column is red."""
    assert not any(row.unacked for row in rows())
    flooded = rows(irrigation_mm=200.0, percolation_mm=1160.0)
    assert all(row.unacked for row in flooded)
    assert 'class="acked bad"' in balance_table(flooded, ENGLISH)


def test_the_farm_is_the_mean_by_area() -> None:
    """Large zones weigh more."""
    two = [
        Balance("a", 100.0, dict.fromkeys(rows()[0].flows, 1.0), 1.0, 0.0),
        Balance("b", 300.0, dict.fromkeys(rows()[0].flows, 5.0), 5.0, 4.0),
    ]
    farm_row = mean(two, "all")
    assert [farm_row.column(name) for name in ("rain_mm", "change_mm", "acked_mm")] == [4.0, 4.0, 3.0]


def test_the_table_carries_a_label_for_each_figure() -> None:
    """On a telephone the head of the table is gone: every cell brings its own words, in the page's language."""
    for language in (ENGLISH, PORTUGUESE):
        table = ET.fromstring(balance_table(rows(), language))
        for line in table.findall("tbody/tr"):
            labels = [cell.get("data-label") for cell in line.findall("td") if cell.get("data-label")]
            assert labels == [language.say(name) for name in COLUMNS]
    assert "1.030,6" in balance_table(rows(), PORTUGUESE)


def picture_of(plots: list[Plot], where: Any, troubles: Sequence[Trouble] = ()) -> ET.Element:
    return ET.fromstring(farm_map(where, plots, troubles, ENGLISH))


def test_the_map_has_every_zone_and_gateway() -> None:
    """Each zone is a rectangle of its size that leads to its card, named and coloured by its state."""
    where = truth(farm(gateways=2), [])["layout"]
    dry = Plot(zone=ZONES[0], readings=[(START, 0.01)], runs=[])
    picture = picture_of([dry, *PLOTS[1:]], where)
    links = [link.get("href") for link in picture.iter("a")]
    assert links == [f"#zone-{zone['zone_id']}" for zone in ZONES]
    zones = [shape for shape in picture.iter("rect") if "plot" in shape.get("class", "").split()]
    assert [shape.get("class") for shape in zones] == ["plot dry"] + ["plot fine"] * 5
    assert [float(shape.get("width", 0)) for shape in zones] == [50.0] * 6
    assert [text.text for text in picture.iter("text")][:6] == ["1a", "1b", "1c", "2a", "2b", "2c"]
    gateways = [shape.get("class") for shape in picture.iter("rect") if "gateway" in shape.get("class", "")]
    assert gateways == ["gateway simulated", "gateway process"]


def test_troubles_are_marked_on_the_map() -> None:
    """A triangle on each zone that a trouble touched, and on each gateway that has one."""
    where = truth(farm(gateways=2), [])["layout"]
    stuck = Trouble(START, START + 60, "Stuck probe")
    plots = [Plot(zone=ZONES[0], readings=[], runs=[], troubles=[stuck]), *PLOTS[1:]]
    reboot = Trouble(START, START + 60, "Power cut", ("irrigation-gateway-2",))
    marks = [shape for shape in picture_of(plots, where, [reboot]).iter("path") if shape.get("class") == "mark"]
    assert len(marks) == 2
    titles = [title.text or "" for title in picture_of(plots, where).iter("title")]
    assert titles[0].endswith("; Stuck probe")


def test_the_map_of_a_drawn_farm_fits_its_frame() -> None:
    """Everything that the simulator lays out is within the picture, for small farms and large."""
    for gateways in (1, 8, 60):
        drawn_farm = build(gateways, seed=1)
        plots = [
            Plot(zone=zone, readings=[], runs=[]) for zone in zones_document(drawn_farm, date(2020, 6, 9))["zones"]
        ]
        picture = picture_of(plots, layout(drawn_farm))
        left, top, width, height = (float(part) for part in picture.get("viewBox", "").split())
        for shape in picture.iter("rect"):
            x, y = float(shape.get("x", 0)), float(shape.get("y", 0))
            assert left <= x <= left + width - float(shape.get("width", 0))
            assert top <= y <= top + height - float(shape.get("height", 0))


def test_without_the_truth_there_is_no_such_chapter(tmp_path: Path) -> None:
    """A report of a run whose truth nobody knows has neither map nor balance nor faults, and no empty titles."""
    page = write_report(tmp_path, Season(**farm(gateways=1))).read_text(encoding="utf-8")
    for chapter in ("The farm<", "Water balance", "Faults injected", "fault injected"):
        assert chapter not in page


def test_names_in_map_and_faults_are_escaped(tmp_path: Path) -> None:
    """Ids and descriptions with markup in them are shown, never run."""
    documents = farm(gateways=1)
    evil = '"><script>x</script>'
    documents["zones"]["zones"][0]["zone_id"] = evil
    documents["summary"]["parquet_dir"] = str(tmp_path)
    hidden = truth(documents | {"zones": {"zones": documents["zones"]["zones"][1:]}}, [fault("dead_valve", evil)])
    hidden["layout"]["zones"][0]["zone_id"] = evil
    hidden["balance"][evil] = account()
    hidden["scenario"]["description"]["en"] = evil
    page = write_report(tmp_path, Season(**documents, truth=hidden)).read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count("&lt;script") >= 6
