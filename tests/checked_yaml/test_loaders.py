"""Two readers of YAML, and one document: what libyaml reads is what the library itself reads."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from checked_yaml import document, loaders

ROOT = Path(__file__).parents[2]
FOLDERS = ("assets", "connectors", "demo", "field_time", "gateway_sim", "jobs", "terraform", "tests")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.y*ml"))
WORDS = st.sampled_from(
    [
        *" \n:-#'\"[]{},&*|>%@`\\~=abé☃𝄞01.\x85\u2028\r",
        "- ",
        ": ",
        "\n  ",
        "---\n",
        "|\n ",
        ">-\n  ",
        "&a ",
        "*a",
        " # x",
    ]
)

FAST = loaders._FastLoader if yaml.__with_libyaml__ else loaders._Loader


def tree(node: yaml.Node) -> Any:
    """All that is asked of a node: its tag, its value, where it stands, and the rest of that line."""
    where = (node.start_mark.line, node.start_mark.column, document.line(node))
    if isinstance(node, yaml.MappingNode):
        return node.tag, where, [(tree(key), tree(value)) for key, value in node.value]
    if isinstance(node, yaml.SequenceNode):
        return node.tag, where, [tree(one) for one in node.value]
    return node.tag, where if node.value else None, node.value  # nothing stands nowhere


def by(loader: Any, text: str) -> Any:
    """What a loader makes of a text; None if it refuses, or there is nothing."""
    try:
        node = yaml.compose(text, Loader=loader)
    except loaders.TROUBLE:
        return None
    return None if node is None else tree(node)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_our_own_files_are_read_alike(path: Path) -> None:
    """Also those that are mistakes on purpose."""
    text = path.read_text()
    if not loaders.READ_OTHERWISE.search(text):
        assert by(FAST, text) == by(loaders._Loader, text)


@given(st.lists(WORDS, max_size=30).map("".join))
def test_what_both_take_they_read_alike(text: str) -> None:
    """And libyaml takes nothing more: what it refuses, the other one reads, or says what is wrong."""
    fast = by(FAST, text) if not loaders.READ_OTHERWISE.search(text) else None
    assert fast is None or fast == by(loaders._Loader, text)


@pytest.mark.parametrize(
    "text", ["a:\tb", "\ufeffa: b", "a: !!str 1", "{a?b: c}", "a: |# x\n  b", "a: {b:, c: d}", "a: b\n c: d", "\xff"]
)
def test_whichever_reads_it_is_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With libyaml and without it, nodes and complaints are the same."""

    def outcome() -> Any:
        try:
            node = loaders.compose(text.encode("latin-1" if text == "\xff" else "utf-8"))
        except loaders.TROUBLE as error:
            return str(error)
        assert node is not None
        return tree(node)

    first = outcome()
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert outcome() == first
