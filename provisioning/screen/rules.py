"""The rules: which blocks, types, sources, settings and functions a root may have."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from provisioning.screen import files, folder, modules, syntax
from provisioning.screen.errors import UnreadableError
from provisioning.screen.modules import Binding, Module, Names, SourceFile
from provisioning.screen.refusal import Refusal
from provisioning.screen.tree import Block, Body, Expr, dotted
from provisioning.screen.types import (
    BUILT_IN,
    FILE_ARGUMENTS,
    FILE_NAMES,
    FIXED_NAMES,
    OTHER_SETTINGS,
    OTHER_SOURCES,
    OWN_TAGS,
    PROVIDER_ARGUMENTS,
    PROVIDERS,
    REFUSED_TYPES,
    TERRAFORM_SETTINGS,
    TOP_BLOCKS,
)
from provisioning.screen.values import inside

MOST_CALLS = 200
MOST_MODULE_DEPTH = 10
MOST_REFUSALS = 200
_AWS_OR_GOOGLE = "use a type of hashicorp/aws or hashicorp/google"
Say = Callable[[int, str, str], Refusal]


def judge(root: Path, variables: Mapping[str, Any], own: Collection[str] = ()) -> list[Refusal]:
    """Everything that stands against a root, by file and line. Reads it in this process: `screen` is safer."""
    root = root.resolve()
    refusals = list(folder.refusals(root, own))
    if refusals:  # what could lead the reader astray is not read
        return sorted(set(refusals))[:MOST_REFUSALS]
    refusals = list(_Judge(root, own).root(variables))
    return sorted(set(refusals))[:MOST_REFUSALS]


class _Judge:
    """Judges a root and every call of a module in it; a folder of code is read once."""

    def __init__(self, root: Path, own: Collection[str]) -> None:
        self._root, self._own = root, own
        self._sources: dict[Path, list[SourceFile]] = {}
        self._calls = 0

    def root(self, variables: Mapping[str, Any]) -> Iterator[Refusal]:
        """The root itself, with the values that its variables get."""
        try:
            values = modules.given_values(self._root, variables)
        except UnreadableError as error:
            name, _, why = str(error).partition(": ")
            yield Refusal(name, error.line, why, "write plain values as NAME = VALUE")
            return
        yield from self._tests()
        yield from self._folder(self._root, partial(Module, folder=self._root, path=".", values=values), 0)

    def _tests(self) -> Iterator[Refusal]:
        """`init` also fetches the modules that files of tests name; nothing else of them is run."""
        for path in sorted(self._root.rglob("*.tftest.*")):
            name = path.relative_to(self._root).as_posix()
            say = partial(Refusal, name)
            if path.name.endswith(".json"):
                yield say(1, "a file of tests in JSON", "leave it out of the archive")
                continue
            try:
                body = modules.source_file(path, self._root).body
            except (UnreadableError, RecursionError) as error:
                yield say(getattr(error, "line", 1), f"a file of tests: {error}", "leave it out of the archive")
                continue
            for block in (inner for top in body.blocks for inner in top.within() if inner.kind == "module"):
                yield from self._unvalued(block, self._root, say, 0)

    def _unvalued(self, block: Block, caller: Path, say: Say, depth: int) -> Iterator[Refusal]:
        """A module that tests call: its blocks are judged, and its paths are not, since no job evaluates them."""
        place, refusal = self._place(block, caller, say, depth)
        if place is None:
            yield from refusal
            return
        for path in modules.code_files(place):
            try:
                file = self._file(path)
            except (UnreadableError, RecursionError) as error:
                yield Refusal(path.relative_to(self._root).as_posix(), getattr(error, "line", 1), str(error), _PLAIN)
                continue
            inner_say = partial(Refusal, file.name)
            for inner in file.body.blocks:
                yield from of_block(inner, inner_say)
                if inner.kind == "module":
                    yield from self._unvalued(inner, place, inner_say, depth + 1)

    def _folder(self, place: Path, make: Callable[..., Module], depth: int) -> Iterator[Refusal]:
        sources: list[SourceFile] = []
        for path in modules.code_files(place):
            name = path.relative_to(self._root).as_posix()
            if name in self._own:
                continue
            try:
                sources.append(self._file(path))
            except (UnreadableError, RecursionError) as error:
                why = str(error) if isinstance(error, UnreadableError) else "nested too deep"
                yield Refusal(name, getattr(error, "line", 1), why, _PLAIN)
                return
        if not sources:
            yield Refusal(modules.module_path(self._root, place), 1, "no .tf file in it", "put the code there")
            return
        try:
            module = make(files=sources)
        except UnreadableError as error:
            yield Refusal(sources[0].name, error.line, str(error), "keep one of the two")
            return
        for file in sources:
            yield from self._of_file(file, Names(module), depth)

    def _file(self, path: Path) -> SourceFile:
        cache = self._sources.setdefault(path, [])
        if not cache:
            cache.append(modules.source_file(path, self._root))
        return cache[0]

    def _of_file(self, file: SourceFile, scope: Names, depth: int) -> Iterator[Refusal]:
        calls = files.Calls(self._root, file)
        for block in file.body.blocks:
            say = partial(Refusal, file.name)
            yield from of_block(block, say)
            inner = _repeated(block, scope)
            yield from self._expressions(block, inner, calls)
            if block.kind == "resource":
                yield from self._file_arguments(block, inner, calls)
            elif block.kind == "provider":
                yield from calls.credentials(block.body, inner)
            elif block.kind == "module":
                yield from self._call(block, inner, say, depth)
        for name, expr in file.body.attributes.items():
            yield Refusal(file.name, expr.line, f"{name} stands outside of any block", "put it into its block")
        yield from calls.unseen()

    def _expressions(self, block: Block, scope: Names, calls: "files.Calls") -> Iterator[Refusal]:
        for name, expr in block.body.attributes.items():
            yield from calls.within(expr, scope)
            if name in FILE_NAMES:
                yield from calls.path(expr, scope, name)
        if not block.body.is_json:  # there every nested block is an attribute, too
            for inner in block.body.blocks:
                yield from self._expressions(inner, _dynamic(inner, scope), calls)

    def _file_arguments(self, block: Block, scope: Names, calls: "files.Calls") -> Iterator[Refusal]:
        table = FILE_ARGUMENTS.get(block.labels[0] if block.labels else "", {})
        for name, expr in block.body.attributes.items():
            if name in table:
                yield from calls.path(expr, scope, f"{name} of {block.labels[0]}")

    def _call(self, block: Block, scope: Names, say: Say, depth: int) -> Iterator[Refusal]:
        place, refusal = self._place(block, scope.module.folder, say, depth)
        yield from refusal
        if place is not None:
            path = modules.module_path(self._root, place)
            make = partial(Module, folder=place, path=path, arguments=block.body.attributes, caller=scope)
            yield from self._folder(place, make, depth + 1)

    def _place(self, block: Block, caller: Path, say: Say, depth: int) -> tuple[Path | None, list[Refusal]]:
        """The folder that a call of a module leads to, or what stands against it."""
        source = block.body.attributes.get("source")
        text = source.text if source and source.kind == "text" else ""
        self._calls += 1
        line = source.line if source else block.line
        if not text.startswith(("./", "../")) or "\\" in text:
            why = f"the module's source {text or 'that is no plain text'!r} is no folder of this root"
            return None, [say(line, why, _SOURCE)]
        place = Path(os.path.realpath(caller / text))
        if not inside(self._root, str(place)) or not place.is_dir():
            return None, [say(line, f"the module's source {text!r} leads out of the root, or to no folder", _SOURCE)]
        if depth >= MOST_MODULE_DEPTH or self._calls > MOST_CALLS:
            why = f"more than {MOST_CALLS} calls of modules, or {MOST_MODULE_DEPTH} within another"
            return None, [say(line, why, "call fewer")]
        return place, []


_PLAIN = "write it as Terraform's own fmt does"
_SOURCE = "copy the module into the root, and name it by a path as ./modules/NAME"


def _repeated(block: Block, scope: Names) -> Names:
    """The scope within a block that `for_each` repeats."""
    over = block.body.attributes.get("for_each")
    return scope.with_names(each=Binding(over, scope)) if over else scope


def _dynamic(block: Block, scope: Names) -> Names:
    """The scope within `dynamic NAME`, whose iterator is NAME unless it says another."""
    over = block.body.attributes.get("for_each")
    if block.kind != "dynamic" or not over or not block.labels:
        return scope
    iterator = block.body.attributes.get("iterator")
    name = iterator.text if iterator else block.labels[0]
    return scope.with_names(**{name: Binding(over, scope)})


def of_block(block: Block, say: Say) -> Iterator[Refusal]:
    """What stands against one block at the top of a file, whatever its values are."""
    if block.kind not in TOP_BLOCKS:
        yield say(block.line, f"a block {block.kind} is not known here", f"known: {', '.join(sorted(TOP_BLOCKS))}")
        return
    for inner in block.within():
        repeated = inner.labels if inner.kind == "dynamic" else ()
        for name in {"provisioner", "connection"} & {inner.kind, *repeated, *inner.body.attributes}:
            why = f"a {name} runs programs on the service's machine or on others"
            yield say(
                inner.body.names().get(name, inner.line), why, "leave it out; do such work in a function or an image"
            )
        if inner.kind == "dynamic":
            yield from _of_dynamic(inner, say)
    yield from _OF_KIND.get(block.kind, _nothing)(block, say)


def _of_dynamic(block: Block, say: Say) -> Iterator[Refusal]:
    """Its iterator's name; in JSON the name is a key."""
    names = {*block.labels, *(inner.kind for inner in block.body.blocks)}
    for body in (block.body, *(inner.body for inner in block.body.blocks)):
        iterator = body.attributes.get("iterator")
        names |= {iterator.text} if iterator else set()
    for name in sorted(names & FIXED_NAMES):
        yield say(block.line, f"a loop binds {name}, which means something else", "give it an iterator of another name")


