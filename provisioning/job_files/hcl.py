"""A root module in Terraform's native syntax, as `terraform fmt` would leave it."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from provisioning.job_files.tree import Encoded, Expression, Keyword, Root, TerraformBlock

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SPECIAL = re.compile(r'["\\\x00-\x1f\x7f-\x9f\u2028\u2029]')
_TEMPLATE = re.compile(r"([$%]+)\{")
_WIDTH = 100  # of a list in one line


def text(root: Root) -> str:
    """The file's text."""
    header = [f"# {' '.join(line.split())}".rstrip() for line in root.header]
    parts = ["\n".join(header), *("\n".join(_block(one)) for one in root.blocks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def one_line(value: Any) -> str:
    """A value as an expression in one line."""
    if isinstance(value, Encoded):
        return f"jsonencode({one_line(value.value)})"
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(name)} = {one_line(one)}" for name, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(one_line, value))}]"
    if isinstance(value, Expression | Keyword):
        return str(value)
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def quoted(value: str) -> str:
    """A text in quotes that Terraform reads back as it is."""
    return f'"{without_templates(_SPECIAL.sub(_escape, value))}"'


def without_templates(value: str) -> str:
    """A text in which `${` and `%{` begin nothing: a mark that stands alone is doubled, more of them are spelt out."""
    return _TEMPLATE.sub(_harmless, value)


def _harmless(match: re.Match[str]) -> str:
    marks = match[1]
    before = "".join(f'${{"{mark}"}}' for mark in marks[:-1])
    return f"{before}{marks[-1] * 2}{{"


def _escape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[0], f"\\u{ord(match[0]):04x}")


def _key(name: str) -> str:
    return name if _WORD.fullmatch(name) else quoted(name)


def _block(block: TerraformBlock) -> Iterator[str]:
    head = " ".join([block.kind, *(f'"{label}"' for label in block.labels)])
    if not block.arguments and not block.blocks:
        yield f"{head} {{}}"
        return
    yield f"{head} {{"
    yield from _indented(_arguments(block.arguments))
    for number, one in enumerate(block.blocks):
        if number or block.arguments:
            yield ""
        yield from _indented(_block(one))
    yield "}"


def _arguments(arguments: Mapping[str, Any]) -> Iterator[str]:
    """`name = value` lines; `terraform fmt` aligns those that stand together and end in their line."""
    together: list[tuple[str, str]] = []
    for name, value in arguments.items():
        first, *more = _value(value)
        if not more:
            together.append((_key(name), first))
            continue
        yield from _aligned(together)
        together = []
        yield f"{_key(name)} = {first}"
        yield from more
    yield from _aligned(together)


def _aligned(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    pairs = list(pairs)
    width = max((len(name) for name, _ in pairs), default=0)
    yield from (f"{name:{width}} = {value}" for name, value in pairs)


def _value(value: Any) -> list[str]:
    """The lines of a value, the first of which goes on after the `=`."""
    if isinstance(value, Encoded):
        first, *more = _value(value.value)
        return [f"jsonencode({first}", *more[:-1], f"{more[-1]})"] if more else [f"jsonencode({first})"]
    if isinstance(value, dict) and value:
        return ["{", *_indented(_arguments(value)), "}"]
    if not isinstance(value, list | tuple):
        return [one_line(value)]
    if not any(map(_is_deep, value)) and len(line := one_line(value)) <= _WIDTH:
        return [line]
    return ["[", *_indented(part for one in value for part in _entry(one)), "]"]


def _entry(value: Any) -> list[str]:
    *lines, last = _value(value)
    return [*lines, f"{last},"]


def _is_deep(value: Any) -> bool:
    return isinstance(value, dict | list | tuple | Encoded)


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" if line else "" for line in lines)
