"""A thousand job files in one call cost little more than the reading of their YAML."""

import sys
from pathlib import Path

import pytest

from benchmarks import job_files


@pytest.mark.soak
def test_a_thousand_job_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CPU time, beside what the library takes to load the same texts."""
    seconds = job_files.measure(tmp_path, 1000)
    with capsys.disabled():
        sys.stdout.write(f"\n1000 job files, s of CPU: {seconds}\n")
    assert seconds["generate"] <= job_files.MOST_TIMES * seconds["yaml.safe_load"]


def test_some_job_files_of_the_benchmark(tmp_path: Path) -> None:
    """Those that are shipped make a root each, and every way reads them all."""
    seconds = job_files.measure(tmp_path, 10, rounds=1)
    assert len(list((tmp_path / "out0").glob("*/*.tf"))) == 10
    assert all(seconds.values())