def _nothing(_block: Block, _say: Say) -> Iterator[Refusal]:
    yield from ()


def _of_resource(block: Block, say: Say) -> Iterator[Refusal]:
    kind = block.labels[0] if len(block.labels) == 2 else ""
    if kind in REFUSED_TYPES:
        yield say(block.line, f"{kind} {REFUSED_TYPES[kind]}", "leave it out")
    elif kind in OTHER_SOURCES:
        yield say(block.line, f"{kind} {OTHER_SOURCES[kind]}", f"leave it out, or {_AWS_OR_GOOGLE}")
    elif not kind.startswith(("aws_", "google_")) and kind not in BUILT_IN:
        yield say(
            block.line, f"{kind or 'a block without type and name'} is of no provider that is allowed", _AWS_OR_GOOGLE
        )
    yield from _of_provider_name(block.body.attributes.get("provider"), say)


def _of_provider_name(expr: Expr | None, say: Say) -> Iterator[Refusal]:
    names = tuple(expr.text.split(".")) if expr and expr.kind == "text" else dotted(expr) if expr else ("aws",)
    if not names or names[0] not in PROVIDERS.values() or len(names) > 2:
        yield say(expr.line if expr else 1, f"the provider {'.'.join(names)!r} is not known here", "name aws or google")


