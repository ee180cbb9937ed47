"""A YAML file read key by key: what is asked for is checked, what nobody asks for is refused, each with its line."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from gateway_sim.errors import SimError

REQUIRED: Any = object()


@dataclass(frozen=True, slots=True)
class Source:
    """A file, what it is to its reader (`the map`), the error for its mistakes, and where to look it up."""

    path: Path
    what: str
    error: Callable[[str], SimError]
    guide: str


class _Mapping(dict[Any, Any]):
    """A mapping that remembers the line of each of its values."""

    line = 1
    lines: dict[str, int]


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML would take the last without a word."""


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> _Mapping:
    keys = [key.value for key, _ in node.value if key.value != "<<"]
    for index, key in enumerate(keys):
        if key in keys[:index]:
            mark = next(entry.start_mark for entry, _ in reversed(node.value) if entry.value == key)
            raise yaml.MarkedYAMLError(problem=f"{key!r} stands twice", problem_mark=mark)
    made = _Mapping(loader.construct_mapping(node, deep=True))  # with what `<<` merges in, which comes first
    made.line = node.start_mark.line + 1
    made.lines = {str(key.value): value.start_mark.line + 1 for key, value in node.value}
    return made


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read(source: Source) -> "Node":
    """The file's root, which must be a mapping. Raises the source's error."""
    try:
        document = yaml.load(source.path.read_bytes(), Loader=_Loader)  # noqa: S506  # a SafeLoader, with stricter keys
    except OSError as error:
        raise source.error(f"{source.path}: cannot be read: {error.strerror}; see {source.guide}") from error
    except (yaml.YAMLError, RecursionError, TypeError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        why = " ".join(str(getattr(error, "problem", None) or error).split())
        raise source.error(f"{source.path}{line}: not valid YAML: {why}; check keys, indentation and quotes") from error
    return Node(source, "", document, 1)


class Node:
    """One mapping of the file; what is asked for is checked, and `end` refuses what nobody asked for."""

    def __init__(self, source: Source, key: str, value: Any, line: int) -> None:
        self.source, self.key, self.line = source, key, line
        self._asked: set[str] = set()
        self._lines: dict[str, int] = {}
        if not isinstance(value, dict) or not all(isinstance(name, str | int | float) for name in value):
            raise self.wrong("", value, f"write keys and values under it, as {source.guide} shows")
        if isinstance(value, _Mapping):
            self.line, self._lines = value.line, value.lines
        self.value: dict[str, Any] = {str(name): entry for name, entry in value.items()}

    def wrong(self, name: str, value: Any, remedy: str) -> SimError:
        """The error for one of its values: file, line, key, value and remedy."""
        key = ".".join(part for part in (self.key, name) if part) or self.source.what
        shown = repr(value)
        where = f"{self.source.path}:{self._lines.get(name, self.line)}"
        return self.source.error(f"{where}: {key}: {shown if len(shown) <= 60 else shown[:57] + '...'}: {remedy}")

    def get(self, name: str, default: Any = REQUIRED) -> Any:
        """Any value."""
        self._asked.add(name)
        if name in self.value:
            return self.value[name]
        if default is REQUIRED:
            near = get_close_matches(name, self.value, 1)
            raise self.wrong(name, None, f"missing; did you mean it by {near[0]!r}?" if near else "missing; add it")
        return default

    def node(self, name: str, default: Any = REQUIRED) -> "Node":
        """A mapping within it."""
        return self._inner(name, self.get(name, default))

    def rows(self, name: str, default: Any = REQUIRED) -> list["Node"]:
        """A list of mappings."""
        value = self.get(name, default)
        if not isinstance(value, list):
            raise self.wrong(name, value, "want a list, each entry starting with '- '")
        return [self._inner(f"{name} {number}", row, name) for number, row in enumerate(value, 1)]

    def _inner(self, name: str, value: Any, listed: str = "") -> "Node":
        key = f"{self.key}.{name}".strip(".")
        return Node(self.source, key, value, self._lines.get(listed or name, self.line))

    def text(self, name: str, default: Any = REQUIRED) -> Any:
        """A text that is not empty."""
        value = self.get(name, default)
        if value is not default and not (isinstance(value, str) and value):
            raise self.wrong(name, value, "want a text; put it in quotes")
        return value

    def words(self, name: str, default: Any = REQUIRED) -> list[str]:
        """One text or a list of them."""
        value = self.get(name, default)
        entries = value if isinstance(value, list) else [value]
        for entry in entries:
            if isinstance(entry, bool) or not isinstance(entry, str | int | float):
                raise self.wrong(name, entry, "want a list of texts; put each in quotes")
        return [str(entry) for entry in entries]

    def number(  # limits and kind, each named at the call
        self, name: str, least: float, default: Any = REQUIRED, kind: Any = int, *, most: float = math.inf
    ) -> Any:
        """A number of this kind within limits."""
        value = self.get(name, default)
        if value is default:
            return value
        self._check_number(name, value, least, most, kind)
        return value

    def numbers(self, name: str, least: float, most: float) -> list[float]:
        """A list of numbers within limits; empty if it is not there."""
        value = self.get(name, [])
        entries = value if isinstance(value, list) else [value]
        for entry in entries:
            self._check_number(name, entry, least, most, float)
        return [float(entry) for entry in entries]

    def _check_number(self, name: str, value: Any, least: float, most: float, kind: Any) -> None:
        limits = f"of at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
        if isinstance(value, bool) or not isinstance(value, (int, kind)) or not least <= value <= most:
            raise self.wrong(name, value, f"want a{' whole' if kind is int else ''} number {limits}, without quotes")

    def one_of(self, name: str, allowed: Any, default: Any = REQUIRED) -> Any:
        """One of a few words."""
        value = self.get(name, default)
        if isinstance(value, list | dict) or value not in allowed:
            raise self.wrong(name, value, f"not known here; {near_or_all(str(value), allowed)}")
        return value

    def timezone(self, name: str, default: Any = REQUIRED) -> Any:
        """The IANA name of a time zone."""
        value = self.text(name, default)
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            remedy = "no such zone; want an IANA name as America/Toronto, or Etc/GMT+5 for standard time all year"
            raise self.wrong(name, value, remedy) from error
        return value

    def end(self, *more: str) -> None:
        """Nothing else may stand in it."""
        known = self._asked | set(more)
        for name in self.value:
            if name not in known:
                raise self.wrong(name, self.value[name], f"unknown key; {near_or_all(name, sorted(known))}")


def near_or_all(word: str, known: Any) -> str:
    """What a person may have meant, or all that there is."""
    near = get_close_matches(word, [str(one) for one in known], 1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(map(str, known))}"
