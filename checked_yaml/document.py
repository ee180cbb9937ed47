"""A YAML (or JSON) file as nodes that know their line, and the plain values of nodes.

What YAML lets pass without a word is refused: a key that stands twice, of which it would take the last. A date that
never was stays the text that it is, for a check to refuse by name. `<<: *anchor` merges, and leaves the anchor's own
mapping as it was written.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from checked_yaml.errors import CheckedYamlError

_MERGE = "tag:yaml.org,2002:merge"
_MAPPING = "tag:yaml.org,2002:map"
_DATE = "tag:yaml.org,2002:timestamp"
_INT = "tag:yaml.org,2002:int"
# An unknown tag, a loop, a key that is a list; and what the library itself trips over: `!!timestamp x`, `!!int ""`.
_TROUBLE = (yaml.YAMLError, RecursionError, TypeError, ValueError, AttributeError, LookupError, ArithmeticError)
MOST_BYTES = 4 * 1024 * 1024
MOST_DEPTH = 40  # brackets, dashes or indentation in each other: the library's time grows with the square
MOST_MERGES = 1000  # for one mapping: ten lines of `<<` can ask for ten thousand million
MOST_NUMBER = 2**63  # no quantity, and no count, is greater


def read(path: Path, guide: str) -> yaml.Node:
    """The root node of a file; `guide` is the page with an example. Raises CheckedYamlError."""
    try:
        root = _composed(path)
    except OSError as error:
        why = f"cannot be read: {error.strerror}; give the path of a YAML file, as {guide} shows"
        raise CheckedYamlError(path, [f"{path}: {why}"]) from error
    except _TROUBLE as error:
        raise CheckedYamlError(path, [_invalid(path, error)]) from error
    if root is None:
        raise CheckedYamlError(path, [f"{path}: is empty; {guide} has an example"])
    return root


def _composed(path: Path) -> yaml.Node | None:
    with path.open("rb") as file:
        text = file.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES} bytes")
    return yaml.compose(text, Loader=_Loader)


def plain(node: yaml.Node, path: Path) -> Any:
    """What a node stands for: texts, numbers, dates, lists and dicts. Raises CheckedYamlError for anything else."""
    try:
        return _Loader("").construct_object(node, deep=True)
    except _TROUBLE as error:
        raise CheckedYamlError(path, [_invalid(path, error)]) from error


def entries(node: yaml.MappingNode, path: Path) -> dict[str, yaml.Node]:
    """Keys and value nodes, those that are merged in among them; what the mapping says itself wins."""
    try:
        return {str(key.value): value for key, value in _merged(node, count(1))}
    except _TROUBLE as error:
        raise CheckedYamlError(path, [_invalid(path, error)]) from error


def repeated_keys(node: yaml.MappingNode) -> Iterator[yaml.Node]:
    """Each key that stands in a mapping before, as it is written there."""
    before: set[str] = set()
    for key, _ in node.value:
        if key.tag != _MERGE:
            if str(key.value) in before:
                yield key
            before.add(str(key.value))


def _merged(node: yaml.MappingNode, merges: Iterator[int]) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    if next(merges) > MOST_MERGES:
        raise yaml.MarkedYAMLError(problem=f"'<<' more than {MOST_MERGES} times", problem_mark=node.start_mark)
    own = []
    for key, value in node.value:
        if key.tag == _MERGE:
            sources = reversed(value.value) if isinstance(value, yaml.SequenceNode) else [value]  # the first one wins
            for source in sources:
                if not isinstance(source, yaml.MappingNode):
                    raise yaml.MarkedYAMLError(problem="'<<' wants a mapping to merge", problem_mark=source.start_mark)
                yield from _merged(source, merges)
        else:
            own.append((key, value))
    yield from own


def _invalid(path: Path, error: Exception) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        return f"{path}:{_line(path, error)}: {_no_text(error)}"
    mark = getattr(error, "problem_mark", None)
    line = f":{mark.line + 1}" if mark else ""
    why = " ".join(str(getattr(error, "problem", None) or error).split())
    if why.startswith("but "):
        why = f"{error.context}, {why}"  # type: ignore[attr-defined]  # of every error with a mark
    return f"{path}{line}: not valid YAML: {why}; check keys, indentation and quotes"


def _line(path: Path, error: yaml.reader.ReaderError) -> int:
    """Where it stands: the error counts bytes if there is no text yet, else characters."""
    content = path.read_bytes()
    before = content.decode(errors="replace")[: error.position] if error.encoding == "unicode" else ""
    return 1 + (before.count("\n") if before else content[: error.position].count(b"\n"))


def _no_text(error: yaml.reader.ReaderError) -> str:
    if error.encoding == "unicode":
        return f"not valid YAML: it takes no character #x{error.character:04x}; remove it"
    return f"not valid YAML: a byte that is no {error.encoding}; save the file as UTF-8"


class _Loader(yaml.SafeLoader):
    """Reads nodes to a bounded depth, and makes plain values of them; stricter with keys, and milder with dates."""

    _depth = 0

    def fetch_flow_collection_start(self, token_class: Any) -> None:
        """A bracket or a brace: the scanner looks ahead, so this comes long before its node."""
        if self.flow_level >= MOST_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"more than {MOST_DEPTH} deep", problem_mark=self.get_mark())
        super().fetch_flow_collection_start(token_class)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """A node of the document, with all in it."""
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"more than {MOST_DEPTH} deep", problem_mark=self.get_mark())
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        """A text that is one: half a character, which `"\\ud800"` makes, cannot be stored or told anywhere."""
        node = super().compose_scalar_node(anchor)
        try:
            node.value.encode()
        except UnicodeEncodeError as error:
            problem = "half a character stands in it; write it anew"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error
        return node


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    for key in repeated_keys(node):
        raise yaml.MarkedYAMLError(problem=f"{key.value} is written twice; keep one", problem_mark=key.start_mark)
    flat = yaml.MappingNode(node.tag, list(_merged(node, count(1))), node.start_mark, node.end_mark)
    return loader.construct_mapping(flat, deep=True)


def _date(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
    try:
        return loader.construct_yaml_timestamp(node)
    except (ValueError, OverflowError):
        return node.value


def _int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    number: int = loader.construct_yaml_int(node)
    if abs(number) > MOST_NUMBER:
        raise yaml.MarkedYAMLError(problem="a number of too many digits", problem_mark=node.start_mark)
    return number


_Loader.add_constructor(_MAPPING, _mapping)
_Loader.add_constructor(_DATE, _date)
_Loader.add_constructor(_INT, _int)
