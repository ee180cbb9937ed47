"""Whatever stands in a job file or an asset: it is generated, or refused with a line that names the file."""

import copy
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioning.job_files.command import main
from tests.provisioning.job_files.files import ASSET, RUNTIMES, job, lay

ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 10**30, float("nan"), "", " ", "x\ny", "\x1b[31m", "${a}", "é" * 300, "../x", "a\\b"),
    *([], ["a", ["b"]], [None], {}, {"a": {"b": 1}}, datetime.date(2026, 1, 1), "null", "* * * * *"),
)
FULL = {
    "schedule": "0 2 * * *",
    "timezone": "UTC",
    "metadata": {"cost_center": "A", "tags": {"k": "v"}, "labels": {}, "terraform_workspace": "w", "environment": "e"},
    "naming": "seed",
    "key_style": "hyphen",
    "finops": {"cost_center": "A", "business_tags": ["a"], "project": "p", "environment": "e"},
    "governance_overrides": {"owner": "o", "retention_days": 3},
    "classification_overrides": ["PII"],
}


def places(document: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value of a document."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield (*before, key)
        yield from places(value, (*before, key))


def changed(document: Any, way: tuple[Any, ...], value: Any) -> Any:
    """A copy with one value changed."""
    result = copy.deepcopy(document)
    inner = result
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = value
    return result


@pytest.mark.parametrize("every", [17, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("kind", RUNTIMES)
def test_any_value_anywhere(kind: str, every: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No value of any place ends in anything but a root, or lines that name a file."""
    whole = job(kind, **copy.deepcopy(FULL))
    cases = [(changed(whole, way, value), ASSET) for way in places(whole) for value in ODD]
    if kind == "aws_ecs_fargate":
        cases += [(whole, changed(ASSET, way, value)) for way in places(ASSET) for value in ODD]
    codes = []
    for document, asset in cases[::every]:
        path = lay(tmp_path, document, asset=asset)
        words = ["--root", str(tmp_path), "--output-dir", str(tmp_path / "out"), "--force", "--explain"]
        codes.append(main([str(path), *words]))
        lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning: ")]
        assert bool(lines) == bool(codes[-1]), (document, asset)
        assert all(str(tmp_path) in line for line in lines), lines
    assert {0, 1} == set(codes)


def test_a_file_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes, a folder, nothing at all: a line each."""
    lay(tmp_path, job())
    for name, content in (("bytes", b"\xff\xfe\x00"), ("empty", b""), ("loop", None)):
        path = tmp_path / name
        path.mkdir() if content is None else path.write_bytes(content)
        assert main([str(path), "--root", str(tmp_path), "--output-dir", str(tmp_path / "out")]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert str(path) in line


def test_a_link_to_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It leads nowhere, and that is a line."""
    path = lay(tmp_path, job())
    asset = tmp_path / "assets" / "soil_samples.yaml"
    asset.unlink()
    asset.symlink_to(asset)
    assert main([str(path), "--root", str(tmp_path), "--output-dir", str(tmp_path / "out")]) == 1
    assert "no such file" in capsys.readouterr().err


def test_a_name_of_a_file_stays_in_its_comment(tmp_path: Path) -> None:
    """The header names the job file, whatever its name is."""
    path = lay(tmp_path, job())
    odd = path.with_name('a\nresource "x" "y" {}.yaml')
    path.rename(odd)
    assert main([str(odd), "--root", str(tmp_path), "--output-dir", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "sitio-soil-samples.tf").read_text()
    assert not any(line.startswith('resource "x"') for line in text.splitlines())
