"""A root module in Terraform's native syntax, as `terraform fmt` would leave it."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from provisioning.job_files.tree import LISTS, MARKED, Encoded, Root, TerraformBlock

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SPECIAL = re.compile(r'["\\\x00-\x1f\x7f-\x9f\u2028\u2029]')
_TEMPLATE = re.compile(r"([$%]+)\{")
_WIDTH = 100  # of a list in one line
_STEP = "  "
_DEEP = (dict, Encoded, *LISTS)
_literal = lru_cache(maxsize=256, typed=True)(json.dumps)  # of a number, true, false or null


def text(root: Root) -> str:
    """The file's text."""
    header = [f"# {' '.join(line.split())}".rstrip() for line in root.header]
    parts = ["\n".join(header), *(_block(one, "\n") for one in root.blocks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def one_line(value: Any) -> str:
    """A value as an expression in one line."""
    if isinstance(value, str):
        return str(value) if isinstance(value, MARKED) else quoted(value)
    if isinstance(value, Encoded):
        return f"jsonencode({one_line(value.value)})"
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(name)} = {one_line(one)}" for name, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, LISTS):
        return f"[{', '.join(map(one_line, value))}]"
    return _literal(value)


@lru_cache(maxsize=4096)  # jobs have most of their texts in common
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


@lru_cache(maxsize=4096)
def _key(name: str) -> str:
    return name if _WORD.fullmatch(name) else quoted(name)


# `start` is what a line of a block or of a value begins with: the end of the line before it, and its indentation.


def _block(block: TerraformBlock, start: str) -> str:
    head = " ".join([block.kind, *(f'"{label}"' for label in block.labels)])
    deeper = start + _STEP
    parts = [_arguments(block.arguments, deeper)] if block.arguments else []
    parts += [f"{deeper}{_block(one, deeper)}" for one in block.blocks]
    body = "\n".join(parts)  # with an empty line between them
    return f"{head} {{{body}{start}}}" if parts else f"{head} {{}}"


def _arguments(arguments: Mapping[str, Any], start: str) -> str:
    """`name = value` lines; `terraform fmt` aligns those that stand together and end in their line."""
    lines: list[str] = []
    together: list[tuple[str, str]] = []
    for name, value in arguments.items():
        text = quoted(value) if type(value) is str else _value(value, start)
        if "\n" not in text:
            together.append((_key(name), text))
            continue
        lines += [*_aligned(together, start), f"{start}{_key(name)} = {text}"]
        together = []
    return "".join(lines + _aligned(together, start))


def _aligned(pairs: Sequence[tuple[str, str]], start: str) -> list[str]:
    width = max([len(name) for name, _ in pairs], default=0)
    return [f"{start}{name.ljust(width)} = {text}" for name, text in pairs]


def _value(value: Any, start: str) -> str:
    """A value, which goes on in lines of their own if it is long; texts never do."""
    if not isinstance(value, _DEEP):
        return one_line(value)
    if isinstance(value, Encoded):
        return f"jsonencode({_value(value.value, start)})"
    deeper = start + _STEP
    if isinstance(value, dict):
        return f"{{{_arguments(value, deeper)}{start}}}" if value else "{}"
    if not any(isinstance(one, _DEEP) for one in value) and len(line := one_line(value)) <= _WIDTH:
        return line
    lines = [f"{deeper}{_value(one, deeper)}," for one in value]
    return f"[{''.join(lines)}{start}]"
