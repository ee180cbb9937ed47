"""The end of a local deployment: what is written, what is printed, and which code it ends with."""

import json
from pathlib import Path
from typing import Any

import pytest

from demo.deploy import command
from demo.deploy.errors import CommandError

GOOD = {
    "resources": 108,
    "resource_types": 58,
    "plan_after_apply_changes": 0,
    "commands_done": 6,
    "samples_in_lake": 768,
    "samples_lost": 0,
    "revoked_thing_refused": True,
    "leftovers": [],
    "private_keys_in_state": 0,
}


def end_with(facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the deployment come to these facts at once."""

    async def run_deployment(_deployment: Any, _tell: Any) -> dict[str, Any]:
        return dict(facts)

    monkeypatch.setattr(command, "run_deployment", run_deployment)


def test_a_good_end_is_code_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The summary replaces that of a run before, and touches nothing else in the folder."""
    (tmp_path / "summary.json").write_text("old")
    (tmp_path / "mine").write_text("kept")
    end_with(GOOD, monkeypatch)
    assert command.main(["--out", str(tmp_path)]) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary.pop("seconds") >= 0
    assert summary == {name: fact for name, fact in GOOD.items() if name != "commands_done"}
    assert (tmp_path / "mine").read_text() == "kept"


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("resources", 59),
        ("plan_after_apply_changes", 1),
        ("commands_done", 0),
        ("samples_in_lake", 0),
        ("samples_lost", 1),
        ("samples_lost", -1),
        ("revoked_thing_refused", False),
        ("leftovers", ["s3 list_buckets: Buckets[].Name farm"]),
        ("private_keys_in_state", 1),
    ],
)
def test_a_broken_promise_is_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, fact: Any
) -> None:
    """One fact that is not as it has to be is marked in the table, and the summary still tells it."""
    end_with({**GOOD, name: fact}, monkeypatch)
    assert command.main(["--out", str(tmp_path)]) == 1
    assert capsys.readouterr().out.count("should not be") == 1
    assert json.loads((tmp_path / "summary.json").read_text()).get(name, fact) == fact


def test_trouble_is_one_line_and_no_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the user can mend ends with code 2, and an old summary cannot be taken for this run's."""

    async def run_deployment(_deployment: Any, _tell: Any) -> dict[str, Any]:
        raise CommandError("the printed commands of irrigation-gateway-1 ended with 1:\n  no such secret")

    (tmp_path / "summary.json").write_text("old")
    monkeypatch.setattr(command, "run_deployment", run_deployment)
    assert command.main(["--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.strip() == (
        "deploy: the printed commands of irrigation-gateway-1 ended with 1: no such secret"
    )
    assert not (tmp_path / "summary.json").exists()
