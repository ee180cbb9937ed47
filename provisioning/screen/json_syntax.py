"""Terraform's JSON syntax to the screen's own tree, with the lines that `json` does not tell."""

import json
import re
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined] # the decoder's own; its stub leaves it out
from typing import NamedTuple

from provisioning.screen.errors import UnreadableError
from provisioning.screen.syntax import NAME, expression, source
from provisioning.screen.template import template
from provisioning.screen.tree import Block, Body, Expr

LABELS = {"resource": 2, "data": 2, "ephemeral": 2, "module": 1, "variable": 1, "output": 1, "provider": 1, "check": 1}
_SPACE = re.compile(r"[ \t\r\n]*")
_ATOM = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")


class Value(NamedTuple):
    """One value: `kind` is object, list, text or the atom's own; an object's members are (name, value) pairs."""

    kind: str
    line: int
    text: str = ""
    members: "tuple[tuple[str, Value], ...]" = ()


def read(raw: bytes) -> Body:
    """The body of a .tf.json file. Raises UnreadableError."""
    root = parsed(raw)
    if root.kind != "object":
        raise UnreadableError("the top is no object", root.line)
    body = Body(is_json=True)
    for name, value in root.members:
        if name != "//":
            body.blocks += _labelled(name, (), value, LABELS.get(name, 0))
    return body


def parsed(raw: bytes) -> Value:
    """Every value with its line. Raises UnreadableError."""
    text = source(raw)
    try:
        json.loads(text)  # which knows all of JSON's rules; what follows only looks for lines
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"not JSON, {str(error)[:100]}", getattr(error, "lineno", 1)) from error
    return _value(text, _skip(text, 0))[0]


def templates(value: Value) -> Iterator[str]:
    """Every text and name in it that may hold code: the others Terraform takes as they stand."""
    for text in (value.text, *(name for name, _ in value.members)):
        if "${" in text or "%{" in text:
            yield text
    for name, member in value.members:
        if name != "//":
            yield from templates(member)


def _skip(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    return match.end() if match else place


def _value(text: str, place: int) -> tuple[Value, int]:
    line = text.count("\n", 0, place) + 1
    if text[place] == '"':
        word, end = scanstring(text, place + 1, True)
        return Value("text", line, word), end
    if text[place] in "{[":
        return _members(text, place, line)
    match = _ATOM.match(text, place)
    if not match:
        raise UnreadableError("not JSON as it is known here", line)
    return Value("number" if match[0] not in {"true", "false", "null"} else "word", line, match[0]), match.end()


def _members(text: str, place: int, line: int) -> tuple[Value, int]:
    is_object = text[place] == "{"
    members: list[tuple[str, Value]] = []
    place = _skip(text, place + 1)
    while text[place] not in "}]":
        name = ""
        if is_object:
            name, place = scanstring(text, place + 1, True)
            place = _skip(text, _skip(text, place) + 1)
            if name != "//" and any(name == other for other, _ in members):
                raise UnreadableError(f"{name[:60]} is written twice", text.count("\n", 0, place) + 1)
        member, place = _value(text, place)
        members.append((name, member))
        place = _skip(text, place)
        place = _skip(text, place + 1) if text[place] == "," else place
    return Value("object" if is_object else "list", line, "", tuple(members)), place + 1


def _labelled(kind: str, labels: tuple[str, ...], value: Value, missing: int) -> Iterator[Block]:
    """The blocks under a key: each label is one more object, and a list may stand for several at every step."""
    if value.kind == "list":
        for _, each in value.members:
            yield from _labelled(kind, labels, each, missing)
    elif value.kind != "object":
        raise UnreadableError(f"{kind} wants an object", value.line)
    elif not missing:
        body = _body(value)
        for name, member in value.members if kind == "variable" else ():
            if name == "default":  # Terraform takes it as it stands, templates too
                body.attributes[name] = expr(member, is_literal=True)
        yield Block(kind, labels, value.line, body)
    else:
        for name, each in value.members:
            if name == "//":
                continue
            if not NAME.fullmatch(name):
                raise UnreadableError(
                    f"the label {name[:60]!r} is no plain name, of ASCII letters, digits, - and _", each.line
                )
            yield from _labelled(kind, (*labels, name), each, missing - 1)


def _body(value: Value) -> Body:
    """Each member as an attribute; what could be a block as a block, too."""
    body = Body(is_json=True)
    for name, member in value.members:
        if name == "//":
            continue
        body.attributes[name] = expr(member)
        inner = [member] if member.kind == "object" else [each for _, each in member.members if member.kind == "list"]
        body.blocks += [Block(name, (), each.line, _body(each)) for each in inner if each.kind == "object"]
    return body


def expr(value: Value, *, is_literal: bool = False) -> Expr:
    """A value as an expression: every text is a template, unless it is literal."""
    if value.kind == "text" and is_literal:
        return Expr("text", value.line, value.text)
    if value.kind == "text":
        whole = template(value.text, value.line, expression)
        if all(part.kind == "text" for part in whole.parts):
            return Expr("text", value.line, value.text)
        return whole
    if value.kind == "object":
        parts: list[Expr] = []
        for name, member in value.members:
            parts += [_key(name, value.line, is_literal), expr(member, is_literal=is_literal)]
        return Expr("object", value.line, "", tuple(parts))
    if value.kind == "list":
        return Expr("list", value.line, "", tuple(expr(member, is_literal=is_literal) for _, member in value.members))
    return Expr(value.kind, value.line, value.text)


def _key(name: str, line: int, is_literal: bool) -> Expr:
    return expr(Value("text", line, name), is_literal=is_literal)
