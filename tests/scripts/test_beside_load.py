"""A command runs so often as asked beside a load that ends with it."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.waiting import until_true

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "beside_load.py"


def beside(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("command", "code", "failed"), [("pass", 0, "0"), ("raise SystemExit(3)", 1, "2")])
def test_every_round_counts(command: str, code: int, failed: str) -> None:
    """Each round is told, the table sums them up, and one that fails makes all of it fail."""
    done = beside("--load", "1", "--rounds", "2", sys.executable, "-c", command)
    assert done.returncode == code
    assert done.stdout.count("round ") == 2
    assert done.stdout.splitlines()[3].split()[:3] == ["2", failed, "1"]


def test_the_file_names_tests_that_exist(tmp_path: Path) -> None:
    """What stands in the file follows the command, without remarks; the project's own names only what is there."""
    listed = tmp_path / "often.txt"
    listed.write_text("# a remark\none\n\ntwo # why\n")
    code = "import sys; print(sys.argv[1:])"
    done = beside("--load", "0", "--rounds", "1", "--python-tests", str(listed), sys.executable, "-c", code)
    assert done.stdout.splitlines()[0] == "['one', 'two']"
    ours = [line for line in (ROOT / "tests" / "often.txt").read_text().splitlines() if not line.startswith("#")]
    assert [name for name in ours if not is_there(*name.split("::"))] == []


def is_there(path: str, test: str = "") -> bool:
    """The file or folder is, and in it the test."""
    file = ROOT / path
    return file.exists() and (not test or f"def {test}(" in file.read_text())


@pytest.mark.parametrize("end", ["send_signal", "kill"])
def test_the_load_ends_whatever_ends_the_script(end: str) -> None:
    """Ctrl-C, or killed at once: no busy process stays."""
    waits = "import time; print('here', flush=True); time.sleep(600)"
    words = [sys.executable, str(SCRIPT), "--load", "2", "--rounds", "1", sys.executable, "-c", waits]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        family = psutil.Process(process.pid).children()
        load, command = family[:2], family[2]
        if end == "kill":
            process.kill()
        else:
            process.send_signal(2)
        until_true(lambda: not any(child.is_running() for child in load), "the end of the load")
        if command.is_running():
            command.kill()  # who is interrupted waits for its command; a terminal interrupts both
