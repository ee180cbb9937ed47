"""Follows a path to the texts it can be, through variables, locals and the arguments of module calls.

A part that only the plan knows (`each.key`) may stand in a path if everything it can be made of holds no dot, slash,
backslash or tilde: such a part cannot lead out of its folder. What cannot be followed raises UnresolvedError.
"""

import os
import re
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

from provisioning.screen.errors import UnresolvedError
from provisioning.screen.modules import Binding, Names
from provisioning.screen.tree import Expr, dotted
from provisioning.screen.types import COUNTING_FUNCTIONS, PLAIN_FUNCTIONS, WHOLE_FUNCTIONS

ANY_PART = "\ue000"  # stands for a part that only the plan knows
MOST_TEXTS = 64
MOST_STEPS = 200
_LEADS_OUT = set("./\\~\0" + ANY_PART)
_ARITHMETIC = {"+", "-", "*", "%"}


def inside(root: Path, text: str) -> bool:
    """Whether a path, as Terraform takes it in the root, stays in the root's folder."""
    if text.startswith("~") or "\\" in text or "\0" in text:
        return False
    real, top = os.path.realpath(root / text), os.path.realpath(root)
    return real == top or real.startswith(top + os.sep)


def path_texts(expr: Expr, scope: Names, steps: int = 0) -> list[str | None]:
    """Every text that a path can be, and None if it can be null. Raises UnresolvedError."""
    if steps > MOST_STEPS:
        raise UnresolvedError("it leads in a circle")
    if expr.kind == "text" and "\\" in expr.text:
        raise UnresolvedError("an escape stands in the path")
    if expr.kind in {"text", "word"}:
        return [None if expr.kind == "word" and expr.text == "null" else expr.text]
    if expr.kind == "template":
        return _template_texts(expr, scope, steps + 1)
    choices = expr.parts[1:] if expr.kind == "if" else expr.parts if _is_choice(expr) else ()
    if choices:
        return [text for part in choices for text in path_texts(part, scope, steps + 1)]
    texts = _reference_texts(expr, scope, steps + 1)
    if texts is None and not _is_listed(expr, scope):
        check_part(expr, scope, steps + 1)
    return [ANY_PART] if texts is None else texts


def _is_listed(expr: Expr, scope: Names) -> bool:
    """Whether it is, as it stands, one of the names that a `fileset` gives: they lie below its folder."""
    names = dotted(expr)
    binding = scope.names.get(names[0]) if names and names[1:] in {(), ("key",), ("value",)} else None
    return binding is not None and _is_listing(binding.collection, binding.scope)


def _is_listing(expr: Expr, scope: Names, steps: int = 0) -> bool:
    names = dotted(expr)
    if len(names) == 2 and names[0] == "local" and names[1] in scope.module.locals and steps < MOST_STEPS:
        return _is_listing(scope.module.locals[names[1]], Names(scope.module), steps + 1)
    if expr.kind == "call" and expr.text in {"toset", "tolist", "sort"} and len(expr.parts) == 1:
        return _is_listing(expr.parts[0], scope, steps)
    if expr.kind == "for":
        results = [part for part in expr.parts[1:] if not (part.kind == "op" and part.text == "if")]
        words = expr.text.split()
        are_names = len(words) == 1 and all(part.kind == "name" and part.text == words[0] for part in results)
        return are_names and _is_listing(expr.parts[0], scope, steps)
    return expr.kind == "call" and expr.text == "fileset"


def _is_choice(expr: Expr) -> bool:
    """Whether a call gives one of its arguments as it is; of `abspath`, what is meant by it stays the same."""
    return expr.kind == "call" and expr.text in {"coalesce", "try", "nonsensitive", "tostring", "abspath"}


def _template_texts(expr: Expr, scope: Names, steps: int) -> list[str | None]:
    if expr.text.strip():
        raise UnresolvedError("a loop stands in the path")
    choices = []
    for part, after in zip(expr.parts, (*expr.parts[1:], None), strict=True):
        if dotted(part)[:1] == ("path",) and after and not (after.kind == "text" and after.text.startswith("/")):
            raise UnresolvedError("behind path.root or path.module no slash follows")
        choices.append(path_texts(part, scope, steps))
    texts: list[str | None] = []
    for pieces in product(*choices):
        texts.append("".join(piece or "" for piece in pieces))
        if len(texts) > MOST_TEXTS:
            raise UnresolvedError(f"more than {MOST_TEXTS} possible paths")
    return texts


