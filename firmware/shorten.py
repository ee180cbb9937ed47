"""The sources as they are compiled: names that nobody reads on a board are short, since a file keeps each one it names.

Renamed are, the same in every module, names with one leading underscore, and those of a module's functions, classes and
values that no object could have after a dot; parameters that nobody passes by name; and a number or a text with a name
of one module's own stands where it is used. What somebody else may know keeps its name: what is of MicroPython's or
only read here, what a file names that is never updated, and every word within a string that is no sentence.
"""

import ast
import builtins
import itertools
import keyword
import operator
import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
PRIVATE = re.compile(r"_(?!_)\w*[A-Za-z0-9]\w*")
LARGE = 1 << 30  # a number from here on is an object on a board
WORDS = re.compile(r"\w+")


class Names(NamedTuple):
    """Of all modules together: the private names with their short ones, and those that arguments are passed by."""

    short: dict[str, str]
    passed: frozenset[str]
    shared: frozenset[str]  # by more than one module


def names_of(modules: Mapping[str, str], sources: Iterable[str] = (), tests: Iterable[str] = ()) -> Names:
    """The names of a flash: of each compiled module by its dotted name, beside texts that stay sources.

    What a source has for itself with an underscore is none of a module's; of tests, every name stays.
    Raises SyntaxError.
    """
    by_name = {name: _parsed(text) for name, text in modules.items()}
    trees, others = list(by_name.values()), [_parsed(text) for text in sources]
    counts = Counter(name for tree in trees for name in set(_identifiers(tree)))
    defined = {name for tree in trees for name in _defined(tree) if PRIVATE.fullmatch(name)} | _plain(by_name)
    own = {name for tree in others for name in _defined(tree) if PRIVATE.fullmatch(name)}
    foreign = {name for tree in others for name in _identifiers(tree)} - own | {"_", *dir(builtins)}
    for text in tests:
        others.append(_parsed(text))
        foreign |= set(_identifiers(others[-1]))
    foreign |= {word for tree in [*trees, *others] for word in [*_words(tree), *_borrowed(tree, set(modules))]}
    free = _short_names(foreign | set(counts))
    private = sorted(defined - foreign, key=lambda name: (-counts[name], name))
    shared = foreign | {name for name, count in counts.items() if count > 1}
    return Names(dict(zip(private, free, strict=False)), frozenset(_passed([*trees, *others])), frozenset(shared))


def shortened(text: str, names: Names) -> str:
    """A module's source with its short names, without docstrings and what is for type checkers. Raises SyntaxError."""
    tree = _parsed(text)
    _inline_numbers(tree, names.shared)
    tree = _Renamed(names.short).visit(tree)
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            _shorten_parameters(node, names.passed)
    return _written(tree)


def bare(text: str) -> str:
    """The source with every name as it is: the compiler makes the same of it. Raises SyntaxError."""
    return _written(_parsed(text))


def _parsed(text: str) -> ast.Module:
    tree = _Bare().visit(ast.parse(text))
    assert isinstance(tree, ast.Module)
    return tree


class _Bare(ast.NodeTransformer):
    """Takes away what a board does not run: docstrings, annotations, blocks for type checkers."""

    def visit(self, node: ast.AST) -> ast.AST | None:
        if isinstance(node, WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        bare = super().generic_visit(node) if not self._is_for_checkers(node) else None
        if isinstance(bare, (ast.FunctionDef, ast.AsyncFunctionDef)):
            bare.returns = None
        elif isinstance(bare, ast.arg):
            bare.annotation = None
        elif isinstance(bare, ast.AnnAssign):
            return ast.Assign([bare.target], bare.value, lineno=0) if bare.value else ast.Pass()
        if isinstance(bare, WITH_DOCSTRING[1:]) and not bare.body:
            bare.body = [ast.Pass()]
        return bare

    @staticmethod
    def _is_for_checkers(node: ast.AST) -> bool:
        if isinstance(node, ast.If):
            return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return isinstance(node, ast.Assign) and ast.unparse(node) == "TYPE_CHECKING = False"


class _Renamed(ast.NodeTransformer):
    def __init__(self, short: dict[str, str]) -> None:
        self._short = short

    def of(self, name: str) -> str:
        """Its short name, or itself."""
        return self._short.get(name, name)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for field in IDENTIFIERS.get(type(node), ()):
            value = getattr(node, field)
            setattr(node, field, [self.of(name) for name in value] if isinstance(value, list) else self.of(value))
        return super().generic_visit(node)


IDENTIFIERS: dict[type[ast.AST], tuple[str, ...]] = {
    ast.Name: ("id",),
    ast.Attribute: ("attr",),
    ast.FunctionDef: ("name",),
    ast.AsyncFunctionDef: ("name",),
    ast.ClassDef: ("name",),
    ast.arg: ("arg",),
    ast.keyword: ("arg",),
    ast.alias: ("name", "asname"),
    ast.Global: ("names",),
    ast.Nonlocal: ("names",),
    ast.ExceptHandler: ("name",),
    ast.ImportFrom: ("module",),
}


def _identifiers(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        for field in IDENTIFIERS.get(type(node), ()):
            value = getattr(node, field)
            for name in value if isinstance(value, list) else [value or ""]:
                yield from name.split(".")


def _defined(tree: ast.AST) -> Iterator[str]:
    """What is this code's own: what it binds or assigns; what it only reads may be of a library."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg


def _plain(modules: Mapping[str, ast.Module]) -> set[str]:
    """What modules define, and no object could have after a dot; errors are known by name."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    parts = [part for tree in modules.values() for part in tree.body]
    plain = {part.name for part in parts if isinstance(part, (*functions, ast.ClassDef))}
    targets = [target for part in parts if isinstance(part, ast.Assign) for target in part.targets]
    plain |= {target.id for target in targets if isinstance(target, ast.Name)}
    for tree in modules.values():
        plain -= set(_of_objects(tree, {name.rpartition(".")[2] for name in modules}))
    return {name for name in plain if not name.startswith("__") and not name.endswith("Error")}


def _of_objects(tree: ast.Module, modules: set[str]) -> Iterator[str]:
    """What has a name after a dot, or that something is passed by, but for the contents of our own modules."""
    nodes = list(ast.walk(tree))
    imported = {alias.name for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names}
    modules = (modules & imported) - set(_defined(tree))
    for node in nodes:
        if isinstance(node, ast.Attribute):
            if not (isinstance(node.value, ast.Name) and node.value.id in modules):
                yield node.attr
        elif isinstance(node, (ast.arg, ast.keyword)):
            yield node.arg or ""
        elif isinstance(node, ast.ClassDef):
            yield from (part.name for part in node.body if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)))


