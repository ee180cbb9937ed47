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
from yaml.constructor import SafeConstructor

from checked_yaml.errors import CheckedYamlError
from checked_yaml.loaders import MOST_DEPTH, TROUBLE, compose

MERGE = "tag:yaml.org,2002:merge"
_MAPPING = "tag:yaml.org,2002:map"
_DATE = "tag:yaml.org,2002:timestamp"
_TEXT = "tag:yaml.org,2002:str"
_INT = "tag:yaml.org,2002:int"
MOST_BYTES = 4 * 1024 * 1024
MOST_MERGES = 1000  # for one mapping: ten lines of `<<` can ask for ten thousand million
MOST_NUMBER = 2**63  # no quantity, and no count, is greater


def read(path: Path, guide: str) -> yaml.Node:
    """The root node of a file; `guide` is the page with an example. Raises CheckedYamlError."""
    try:
        root = compose(_content(path))
    except OSError as error:
        why = f"cannot be read: {error.strerror}; give the path of a YAML file, as {guide} shows"
        raise CheckedYamlError(path, [f"{path}: {why}"]) from error
    except TROUBLE as error:
        raise CheckedYamlError(path, [_invalid(path, error)]) from error
    if root is None:
        raise CheckedYamlError(path, [f"{path}: is empty; {guide} has an example"])
    return root


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES} bytes")
    return content


def node_of(value: Any) -> yaml.Node:
    """The root node of what JSON had in it, as if it stood on one line; for bodies and arguments. Raises ValueError."""
    try:
        root = _Representer(sort_keys=False).represent_data(value)
    except RecursionError as error:
        raise ValueError(f"more than {MOST_DEPTH} deep") from error
    except yaml.YAMLError as error:
        raise ValueError("want what JSON can hold: texts, numbers, lists, objects") from error
    _mark(root, yaml.Mark("", 0, 0, 0, "", 0), MOST_DEPTH)
    return root


def _mark(node: yaml.Node, mark: yaml.Mark, depth: int) -> None:
    if not depth:
        raise ValueError(f"more than {MOST_DEPTH} deep")
    if isinstance(node, yaml.ScalarNode) and any("\ud800" <= character <= "\udfff" for character in node.value):
        raise ValueError("half a character stands in it; write it anew")
    node.start_mark = node.end_mark = mark
    below = node.value if isinstance(node, yaml.CollectionNode) else ()
    for part in (one for row in below for one in (row if isinstance(row, tuple) else (row,))):
        _mark(part, mark, depth - 1)


def line(node: yaml.Node) -> str:
    """The rest of the line on which a node begins, its comment with it, without spaces at the end."""
    mark = node.start_mark
    assert mark.buffer is not None  # which it is for what `read` gave
    rest, _, _ = mark.buffer[mark.pointer :].partition("\n")
    return next(iter(rest.splitlines()), "").rstrip("\0 \t")  # other programs end lines otherwise


def plain(node: yaml.Node, path: Path) -> Any:
    """What a node stands for: texts, numbers, dates, lists and dicts. Raises CheckedYamlError for anything else."""
    if isinstance(node, yaml.ScalarNode) and node.tag == _TEXT:
        return node.value
    try:
        return _Values().construct_object(node, deep=True)
    except TROUBLE as error:
        raise CheckedYamlError(path, [_invalid(path, error)]) from error


def entries(node: yaml.MappingNode, path: Path) -> dict[str, yaml.Node]:
    """Keys and value nodes, those that are merged in among them; what the mapping says itself wins."""
    try:
        return {str(key.value): value for key, value in _merged(node, count(1))}
    except TROUBLE as error:
        raise CheckedYamlError(path, [_invalid(path, error)]) from error


def repeated_keys(node: yaml.MappingNode) -> Iterator[yaml.Node]:
    """Each key that stands in a mapping before, as it is written there."""
    before: set[str] = set()
    for key, _ in node.value:
        if key.tag != MERGE:
            if str(key.value) in before:
                yield key
            before.add(str(key.value))


def _merged(node: yaml.MappingNode, merges: Iterator[int]) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    if next(merges) > MOST_MERGES:
        raise yaml.MarkedYAMLError(problem=f"'<<' more than {MOST_MERGES} times", problem_mark=node.start_mark)
    own = []
    for key, value in node.value:
        if key.tag == MERGE:
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


class _Representer(yaml.representer.SafeRepresenter):
    """Makes nodes of plain values; what stands there twice is two nodes."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Nothing is shared."""
        return True


def _line(path: Path, error: yaml.reader.ReaderError) -> int:
    """Where it stands: the error counts bytes if there is no text yet, else characters."""
    content = path.read_bytes()
    before = content.decode(errors="replace")[: error.position] if error.encoding == "unicode" else ""
    return 1 + (before.count("\n") if before else content[: error.position].count(b"\n"))


def _no_text(error: yaml.reader.ReaderError) -> str:
    if error.encoding == "unicode":
        return f"not valid YAML: it takes no character #x{error.character:04x}; remove it"
    return f"not valid YAML: a byte that is no {error.encoding}; save the file as UTF-8"


class _Values(SafeConstructor):
    """Makes plain values of nodes; stricter with keys, and milder with dates. It reads no text, so it is soon made."""


def _mapping(values: _Values, node: yaml.MappingNode) -> dict[Any, Any]:
    for key in repeated_keys(node):
        raise yaml.MarkedYAMLError(problem=f"{key.value} is written twice; keep one", problem_mark=key.start_mark)
    flat = yaml.MappingNode(node.tag, list(_merged(node, count(1))), node.start_mark, node.end_mark)
    return values.construct_mapping(flat, deep=True)


def _date(values: _Values, node: yaml.ScalarNode) -> Any:
    try:
        return values.construct_yaml_timestamp(node)
    except (ValueError, OverflowError):
        return node.value


def _int(values: _Values, node: yaml.ScalarNode) -> int:
    number: int = values.construct_yaml_int(node)
    if abs(number) > MOST_NUMBER:
        raise yaml.MarkedYAMLError(problem="a number of too many digits", problem_mark=node.start_mark)
    return number


_Values.yaml_constructors = SafeConstructor.yaml_constructors | {_MAPPING: _mapping, _DATE: _date, _INT: _int}
