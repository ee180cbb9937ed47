"""Templates outside quotation marks: heredocs, texts of JSON, files of `templatefile`. Where in doubt, unreadable."""

import re
from collections.abc import Callable

from provisioning.screen.errors import UnreadableError
from provisioning.screen.tree import Expr

Parse = Callable[[str, int], Expr]
_IF = re.compile(r"if\b(.*)", re.DOTALL)
_FOR = re.compile(r"for\s+(\w+)\s*(?:,\s*(\w+)\s*)?in\b(.*)", re.DOTALL)
_PLAIN = {"else", "endif", "endfor"}


def template(text: str, line: int, parse: Parse) -> Expr:
    """The parts of a template, its expressions read by `parse`. Raises UnreadableError."""
    parts: list[Expr] = []
    start = place = 0
    bound = ""
    while place < len(text):
        mark = text[place : place + 3]
        if mark in {"$${", "%%{"}:
            place += 3
        elif mark[:2] in {"${", "%{"}:
            parts.append(Expr("text", line + text.count("\n", 0, start), text[start:place]))
            here = line + text.count("\n", 0, place)
            end = _end(text, place + 2, here)
            inner = text[place + 2 : end].removeprefix("~").removesuffix("~").strip()
            part, names = _part(inner, here, parse) if mark[0] == "%" else (parse(inner, here), "")
            bound += names
            parts += [part] if part else []
            start = place = end + 1
        else:
            place += 1
    parts.append(Expr("text", line + text.count("\n", 0, start), text[start:]))
    return Expr("template", line, bound, tuple(part for part in parts if part.kind != "text" or part.text))


def _part(inner: str, line: int, parse: Parse) -> tuple[Expr | None, str]:
    """The expression of a directive, and the names that it binds."""
    if inner in _PLAIN:
        return None, ""
    match = _IF.fullmatch(inner)
    if match:
        return parse(match[1].strip(), line), ""
    match = _FOR.fullmatch(inner)
    if match:
        return parse(match[3].strip(), line), f"{match[1]} {match[2] or ''} "
    raise UnreadableError("a directive of a template that cannot be read", line)


def _end(text: str, place: int, line: int) -> int:
    """Where the brace of an expression closes."""
    depth = 1
    while place < len(text):
        char = text[place]
        if char == '"':
            place = _after_text(text, place + 1, line)
            continue
        if char == "#" or text[place : place + 2] in {"//", "/*", "<<"}:
            raise UnreadableError("a comment or a heredoc within ${...} of a template", line)
        depth += {"{": 1, "}": -1}.get(char, 0)
        if depth == 0:
            return place
        place += 1
    raise UnreadableError("${ or %{ without its closing brace", line)


def _after_text(text: str, place: int, line: int) -> int:
    """Behind the quotation mark that closes a text; expressions within it may hold texts of their own."""
    while place < len(text):
        if text[place] == "\\":
            place += 2
        elif text[place : place + 3] in {"$${", "%%{"}:
            place += 3
        elif text[place : place + 2] in {"${", "%{"}:
            place = _end(text, place + 2, line) + 1
        elif text[place] == '"':
            return place + 1
        elif text[place] == "\n":
            break
        else:
            place += 1
    raise UnreadableError("a text without its closing quotation mark", line)
