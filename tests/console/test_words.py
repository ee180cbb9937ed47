"""Every word is in both languages, and what the service says in English is said in Portuguese too."""

import re
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from compute_service.domain.alarm_kinds import KINDS
from compute_service.domain.decide import REMEDIES
from compute_service.errors import OrderError
from console import receipts, translation, words_en, words_pt, zones_form
from console.house import PLACES, THEMES
from console.languages import LANGUAGES
from tests.console.living import LivingFarm
from tests.console.site_of_test import Site

ROOT = Path(__file__).parents[2]
PORTUGUESE = LANGUAGES["pt-BR"]


def places(words: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(words) if name}


def test_both_tables_have_the_same_words() -> None:
    """With the same places to fill."""
    portuguese = {key: words for key, words in words_pt.WORDS.items() if not key.startswith(("told_", "unit "))}
    assert portuguese.keys() == words_en.WORDS.keys()
    assert [key for key in portuguese if places(portuguese[key]) != places(words_en.WORDS[key])] == []


def test_every_word_is_used_and_every_use_has_one() -> None:
    """No key is left over from a page that was, and no page asks for one that is not there."""
    files = [*(ROOT / "console").glob("*.py"), *(ROOT / "console" / "templates").glob("*.html")]
    code = "".join(file.read_text(encoding="utf-8") for file in files if "words_" not in file.name)
    said = set(re.findall(r"""\bsay\(\s*["'](\w+)["'][,)]""", code))
    assert said - PORTUGUESE.words.keys() == set()
    families: tuple[str, ...] = (
        "check_",
        "remedy_",
        "book_",
        "valve_",
        "held_by_",
        "hold_",
        "count_",
        "action_",
        "order_",
        "news_",
    )
    families += ("field_", "mode_", "version_", "severity_", "role_", "theme_", "place_")
    quoted = set(re.findall(r"""["'](\w+)["']""", code))
    assert [key for key in words_en.WORDS if key not in quoted and not key.startswith(families)] == []


def test_all_that_a_page_can_show_has_words() -> None:
    """Checks and their remedies, the receipt, the fields of the settings, the pages, the colours."""
    keys = {f"check_{name}" for name in REMEDIES} | {f"remedy_{name}" for name in REMEDIES}
    keys |= {f"book_{name}" for name in receipts.BOOK} | {f"theme_{name}" for name in THEMES}
    keys |= {f"field_{field.name.split('.')[-1]}" for field in (*zones_form.FARM, *zones_form.ZONE)}
    keys |= {place.word for place in PLACES} | {f"told_{key}" for key in translation.SENTENCES}
    assert keys - PORTUGUESE.words.keys() == set()


ORDERS: tuple[tuple[str, str | None, dict[str, Any]], ...] = (
    ("fly", None, {}),
    ("close", "plot-9", {}),
    ("close", None, {}),
    ("stop", "plot-1a", {}),
    ("pause", None, {}),
    ("open", "plot-1a", {}),
    ("open", "plot-1a", {"volume_l": -1.0}),
    ("open", "plot-1a", {"duration_s": 5}),
    ("open", "plot-1a", {"duration_s": 5000}),
    ("open", "plot-1b", {"duration_s": 500}),
    ("open", "plot-1e", {"duration_s": 500}),
    ("clear", None, {}),
    ("clear", "plot-1a", {}),
    ("clear", "plot-1e", {}),
)
LATCHED: tuple[tuple[str, str | None, dict[str, Any]], ...] = (("open", "plot-1a", {"duration_s": 500}),)


def test_every_refusal_is_said_in_portuguese(farm: LivingFarm) -> None:
    """No sentence of the service is left in English, and its names and figures stay."""
    farm.order("pause", "plot-1b", until=farm.bench.now + 3600, why="colheita")
    farm.hear_status("irrigation-gateway-2", "offline", latched=["plot-1e"])
    farm.bench.tick()
    for number, (action, zone_id, more) in enumerate((*ORDERS, *LATCHED)):
        if number == len(ORDERS):
            farm.hear_status("irrigation-gateway-1", latched=["plot-1c"])
        with pytest.raises(OrderError) as refusal:
            farm.order(action, zone_id, **more)
        sentence = translation.sentence(str(refusal.value), PORTUGUESE)
        assert sentence != str(refusal.value)
        english = r"\b(the|is|wants|zone|no water|since|until|longer|farm)\b"
        assert re.search(english, sentence) is None, sentence
        assert translation.sentence(str(refusal.value), LANGUAGES["en"]) == str(refusal.value)


HOSTILE = "<img src=x onerror=alert(1)>=1+1"


def test_strangers_texts_are_only_texts(farm: LivingFarm, site: Site) -> None:
    """A reason, a gateway's error and its firmware are shown as they are, and never become a part of the page."""
    farm.order("pause", "plot-1a", until=farm.bench.now + 3600, why=HOSTILE, by=HOSTILE)
    farm.hear_status("irrigation-gateway-1", firmware=HOSTILE, reset_cause=HOSTILE)
    error = {"gateway_id": "irrigation-gateway-1", "boot_id": "b", "at": farm.bench.now, "code": "x", "text": HOSTILE}
    farm.bench.hear("irrigation/errors", error)
    farm.bench.tick()
    for path in ("/", "/zones/plot-1a", "/gateways", "/gateways/irrigation-gateway-1", "/alarms"):
        text = site.page(path).text
        assert "&lt;img src=x onerror=alert(1)&gt;" in text or path == "/alarms", path
        assert "<img" not in text, path


def test_a_zone_and_a_farm_have_one_word_each() -> None:
    """What a page calls `talhão` and `fazenda` an alarm on it calls so too."""
    said = [text for kind in KINDS for text in kind.words["pt"]] + list(words_pt.WORDS.values())
    assert [
        text for text in said if re.search(r"\b(zonas?|propriedades?)\b", text.replace("zona das raízes", ""))
    ] == []