def _of_import(block: Block, say: Say) -> Iterator[Refusal]:
    """`init` fetches the provider of what is brought in, whether a resource of it is written or not."""
    to = block.body.attributes.get("to")
    names = _address(to) if to else ()
    while names[:1] == ("module",):
        names = names[2:]
    yield from _of_resource(Block(block.kind, names, to.line if to else block.line, block.body), say)


def _address(expr: Expr) -> tuple[str, ...]:
    """The names of an address, without what stands in brackets."""
    if expr.kind == "text":  # JSON
        try:
            expr = syntax.expression(expr.text, expr.line)
        except UnreadableError:
            return ()
    if expr.kind == "template" and len(expr.parts) == 1:
        return _address(expr.parts[0])
    if expr.kind == "index":
        return _address(expr.parts[0])
    if expr.kind == "attr":
        return (*_address(expr.parts[0]), expr.text)
    return dotted(expr)


def _of_check(block: Block, say: Say) -> Iterator[Refusal]:
    for inner in block.body.blocks:
        if inner.kind == "data" and not block.body.is_json:
            yield from _of_resource(inner, say)
        elif inner.kind == "data":
            yield say(inner.line, "data within a check in JSON", "write the data block at the top of the file")


def _of_terraform(block: Block, say: Say) -> Iterator[Refusal]:
    for name, line in block.body.names().items():
        if name in OTHER_SETTINGS:
            yield say(line, f"{name}: {OTHER_SETTINGS[name][0]}", OTHER_SETTINGS[name][1])
        elif name not in TERRAFORM_SETTINGS:
            yield say(line, f"{name} is no setting that is allowed", f"keep {', '.join(sorted(TERRAFORM_SETTINGS))}")
    for inner in block.body.blocks:
        if inner.kind == "required_providers":
            for name, expr in inner.body.attributes.items():
                yield from _of_requirement(name, expr, say)


