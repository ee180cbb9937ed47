"""A root module held to its own declarations, and to the schema of Google's provider: every fault at once. Pure.

Terraform names a fault and stops at what refers to it; and of Google's provider there is a table alone, so this is the
only judge before Google itself. It knows names, kinds and nesting; what a value may be is in `limits.py`.
"""

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from provisioning.job_files.tree import LISTS, MARKED, Encoded, Expression, Root, TerraformBlock

SCHEMA = Path(__file__).parent / "google_schema.json"
_META = {"count", "for_each", "depends_on", "provider"}
_NAME = r"([a-z][\w-]*)"
_REFERENCE = re.compile(
    rf"(?<![\w.])(?:(var|local)\.{_NAME}|(data\.)?((?:aws|google)_\w+)\.{_NAME}(?:\[\d+\])?(?:\.(\w+))?)"
)
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "bool": bool,
    "number": (int, float),
    "map": dict,
    "list": list,
    "numberList": list,
}


def judge(root: Root) -> list[str]:
    """Every fault of a root, each as one sentence that begins with its place."""
    faults = []
    declared = set(_declared(root))
    for block in root.blocks:
        where = ".".join([block.kind, *block.labels])
        faults += [f"{where}: {why}" for why in _undeclared(_texts(block), declared)]
        if block.kind == "resource" and block.labels[0].startswith("google_"):
            row = schema().get(block.labels[0])
            faults += _block(where, block, row) if row else [f"{where}: Google's provider has no such type here"]
    return list(dict.fromkeys(faults))


@functools.cache
def schema() -> dict[str, Any]:
    """The table of Google's types."""
    return dict(json.loads(SCHEMA.read_text())["resources"])


def _declared(root: Root) -> Iterator[str]:
    for block in root.blocks:
        if block.kind == "variable":
            yield f"var.{block.labels[0]}"
        elif block.kind == "locals":
            yield from (f"local.{name}" for name in block.arguments)
        elif block.kind in {"resource", "data"}:
            yield "data." * (block.kind == "data") + ".".join(block.labels)


def _texts(value: Any) -> list[str]:
    """Every expression and address within a block; most of what stands there are plain texts, which have none."""
    if isinstance(value, MARKED):
        return [value]
    if isinstance(value, Encoded):
        return _texts(value.value)
    if isinstance(value, TerraformBlock):
        return _texts(value.arguments) + _texts(value.blocks)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, LISTS) else ()
    return [text for one in parts if type(one) is not str for text in _texts(one)]


def _undeclared(texts: Iterable[str], declared: set[str]) -> Iterator[str]:
    for addresses, faults in map(_references, texts):
        yield from (f"{address} is declared nowhere" for address in addresses if address not in declared)
        yield from faults


@functools.lru_cache(maxsize=4096)  # jobs have most of their texts in common
def _references(text: str) -> tuple[list[str], list[str]]:
    """The addresses in a text, and those of their attributes that Google's provider has not."""
    addresses, faults = [], []
    for space, name, data, kind, label, attribute in _REFERENCE.findall(text):
        address = f"{space}.{name}" if space else f"{data}{kind}.{label}"
        addresses.append(address)
        row = schema().get(kind)
        if row and attribute and attribute not in {*row["arguments"], *row["blocks"], *row["computed"]}:
            faults.append(f"{address} has no {attribute}")
    return addresses, faults


def _block(where: str, block: TerraformBlock, row: Mapping[str, Any]) -> Iterator[str]:
    """A block against its row: unknown and missing names, kinds, and how often a block may stand."""
    for name, value in block.arguments.items():
        kind = row["arguments"].get(name)
        if kind is None and not (name in _META and block.kind == "resource"):
            yield f"{where}: there is no argument {name}"
        elif kind is not None and not _is_kind(value, kind.rstrip("!")):
            yield f"{where}: {name} wants a {kind.rstrip('!')}"
    yield from (
        f"{where}: {name} is missing"
        for name, kind in row["arguments"].items()
        if kind.endswith("!") and name not in block.arguments
    )
    yield from _inner(where, block, row["blocks"])


def _inner(where: str, block: TerraformBlock, rows: Mapping[str, Any]) -> Iterator[str]:
    counts: dict[str, int] = {}
    for one in block.blocks:
        name = one.labels[0] if one.kind == "dynamic" else one.kind
        counts[name] = counts.get(name, 0) + 1
        body = one.blocks[0] if one.kind == "dynamic" else one
        if name in rows:
            yield from _block(f"{where}.{name}", body, rows[name])
        else:
            yield f"{where}: there is no block {name}"
    for name, row in rows.items():
        count = counts.get(name, 0)
        if count < row["least"]:
            yield f"{where}: {name} is missing"
        if row["most"] and count > row["most"]:
            yield f"{where}: {name} stands {count} times, once at most"


def _is_kind(value: Any, kind: str) -> bool:
    if isinstance(value, Expression) or kind not in _KINDS:
        return True
    return isinstance(value, _KINDS[kind]) and (kind == "bool" or not isinstance(value, bool))
