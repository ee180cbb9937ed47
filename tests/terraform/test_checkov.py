"""checkov finds nothing in terraform/ that is not excused, and every excuse is used and says why."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "terraform"
CHECKOV = ROOT / ".venv-checkov" / "bin" / "checkov"
EXCUSE = re.compile(r"#checkov:skip=(?P<id>[A-Z0-9_]+)(?P<reason>.*)")
SWITCHED_OFF = {
    "the bucket is open to the public": ("modules/lake/bucket.tf", "block_public_acls       = true", "CKV_AWS_53"),
    "tags of images move": ("modules/compute/repository.tf", '"IMMUTABLE"', "CKV_AWS_51"),
    "dead letters lie open": ("modules/compute/schedule.tf", "sqs_managed_sse_enabled   = true", "CKV_AWS_27"),
}


def read(folder: Path) -> Any:
    """What checkov says of a configuration; offline, and without the results of earlier runs."""
    assert CHECKOV.exists(), "checkov is missing; remedy: python3 scripts/setup.py checkov"
    options = ["--framework", "terraform", "--skip-download", "--output", "json"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LOG_LEVEL": "ERROR"}
    done = subprocess.run(
        [CHECKOV, "--directory", folder, *options],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=folder,
        env=environment,
    )
    assert done.stdout.startswith("{"), done.stderr
    return json.loads(done.stdout)


def places(checks: list[dict[str, Any]]) -> list[str]:
    return [f"{check['check_id']} {check['file_path']} {check['resource']}: {check['check_name']}" for check in checks]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What checkov says of terraform/, and of a copy in which each of the protections is taken away.

    It reads both at once, since its start costs as much; the protections stand in files of their own.
    """
    both = tmp_path_factory.mktemp("checkov")
    left_by_runs = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars", "credentials")
    for name in ("sound", "faulty"):
        shutil.copytree(FOLDER, both / name, ignore=left_by_runs)
    for path, text, _ in SWITCHED_OFF.values():
        before = (both / "faulty" / path).read_text()
        after = before.replace(text, text.replace("true", "false").replace("IMMUTABLE", "MUTABLE"))
        assert after != before
        (both / "faulty" / path).write_text(after)
    results = read(both)["results"]
    return {name: _within(f"/{name}", results) for name in ("sound", "faulty")}


def _within(folder: str, results: dict[str, Any]) -> dict[str, Any]:
    """The checks of the files in one folder, each file named as if there were no other; the errors are of both."""
    checks = {
        outcome: [
            {**check, "file_path": check["file_path"].removeprefix(folder)}
            for check in results[outcome]
            if check["file_path"].startswith(f"{folder}/")
        ]
        for outcome in ("passed_checks", "failed_checks", "skipped_checks")
    }
    return {**checks, "parsing_errors": results["parsing_errors"]}


@pytest.fixture(scope="module")
def report(reports: dict[str, Any]) -> Any:
    return reports["sound"]


def test_nothing_fails(report: Any) -> None:
    """Every check passes, or is excused at the resource; every file could be read."""
    assert places(report["failed_checks"]) == []
    assert report["parsing_errors"] == []


def test_every_module_was_read(report: Any) -> None:
    """The passes come from all modules, with the values that the root module gives them."""
    calls = [check["resource"].split(".") for check in report["passed_checks"]]
    own = {path.parent.name for path in (FOLDER / "modules").glob("*/versions.tf")}
    of_google = {"hubspot_contacts_job", "base", "provisioner", "trigger"}  # as examples and environments call theirs
    assert {name for what, name, *_ in calls if what == "module"} == own | of_google
    assert {"/gcp/farm/main.tf", "/gcp/functions/provisioner/terraform/main.tf"} <= {
        check["file_path"] for check in report["passed_checks"]
    }
    assert len(report["passed_checks"]) > 100


def test_every_excuse_is_used_and_has_a_reason(report: Any) -> None:
    """An excuse for a check that would pass, or that checkov does not know, goes; so does one without a reason."""
    found = [
        (f"/{path.relative_to(FOLDER)}", excuse["id"], excuse["reason"])
        for path in FOLDER.rglob("*.tf")
        for excuse in EXCUSE.finditer(path.read_text())
    ]
    assert [(path, check) for path, check, reason in found if len(reason) < len(":in words")] == []
    used = {(check["file_path"], check["check_id"]) for check in report["skipped_checks"]}
    assert {(path, check) for path, check, _ in found} == used


@pytest.mark.parametrize("fault", SWITCHED_OFF)
def test_a_fault_is_seen(fault: str, reports: dict[str, Any]) -> None:
    """With a protection taken away, checkov fails and names it, in its file; with it, it does not."""
    path, _, check = SWITCHED_OFF[fault]
    for name, fails in (("faulty", True), ("sound", False)):
        failed = [(entry["file_path"], entry["check_id"]) for entry in reports[name]["failed_checks"]]
        assert ((f"/{path}", check) in failed) is fails
