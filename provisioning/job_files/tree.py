"""A root module as a tree of blocks, of which both of Terraform's syntaxes are made: `hcl.py`, `terraform_json.py`.

A value is a text, a number, true or false, a list, a dict, or one of the three kinds of text below.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


class Expression(str):
    """HCL that Terraform evaluates, as `var.aws_region`."""


class Keyword(str):
    """A word that Terraform reads as it is and evaluates nowhere: a type, or an address in `depends_on`."""


MARKED = (Expression, Keyword)
LISTS = (list, tuple)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value that Terraform makes a JSON text of, by `jsonencode`."""

    value: Any


@dataclass(frozen=True, slots=True)
class TerraformBlock:
    """One block: its kind, its labels, its arguments in order, and the blocks in it."""

    kind: str
    labels: tuple[str, ...] = ()
    arguments: dict[str, Any] = field(default_factory=dict)
    blocks: tuple["TerraformBlock", ...] = ()


@dataclass(frozen=True, slots=True)
class Root:
    """A root module of one file: the lines of its header, without a mark, and its blocks."""

    header: tuple[str, ...]
    blocks: tuple[TerraformBlock, ...]


def block(kind: str, *labels: str, blocks: Sequence[TerraformBlock | None] = (), **arguments: Any) -> TerraformBlock:
    """A block; arguments and blocks that are None are left out."""
    values = {name: value for name, value in arguments.items() if value is not None}
    return TerraformBlock(kind, labels, values, tuple(one for one in blocks if one is not None))
