"""The aggregate as a program of its own, which batch jobs run."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.aggregate.conftest import Lake

ROOT = Path(__file__).parents[2]
LINE = {
    "v": 1,
    "gateway_id": "g1",
    "sensor_id": "g1.soil",
    "zone_id": "z",
    "boot_id": "b",
    "client_id": "g1",
    "samples": [{"seq": 1, "measured_at": 1717200000, "clock": "synced", "vwc": 0.2}],
    "received_at": 1717200001,
}


def program(**more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lambda_functions.aggregate"]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **more}, capture_output=True, text=True, check=False)


def test_one_run_takes_what_is_new(lake: Lake) -> None:
    """The counts are a line of JSON; the next run finds nothing."""
    lake.put("2024/06/01/00/one.gz", [LINE])
    for samples in (1, 0):
        done = program()
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["samples_written"] == samples
    assert len(lake.table("samples")) == 1


def test_bad_settings_are_a_line(lake: Lake) -> None:
    """Code 1, and the name of the variable."""
    done = program(INTERVAL_MINUTES="7")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("INTERVAL_MINUTES: ")
    assert len(done.stderr.splitlines()) == 1
