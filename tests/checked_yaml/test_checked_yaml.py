"""Documents that people write: what is read, what is refused, and that each mistake has its line."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from checked_yaml import checks, document, mapping
from checked_yaml.errors import CheckedYamlError
from checked_yaml.mapping import Mapping, Mistakes, cells

GUIDE = "docs/guide.md"
FARM = {"name": checks.text, "area_m2": checks.measure(1, 1000, "square metres"), "sown": checks.anything}


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "farm.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def mistakes_of(folder: Path, text: str) -> list[str]:
    """What a table of fields says of a document."""
    path = write(folder, text)
    mistakes = Mistakes(path, GUIDE)
    with pytest.raises(CheckedYamlError) as caught:
        cells(document.read(path, GUIDE), FARM, "", mistakes, {"sown"})
        mistakes.raise_if_any()
    assert caught.value.path == path
    return [line.removeprefix(f"{folder}/farm.yaml") for line in caught.value.mistakes]


def root_of(folder: Path, text: str) -> Mapping:
    return mapping.root(write(folder, text), GUIDE, "the farm")


def told_by(root: Mapping) -> list[str]:
    with pytest.raises(CheckedYamlError) as caught:
        root.mistakes.raise_if_any()
    return [line.removeprefix(str(root.mistakes.path)) for line in caught.value.mistakes]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [a", ":1: not valid YAML"),
        ("name: a\n\tarea_m2: 1", ":2: not valid YAML"),
        ("name: 'a", "not valid YAML"),
        ("a: 1\n---\nb: 2", "not valid YAML"),
        ("[" * 100_000, "not valid YAML"),
        ("{a: " * 100_000, "not valid YAML"),
        (bytes(range(256)), "not valid YAML"),
        ("name: *nobody", ":1: not valid YAML"),
        ("", "is empty; docs/guide.md has an example"),
        ("# only a remark\n", "is empty"),
    ],
)
def test_what_is_no_document_is_one_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    """Broken, binary, empty or nested without end: one line that names the file, and where there is one the line."""
    path = write(tmp_path, text)
    with pytest.raises(CheckedYamlError) as caught:
        document.read(path, GUIDE)
    [line] = str(caught.value).splitlines()
    assert line.startswith(str(path))
    assert said in line


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    """A file that is missing, or a folder: its path, why, and where to look it up."""
    with pytest.raises(CheckedYamlError, match=r"cannot be read: .*; give the path of a YAML file, as docs/guide\.md"):
        document.read(tmp_path / name, GUIDE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: !!python/name:os.system x", "not valid YAML"),
        ("a: !!python/object/apply:os.system [ls]", "not valid YAML"),
        ("a: !unknown 1", "not valid YAML"),
        ("&a [*a]", "not valid YAML"),
        ("&a {<<: *a}", "not valid YAML"),
        ("a: {<<: 5}", "'<<' wants a mapping"),
        ("? [a, b]\n: 1", "not valid YAML"),
        ("a: 1\nb: 2\na: 3", ":3: not valid YAML: a is written twice; keep one"),
        ("a:\n  b: 2\n  b: 3", ":3: not valid YAML: b is written twice"),
        ('{"a": 1, "a": 2}', "a is written twice"),
        ('a: 1\nb: "\\ud800"', ":2: not valid YAML: half a character stands in it"),
    ],
)
def test_what_yaml_would_do_to_a_value_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """Code, loops, merges of nothing, a key that stands twice, and half a character, which no store can keep."""
    path = write(tmp_path, text)
    with pytest.raises(CheckedYamlError) as caught:
        document.plain(document.read(path, GUIDE), path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 2026-05-04", {"a": date(2026, 5, 4)}),
        ("a: 2026-02-30", {"a": "2026-02-30"}),
        ("a: [2026-13-01]", {"a": ["2026-13-01"]}),
        ("a: 20:00-06:00", {"a": "20:00-06:00"}),
        ('{"a": [1, 2.5, true, null, "x"]}', {"a": [1, 2.5, True, None, "x"]}),
        ('{\n  "a": {"b": "c"}\n}\n', {"a": {"b": "c"}}),
        ("base: &base {a: 1, b: 2}\nown: {<<: *base, b: 3}", {"base": {"a": 1, "b": 2}, "own": {"a": 1, "b": 3}}),
        (
            "x: &x {a: 1}\ny: &y {a: 2, b: 2}\nz: {<<: [*x, *y]}",
            {"x": {"a": 1}, "y": {"a": 2, "b": 2}, "z": {"a": 1, "b": 2}},
        ),
    ],
)
def test_what_a_document_says(tmp_path: Path, text: str, value: Any) -> None:
    """YAML and JSON alike; a merge adds what a mapping does not say itself; a date that never was stays a text."""
    path = write(tmp_path, text)
    assert document.plain(document.read(path, GUIDE), path) == value


def test_a_merge_leaves_the_anchor_as_it_is(tmp_path: Path) -> None:
    """A mapping that merges another, and is merged itself, is no mapping with doubled keys."""
    root = root_of(tmp_path, "a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b, x: 3}\n")
    assert [root.inner(name).take("x", checks.number(0)) for name in "cba"] == [3, 2, 1]
    assert root.value("b") == {"x": 2}
    root.end()
    root.mistakes.raise_if_any()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\narea_m2: 0", [":2: area_m2: 0: want 1 to 1000 square metres"]),
        ("name: a\narea_m2: '5'", [":2: area_m2: '5': want a number of square metres from 1 to 1000, without quotes"]),
        (
            "name: a\narea_m2: true",
            [":2: area_m2: True: want a number of square metres from 1 to 1000, without quotes"],
        ),
        (
            "name: a\narea_m2: [1, 2]",
            [":2: area_m2: list of 2: want a number of square metres from 1 to 1000, without quotes"],
        ),
        ("name: a", [":1: file: area_m2 is missing"]),
        ("name: a\nname: b\narea_m2: 5", [":2: file: name is written twice; keep one"]),
        (
            "name: a\naera_m2: 5",
            [
                ":1: file: area_m2 is missing",
                ":2: file: unknown key 'aera_m2', did you mean 'area_m2'?; known: name, area_m2, sown",
            ],
        ),
        ("- a", [":1: file: want the keys name, area_m2, sown"]),
        (
            "name: ''\narea_m2: x\nwet: 1\n",
            [":1: name", ":2: area_m2", ":3: file: unknown key 'wet'; known: name, area_m2, sown"],
        ),
    ],
)
def test_a_table_of_fields(tmp_path: Path, text: str, said: list[str]) -> None:
    """Every mistake, from top to bottom, with its line, its place, the value and the remedy."""
    lines = mistakes_of(tmp_path, text)
    assert len(lines) == len(said)
    assert all(line.startswith(start) for line, start in zip(lines, said, strict=True)), lines


def test_key_by_key(tmp_path: Path) -> None:
    """What is there is given, what is left out has its default, and an inner mapping is read the same way."""
    root = root_of(tmp_path, "name: a\nplots:\n  - {area: 5}\n  - {area: 6, wet: true}\nsoil: {kind: loam}\n")
    assert root.take("name", checks.text) == "a"
    assert root.take("days", checks.whole_number(1), 5) == 5
    assert [row.take("area", checks.number(1, 9)) for row in root.rows("plots")] == [5, 6]
    assert root.inner("soil").take("kind", checks.one_of(("loam", "sand"))) == "loam"
    assert root.rows("faults", required=False) == []
    assert list(root.inner("ignore", required=False)) == []
    assert root.good()
    root.end()
    root.mistakes.raise_if_any()


def test_key_by_key_every_mistake_is_told(tmp_path: Path) -> None:
    """Reading goes on after one; each has its line and its place, and spoils the values that hang on it, no others."""
    root = root_of(tmp_path, "name: 7\nplots:\n  - {area: 50}\n  - wet\nsoil: {kind: laom}\nsead: 3\nlist: 1\n")
    assert root.take("name", checks.text) is None
    assert root.take("seed", checks.whole_number(0), 1) == 1
    first, second = root.rows("plots")
    assert first.take("area", checks.number(1, 9), 4) == 4
    assert second.take("area", checks.number(1, 9)) is None
    assert root.inner("soil").take("kind", checks.one_of(("loam", "sand"))) is None
    assert root.rows("list") == []
    assert root.inner("weather").take("file", checks.text) is None
    root.end()
    assert (root.good("seed"), root.good("plots"), root.good("soil"), root.good()) == (True, False, False, False)
    assert told_by(root) == [
        ":1: name: 7: want a text, in quotes if it looks like a number",
        ":1: the farm: weather is missing",
        ":1: weather: file is missing",
        ":3: plots 1, area: 50: want a number from 1 to 9, without quotes",
        ":4: plots 2: 'wet': write keys and values under it, as docs/guide.md shows",
        ":5: soil, kind: 'laom': not known here; did you mean 'loam'?",
        ":6: the farm: unknown key 'sead', did you mean 'seed'?; known: list, name, plots, seed, soil, weather",
        ":7: list: 1: want a list of rows, each starting with '- '",
    ]


@pytest.mark.parametrize(
    ("check", "value", "why"),
    [
        (checks.measure(0, 1, "(a fraction)", ("percent", 0.01)), 29, "looks like percent; write 0.29"),
        (checks.measure(0, 1, "(a fraction)"), float("nan"), "want 0 to 1 (a fraction)"),
        (checks.seconds(60, 7200), 30, "looks like minutes; write 1800"),
        (checks.seconds(60, 7200), 90.5, "want whole seconds, such as 1800"),
        (checks.number(1), "x", "want a number of at least 1, without quotes"),
        (checks.whole_number(1, 5), 2.0, "want a whole number from 1 to 5, without quotes"),
        (checks.text, " ", "want a text, in quotes if it looks like a number"),
        (checks.each(checks.number(0, 1)), [0.5, 2], "2: want a number from 0 to 1, without quotes"),
        (checks.each(checks.number(0, 1)), 2, "want a number from 0 to 1, without quotes"),
        (checks.one_of(("a", "b")), ["a"], "not known here; known: a, b"),
        (checks.scalar, None, "want a text, or a list of texts; put each in quotes"),
        (checks.list_of("one zone or more"), [], "want a list of one zone or more"),
        (checks.mapping_of("a mapping"), [], "want a mapping"),
    ],
)
def test_a_check_says_the_remedy(check: checks.Check, value: Any, why: str) -> None:
    """What is wrong with a value, and what to write instead."""
    assert check(value) == why


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (checks.measure(0, 1, "(a fraction)"), 1),
        (checks.seconds(60, 7200), 60),
        (checks.number(1), 1e9),
        (checks.text, "x"),
        (checks.each(checks.scalar), ["a", 1, 2.5]),
        (checks.timezone, "America/Toronto"),
        (checks.timezone, "Etc/GMT+5"),
        (checks.anything, None),
    ],
)
def test_a_check_lets_good_values_pass(check: checks.Check, value: Any) -> None:
    """The limits themselves are good."""
    assert check(value) is None
