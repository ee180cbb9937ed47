"""A root and the modules it calls: what is said where, so that a value can be followed from one to the other."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provisioning.screen import json_syntax, syntax
from provisioning.screen.errors import UnreadableError
from provisioning.screen.folder import CODE
from provisioning.screen.tree import Block, Body, Expr

MOST_BLOCKS = 5_000
_HEAD = re.compile(
    r"^[ \t]*(resource|data|module|provider|terraform|variable|locals|provisioner)\b"
    r'(?:[ \t]+"?[\w-]+"?)*[ \t]*\{',
    re.MULTILINE,
)


@dataclass(slots=True)
class SourceFile:
    """One file of code: its name from the root, what it says, and its text."""

    name: str
    body: Body
    raw: bytes


@dataclass(slots=True)
class Binding:
    """What a name stands for within a `for`, a `dynamic` or a block that repeats: any of a collection."""

    collection: Expr
    scope: "Names"


@dataclass(slots=True, kw_only=True)
class Module:
    """One call of a folder of code.

    `path` is what Terraform gives for path.module; `values` are what the root's variables get, `arguments` a module's.
    """

    folder: Path
    path: str
    files: list[SourceFile]
    values: Mapping[str, list[Any]] | None = None
    arguments: "dict[str, Expr] | None" = None
    caller: "Names | None" = None
    locals: dict[str, Expr] = field(default_factory=dict)
    variables: dict[str, Body] = field(default_factory=dict)
    resources: dict[tuple[str, str], Block] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for file in self.files:
            for block in file.body.blocks:
                self._note(block)

    def _note(self, block: Block) -> None:
        if block.kind == "locals":
            if self.locals.keys() & block.body.attributes.keys():
                raise UnreadableError("a local is written twice", block.line)
            self.locals |= block.body.attributes
        elif block.kind == "variable" and len(block.labels) == 1:
            self.variables[block.labels[0]] = block.body
        elif block.kind == "resource" and len(block.labels) == 2:
            self.resources[block.labels[0], block.labels[1]] = block


@dataclass(slots=True)
class Names:
    """Where an expression stands: its module, and what the names around it stand for."""

    module: Module
    names: dict[str, Binding] = field(default_factory=dict)

    def with_names(self, **names: Binding) -> "Names":
        """The same with more names."""
        return Names(self.module, {**self.names, **names})


def source_file(path: Path, root: Path) -> SourceFile:
    """One file of code. Raises UnreadableError, also where a second, blunt look sees more than the first."""
    raw = path.read_bytes()
    body = json_syntax.read(raw) if path.name.endswith(".json") else syntax.read(raw)
    _look_again(raw, body)
    return SourceFile(path.relative_to(root).as_posix(), body, raw)


def _look_again(raw: bytes, body: Body) -> None:
    """A rule that sees nothing finds nothing: count once more what must have been seen."""
    kinds = [inner.kind for block in body.blocks for inner in block.within()]
    if len(kinds) > MOST_BLOCKS:
        raise UnreadableError(f"more than {MOST_BLOCKS:,} blocks")
    if body.is_json:
        document = json.loads(raw)
        names = document.keys() if isinstance(document, dict) else ()
        missing = [name for name in names if name != "//" and document[name] and name not in kinds]
        if missing:
            raise UnreadableError(f"{missing[0]} stands in the file, and the reader does not see it")
        return
    text = re.sub(r"/\*.*?\*/", lambda match: "\n" * match[0].count("\n"), raw.decode(), flags=re.DOTALL)
    for kind in {match[1] for match in _HEAD.finditer(text)}:
        heads = [match for match in _HEAD.finditer(text) if match[1] == kind]
        if len(heads) > kinds.count(kind):
            line = text.count("\n", 0, heads[-1].start()) + 1
            raise UnreadableError(
                f"{len(heads)} blocks {kind} stand in the file, the reader sees {kinds.count(kind)}", line
            )


def code_files(folder: Path) -> list[Path]:
    """The files that Terraform takes for a folder's code, and those whose names it leaves out."""
    return sorted(path for path in folder.iterdir() if path.name.endswith(CODE) and path.is_file())


def given_values(root: Path, variables: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Every value that a variable of the root may get, from the job and from files that Terraform reads by itself.

    Raises UnreadableError with the file's name in front.
    """
    values = {name: [value] for name, value in variables.items()}
    for path in sorted(root.iterdir()):
        if path.name in {"terraform.tfvars", "terraform.tfvars.json"} or path.name.endswith(
            (".auto.tfvars", ".auto.tfvars.json")
        ):
            for name, value in _values_of(path).items():
                values.setdefault(name, []).append(value)
    return values


def _values_of(path: Path) -> dict[str, Any]:
    try:
        raw = path.read_bytes()
        if path.name.endswith(".json"):
            json_syntax.parsed(raw)
            document = json.loads(raw)
            return document if isinstance(document, dict) else {}
        return {name: literal(expr) for name, expr in syntax.read(raw).attributes.items()}
    except UnreadableError as error:
        raise UnreadableError(f"{path.name}: {error}", error.line) from error


def literal(expr: Expr) -> Any:
    """The value of an expression without any name in it. Raises UnreadableError."""
    if expr.kind == "text" and "\\" not in expr.text:
        return expr.text
    if expr.kind == "number":
        return int(expr.text) if re.fullmatch(r"-?\d+", expr.text) else float(expr.text)
    if expr.kind == "word":
        return {"true": True, "false": False, "null": None}[expr.text]
    if expr.kind == "list":
        return [literal(part) for part in expr.parts]
    if expr.kind == "object":
        return {str(literal(key)): literal(value) for key, value in zip(expr.parts[::2], expr.parts[1::2], strict=True)}
    if expr.kind == "op" and expr.text == "-" and len(expr.parts) == 1 and expr.parts[0].kind == "number":
        return -literal(expr.parts[0])
    raise UnreadableError("a value that is not written out", expr.line)


def module_path(root: Path, folder: Path) -> str:
    """What Terraform gives for path.module."""
    return os.path.relpath(folder, root)
