"""Budgets and promises of the tree that no linter knows; part of `make check`. Prints every breach, exits 1 on any."""

import ast
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from firmware import build

ROOT = Path(__file__).resolve().parent.parent
MOST_FUNCTION_LINES = 60
MOST_MODULE_LINES = 500
MOST_README_LINES = 70  # one screen and a picture
KEY_MARK = "PRIVATE" + " KEY-----"


def main() -> int:
    """Run every check over what git tracks, or would."""
    breaches = [*long_code(), *secrets_and_paths(), *board_size(), *readme()]
    for breach in breaches:
        print(breach, file=sys.stderr)
    return 1 if breaches else 0


def tracked(suffix: str = "") -> list[Path]:
    """The files git tracks, and the new ones it does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in names if name.endswith(suffix) and (ROOT / name).is_file()]


def long_code() -> Iterator[str]:
    """Functions and modules over their budget of lines."""
    for path in tracked(".py"):
        text = path.read_text()
        if text.count("\n") > MOST_MODULE_LINES:
            yield f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines, at most {MOST_MODULE_LINES}"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MOST_FUNCTION_LINES:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {lines} lines"


def secrets_and_paths() -> Iterator[str]:
    """Keys, and paths of the machine this runs on, in a tracked file."""
    here = [str(place) + "/" for place in (ROOT.parent, Path.home()) if len(place.parts) > 1]
    for path in tracked():
        text = path.read_text(errors="ignore")
        if KEY_MARK in text:
            yield f"{path.relative_to(ROOT)}: holds a private key"
        for place in here:
            if place in text:
                yield f"{path.relative_to(ROOT)}: holds a path of this machine"


def board_size() -> Iterator[str]:
    """Compiled size of what is copied to a board."""
    with tempfile.TemporaryDirectory() as folder:
        files = build.build(Path(folder) / "flash")
    report = build.size_report(files)
    print(f"compiled for the board: {report['mpy_bytes']} of {report['mpy_bytes_allowed']} bytes")
    yield from build.breaches(files)


def readme() -> Iterator[str]:
    """The README stays one screen."""
    for name in ("README.md", "README.pt-BR.md"):
        lines = (ROOT / name).read_text().count("\n")
        if lines > MOST_README_LINES:
            yield f"{name}: {lines} lines, at most {MOST_README_LINES}"


if __name__ == "__main__":
    sys.exit(main())
