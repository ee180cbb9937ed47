"""Setting up says in one line what is missing and what to do, and ends with 2."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "scripts" / "setup.py"


def run(*words: str, path: str = os.environ["PATH"], script: Path = SETUP) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": path, "HOME": "/nowhere"})


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """A PATH on which there is nothing: no Debian tools either."""
    return str(tmp_path)


def test_a_missing_program_is_named(bare: str) -> None:
    """Where no Debian package can be had, the program is named, with rc 2."""
    done = run("system", "terraform", path=bare)
    assert done.returncode == 2
    assert done.stderr == "setup: the program terraform is missing; install it and try again\n"


def test_programs_that_are_here_need_nothing() -> None:
    """With everything in place it says nothing and changes nothing."""
    done = run("system", "git")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", [(), ("prod",), ("system",), ("system", "emacs")])
def test_unknown_words_are_refused(words: tuple[str, ...]) -> None:
    """A word that it does not know gets a line that says what it knows."""
    done = run(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("setup: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_ready_environment_is_left_alone() -> None:
    """In a prepared checkout `setup.py dev` returns at once, without a word."""
    done = run("dev")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_checkov_gets_an_environment_of_its_own(tmp_path: Path) -> None:
    """`setup.py checkov` makes .venv-checkov and no other, once, and again when its requirements change."""
    for folder in ("scripts", "requirements"):
        (tmp_path / folder).mkdir()
    script = Path(shutil.copy(SETUP, tmp_path / "scripts"))
    requirements = tmp_path / "requirements" / "checkov.txt"
    requirements.write_text("# nothing\n")
    first, second = run("checkov", script=script), run("checkov", script=script)
    assert first.returncode == 0
    assert first.stderr.startswith("Setting up .venv-checkov for checkov")
    assert (tmp_path / ".venv-checkov" / "bin" / "python").exists()
    assert not (tmp_path / ".venv").exists()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    requirements.write_text("# nothing either\n")
    assert run("checkov", script=script).stderr.startswith("Setting up .venv-checkov")


def test_checkovs_requirements_are_hashed_and_hold_no_address() -> None:
    """Every line names a version and its hashes; wheels may come from any index."""
    lines = (SETUP.parents[1] / "requirements" / "checkov.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert any(pin.startswith("checkov==") for pin in pins)
    assert [pin for pin in pins if "==" not in pin or not pin.endswith("\\")] == []
    assert [line for line in lines if "://" in line or line.startswith("-")] == []
