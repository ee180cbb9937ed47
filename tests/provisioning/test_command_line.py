"""The command line as a person types it, against a service of its own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from provisioning.__main__ import main
from tests.provisioning.clients import in_process
from tests.provisioning.conftest import short_folder
from tests.provisioning.house import ROOT, House
from tests.provisioning.roots import SMALL


def test_a_folder_from_deploy_to_destroy(mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`deploy --wait`, `status`, `destroy --wait`; a plan that waits is code 3 and says how to go on."""
    (tmp_path / "main.tf").write_text('variable "word" {}\n' + SMALL.replace('"x"', "var.word"))
    (tmp_path / "variables.json").write_text('{"word": "given"}')
    with in_process(mirror, is_open=True) as client:
        to = ["--url", str(client.base_url)]
        words = [str(tmp_path), "--project", "p", "--wait", "--variables", str(tmp_path / "variables.json")]
        assert main(["deploy", *words, *to]) == 0
        assert "Infrastructure deployed successfully" in capsys.readouterr().out
        assert main(["status", "p", *to]) == 0
        assert json.loads(capsys.readouterr().out)["deploymentOutputs"]["name"] == "given"
        (tmp_path / "main.tf").write_text('resource "terraform_data" "three" {}')
        assert main(["deploy", str(tmp_path), "--project", "p", "--approve", "--wait", *to]) == 3
        job_id, digest = capsys.readouterr().out.split()[-2:]
        assert main(["cancel", job_id, *to]) == 0
        assert main(["confirm", job_id, digest, *to]) == 2
        assert "409" in capsys.readouterr().err
        assert main(["destroy", "--project", "p", "--wait", *to]) == 0


def test_keys_are_made_listed_and_revoked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key is printed once; a mistake is one line and code 2."""
    at = ["--data", str(tmp_path / "d")]
    assert main(["key", "add", "ci", "--scopes", "plan", "read", "--farms", "sitio", *at]) == 0
    assert len(capsys.readouterr().out.strip()) > 30
    assert main(["key", "add", "ci", *at]) == 2
    assert "there is or was a key" in capsys.readouterr().err
    assert main(["key", "revoke", "ci", *at]) == 0
    assert main(["key", "list", *at]) == 0
    assert capsys.readouterr().out == "ci  plan,read  sitio  revoked\n"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["status", "x", "--url", "http://127.0.0.1:9"], "does not answer"),
        (["status", "x", "--url", "elsewhere"], "is no URL"),
        (["deploy", "/no/such", "--project", "x", "--url", "http://127.0.0.1:9"], "no such folder"),
        (["serve", "--data", "/tmp/" + "long/" * 30], "too long"),
        (["serve", "--role", "nonsense", "--data", "/tmp/x"], "no role of a farm"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, with code 2."""
    assert main(words) == 2
    error = capsys.readouterr().err
    assert why in error
    assert error.count("\n") == 1


def test_serve_as_a_person_starts_it(mirror: Path) -> None:
    """`python -m provisioning serve` asks for keys, and takes SIGTERM; so does uvicorn with `provisioning.main:app`."""
    with short_folder() as folder:
        house = House(folder / "d", {}, {}, mirror)
        command = [sys.executable, "-m", "provisioning", "serve", "--data", str(folder / "d"), "--port", "0"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        house.url = process.stdout.readline().removeprefix("READY ").strip().rstrip("/")
        assert house.call("GET", "/api/deploy/jobs")[0] == 401
        assert (folder / "d" / "logs" / "terraform.log").stat().st_mode & 0o777 == 0o600
        process.terminate()
        assert process.wait() in {0, -signal.SIGTERM}  # uvicorn ends in good order, and then by the signal
        process.stdout.close()


def test_uvicorn_starts_it_as_the_seed_does(mirror: Path) -> None:
    """`uvicorn provisioning.main:app`: the folder is PROVISIONING_DATA, and keys are always asked."""
    with short_folder() as folder:
        environment = {**os.environ, "PROVISIONING_DATA": str(folder / "d"), "TF_MIRROR": str(mirror)}
        command = [sys.executable, "-m", "uvicorn", "provisioning.main:app", "--port", "0"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        line = next(line for line in process.stderr if "running on" in line)
        house = House(folder / "d", {}, {}, mirror)
        house.url = line.split("running on ")[1].split()[0]
        assert house.call("GET", "/api/deploy/jobs")[0] == 401
        assert house.call("GET", "/openapi.json")[0] == 200
        process.terminate()
        process.wait()
        process.stderr.close()
