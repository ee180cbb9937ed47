"""A document's mappings, read key by key: what is wrong is noted with its line, and reading goes on.

What a mistake leaves open has its default, or None; `Mapping.good` says whether a value can be relied upon, so that one
mistake does not invent others. At the end `Mistakes.raise_if_any` tells them all.
"""

from collections.abc import Collection, Iterator
from collections.abc import Mapping as Table
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from checked_yaml import document
from checked_yaml.checks import Check, did_you_mean, list_of
from checked_yaml.errors import CheckedYamlError

REQUIRED: Any = object()
_ROWS = list_of("rows, each starting with '- '")


class Mistakes:
    """What is wrong with a document, by line. `what` it is to its reader; `guide` is the page with an example."""

    def __init__(self, path: Path, guide: str, what: str = "file") -> None:
        self.path, self.guide, self.what = path, guide, what
        self._lines: list[tuple[int, str]] = []

    def add(self, node: yaml.Node, place: str, why: str) -> None:
        """Note that something is wrong at a place of the document."""
        self.add_text(node, f"{place}: {why}")

    def add_text(self, node: yaml.Node, text: str) -> None:
        """As `add`, with a text that begins with the place."""
        line = node.start_mark.line + 1
        self._lines.append((line, f"{self.path}:{line}: {text}"))

    def raise_if_any(self) -> None:
        """Raise CheckedYamlError with every mistake, from top to bottom."""
        if self._lines:
            raise CheckedYamlError(self.path, [text for _, text in sorted(self._lines)])


@dataclass(frozen=True, slots=True)
class Cell:
    """One entry of a mapping: its node, and its value (the nodes of a list, or of a mapping)."""

    node: yaml.Node
    value: Any


class Mapping:
    """One mapping of a document. `place` is where it stands, in words; the root's is empty."""

    def __init__(self, node: yaml.Node, place: str, mistakes: Mistakes, outer: "tuple[Mapping, str] | None" = None):
        self.node, self.place, self.mistakes = node, place, mistakes
        self._outer = outer
        self._names: set[str] = set()  # that were looked for
        self._bad: set[str] = set()
        self.nodes: dict[str, yaml.Node] = {}
        if isinstance(node, yaml.MappingNode):
            self.nodes = document.entries(node, mistakes.path)
            for key in document.repeated_keys(node):
                self._note(key, str(key.value), self._where, f"{key.value} is written twice; keep one")
        else:
            value = short(document.plain(node, mistakes.path))
            self._note(node, "", self._where, f"{value}: write keys and values under it, as {mistakes.guide} shows")

    def __contains__(self, name: str) -> bool:
        return name in self.nodes

    def __iter__(self) -> Iterator[str]:
        return iter(self.nodes)

    @property
    def _where(self) -> str:
        return self.place or self.mistakes.what

    def good(self, *names: str) -> bool:
        """True if nothing is wrong with these entries, or with anything in it."""
        return self._bad.isdisjoint(names) if names else not self._bad

    def value(self, name: str) -> Any:
        """The plain value of an entry; None if it is not there."""
        self._names.add(name)
        return document.plain(self.nodes[name], self.mistakes.path) if name in self.nodes else None

    def take(self, name: str, check: Check, default: Any = REQUIRED) -> Any:
        """An entry's plain value, if the check finds nothing; else its default, or None."""
        value = self.value(name)
        if name not in self.nodes and default is REQUIRED:
            self._miss(name)
        elif name in self.nodes and value is not default:
            why = check(value)
            if why is None:
                return value
            self.wrong(name, why)
        return None if default is REQUIRED else default

    def inner(self, name: str, *, required: bool = True) -> "Mapping":
        """A mapping within it; an empty one if it is not there."""
        self._names.add(name)
        if name not in self.nodes and required:
            self._miss(name)
        return self._inner(name, name, self.nodes.get(name) or self._nothing())

    def rows(self, name: str, *, required: bool = True) -> "list[Mapping]":
        """A list of mappings; empty if it is not there, or no list."""
        self._names.add(name)
        node = self.nodes.get(name)
        if node is None:
            if required:
                self._miss(name)
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.take(name, _ROWS)  # which says so
            return []
        return [self._inner(name, f"{name} {number}", row) for number, row in enumerate(node.value, 1)]

    def _inner(self, name: str, title: str, node: yaml.Node) -> "Mapping":
        return Mapping(node, f"{self.place}, {title}" if self.place else title, self.mistakes, (self, name))

    def _nothing(self) -> yaml.Node:
        return yaml.MappingNode("tag:yaml.org,2002:map", [], self.node.start_mark, self.node.end_mark)

    def wrong(self, name: str, why: str, value: Any = REQUIRED) -> None:
        """Note what is wrong with an entry; `value` is what to show of it, its own if left out."""
        title = f"{self.place}, {name}" if self.place else name
        shown_value = self.value(name) if value is REQUIRED else value
        self._note(self.nodes.get(name, self.node), name, title, f"{short(shown_value)}: {why}")

    def end(self, *names: str) -> None:
        """Refuse every key that was never looked for, and is none of these."""
        expected_names = {*names, *self._names}
        for key, _ in self.node.value if isinstance(self.node, yaml.MappingNode) else ():
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "[...]"
            if name not in expected_names and key.tag != document.MERGE:
                known_names = list(names) if self._names <= set(names) else sorted(expected_names)
                hint = f"{did_you_mean(name, known_names)}; known: {', '.join(known_names)}"
                self._note(key, name, self._where, f"unknown key {name!r}{hint}")

    def _miss(self, name: str) -> None:
        self._bad.add(name)
        if isinstance(self.node, yaml.MappingNode):  # another node has its mistake already
            self._note(self.node, name, self._where, f"{name} is missing")

    def _note(self, node: yaml.Node, name: str, place: str, why: str) -> None:
        self.mistakes.add(node, place, why)
        self._mark(name)

    def _mark(self, name: str) -> None:
        self._bad.add(name)
        if self._outer:
            outer, own_name = self._outer
            outer._mark(own_name)


