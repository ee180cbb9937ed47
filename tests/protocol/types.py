"""The `.pyi` files of the protocol as modules that can be looked at, and values held against their types."""

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

FOLDER = Path(__file__).parents[2] / "protocol"
PACKAGE = "protocol_types"  # beside the real one, which has other things under these names


class _Stub(InspectLoader):
    """Compiles a stub each time: bytecode of `messages.pyi` would lie where that of `messages.py` lies."""

    def get_source(self, fullname: str) -> str:
        text = (FOLDER / f"{fullname.rpartition('.')[2]}.pyi").read_text().replace("from protocol.", f"from {PACKAGE}.")
        return text.replace(", type_check_only", "").replace("@type_check_only\n", "")


def stub(name: str) -> ModuleType:
    """`protocol/<name>.pyi`, with all that it imports."""
    dotted = f"{PACKAGE}.{name}"
    if PACKAGE not in sys.modules:
        package = ModuleType(PACKAGE)
        package.__path__ = []
        sys.modules[PACKAGE] = package
        sys.meta_path.append(_Finder())
    return importlib.import_module(dotted)


class _Finder:
    @staticmethod
    def find_spec(fullname: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        package, _, name = fullname.partition(".")
        path = str(FOLDER / f"{name}.pyi")
        is_ours = package == PACKAGE and Path(path).exists()
        return importlib.util.spec_from_file_location(fullname, path, loader=_Stub()) if is_ours else None


def fields(shape: Any) -> dict[str, Any]:
    """Each key of a TypedDict with its type, `NotRequired` as it is written."""
    return get_type_hints(shape, include_extras=True)


def events() -> dict[str, Any]:
    """The table of events.pyi: each kind with its type."""
    shapes = get_args(stub("events").Event)
    return {get_args(fields(shape)["kind"])[0]: shape for shape in shapes}


def flaws(value: Any, shape: Any, place: str = "") -> Iterator[str]:
    """Where a value of JSON is not what its type says, in words; nothing if it is."""
    origin, arguments = get_origin(shape), get_args(shape)
    if is_typeddict(shape):
        yield from _flaws_of_fields(value, shape, place)
    elif not _is_of(value, shape, place):
        yield f"{place}: {value!r} is not of {shape}"
    elif origin is list:
        for index, entry in enumerate(value):
            yield from flaws(entry, arguments[0], f"{place}[{index}]")
    elif origin is dict:
        for name, entry in value.items():
            yield from flaws(entry, arguments[1], f"{place}.{name}")


def _is_of(value: Any, shape: Any, place: str) -> bool:
    origin, arguments = get_origin(shape), get_args(shape)
    if origin in {Union, UnionType}:
        return any(not list(flaws(value, one, place)) for one in arguments)
    if origin is Literal:
        return value in arguments
    if shape is float:  # an int will do for it, as type checkers say
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return shape is Any or (isinstance(value, origin or shape) and isinstance(value, bool) == (shape is bool))


def _flaws_of_fields(value: Any, shape: Any, place: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{place}: {value!r} is no {shape.__name__}"
        return
    types = fields(shape)
    yield from (f"{place}.{name}: is unknown" for name in value if name not in types)
    for name, written in types.items():
        inner = get_args(written)[0] if get_origin(written) is NotRequired else written
        if name in value:
            yield from flaws(value[name], inner, f"{place}.{name}")
        elif inner is written:
            yield f"{place}.{name}: is missing"