def _words(tree: ast.AST) -> Iterator[str]:
    """Every word of a text that is no sentence, and of a module's path: what may be looked up by it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            yield from WORDS.findall(text) if " " not in text else ()
        elif isinstance(node, ast.Import):
            yield from (part for alias in node.names for part in alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module or "").split(".")


def _borrowed(tree: ast.AST, modules: set[str]) -> Iterator[str]:
    """What is imported from a library."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module not in modules:
            yield from (alias.name for alias in node.names)


def _passed(trees: Iterable[ast.AST]) -> Iterator[str]:
    for tree in trees:
        keywords = [node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)]
        yield from (name for name in keywords if name)
        if None in keywords:  # f(**{"name": ...})
            yield from _words(tree)


def _short_names(others: set[str]) -> Iterator[str]:
    """a, b, ... z, A, ... aa, ab: without those that mean something already."""
    for length in itertools.count(1):
        for letters in itertools.product(string.ascii_letters, repeat=length):
            name = "".join(letters)
            if name not in others and not keyword.iskeyword(name):
                yield name


def _inline_numbers(tree: ast.Module, shared: frozenset[str]) -> None:
    """Put a module's own numbers where they are used, in place of their names."""
    bound = Counter(_defined(tree))
    numbers: dict[str, ast.expr] = {}
    for statement in list(tree.body):
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            value = _WithNumbers(numbers).visit(statement.value)
            if len(statement.targets) == 1 and bound[name] == 1 and name not in shared and _is_small(value):
                numbers[name] = value
                tree.body.remove(statement)
    _WithNumbers(numbers).visit(tree)


class _WithNumbers(ast.NodeTransformer):
    def __init__(self, numbers: dict[str, ast.expr]) -> None:
        self._numbers = numbers

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._numbers.get(node.id, node)


def _is_small(value: ast.expr) -> bool:
    """True for a text, or a number that is part of an instruction."""
    constant = _calculated(value)
    return isinstance(constant, (str, bytes)) or (type(constant) is int and abs(constant) < LARGE)


def _calculated(value: ast.expr) -> Any:
    """What a constant comes to, also one in a few terms; None for anything else."""
    if isinstance(value, ast.Constant):
        return value.value
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
        number = _calculated(value.operand)
        return -number if type(number) is int else None
    if isinstance(value, ast.BinOp) and type(value.op) in TERMS:
        first, second = _calculated(value.left), _calculated(value.right)
        return TERMS[type(value.op)](first, second) if type(first) is type(second) is int else None
    return None


TERMS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.LShift: operator.lshift,
}


def _shorten_parameters(function: ast.AST, passed: frozenset[str]) -> None:
    """Give the parameters of one function short names, unless it has something in it that knows them by name."""
    assert isinstance(function, FUNCTIONS)
    body = function.body if isinstance(function.body, list) else [function.body]
    inside = [node for part in body for node in ast.walk(part)]
    if any(isinstance(node, (ast.ClassDef, ast.Global, ast.Nonlocal)) for node in inside):
        return
    arguments = [*function.args.posonlyargs, *function.args.args]
    inner = [*inside, *arguments, *function.args.kwonlyargs, function.args.vararg, function.args.kwarg]
    inner_names = {name for node in inner if node for name in _identifiers(node)}
    free = _short_names(inner_names)
    for argument in arguments:
        if argument.arg in passed or len(argument.arg) == 1:
            continue
        short = _Renamed({argument.arg: next(free)})
        argument.arg = short.of(argument.arg)
        for node in inside:
            if isinstance(node, ast.Name):
                node.id = short.of(node.id)
            elif isinstance(node, ast.arg):
                node.arg = short.of(node.arg)
            elif isinstance(node, ast.ExceptHandler) and node.name:
                node.name = short.of(node.name)


def _written(tree: ast.Module) -> str:
    """As text; a tuple that is assigned without its parentheses, which MicroPython takes fewer bytes for."""
    lines = [line.encode() for line in ast.unparse(ast.fix_missing_locations(tree)).split("\n")]
    for node in ast.walk(ast.parse(b"\n".join(lines))):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple) and node.value.elts:
            value, row = node.value, node.value.lineno - 1
            line, end = lines[row], value.end_col_offset or 0
            if value.end_lineno == value.lineno and line[value.col_offset : value.col_offset + 1] == b"(":
                lines[row] = line[: value.col_offset] + line[value.col_offset + 1 : end - 1] + line[end:]
    return b"\n".join(lines).decode() + "\n"