def _reference_texts(expr: Expr, scope: Names, steps: int) -> list[str | None] | None:
    """The texts of path.x, var.x and local.x; None if it is none of them."""
    names = dotted(expr)
    if names[:1] == ("path",) and "path" not in scope.names:
        if names not in {("path", "root"), ("path", "module")}:
            raise UnresolvedError(f"{'.'.join(names)} is not the root's folder")
        return ["." if names[1] == "root" else scope.module.path]
    if len(names) == 2 and names[0] == "local" and "local" not in scope.names:
        return path_texts(_local(names[1], scope), Names(scope.module), steps)
    if len(names) == 2 and names[0] == "var" and "var" not in scope.names:
        return _variable(names[1], scope, lambda part, where: path_texts(part, where, steps), _value_text)
    return None


def _value_text(value: Any) -> list[str | None]:
    if value is None or isinstance(value, str):
        return [value]
    raise UnresolvedError("its value is no text")


def _local(name: str, scope: Names) -> Expr:
    if name not in scope.module.locals:
        raise UnresolvedError(f"local.{name} is not written anywhere")
    return scope.module.locals[name]


def _variable(
    name: str,
    scope: Names,
    of_expr: Callable[[Expr, Names], list[str | None]],
    of_value: Callable[[Any], list[str | None]],
) -> list[str | None]:
    """What a variable can be: values that are given, or the argument of the module's call, or its default."""
    module = scope.module
    body = module.variables.get(name)
    if body is None:
        raise UnresolvedError(f"var.{name} is not declared")
    if _gives_defaults(body.attributes.get("type")):
        raise UnresolvedError(f"the type of var.{name} gives defaults of its own")
    default = body.attributes.get("default")
    texts: list[str | None] = []
    if module.arguments is not None and module.caller is not None:
        texts = of_expr(module.arguments[name], module.caller) if name in module.arguments else []
        is_given = name in module.arguments
    else:
        values = (module.values or {}).get(name, [])
        texts = [text for value in values for text in of_value(value)]
        is_given = bool(values)
    if not is_given and default is None:
        raise UnresolvedError(f"var.{name} has no value that is given with the job")
    nullable = body.attributes.get("nullable")
    if default is not None and (not is_given or (None in texts and nullable is not None and nullable.text == "false")):
        texts += of_expr(default, Names(module))
    return texts


def _gives_defaults(expr: Expr | None) -> bool:
    """Whether `optional(TYPE, DEFAULT)` stands in a type."""
    if expr is None:
        return False
    is_one = expr.kind == "call" and expr.text == "optional" and len(expr.parts) > 1
    return is_one or any(_gives_defaults(part) for part in expr.parts)


def check_part(expr: Expr, scope: Names, steps: int = 0, *, is_number: bool = False) -> None:
    """Raises UnresolvedError unless everything that a value is made of is known, and leads nowhere."""
    if steps > MOST_STEPS:
        raise UnresolvedError("it leads in a circle")
    how = _PARTS.get(expr.kind)
    if how is None:
        raise UnresolvedError(f"{expr.text or expr.kind} cannot be known before the plan")
    how(expr, scope, steps + 1, is_number)


def _all_parts(expr: Expr, scope: Names, steps: int, is_number: bool) -> None:
    if expr.kind == "template" and expr.text.strip():
        raise UnresolvedError("a loop stands in it")
    for part in expr.parts:
        check_part(part, scope, steps, is_number=is_number)


def _check_text(expr: Expr, _scope: Names, _steps: int, is_number: bool) -> None:
    _check_value(expr.text, is_number)


def _check_number(expr: Expr, _scope: Names, _steps: int, _is_number: bool) -> None:
    if not expr.text.lstrip("-").isdigit():
        raise UnresolvedError(f"{expr.text} is no whole number")


