"""A mistake in a job file is one line with file and line; the code is 1, and nothing is written."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from provisioning.job_files.command import main
from tests.provisioning.job_files.files import ASSET, job, lay

LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{two}: &{two} [{', '.join([f'*{one}'] * 9)}]\n" for one, two in pairwise("abcdefghi")
)


def said(folder: Path, capsys: pytest.CaptureFixture[str], document: Any, asset: Any = None) -> list[str]:
    """What `generate` says of a job that has mistakes."""
    path = lay(folder, document, asset=asset)
    out = folder / "out"
    assert main([str(path), "--root", str(folder), "--output-dir", str(out)]) == 1
    assert not out.exists()
    return [line.removeprefix(f"{folder}/") for line in capsys.readouterr().err.splitlines()]


# Each with what the line says; some of them Terraform's own plan accepts, as docs/job-files.md tells.
PLANTED: dict[str, tuple[Any, Any, str]] = {
    "a pair that Fargate has not": (
        job(cpu=1000, memory=777),
        None,
        "jobs/job.yaml:10: infrastructure, runtime, cpu: 1000",
    ),
    "memory that goes with no such cpu": (
        job(cpu=1024, memory=777),
        None,
        "memory: 777: Fargate takes 2048, 3072, 4096, ... 8192",
    ),
    "memory that a job of Cloud Run has not with its cpu": (
        job("gcp_cloud_run", cpu="4", memory="1Gi"),
        None,
        "memory: '1Gi': Cloud Run takes 2Gi to 16Gi with cpu 4",
    ),
    "a comma on ECS": (
        job(finops={"project": "sales,crm"}),
        None,
        "finops.project: tag finops_project: 'sales,crm' has a comma",
    ),
    "an upper-case label": (
        job("gcp_cloud_run", metadata={"labels": {"team": "Sales"}}),
        None,
        "infrastructure.metadata.labels.team: label team: 'Sales'",
    ),
    "541 s": (job("gcp_cloud_function", timeout=541), None, "timeout: 541: a function that events start has 540 s"),
    "an undeclared role": (job(role="dativo-runner"), None, "role: 'dativo-runner': want the ARN of a role"),
    "a missing asset": (
        {**job(), "asset_path": "assets/none.yaml"},
        None,
        "asset_path: 'assets/none.yaml': no such file",
    ),
    "a path outside the root": ({**job(), "asset_path": "../etc/passwd"}, None, "leaves the folder of --root"),
    "a billion laughs": (job(), LAUGHS + "name: soil\nversion: '1'\nfinops: {project: *i}\n", "project: list of 9"),
    "a key that stands twice": (
        "tenant_id: sitio\n" + "environment: dev\n" * 2 + "asset_path: assets/soil_samples.yaml\n",
        None,
        "jobs/job.yaml:3: job file: environment is written twice",
    ),
    "51 tags": (job(metadata={"tags": {f"k{n}": "v" for n in range(38)}}), None, "51 tags; AWS takes 50 at most"),
    "an e-mail as label": (
        job("gcp_cloud_run", metadata={"labels": {"owner": "farm@example.com"}}),
        None,
        "label owner: 'farm@example.com'",
    ),
    "a key of AWS's own": (job(metadata={"tags": {"aws:owner": "x"}}), None, "keys that begin with aws: are AWS's own"),
    "an unknown field": ({**job(), "asset_paht": "x"}, None, "unknown key 'asset_paht', did you mean 'asset_path'?"),
    "an image that may move, for Lambda": (
        job("aws_lambda", image_uri="dativo:latest"),
        None,
        "an address in ECR with a digest",
    ),
    "labels on AWS": (job(metadata={"labels": {"owner": "x"}}), None, "labels are Google's"),
    "a service with a schedule": (job(kind="service", schedule="0 2 * * *"), None, "a service runs always"),
    "a schedule of no moment": (job(schedule="0 2 30 2 *"), None, "no month of these has that day"),
    "a name too long": ({**job(), "tenant_id": "a" * 60}, None, "takes names of 54 characters, not 77"),
    "a secret": (job(finops={"project": "AKIAIOSFODNN7EXAMPLE"}), None, "looks like an AWS access key"),
    "a zone of nowhere": (job(schedule="0 2 * * *", timezone="Mars/North"), None, "is no time zone"),
    "a truth that is no word": (job(), {**ASSET, "finops": {"project": True}}, "assets/soil_samples.yaml"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, with the file, the line and what is wrong."""
    document, asset, why = PLANTED[name]
    (line,) = said(tmp_path, capsys, document, asset)
    assert why in line
    place, number, *_ = line.split(":")
    assert (tmp_path / place).is_file()
    assert 0 < int(number) <= len((tmp_path / place).read_text().splitlines())


def test_every_mistake_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mistakes of one file, from top to bottom."""
    lines = said(tmp_path, capsys, {**job(cpu=3, memory=1), "tenant_id": "No Name"})
    assert [line.split(":")[1] for line in lines] == sorted((line.split(":")[1] for line in lines), key=int)
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--cloud", "gcp", "--resource-type", "lambda"], "is of aws, not of --cloud gcp"),
        (["--cloud", "gcp"], "give --resource-type"),
        (["--cloud", "azure"], "invalid choice"),
        (["--format", "yaml"], "invalid choice"),
    ],
)
def test_flags_that_cannot_be(words: list[str], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line and code 1, as for a mistake in a file."""
    document = job()
    del document["infrastructure"]["runtime"]["type"]
    path = lay(tmp_path, document)
    assert main([str(path), "--root", str(tmp_path), "--output-dir", str(tmp_path / "out"), *words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert why in line


def test_a_line_that_says_it_is_no_secret(tmp_path: Path) -> None:
    """Its value becomes a tag."""
    path = lay(tmp_path, job())
    text = path.read_text() + "finops:\n  project: AKIAIOSFODNN7EXAMPLE  # not a secret\n"
    path.write_text(text)
    assert main([str(path), "--root", str(tmp_path), "--output-dir", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_mark_of_another_line_is_not_its_own(end: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a program ends its lines with, only the value's own line says that it is no secret."""
    path = lay(tmp_path, job())
    text = path.read_text() + "finops:\n  project: AKIAIOSFODNN7EXAMPLE\n  cost_center: FARM-1 # not a secret\n"
    path.write_bytes(text.replace("\n", end).encode())
    assert main([str(path), "--root", str(tmp_path), "--output-dir", str(tmp_path / "out")]) == 1
    assert "looks like an AWS access key" in capsys.readouterr().err


def test_a_link_out_of_the_root_is_none_of_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is where a link leads that counts."""
    root = tmp_path / "root"
    path = lay(root, job())
    (tmp_path / "asset.yaml").write_text((root / "assets" / "soil_samples.yaml").read_text())
    (root / "assets" / "soil_samples.yaml").unlink()
    (root / "assets" / "soil_samples.yaml").symlink_to(tmp_path / "asset.yaml")
    assert main([str(path), "--root", str(root), "--output-dir", str(tmp_path / "out")]) == 1
    assert "leaves the folder of --root" in capsys.readouterr().err
