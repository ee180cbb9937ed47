"""Each test has one name, for ever: a run on several workers, a repeated run and a report all go by it."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLUGINS = ("-p", "pytest_timeout", "-p", "no:cacheprovider", "--assert=plain")
PASSING = re.compile(
    rf"0x[0-9a-f]{{6,}}|{re.escape(tempfile.gettempdir())}/|pytest-of-"
)  # an address, a temporary folder


def collecting(hash_seed: str) -> subprocess.Popen[str]:
    """A fresh process that prints the name of every test; sets are in another order with another seed."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", *PLUGINS, "--collect-only", "-q", "tests"]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def names(process: subprocess.Popen[str]) -> list[str]:
    """What it printed, in its order."""
    with process:
        said, _ = process.communicate()
    assert process.returncode == 0, said[-3000:]
    return [line for line in said.splitlines() if "::" in line]


def test_names_and_their_order_do_not_change(request: pytest.FixtureRequest) -> None:
    """Two processes find the same tests in the same order, and no name holds what another run cannot have."""
    first = names(collecting("1"))
    own = [item.nodeid for item in request.session.items]  # a process that runs them all has found them too
    second = own if len(own) == len(first) and os.environ.get("PYTHONHASHSEED") != "1" else names(collecting("2"))
    assert len(first) == len(set(first)) > 2000
    assert first == second
    assert [name for name in first if PASSING.search(name)] == []
