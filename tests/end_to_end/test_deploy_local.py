"""The whole deployment on this machine: Terraform's own provider, a farm on the identities it made, the way back."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from demo.deploy.command import main
from demo.deploy.inventory import LISTINGS
from tests.waiting import LAST_RESORT_S

ROOT = Path(__file__).parents[2]
KEYS = {
    "resources",
    "resource_types",
    "plan_after_apply_changes",
    "samples_in_lake",
    "samples_lost",
    "revoked_thing_refused",
    "leftovers",
    "seconds",
    "private_keys_in_state",
}
ENDS_WITHIN_S = 800  # the last resort: a quiet machine needs 100
pytestmark = pytest.mark.timeout(ENDS_WITHIN_S + 100)  # whoever asks first for a deployment waits for it
SAMPLES_A_DAY = 96  # of one sensor, four an hour


def deploy(*options: str) -> list[str]:
    return [sys.executable, "-m", "demo.deploy", *options]


@dataclass(frozen=True)
class Deployment:
    """What a run left behind."""

    code: int
    out: Path
    stdout: str
    stderr: str

    @property
    def summary(self) -> dict[str, Any]:
        """summary.json."""
        document: dict[str, Any] = json.loads((self.out / "summary.json").read_text())
        return document


def files_under(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


def run_and_tell(command: list[str], surroundings: dict[str, str], out: Path) -> "subprocess.CompletedProcess[str]":
    """Run it; one that does not come to its end is failed with all that it and its programs said last."""
    try:
        return subprocess.run(
            command, env=surroundings, capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False
        )
    except subprocess.TimeoutExpired as late:
        said = [(late.stdout or b"").decode(), *(path.read_text()[-2000:] for path in sorted(out.rglob("*.log")))]
        pytest.fail("\n".join(["the deployment does not end", *said]))


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Two gateways, deployed, used and destroyed; the checkout and the temporary folder are as before."""
    out = tmp_path_factory.mktemp("deploy")
    temporary = Path(tempfile.mkdtemp())  # a short path, as sockets want it
    before = files_under(ROOT / "terraform")
    surroundings = {**os.environ, "TMPDIR": str(temporary), "AWS_PROFILE": "somebody", "TF_VAR_environment": "prod"}
    command = deploy("--out", str(out))
    done = run_and_tell(command, surroundings, out)
    assert files_under(ROOT / "terraform") == before
    assert list(temporary.iterdir()) == []
    temporary.rmdir()
    yield Deployment(done.returncode, out, done.stdout, done.stderr)


def test_everything_is_deployed_and_used_and_gone(deployed: Deployment) -> None:
    """The summary says exactly what is promised, and every value is as it has to be."""
    assert deployed.code == 0, deployed.stdout + deployed.stderr
    summary = deployed.summary
    assert set(summary) == KEYS
    assert summary["resources"] >= 60
    assert summary["resource_types"] >= 40
    assert summary["plan_after_apply_changes"] == 0
    assert summary["samples_in_lake"] == 2 * 4 * SAMPLES_A_DAY  # three zones and the weather on each gateway
    assert summary["samples_lost"] == 0
    assert summary["revoked_thing_refused"] is True
    assert summary["leftovers"] == []
    assert summary["private_keys_in_state"] == 0
    assert summary["seconds"] > 0


def test_a_person_reads_the_same(deployed: Deployment) -> None:
    """The table at the end has every fact, and nothing that should not be."""
    assert str(deployed.summary["resources"]) in deployed.stdout
    assert "nothing" in deployed.stdout
    assert "should not be" not in deployed.stdout


def test_nothing_could_have_been_overlooked(deployed: Deployment) -> None:
    """Every list that is empty at the end had something of Terraform's in it before."""
    made = json.loads((deployed.out / "logs" / "made.json").read_text())
    assert {(service, call) for service, call, _ in made} == {
        (row.service, f"{row.call}: {row.names}") for row in LISTINGS
    }


@pytest.mark.parametrize(
    "sign",
    [
        pytest.param(signal.SIGINT, id="Ctrl-C"),
        pytest.param(signal.SIGTERM, id="SIGTERM", marks=pytest.mark.soak),
    ],
)
def test_a_run_that_is_broken_off_leaves_nothing(tmp_path: Path, sign: signal.Signals) -> None:
    """Ended while Terraform applies: a word, code 130, and no process and no folder stays."""
    temporary = Path(tempfile.mkdtemp())  # a short path, as sockets want it
    surroundings = {**os.environ, "TMPDIR": str(temporary)}
    log = tmp_path / "out" / "logs" / "terraform-apply.log"
    command = deploy("--out", str(tmp_path / "out"))
    with subprocess.Popen(command, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        while not (log.exists() and "apply_start" in log.read_text()):
            assert run.poll() is None, run.communicate()
            time.sleep(0.2)
        family = psutil.Process(run.pid).children(recursive=True)
        assert len(family) >= 4  # the AWS API, the wrapper, Terraform, its provider
        run.send_signal(sign)
        _, errors = run.communicate(timeout=LAST_RESORT_S)
    assert run.returncode == 130
    assert errors.splitlines()[-1] == "deploy: stopped; nothing is left running"
    assert "Traceback" not in errors
    assert psutil.wait_procs(family, timeout=LAST_RESORT_S)[1] == []
    assert list(temporary.iterdir()) == []
    temporary.rmdir()


@pytest.mark.parametrize("program", ["terraform", "bash"])
def test_a_missing_program_is_one_line(tmp_path: Path, program: str) -> None:
    """Without it nothing is begun: one line with the remedy, code 2."""
    with tempfile.TemporaryDirectory() as folder:
        for name in {"terraform", "bash"} - {program}:
            (Path(folder) / name).touch(mode=0o755)
        surroundings = {**os.environ, "PATH": folder}
        command = deploy("--out", str(tmp_path / "out"))
        done = subprocess.run(
            command, env=surroundings, capture_output=True, text=True, timeout=LAST_RESORT_S, check=False
        )
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if line.strip()]
    assert line.startswith(f"deploy: {program} is not installed; remedy: ")


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """A file where the output folder should be is named."""
    (tmp_path / "file").touch()
    command = deploy("--out", str(tmp_path / "file"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=LAST_RESORT_S, check=False)
    assert done.returncode == 2
    assert str(tmp_path / "file") in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_numbers_of_gateways_that_cannot_be_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """None, too many, and words end with code 2 before anything is begun."""
    for number in ("0", "201", "many"):
        with pytest.raises(SystemExit) as end:
            main(["--gateways", number])
        assert end.value.code == 2
        assert f"want a whole number from 1 to 200, got '{number}'" in capsys.readouterr().err
