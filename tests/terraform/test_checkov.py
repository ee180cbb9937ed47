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
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """terraform/ without what runs leave in it."""
    ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars", "credentials")
    return Path(shutil.copytree(FOLDER, tmp_path_factory.mktemp("checkov") / "terraform", ignore=ignored))


@pytest.fixture(scope="module")
def report(copy: Path) -> Any:
    return read(copy)


def test_nothing_fails(report: Any) -> None:
    """Every check passes, or is excused at the resource; every file could be read."""
    assert places(report["results"]["failed_checks"]) == []
    assert report["results"]["parsing_errors"] == []


def test_every_module_was_read(report: Any) -> None:
    """The passes come from all modules, with the values that the root module gives them."""
    read_modules = {check["resource"].split(".")[1] for check in report["results"]["passed_checks"]} - {"default"}
    assert read_modules == {path.name for path in (FOLDER / "modules").iterdir()}
    assert report["summary"]["passed"] > 100


def test_every_excuse_is_used_and_has_a_reason(report: Any) -> None:
    """An excuse for a check that would pass, or that checkov does not know, goes; so does one without a reason."""
    found = [
        (f"/{path.relative_to(FOLDER)}", excuse["id"], excuse["reason"])
        for path in FOLDER.rglob("*.tf")
        for excuse in EXCUSE.finditer(path.read_text())
    ]
    assert [(path, check) for path, check, reason in found if len(reason) < len(":in words")] == []
    used = {(check["file_path"], check["check_id"]) for check in report["results"]["skipped_checks"]}
    assert {(path, check) for path, check, _ in found} == used


@pytest.fixture(scope="module")
def faulty(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The report on a copy in which each of the protections is taken away; they stand in files of their own."""
    folder = Path(shutil.copytree(copy, tmp_path_factory.mktemp("faulty") / "terraform"))
    for path, text, _ in SWITCHED_OFF.values():
        before = (folder / path).read_text()
        after = before.replace(text, text.replace("true", "false").replace("IMMUTABLE", "MUTABLE"))
        assert after != before
        (folder / path).write_text(after)
    return read(folder)


@pytest.mark.parametrize("fault", SWITCHED_OFF)
def test_a_fault_is_seen(fault: str, faulty: Any, report: Any) -> None:
    """With a protection taken away, checkov fails and names it, in its file; with it, it does not."""
    path, _, check = SWITCHED_OFF[fault]
    for judged, fails in ((faulty, True), (report, False)):
        failed = [(entry["file_path"], entry["check_id"]) for entry in judged["results"]["failed_checks"]]
        assert ((f"/{path}", check) in failed) is fails
