"""A mistake in a job file is one line with file and line; the code is 1, and nothing is written."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.session import Session

from provisioning.job_files.command import main
from provisioning.job_files.regions import AWS_REGIONS, GOOGLE_REGIONS
from tests.provisioning.job_files.files import ASSET, job, lay

LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{two}: &{two} [{', '.join([f'*{one}'] * 9)}]\n" for one, two in pairwise("abcdefghi")
)

TEXT = yaml.safe_dump(job(), sort_keys=False)


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
    "no such region of AWS": (job(region="us-east-9"), None, "'us-east-9': is no region of AWS, did you mean"),
    "no such region of Google": (job("gcp_cloud_run", region="us-central9"), None, "is no region of Google"),
    "a region of the other cloud": (job(region="us-central1"), None, "is no region of AWS"),
    "an image of another region": (job("aws_lambda", region="eu-west-1"), None, "is in us-east-1; Lambda takes images"),
    "a tab": (TEXT.replace("  runtime:", "\truntime:"), None, "jobs/job.yaml:7: not valid YAML: found character '\\t'"),
    "an anchor of its own": (TEXT + "base: &base {cpu: 256}\n", None, "jobs/job.yaml:10: job file: unknown key 'base'"),
    "two documents": (TEXT + "---\n" + TEXT, None, "expected a single document in the stream, but found another"),
    "seconds in a schedule": (job(schedule="0 0 2 * * *"), None, "want five fields of cron"),
    "AWS's own form of a schedule": (job(schedule="cron(0 2 * * ? *)"), None, "want five fields of cron"),
    "a zone of three letters": (job(schedule="0 2 * * *", timezone="BRT"), None, "'BRT': is no time zone"),
    "a zone of this machine": (job(schedule="0 2 * * *", timezone="localtime"), None, "is no time zone"),
    "a negative number": (job(timeout=-1), None, "-1: want whole seconds"),
    "a fraction": (job(cpu=1024.0), None, "cpu: 1024.0: want one of 256, 512, 1024"),
    "a number in quotes": (job(cpu="1024"), None, "cpu: '1024': want one of 256, 512, 1024, 2048, 4096, 8192, 16384,"),
    "a number without them": (
        job("gcp_cloud_run", cpu=1),
        None,
        "cpu: 1: want one of '1', '2', '4', '6', '8', in quotes",
    ),
    "a fraction in quotes": (job("aws_lambda", memory="2048.0"), None, "memory: '2048.0': want whole MB"),
    "an environment that is a truth": (
        {**job(), "environment": True},
        None,
        "jobs/job.yaml:2: environment: True: want",
    ),
    "a name of a secret": (job(metadata={"tags": {"db_password": "hunter2"}}), None, "is a name of a secret"),
    "a template as a value": (job(finops={"project": "${var.x}"}), None, "'${var.x}' has '$'"),
    "a template as a role": (job(role="${aws_iam_role.x.arn}"), None, "want the ARN of a role"),
    "bytes as a value": (TEXT + "finops: {project: !!binary aGVsbG8=}\n", None, "project: b'hello': want a text"),
    "days from a nought on": (TEXT + "governance_overrides: {retention_days: 007}\n", None, "want a whole number"),
    "no infrastructure in it": ({**job(), "infrastructure": []}, None, "infrastructure: list of 0: write keys"),
    "no runtime in it": (TEXT.split("infrastructure:")[0] + "infrastructure: {}\n", None, "runtime is missing"),
    "a name that nobody has": ({**job(), "asset_path": "a" * 5000}, None, "aaa...: no such file below"),
    "a label that is a tag": (
        job("gcp_cloud_run", metadata={"labels": {"asset_name": "v"}}),
        None,
        "'asset_name' and 'asset_name' both are it",
    ),
    "two keys that meet": (
        job("gcp_cloud_run", metadata={"tags": {"Team A": "v", "team-a": "w"}}),
        None,
        "label 'team-a': 'Team A' and 'team-a' both are it",
    ),
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


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        (
            TEXT.replace("dev", "d\xe9v").encode("latin-1"),
            2,
            "not valid YAML: a byte that is no utf-8; save the file as UTF-8",
        ),
        (TEXT.encode() + b"a: \x00", 10, "not valid YAML: it takes no character #x0000"),
        (TEXT.replace("dev", "día").encode() + b"a: \x07", 10, "not valid YAML: it takes no character #x0007"),
    ],
)
def test_what_is_no_text(
    content: bytes, line: int, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its line is named, too."""
    path = lay(tmp_path, job())
    path.write_bytes(content)
    assert main([str(path), "--root", str(tmp_path), "--output-dir", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith(f"{path}:{line}: {why}")


@pytest.mark.parametrize("change", [lambda text: b"\xef\xbb\xbf" + text, lambda text: text.replace(b"\n", b"\r\n")])
def test_how_other_editors_write(change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """A mark at the begin, and line ends of another system, make the same root."""
    path = lay(tmp_path, job())
    roots = []
    for name in ("plain", "changed"):
        assert main([str(path), "--root", str(tmp_path), "--output-dir", str(tmp_path / name)]) == 0
        roots.append((tmp_path / name / "sitio-soil-samples.tf").read_text())
        path.write_bytes(change(path.read_bytes()))
    assert roots[0] == roots[1]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--output-dir", "/dev/null/x"], "/dev/null/x: is no folder; give another --output-dir"),
        (["--output-dir", "{0}/gone"], "cannot be written: File exists; give another --output-dir"),
        (["--output-dir", "{0}/taken"], "taken: holds another root module"),
        (["--root", "{0}/none"], "--root {0}/none: no such folder"),
        (["--policy", "{0}/none"], "{0}/none: cannot be read"),
        (["--apply", "--variables", "{0}/none"], "{0}/none: cannot be read"),
        (["--apply", "--variables", "{0}/jobs/job.yaml"], "jobs/job.yaml: is no JSON"),
        (["--queries", "--billing-table", "x; DROP"], "want project.dataset.table"),
    ],
)
def test_what_cannot_be_read_or_written(
    words: list[str], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line with its remedy, and no file: the variables are read before anything is written."""
    path = lay(tmp_path, job("gcp_cloud_run"))
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "taken" / "sitio-soil-samples.tf").mkdir(parents=True)
    own = ["--root", str(tmp_path), "--output-dir", str(tmp_path / "out")]
    assert main([str(path), *own, *(word.format(tmp_path) for word in words)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert why.format(tmp_path) in line
    assert [one for one in tmp_path.rglob("*") if "sitio-soil-samples" in one.name and one.is_file()] == []


def test_the_regions_are_those_of_the_pinned_library() -> None:
    """Where both kinds of job run; a region that AWS adds fails here, once its library knows it."""
    session = Session()
    both = [session.get_available_regions(service, partition_name="aws") for service in ("ecs", "lambda")]
    assert sorted(AWS_REGIONS) == sorted(set(both[0]) & set(both[1]))
    assert len(set(GOOGLE_REGIONS)) == len(GOOGLE_REGIONS)


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
