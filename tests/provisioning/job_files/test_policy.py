"""A tag policy: what is asked of every job, and of those of one environment."""

from pathlib import Path

import pytest

from provisioning.job_files.command import main
from tests.provisioning.job_files.files import ASSET, ROOT, job, lay

SHIPPED = ROOT / "jobs" / "tag_policy.yaml"


def errors(folder: Path, capsys: pytest.CaptureFixture[str], policy: Path = SHIPPED) -> list[str]:
    words = [str(folder / "jobs" / "job.yaml"), "--root", str(folder), "--output-dir", str(folder / "out")]
    code = main([*words, "--policy", str(policy)])
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning: ")]
    assert code == (1 if lines else 0)
    assert (folder / "out").exists() == (not lines)
    return lines


def test_the_shipped_jobs_keep_the_shipped_policy(tmp_path: Path) -> None:
    """As they are generated in docs/job-files.md."""
    jobs = [str(path) for path in sorted((ROOT / "jobs" / "irrigation").glob("*.yaml"))]
    assert len(jobs) == 2
    assert main([*jobs, "--root", str(ROOT), "--policy", str(SHIPPED), "--output-dir", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["irrigation-decisions", "irrigation-samples"]


def test_what_a_job_lacks_is_a_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing names the policy's line; what is of no form its own."""
    asset = {**ASSET, "team": {"owner": "somebody"}, "finops": {}}
    lay(tmp_path, job(), asset=asset)
    missing, owner = errors(tmp_path, capsys)
    assert "job.yaml:1: tag finops_cost_center is missing" in missing
    assert f"{SHIPPED}:4" in missing
    assert "soil_samples.yaml:" in owner
    assert "'somebody' is no " in owner


def test_prod_asks_for_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How long data is kept has to be said in prod alone."""
    asset = {**ASSET, "compliance": {"classification": ["PII"]}}
    lay(tmp_path, job(environment="prod"), asset=asset)
    (line,) = errors(tmp_path, capsys)
    assert "governance_retention_days is missing" in line
    lay(tmp_path, job(), asset=asset)
    assert errors(tmp_path, capsys) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("required: {'*': {a: '['}}\n", "want a regular expression"),
        ("requird: {}\n", "unknown key 'requird'"),
        ("required: [a]\n", "write keys and values under it"),
    ],
)
def test_a_policy_that_is_none(text: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its own mistakes have their line, too."""
    lay(tmp_path, job())
    policy = tmp_path / "policy.yaml"
    policy.write_text(text)
    assert any(f"{policy}:1: " in line and why in line for line in errors(tmp_path, capsys, policy))
