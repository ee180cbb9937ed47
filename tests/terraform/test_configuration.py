"""The configuration under terraform/ is one that Terraform accepts, and the wrapper leaves nothing in it."""

import json
import subprocess
from pathlib import Path

import pytest

from local_cloud.policy import render

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "terraform"
POLICIES = FOLDER / "modules" / "iot" / "policies"


def terraform(*arguments: str, folder: Path = FOLDER, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts" / "terraform"), f"-chdir={folder}", *arguments]
    return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def initialised() -> None:
    done = terraform("init", "-backend=false", "-input=false")
    assert done.returncode == 0, done.stderr


def test_it_is_valid(initialised: None) -> None:
    """`terraform validate` has nothing to say."""
    done = terraform("validate", "-no-color")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Success!" in done.stdout


def test_it_is_formatted() -> None:
    """`terraform fmt` would change nothing."""
    done = terraform("fmt", "-check", "-recursive")
    assert (done.returncode, done.stdout) == (0, "")


def test_nothing_is_left_in_the_folder(initialised: None) -> None:
    """Neither a lock file, nor providers, nor state."""
    assert [path.name for path in FOLDER.rglob(".*")] == []
    assert [path for pattern in ("*.tfstate*", "*.tfplan") for path in FOLDER.rglob(pattern)] == []


@pytest.mark.parametrize("name", ["gateway", "compute"])
def test_terraform_and_the_local_cloud_render_the_same_policy(name: str) -> None:
    """`templatefile` and `local_cloud.policy.render` agree to the letter."""
    template = POLICIES / f"{name}.json.tftpl"
    values = '{region = "eu-west-1", account = "123456789012"}'
    asked = f'jsonencode(jsondecode(templatefile("{template}", {values})))'
    done = terraform("console", folder=POLICIES, typed=asked)
    assert done.returncode == 0, done.stderr
    assert json.loads(json.loads(done.stdout)) == render(template, "eu-west-1", "123456789012")
