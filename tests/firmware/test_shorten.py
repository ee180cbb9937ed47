"""Names that nobody reads on a board are short: which ones, and that nothing else about a module changes."""

import ast
import json
from pathlib import Path

import pytest

from firmware import __main__ as command_line
from firmware import build, shorten

STATION = """
'''What it is for.'''
import time
from machine import Pin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EVERY_S = 4 * 60
LEVEL = 7
_ROWS = {"_told": 1}


class _Station:
    def __init__(self, pin: "Any", patience_s: int = EVERY_S) -> None:
        self._pin, self._told, self.open, self.is_wet = pin, 0, False, False
        self._patience_s = patience_s

    def _wait(self, seconds: int) -> str:
        time._ticks(seconds)
        return f"{self._patience_s}"


def opened(pin: "Any") -> "_Station":
    return _Station(Pin(pin), patience_s=3)


def listed() -> "list[Any]":
    return [_ROWS, EVERY_S]
"""
USER = """
from station import LEVEL, listed
import station


def watch(_rows):
    first, second = second, first = station.opened(LEVEL), listed()
    return first._wait(seconds=1)
"""


def both(*sources: str) -> tuple[str, str]:
    names = shorten.names_of({"station": STATION, "user": USER}, sources)
    return shorten.shortened(STATION, names), shorten.shortened(USER, names)


def words(text: str) -> set[str]:
    return set(shorten.WORDS.findall(text))


def test_private_names_are_short() -> None:
    """The same in both modules; also parameters, but not one that is passed by its name."""
    names = shorten.names_of({"station": STATION, "user": USER}).short
    station, user = both()
    assert not {"_Station", "_pin", "_wait", "_patience_s", "_ROWS", "pin", "self"} & words(station)
    assert {"patience_s", "seconds"} <= words(station)
    assert f".{names['_wait']}(seconds=1)" in user


def test_what_somebody_else_knows_stays() -> None:
    """A library's own, a word within a text, what stands after a dot, dunders, built-in names."""
    station, _ = both()
    assert {"_ticks", "_told", "__init__", "open", "is_wet", "time", "machine", "Pin", "print"} <= words(
        station + " print"
    )


def test_what_a_module_has_and_no_object_is_short() -> None:
    """A module's own name may be before the dot; unless a file that stays source names them."""
    assert not {"listed", "opened"} & words(both()[0] + both()[1])
    assert "opened" in words(both("station.opened(1)")[0])
    assert "listed" in words(both("from station import listed")[0])
    assert "_wait" in words(both("station._wait()")[0])
    assert "_wait" not in words(both("def _wait(): pass")[0])  # its own


def test_a_name_that_an_object_has_too_stays() -> None:
    """Whose it is after a dot is not known."""
    text = "def read(): pass\ndef wrote(): pass\ndef f(file): return file.read(), wrote()\n"
    short = shorten.shortened(text, shorten.names_of({"m": text}))
    assert "def read()" in short
    assert "wrote" not in short


def test_a_number_stands_where_it_is_used() -> None:
    """If no other module has it; what is for type checkers and people is gone."""
    station, user = both()
    assert station.count("4 * 60") == 2
    assert "EVERY_S" not in words(station)
    assert "7" not in words(user)
    assert not {"TYPE_CHECKING", "typing", "Any", "for"} & words(station)


def test_a_parameter_keeps_apart_from_what_its_function_uses() -> None:
    """Its short name is no other name there; one that a block within could know by name stays."""
    text = (
        "def f(one, two):\n    a = one\n    return [two for two in a]\ndef g(one):\n    global one_s\n    return one\n"
    )
    short = shorten.shortened(text, shorten.names_of({"it": "x.f(); x.g()", "m": text}))
    names: dict[str, object] = {}
    exec(short, names)
    [f, g] = [value for name, value in names.items() if not name.startswith("__")]
    assert f([1, 2], 3) == [1, 2]  # type: ignore[operator]  # it has no types
    assert g(4) == 4  # type: ignore[operator]


@pytest.mark.parametrize("source", [source for source, _ in build.sources()], ids=lambda path: path.name)
def test_only_names_differ(source: Path, tmp_path: Path) -> None:
    """Without short names the way through the syntax tree gives the same bytes as the source itself."""
    text = source.read_text().replace("\nif TYPE_CHECKING:\n", "\nif False:\n").replace("\nTYPE_CHECKING = False", "\n")
    compiled = []
    for name, content in (("plain", text), ("through", shorten.bare(text))):
        path = tmp_path / name / source.name
        path.parent.mkdir()
        path.write_text(content)
        build.cross_compile(path, path.with_suffix(".mpy"))
        compiled.append(path.with_suffix(".mpy").read_bytes())
    assert compiled[0] == compiled[1]


def test_two_builds_are_the_same(tmp_path: Path) -> None:
    """Byte by byte, also when the names are found anew."""
    first = build.build(tmp_path / "first")
    build.names.cache_clear()
    assert build.build(tmp_path / "second") == first


def test_a_traceback_can_be_read_back(tmp_path: Path) -> None:
    """names.json has each short name once, with the source's; it is beside the files, and none of a board's."""
    out = tmp_path / "flash"
    assert command_line.main(["build", "--no-heap", "--out", str(out)]) == 0
    names = json.loads((out / "names.json").read_text())
    assert names == {short: name for name, short in build.names().short.items()}
    assert len(names) == len(build.names().short) > 400
    sources = "".join(source.read_text() for source, _ in build.sources())
    assert set(names.values()) <= words(sources)
    assert not set(names) & {
        node.id
        for node in ast.walk(ast.parse(sources.replace("from __future__", "from x")))
        if isinstance(node, ast.Name)
    }
