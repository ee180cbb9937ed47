"""A configuration as the rules see it: bodies, blocks and expressions, the same for both syntaxes."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Expr:
    """One expression.

    `kind`: text, number, word (true, false, null), name, template, list, object (keys and values in turn), attr and
    index and splat (of the first part), call (`text` is the function), spread (a call's last argument with `...`),
    if (condition, then, else), for (`text` names its variables; collection, then results), op.
    """

    kind: str
    line: int
    text: str = ""
    parts: "tuple[Expr, ...]" = ()


@dataclass(slots=True)
class Body:
    """Attributes by name, and nested blocks. In JSON an object is told as both, for only a schema could say which."""

    attributes: dict[str, Expr] = field(default_factory=dict)
    blocks: "list[Block]" = field(default_factory=list)
    is_json: bool = False

    def names(self) -> dict[str, int]:
        """Every name that is written in it, with its line."""
        blocks = {block.kind: block.line for block in self.blocks}
        return blocks | {name: expr.line for name, expr in self.attributes.items()}


@dataclass(slots=True)
class Block:
    """One block with its labels, which stand without their quotation marks."""

    kind: str
    labels: tuple[str, ...]
    line: int
    body: Body

    def within(self) -> "Iterator[Block]":
        """It and every block in it."""
        yield self
        for block in self.body.blocks:
            yield from block.within()


def dotted(expr: Expr) -> tuple[str, ...]:
    """`a.b.c` as its names, also where it is written as a text (JSON); empty for anything else."""
    if expr.kind == "name":
        return (expr.text,)
    if expr.kind == "attr":
        before = dotted(expr.parts[0])
        return (*before, expr.text) if before else ()
    if expr.kind == "template" and len(expr.parts) == 1:
        return dotted(expr.parts[0])
    return ()
