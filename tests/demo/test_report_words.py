"""The two languages of the report: the same keys, the same figures, each written as its readers write them."""

import re
import string
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from agronomy.probes import HEALTHY, VERDICTS
from demo.faults import words_en as faults_en
from demo.faults.evidence import Fault, Notice
from demo.faults.fault_words import AMOUNTS, amount_of, kind_of
from demo.faults.noticed import Verdict
from demo.report import Season, words_en, write_report
from demo.report.fault_list import fault_list
from demo.report.languages import FILES, LANGUAGES, REPORT_ENGLISH, REPORT_PORTUGUESE
from gateway_sim.farm import CROPS, SOILS
from gateway_sim.faults import KINDS
from tests.demo.report_documents import START, farm, fault, truth
from views.language import FIGURES, Language
from views.words_en import ENGLISH
from views.words_pt import PORTUGUESE
from views.zone_chart import frame

NOUNS = {key for key, words in REPORT_ENGLISH.words.items() if "|" in words}


def places(words: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(words) if name}


def pages(folder: Path) -> dict[str, str]:
    documents = farm(gateways=2)
    faults = [fault(kind, "irrigation-gateway-1.soil-a", "plot-2b", amount=0.5) for kind in KINDS]
    documents["summary"]["parquet_dir"] = str(folder / "no-lake")
    write_report(folder, Season(**documents, truth=truth(documents, faults)))
    return {one.code: (folder / FILES[one.code]).read_text(encoding="utf-8") for one in LANGUAGES}


def figures_of(page: str, language: Language) -> list[str]:
    """Every number that stands between tags, in one way of writing; days and months of dates left out."""
    body = page[page.index("<body>") :]
    text = unescape(" ".join(re.findall(r">([^<>]+)<", body))).replace("\u00a0", " ").replace("\u00ad", "")
    for written in (r"\d+ (?:June|July|Jul|Jun)\b", r"\d+º? de \w+ de", r"\d+/\d+\b"):
        text = re.sub(written, "", text)
    to_english = str.maketrans(".,", ",.") if language is REPORT_PORTUGUESE else {}
    return sorted(re.findall(r"\d[\d.,]*\d|\d", text.translate(to_english)))


def test_every_word_is_in_both_tables() -> None:
    """A key of one language is a key of the other, with the same places to fill, one and many where the other has."""
    assert REPORT_ENGLISH.words.keys() == REPORT_PORTUGUESE.words.keys()
    for key, words in REPORT_ENGLISH.words.items():
        assert places(words) == places(REPORT_PORTUGUESE.words[key]), key
        assert words.count("|") == REPORT_PORTUGUESE.words[key].count("|"), key


def test_the_views_have_words_for_all_they_show() -> None:
    """Without the words of faults and report, a view of a real farm says all that it can say."""
    root = Path(__file__).parents[2]
    code = "".join(file.read_text(encoding="utf-8") for file in (root / "views").glob("*.py"))
    keys = {*re.findall(r"""\bsay\(\s*["'](\w+)["']""", code), *re.findall(r"""count\(.*?, ["'](\w+)["']\)""", code)}
    assert len(keys) > 50
    for language in (ENGLISH, PORTUGUESE):
        assert keys - language.words.keys() == set()


def test_a_word_stands_in_one_table() -> None:
    """What the views say is not said again, otherwise, by faults or report."""
    tables = (ENGLISH.words, faults_en.WORDS, words_en.WORDS)
    assert sum(map(len, tables)) == len(REPORT_ENGLISH.words)


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda one: str(one.code))
def test_every_doubt_about_a_probe_has_words(language: Language) -> None:
    """Whatever the service thinks of a probe, the list of faults can tell; a verdict without words is named."""
    doubts = [f"doubted_{verdict}" for verdict in VERDICTS if verdict != HEALTHY]
    assert [doubt for doubt in doubts if doubt not in language.words] == []


def test_a_notice_that_has_no_words_yet_is_told_by_its_name() -> None:
    """The report of a newer service is still written."""
    row = fault("drift", "irrigation-gateway-1.soil-a", begin=START)
    verdict = Verdict(Fault.from_row(row), (Notice("compute", "doubted_salty", START, True, {"decisions": 2}),))
    items = fault_list([verdict], frame(START, START + 86400, UTC, [], REPORT_ENGLISH))
    assert "noticed it (doubted salty)" in items


def test_every_word_is_used() -> None:
    """No key is left over from a report that was."""
    root = Path(__file__).parents[2]
    files = [file for room in ("views", "demo/report", "demo/faults") for file in (root / room).glob("*.*")]
    code = "".join(file.read_text(encoding="utf-8") for file in files if "words_" not in file.name)
    families = ("kind_", "gateway_", "what_", "by_", "state_", "held_", "now_", "cut_", "verdict_", "doubted_", "vain_")
    keys = {*re.findall(r"""["'](\w+)["']""", code), *re.findall(r"\$say_(\w+)", code)}
    assert [key for key in REPORT_ENGLISH.words if key not in keys and not key.startswith(families)] == []


