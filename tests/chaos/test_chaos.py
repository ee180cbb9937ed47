"""Half an hour of everything that can go wrong, on a farm of 200 gateways, with the real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.report import report_of, text, totals

GATEWAYS, SECONDS, SEED = 200, 1800, 1
LEAST_FAULTS, LEAST_KINDS = 500, 15
OWN_MOUNTS = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")  # and no process outlives them


@pytest.mark.soak
@pytest.mark.timeout(2 * SECONDS)
def test_every_promise_holds_in_half_an_hour_of_chaos(tmp_path: Path) -> None:
    """Whatever fails, and whenever: no valve gives more than it was told, no sample is lost, every command ends."""
    out = tmp_path / "chaos"
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    options = ("--gateways", str(GATEWAYS), "--seconds", str(SECONDS), "--seed", str(SEED))
    command = [*OWN_MOUNTS, *user, sys.executable, "-m", "tests.chaos", "--out", str(out), *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (out / "run.json").exists(), f"seed {SEED} did not come to its end: {done.stdout}{done.stderr}"
    report = report_of(out)
    words = text(report)
    sys.stdout.write(f"\n{words}\n")
    count, kinds = totals(report)
    assert not report["broken"], words
    assert report["gateways"] >= GATEWAYS
    assert count >= LEAST_FAULTS, words
    assert kinds >= LEAST_KINDS, words
