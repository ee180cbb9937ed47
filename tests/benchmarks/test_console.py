"""The console's bench: it measures a real browser, console and service, and says of each ratio whether it holds."""

import subprocess
import sys
from pathlib import Path

from benchmarks.console.table import Ratio, text

ROOT = Path(__file__).parents[2]
TINY = ["--zones", "12", "--days", "5", "--rate", "20", "--pages", "2", "--rounds", "1", "--runs", "1"]


def test_a_tiny_farm_is_measured_in_every_part() -> None:
    """Whoever tries the bench gets a row of every part, with the figures behind it."""
    words = [*TINY, "--seconds", "2", "--minutes", "0.04", "--parts", "live", "ack", "heap", "chart", "service"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "console", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 1}, done.stderr  # so little time says nothing of a ratio
    names = [line.split(" | ")[0] for line in done.stdout.splitlines()[2:]]
    wanted = ("main thread", "from a board's `started`", "runs that read OPEN", "heap after", "nodes after")
    for name in (*wanted, "charts of 480", "service's CPU", "its median latency"):
        assert any(row.startswith(f"| {name}") for row in names), done.stdout + done.stderr


def test_a_ratio_beyond_its_limit_is_told() -> None:
    """A figure that is not met is not passed over."""
    table = text([Ratio("heap", 1.04, 1.1, ""), Ratio("heap", 1.2, 1.1, ""), Ratio("page", 9.0, None, "")])
    assert [line.split(" | ")[3] for line in table.splitlines()[2:]] == ["yes", "NO", ""]