def test_every_place_of_a_notice_has_a_way_of_writing() -> None:
    """Nouns that count, and quantities: each is known to the table of figures or filled by name."""
    assert {"runs", "samples", "decisions", "commands", "times", "boots"} <= FIGURES.keys()
    assert {"run", "sample", "decision", "command", "time", "boot"} <= NOUNS


def test_both_pages_carry_the_same_figures(tmp_path: Path) -> None:
    """Whoever reads one page has read the numbers of the other."""
    written = pages(tmp_path)
    english, portuguese = (figures_of(written[one.code], one) for one in LANGUAGES)
    assert english == portuguese
    assert len(english) > 300
    assert any("," in figure for figure in english)


def test_each_page_leads_to_the_other(tmp_path: Path) -> None:
    """The English page links to the Portuguese one, and back; each says which language it is in."""
    written = pages(tmp_path)
    assert 'href="report.pt-BR.html"' in written["en"]
    assert 'href="report.html"' in written["pt-BR"]
    assert '<html lang="pt-BR">' in written["pt-BR"]
    assert "A story." in written["en"]
    assert "Uma história." in written["pt-BR"]


def test_both_pages_are_well_formed(tmp_path: Path) -> None:
    """Every tag is closed in its turn, nothing is left to fill in, and no resource comes from elsewhere."""
    for page in pages(tmp_path).values():
        body = page[page.index("<body>") : page.index("</html>")]
        ET.fromstring(body)
        assert "$" not in page
        assert not re.search(r"\{\w+\}", body)
        assert not re.search(r"https?:|src=|url\(|@import|<script", page.replace('xmlns="http', ""))


def test_no_english_is_left_in_the_portuguese_page(tmp_path: Path) -> None:
    """Crops, soils, states and months are in Portuguese too."""
    page = pages(tmp_path)["pt-BR"]
    for word in ("maize", "loam", "July", "runs", "Plot ", "moisture:", "Noticed", "wilting point<"):
        assert word not in page[page.index("</style>") :].replace("plot-", ""), word
    for word in ("milho", "franco-argiloso", "julho", "irrigações", "talhões", "ponto de murcha"):
        assert word in page, word


def test_all_that_a_farm_can_draw_has_a_portuguese_name() -> None:
    """Every crop and soil that a farm is drawn from."""
    assert {one.name for one in (*CROPS, *SOILS)} <= REPORT_PORTUGUESE.names.keys()


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda one: str(one.code))
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fault_has_words(kind: str, language: Language) -> None:
    """A fault of any kind that the simulator knows has a name and an amount in words."""
    one = Fault.from_row(fault(kind, "x", amount=1.0))
    assert kind in AMOUNTS
    assert kind_of(one, language)
    assert "{" not in amount_of(one, language)


@pytest.mark.parametrize(
    ("litres", "english", "portuguese"),
    [
        (0, "0 L", "0 L"),
        (840.4, "840 L", "840 L"),
        (8_440, "8.4 m³", "8,4 m³"),
        (118_300, "118 m³", "118 m³"),
        (2_500_000, "2,500 m³", "2.500 m³"),
    ],
)
def test_volumes_read_well(litres: float, english: str, portuguese: str) -> None:
    """Water is told in the unit that fits its amount."""
    assert [one.volume(litres).replace("\u00a0", " ") for one in LANGUAGES] == [english, portuguese]


@pytest.mark.parametrize(
    ("value", "decimals", "english", "portuguese"),
    [
        (1234.5, 1, "1,234.5", "1.234,5"),
        (-0.04, 1, "0.0", "0,0"),
        (-8.1, 1, "\u22128.1", "\u22128,1"),
        (1e6, 0, "1,000,000", "1.000.000"),
    ],
)
def test_numbers_have_their_languages_marks(value: float, decimals: int, english: str, portuguese: str) -> None:
    """Marks of thousands and decimals, a true minus, and no negative nothing."""
    assert [one.number(value, decimals) for one in LANGUAGES] == [english, portuguese]


def test_dates_are_said_as_people_say_them() -> None:
    """The first of a month is `1º` in Portuguese; charts have short dates."""
    at = datetime(2020, 7, 1, 5, 0)
    assert [one.date("day", at) for one in LANGUAGES] == ["1 July 2020", "1º de julho de 2020"]
    assert [one.moment(at) for one in LANGUAGES] == ["Wed 1 Jul 05:00", "qua 1/7 05:00"]


@pytest.mark.parametrize(
    ("seconds", "english", "portuguese"),
    [
        (40, "40 s", "40 s"),
        (60, "1 min", "1 min"),
        (3600, "1 h", "1 h"),
        (6600, "1 h 50 min", "1 h 50 min"),
        (86400 * 2 + 18000, "2 days 5 h", "2 dias 5 h"),
    ],
)
def test_spans_are_said_as_people_say_them(seconds: float, english: str, portuguese: str) -> None:
    """Seconds in the units that a person would choose."""
    assert [one.span(seconds).replace("\u00a0", " ") for one in LANGUAGES] == [english, portuguese]


def test_one_is_not_many() -> None:
    """A count takes the form of its noun."""
    assert [one.count(1, "run") for one in LANGUAGES] == ["1 run", "1 irrigação"]
    assert [one.count(1200, "run") for one in LANGUAGES] == ["1,200 runs", "1.200 irrigações"]
