"""Every sentence that the code can tell a person is found in it, and is said in Portuguese on a Portuguese page."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from compute_service.errors import ConfigError
from compute_service.settings import check
from console import told, told_pt, translation
from console.languages import LANGUAGES
from tests.console.living import ZONES_FILE
from web.access import NO_LOGIN
from web.answers import OURS
from web.errors import AttemptsError
from web.middleware import _too_large

ROOT = Path(__file__).parents[2]
ENGLISH, PORTUGUESE = LANGUAGES["en"], LANGUAGES["pt-BR"]
# Errors of these kinds are shown to whoever asked; those of a server's start are for who starts it, at a shell.
SHOWN = {"AccessError", "LoginError", "RequestError", "OrderError", "AlarmError", "SettingsError", "StoreError"}
REFUSERS = {"_why_not", "why_not", "_why", "_problem"}  # functions that give the sentence of a refusal
FILES = (
    *("web/access.py", "web/passwords.py", "web/oidc.py", "web/middleware.py", "web/roles.py", "console/people.py"),
    *("compute_service/settings.py", "compute_service/alarms.py", "compute_service/reading.py"),
    *("compute_service/adapters/sqlite/database.py", "compute_service/adapters/sqlite/decisions.py"),
)
FILLED = {
    "MIN_RUN_S": "30",
    "since": "2026-07-03 18:00",
    "LONGEST": "256",
    "SHORTEST": "12",
    "len": "7",
    "path[:200]": "/x",
    "order.action": "open",
}


def sample(node: ast.expr) -> str | None:
    """A sentence of the code with something in its places."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return None
    parts = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
        elif isinstance(part, ast.FormattedValue):
            name = ast.unparse(part.value)
            is_hint = name.startswith("did_you_mean")
            text = next((text for key, text in FILLED.items() if name.startswith(key)), "5")
            parts.append("" if is_hint else f"'{text}'" if part.conversion == ord("r") else text)
    return "".join(parts)


def sentences(file: str) -> Iterator[tuple[str, str]]:
    """Where a sentence stands, and the sentence."""
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        said: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SHOWN:
            said = node.args
        elif isinstance(node, ast.FunctionDef) and node.name in REFUSERS:
            said = [one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value is not None]
        for one in said:
            if text := sample(one):
                yield f"{file}:{one.lineno}", text


def order_sentences() -> Iterator[tuple[str, str]]:
    """Conditions of an order stand in rows (is it so, the sentence), or are a `why`; an order's end is returned."""
    file = "compute_service/orders.py"
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        said: ast.expr | None = None
        if isinstance(node, ast.Tuple) and len(node.elts) == 2:
            said = node.elts[1]
        elif isinstance(node, ast.Assign | ast.Return) and isinstance(node.value, ast.JoinedStr):
            said = node.value
        if said is not None and (text := sample(said)) and " " in text:
            yield f"{file}:{said.lineno}", text


def units() -> Iterator[str]:
    """What the zones file's fields are measured in."""
    file = "compute_service/adapters/zones_file.py"
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"checks.measure", "checks.list_of"}:
            yield from (
                one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)
            )


SAID = {place: text for file in FILES for place, text in sentences(file)} | dict(order_sentences())
SAID |= {"web NO_LOGIN": NO_LOGIN, "web OURS": OURS, "web AttemptsError": str(AttemptsError(7)), "web": _too_large(9)}


def test_the_walk_finds_the_sentences() -> None:
    """A walk that finds nothing would find every sentence said."""
    assert len(SAID) > 45
    assert {place.partition(":")[0] for place in SAID} >= {*FILES, "compute_service/orders.py"}


def test_every_sentence_is_said_in_portuguese() -> None:
    """A sentence that the code has and no pattern knows is named here; on an English page it stands as it is."""
    assert {place: text for place, text in SAID.items() if translation.sentence(text, PORTUGUESE) == text} == {}
    assert [text for text in SAID.values() if translation.sentence(text, ENGLISH) != text] == []


def test_every_unit_of_the_zones_file_is_said_in_portuguese() -> None:
    """A field's mistake names its unit."""
    assert [unit for unit in units() if f"unit {unit}" not in PORTUGUESE.words] == []


def test_every_pattern_has_its_words_and_fills_their_places() -> None:
    """By key: words are missing, or left over, or have a place that the pattern does not give."""
    patterns = {**told.ACCESS, **told.REQUESTS, **told.FILES, **told.MISTAKES}
    assert patterns.keys() == told_pt.WORDS.keys()
    for key, pattern in patterns.items():
        places = {name for _, name, _, _ in Formatter().parse(told_pt.WORDS[key]) if name}
        assert places <= re.compile(pattern).groupindex.keys(), key


MISTAKES = {
    "latitude: 'x'": "pede-se um número",
    "latitude: 900": "pede-se de -66 a 66 graus, o norte é positivo",
    "farn: a": "campo desconhecido “farn”",
    "timezone: Europe/Brasilia": "não é fuso horário",
    "farm: a\nfarm: b": "está escrito duas vezes",
    "zones: 7": "pede-se",
    "a: [": "não é YAML válido",
}


@pytest.mark.parametrize("line", list(MISTAKES))
def test_a_mistake_in_the_zones_file_is_said_in_portuguese(tmp_path: Path, line: str) -> None:
    """With its line and its value as they are."""
    key = line.partition(":")[0]
    text = re.sub(rf"^{key}:.*(\n +.*)*\n", "", ZONES_FILE, flags=re.MULTILINE) + f"{line}\n"
    with pytest.raises(ConfigError) as refusal:
        check(tmp_path / "zones.yaml", text)
    said = [translation.sentence(mistake, PORTUGUESE) for mistake in refusal.value.mistakes]
    assert any(MISTAKES[line] in one and "zones.yaml" in one for one in said), (refusal.value.mistakes, said)