def _check_value(value: Any, is_number: bool) -> None:
    """A value that is known, with all in it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_value(key, False)
            _check_value(inner, is_number)
    elif isinstance(value, list):
        for inner in value:
            _check_value(inner, is_number)
    elif isinstance(value, str):
        if is_number or set(value) & _LEADS_OUT:
            raise UnresolvedError(
                f"{value[:40]!r} in it has a dot, a slash or a tilde" if not is_number else "no number"
            )
    elif isinstance(value, float) and not value.is_integer():
        raise UnresolvedError(f"{value} in it is no whole number")


def _check_name(expr: Expr, scope: Names, steps: int, is_number: bool) -> None:
    binding = scope.names.get(expr.text)
    if binding is None:
        raise UnresolvedError(f"{expr.text} cannot be known before the plan")
    check_part(binding.collection, binding.scope, steps, is_number=is_number)


def _check_attr(expr: Expr, scope: Names, steps: int, is_number: bool) -> None:
    names = _base_names(expr)
    if names and names[0] in scope.names:
        _check_bound(names, scope.names[names[0]], steps, is_number)
    elif not names or names[0] in {"path", "terraform", "module", "data"}:
        raise UnresolvedError(f"{'.'.join(names) or 'a part of it'} cannot be known before the plan")
    elif names == ("count", "index"):
        return
    elif names[0] == "local":
        check_part(_local(names[1], scope), Names(scope.module), steps, is_number=is_number)
    elif names[0] == "var":
        _check_variable(names[1], scope, steps, is_number)
    else:
        raise UnresolvedError(f"{'.'.join(names[:2])} cannot be known before the plan")


def _check_variable(name: str, scope: Names, steps: int, is_number: bool) -> None:
    """Every value of a variable; each counts as one that may be null."""

    def of_expr(expr: Expr, where: Names) -> list[str | None]:
        check_part(expr, where, steps, is_number=is_number)
        return [None]

    def of_value(value: Any) -> list[str | None]:
        _check_value(value, is_number)
        return [None]

    _variable(name, scope, of_expr, of_value)


def _check_bound(names: tuple[str, ...], binding: Binding, steps: int, is_number: bool) -> None:
    """A part of what repeats: of `for_each = aws_x.y` the keys alone are known."""
    target = dotted(binding.collection)
    resource = binding.scope.module.resources.get((target[0], target[1])) if len(target) == 2 else None
    if resource is None:
        check_part(binding.collection, binding.scope, steps, is_number=is_number)
        return
    over = resource.body.attributes.get("for_each")
    if names[1:] != ("key",) or over is None:
        raise UnresolvedError(f"{'.'.join(names)} is of a resource, and cannot be known before the plan")
    check_part(over, Names(binding.scope.module), steps, is_number=is_number)


def _base_names(expr: Expr) -> tuple[str, ...]:
    """`a.b` of `a.b["x"].c[0]`; what is taken of it is a part of it."""
    while expr.kind in {"index", "splat"} or (expr.kind == "attr" and not dotted(expr)):
        expr = expr.parts[0]
    return dotted(expr)


def _check_call(expr: Expr, scope: Names, steps: int, is_number: bool) -> None:
    if expr.text in COUNTING_FUNCTIONS:
        return
    if expr.text in WHOLE_FUNCTIONS:
        for part in expr.parts:
            parts = part.parts if part.kind == "op" and part.text == "/" else (part,)
            for inner in parts:
                check_part(inner, scope, steps, is_number=True)
        return
    if expr.text not in PLAIN_FUNCTIONS:
        raise UnresolvedError(f"what {expr.text}() gives cannot be known before the plan")
    numbers = is_number or expr.text in {"range", "min", "max", "abs"}
    _all_parts(expr, scope, steps, numbers)


def _check_if(expr: Expr, scope: Names, steps: int, is_number: bool) -> None:
    for part in expr.parts[1:]:
        check_part(part, scope, steps, is_number=is_number)


def _check_for(expr: Expr, scope: Names, steps: int, is_number: bool) -> None:
    inner = for_scope(expr, scope)
    for part in expr.parts[1:]:
        if not (part.kind == "op" and part.text == "if"):
            check_part(part, inner, steps, is_number=is_number)


def for_scope(expr: Expr, scope: Names) -> Names:
    """The scope of what a `for` gives; what a loop of a template binds is known to nobody."""
    if expr.kind == "template":
        unknown = Binding(Expr("name", expr.line, "what a loop binds"), Names(scope.module))
        return scope.with_names(**dict.fromkeys(expr.text.split(), unknown))
    return scope.with_names(**{name: Binding(expr.parts[0], scope) for name in expr.text.split()})


def _check_operation(expr: Expr, scope: Names, steps: int, _is_number: bool) -> None:
    if expr.text in _ARITHMETIC:
        _all_parts(expr, scope, steps, True)
    elif expr.text == "/":
        raise UnresolvedError("a division may give a point")


_PARTS: dict[str, Callable[[Expr, Names, int, bool], None]] = {
    "text": _check_text,
    "number": _check_number,
    "word": lambda *_: None,
    "template": _all_parts,
    "list": _all_parts,
    "object": _all_parts,
    "spread": _all_parts,
    "name": _check_name,
    "attr": _check_attr,
    "index": _check_attr,
    "splat": _check_attr,
    "call": _check_call,
    "if": _check_if,
    "for": _check_for,
    "op": _check_operation,
}


def files_like(root: Path, text: str) -> Iterator[Path]:
    """Files of the root that a path can be; of parts that only the plan knows, every one."""
    path = Path(os.path.realpath(root / text))
    if ANY_PART not in text:
        yield from [path] if path.is_file() else []
        return
    pattern = ".*".join(re.escape(part) for part in path.relative_to(os.path.realpath(root)).as_posix().split(ANY_PART))
    for match in sorted(root.rglob("*")):
        if match.is_file() and re.fullmatch(pattern, match.relative_to(root).as_posix()):
            yield match
