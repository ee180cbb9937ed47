"""The command as a person types it: files, folders, and what is in the way."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from provisioning.__main__ import main as provisioning
from provisioning.job_files.command import main
from tests.provisioning.clients import in_process
from tests.provisioning.house import seldom
from tests.provisioning.job_files.files import ROOT, job, lay
from tests.waiting import until_true


def generate(folder: Path, *words: str | Path) -> int:
    return main([*map(str, words), "--root", str(folder), "--output-dir", str(folder / "out")])


def test_tags_are_printed_sorted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Then comes the file that was written; the same command again changes nothing."""
    path = lay(tmp_path, job())
    assert generate(tmp_path, path) == 0
    out = capsys.readouterr().out
    tags = [line.strip() for line in out.splitlines() if " = " in line]
    assert tags == sorted(tags)
    assert "finops_business_tags = water soil" in tags
    assert out.endswith(f"wrote {tmp_path}/out/sitio-soil-samples.tf\n")
    assert generate(tmp_path, path) == 0


def test_a_job_without_infrastructure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its tags are printed, with a warning; nothing is written."""
    document = job()
    del document["infrastructure"]
    assert generate(tmp_path, lay(tmp_path, document)) == 0
    said = capsys.readouterr()
    assert "no infrastructure block" in said.err
    assert "asset_name = soil_samples" in said.out
    assert not (tmp_path / "out").exists()


def test_several_jobs_have_a_folder_each(tmp_path: Path) -> None:
    """Two jobs of one name are refused before anything is written."""
    asset = (tmp_path / "assets" / "other.yaml").as_posix()
    first = lay(tmp_path, job(), "first")
    Path(asset).write_text("name: other\nversion: 2\n")
    second = lay(tmp_path, {**job("aws_lambda"), "asset_path": "assets/other.yaml"}, "second")
    same = lay(tmp_path, job(), "same")
    assert generate(tmp_path, first, second, same) == 1
    assert not (tmp_path / "out").exists()
    assert generate(tmp_path, first, second) == 0
    found = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.tf"))
    assert found == ["sitio-other/sitio-other.tf", "sitio-soil-samples/sitio-soil-samples.tf"]


def test_force_replaces_the_same_jobs_root_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed job needs --force, which takes the other syntax away; another root is never touched."""
    path, out = lay(tmp_path, job()), tmp_path / "out"
    assert generate(tmp_path, path) == 0
    lay(tmp_path, job(memory=4096))
    assert generate(tmp_path, path) == 1
    assert "--force replaces it" in capsys.readouterr().err
    assert generate(tmp_path, path, "--force", "--format", "json") == 0
    assert [one.name for one in out.iterdir()] == ["sitio-soil-samples.tf.json"]
    (out / "main.tf").write_text("# a root of somebody's")
    assert generate(tmp_path, path, "--force") == 1
    assert "holds another root module (main.tf)" in capsys.readouterr().err
    (out / "main.tf").rename(out / "sitio-soil-samples.tf")
    assert generate(tmp_path, path, "--force") == 1
    assert (out / "sitio-soil-samples.tf").read_text() == "# a root of somebody's"


def test_a_folder_that_cannot_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file in its place is a line, too."""
    (tmp_path / "out").write_text("")
    assert generate(tmp_path, lay(tmp_path, job())) == 1
    assert "is no folder" in capsys.readouterr().err


def test_the_script_and_the_room_are_one(tmp_path: Path) -> None:
    """`scripts/generate_terraform.py` and `python -m provisioning generate` write the same."""
    path = lay(tmp_path, job())
    words = [str(path), "--root", str(tmp_path), "--output-dir"]
    assert provisioning(["generate", *words, str(tmp_path / "one")]) == 0
    command = [sys.executable, "scripts/generate_terraform.py", *words, str(tmp_path / "other")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    name = "sitio-soil-samples.tf"
    assert (tmp_path / "one" / name).read_text() == (tmp_path / "other" / name).read_text()
    assert provisioning(["generate", str(tmp_path / "none.yaml")]) == 1


def test_apply_posts_what_was_written(mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The project is named after tenant, asset and workspace; its job is one of provisioning's."""
    path = lay(tmp_path, job("gcp_cloud_run", metadata={"terraform_workspace": "blue"}))
    (tmp_path / "v.json").write_text('{"project_id": "my-project"}')
    with in_process(mirror, is_open=True) as client:
        to = ["--apply", "--url", str(client.base_url), "--variables", str(tmp_path / "v.json")]
        assert generate(tmp_path, path, *to) == 0
        project, job_id = capsys.readouterr().out.splitlines()[-1].split(": ")
        assert project == "sitio-soil-samples-blue"
        status = f"/api/deploy/status/{job_id}"
        until_true(
            lambda: seldom(client.get(status).json()["endTime"] is not None),
            "its end: this machine has no provider for Google",
        )
        assert client.get(f"/api/deploy/infrastructure/{project}").status_code == 200
        assert generate(tmp_path, path, *to[:2], "http://127.0.0.1:9") == 1
    assert "does not answer" in capsys.readouterr().err