class Unplaced(Mistakes):
    """What is wrong with a value that never was in a file: `root` of it, in place of a file's."""

    def __init__(self, guide: str, what: str) -> None:
        super().__init__(Path(what), guide, what)

    def add_text(self, node: yaml.Node, text: str) -> None:  # noqa: ARG002  # that has no line
        """As everywhere, without file and line."""
        self._lines.append((0, text))

    def root(self, value: Any) -> Mapping:
        """The mapping that a value is; its mistakes are noted from here on. Raises CheckedYamlError."""
        try:
            return Mapping(document.node_of(value), "", self)
        except ValueError as error:
            raise CheckedYamlError(self.path, [f"{self.what}: {error}"]) from error


def root(path: Path, guide: str, what: str) -> Mapping:
    """The root of a document; its mistakes are noted from here on. Raises CheckedYamlError if it cannot be read."""
    return Mapping(document.read(path, guide), "", Mistakes(path, guide, what))


def cells(
    node: yaml.Node, checks: Table[str, Check], place: str, mistakes: Mistakes, optional: Collection[str] = ()
) -> dict[str, Cell]:
    """The good entries of a mapping that a table describes; everything else about it becomes a mistake."""
    if not isinstance(node, yaml.MappingNode):
        mistakes.add(node, place or mistakes.what, f"want the keys {', '.join(checks)}")
        return {}
    mapping = Mapping(node, place, mistakes)
    good: dict[str, Cell] = {}
    for name, check in checks.items():
        if name in mapping:
            cell = Cell(mapping.nodes[name], _value(mapping.nodes[name], mistakes.path))
            why = check(cell.value)
            if why:
                mapping.wrong(name, why, cell.value)
            else:
                good[name] = cell
        elif name not in optional:
            mistakes.add(node, place or mistakes.what, f"{name} is missing")
    mapping.end(*checks)
    return good


def _value(node: yaml.Node, path: Path) -> Any:
    """A scalar's value; the nodes of a list, or of a mapping."""
    if isinstance(node, yaml.ScalarNode):
        return document.plain(node, path)
    return node.value if isinstance(node, yaml.SequenceNode) else dict(node.value)


def short(value: Any) -> str:
    """A value for a person, in one line: `repr` cut at 60 characters, lists and mappings by their length."""
    if isinstance(value, (list, dict)):
        return f"{type(value).__name__} of {len(value)}"
    shown_text = str(value) if isinstance(value, date) else repr(value)
    return shown_text if len(shown_text) <= 60 else shown_text[:57] + "..."
