"""A value that never was in a file is read key by key as a file is, and each mistake is told without a line."""

from typing import Any

import pytest

from checked_yaml import checks, mapping
from checked_yaml.errors import CheckedYamlError
from checked_yaml.mapping import Unplaced


def mistakes_of(value: Any) -> list[str]:
    """What is wrong with a value of two fields."""
    with pytest.raises(CheckedYamlError) as caught:
        root = Unplaced("docs/guide.md", "the farm").root(value)
        root.take("name", checks.text)
        [row.take("area_m2", checks.measure(1, 1000, "square metres")) for row in root.rows("zones", required=False)]
        root.end()
        root.mistakes.raise_if_any()
    return caught.value.mistakes


def test_a_value_is_read_by_its_keys() -> None:
    """Texts, numbers, lists and mappings are what they were; one list that stands twice is two."""
    shared = [1, 2.5, None, True, {"a": "ç😀"}]
    root = Unplaced("docs/guide.md", "the farm").root({"on": shared, "off": shared, "text": "no", "number": "017"})
    assert {name: root.value(name) for name in root} == {"on": shared, "off": shared, "text": "no", "number": "017"}
    root.end()
    root.mistakes.raise_if_any()


@pytest.mark.parametrize(
    ("value", "mistakes"),
    [
        (
            {"zones": [{"area_m2": 0}, {}]},
            ["the farm: name is missing", "zones 1, area_m2: 0: want 1 to 1000 square metres"],
        ),
        ({"name": "x", "<<": {"name": "y"}}, ["the farm: unknown key '<<'; known: name, zones"]),
        ([1], ["the farm: list of 1: write keys and values under it, as docs/guide.md shows"]),
        ({"name": "\ud800"}, ["the farm: half a character stands in it; write it anew"]),
        ({"name": object()}, ["the farm: want what JSON can hold: texts, numbers, lists, objects"]),
    ],
)
def test_what_is_wrong_with_a_value(value: Any, mistakes: list[str]) -> None:
    """One line each, with the place and the remedy."""
    told = mistakes_of(value)
    assert all(any(line.startswith(mistake) for line in told) for mistake in mistakes)


@pytest.mark.parametrize("depth", [41, 100_000])
def test_a_value_that_is_too_deep_is_refused(depth: int) -> None:
    """As a file that is, whether Python's own limit comes first or ours."""
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    assert mistakes_of({"name": value}) == ["the farm: more than 40 deep"]


def test_a_quoted_mark_of_a_merge_is_a_key(tmp_path: Any) -> None:
    """In quotes it merges nothing, and is as unknown as any other name."""
    path = tmp_path / "farm.yaml"
    path.write_text('name: x\n"<<": {name: y}\n')
    root = mapping.root(path, "docs/guide.md", "the farm")
    root.take("name", checks.text)
    root.end()
    with pytest.raises(CheckedYamlError, match=r"farm\.yaml:2: the farm: unknown key '<<'"):
        root.mistakes.raise_if_any()