def _of_requirement(name: str, expr: Expr, say: Say) -> Iterator[Refusal]:
    pairs = zip(expr.parts[::2], expr.parts[1::2], strict=True) if expr.kind == "object" else ()
    values = {key.text: value for key, value in pairs}
    source = values.get("source")
    text = source.text if source else f"hashicorp/{name}"
    if expr.kind not in {"object", "text"} or PROVIDERS.get(text.removeprefix("registry.terraform.io/")) != name:
        why = f"the provider {name} from {text or 'a source that is no plain text'}"
        yield say(expr.line, f"{why} is not allowed", "require aws from hashicorp/aws or google from hashicorp/google")


def _of_provider(block: Block, say: Say) -> Iterator[Refusal]:
    name = block.labels[0] if len(block.labels) == 1 else ""
    if name not in PROVIDER_ARGUMENTS:
        yield say(block.line, f"the provider {name!r} is not allowed", "use aws or google")
        return
    names = PROVIDER_ARGUMENTS[name]
    for argument, line in block.body.names().items():
        if argument not in names:
            why = f"{argument} of the provider: where it calls, and as whom, is the service's"
            yield say(line, why, f"keep {', '.join(sorted(names))}")
    yield from (
        say(inner.line, "ignore_tags that may hide whose a thing is", "name other tags, with no part of provisioning_")
        for inner in block.body.blocks
        if inner.kind == "ignore_tags" and not _spares_own_tags(inner.body)
    )
    if "profile" in block.body.attributes and "shared_credentials_files" not in block.body.attributes:
        line = block.body.attributes["profile"].line
        yield say(line, "a profile without shared_credentials_files", "leave it out; a job gets the keys of its farm")


def _spares_own_tags(body: Body) -> bool:
    """True if every text of a block is written out, and none begins as the service's tags do."""
    lists = [expr.parts for expr in body.attributes.values()]
    texts = [one.text if one.kind == "text" else "" for parts in lists for one in parts]
    return not body.blocks and not any(tag.startswith(text.casefold()) for text in texts for tag in OWN_TAGS)


def _of_module(block: Block, say: Say) -> Iterator[Refusal]:
    passed = block.body.attributes.get("providers")
    for expr in passed.parts[1::2] if passed and passed.kind == "object" else ():
        yield from _of_provider_name(expr, say)


_OF_KIND: dict[str, Callable[[Block, Say], Iterator[Refusal]]] = {
    "resource": _of_resource,
    "data": _of_resource,
    "ephemeral": _of_resource,
    "check": _of_check,
    "import": _of_import,
    "terraform": _of_terraform,
    "provider": _of_provider,
    "module": _of_module,
}
