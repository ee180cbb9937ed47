"""One service on a store, with real processes: the lock is the system's, not ours."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from compute_service.__main__ import main
from compute_service.adapters.sqlite.sole_service import SoleService
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.errors import StoreError
from tests.compute_service.bench import Bench, zone
from tests.compute_service.test_zones_file import GOOD, write

HOLDER = """
import sys
from compute_service.adapters.sqlite.sole_service import SoleService
held = SoleService(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(store: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that serves the store."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_service_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second service ends with a sentence that names file, process and remedy; whoever reads or orders is let in."""
    store, link = tmp_path / "compute.sqlite", tmp_path / "link.sqlite"
    with closing(SqliteStore(store)) as filled:
        Bench(filled, (zone("a"),)).water("a")
    link.symlink_to(store)
    with holder(store) as process:
        zones = write(tmp_path, GOOD)
        for path in (store, link):
            assert main(["run", "--zones", str(zones), "--store", str(path)]) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert line == (
                f"compute_service: {path}: another service (process {process.pid}) runs on this store and holds"
                f" {store}.lock; stop that one first, or give this one another --store"
            )
        assert main(["decisions", "--store", str(store)]) == 0
        assert "plot-1a gets water" in capsys.readouterr().out
        with closing(SqliteStore(store, must_exist=True)) as writer:
            writer.updates.add("U1", "all", {"sample_interval_s": 600})


def test_a_killed_service_leaves_no_lock(tmp_path: Path) -> None:
    """After kill -9 the next service serves at once: nobody has to remove a file first."""
    store = tmp_path / "compute.sqlite"
    with holder(store) as process:
        with pytest.raises(StoreError, match="another service"):
            SoleService(store)
        process.send_signal(signal.SIGKILL)
        process.wait()
        SoleService(store).close()
    SoleService(store).close()


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    """A folder that is not there is told as such."""
    with pytest.raises(StoreError, match="No such file or directory; check the path"):
        SoleService(tmp_path / "nowhere" / "compute.sqlite")
