"""What an outbox takes of the heap at a boot, in a MicroPython whose collector runs when the heap is full."""

import subprocess
from pathlib import Path

import pytest

from firmware import build
from tests.vm.native.board import HERE, micropython

FREE_BYTES = 40_000  # of objects twice as large as a chip's: a board has 20 KB
OUTBOX_BYTES = 8_000  # of a board without PSRAM
RESTARTS = 50


@pytest.fixture(scope="module")
def flash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flash") / "built"
    build.build(folder)
    return folder


@pytest.mark.parametrize(("sensors", "takes"), [(1, 40), (2, 9), (8, 9)])
def test_restarts_without_a_broker_fit_a_small_board(flash: Path, tmp_path: Path, sensors: int, takes: int) -> None:
    """Start after start the outbox fills with samples and acks, until much has to make room: each start fits 20 KB."""
    for boot in range(1, RESTARTS + 1):
        done = boots(flash, tmp_path, boot, sensors, takes)
        assert done.returncode == 0, f"boot {boot}: {done.stdout}"
        fits, _depth, taken, _dropped, *fault = done.stdout.split()
        assert (fits, int(taken), fault) == ("True", boot * sensors * takes, [])


def boots(flash: Path, folder: Path, boot: int, sensors: int, takes: int) -> "subprocess.CompletedProcess[str]":
    words = map(str, (folder, FREE_BYTES, OUTBOX_BYTES, boot, sensors, takes))
    return subprocess.run(
        [*micropython(), "-X", "heapsize=512k", str(HERE / "boot_outbox.py"), *words],
        env={"MICROPYPATH": f"{flash / 'lib'}:.frozen"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
