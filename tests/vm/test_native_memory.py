"""What an outbox takes of the heap at a boot, in a MicroPython whose collector runs when the heap is full."""

import subprocess
from pathlib import Path

import pytest

from firmware import build
from tests.vm.native.board import HERE, micropython

FREE_BYTES = 40_000  # of objects twice as large as a chip's: a board has 20 KB
PLANS_FREE_BYTES = 2 * (56 * 1024 - 40_000)  # likewise: what the budget of the live heap leaves
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


@pytest.mark.parametrize(("zones", "least"), [(4, 4), (8, 6), (14, 6)])
def test_plans_fit_beside_every_run_that_is_remembered(flash: Path, tmp_path: Path, zones: int, least: int) -> None:
    """In what a chip has at least, 17 KB: 32 runs are remembered, six plans or more taken, the rest refused."""
    done = native(flash, "hold_plans.py", tmp_path, PLANS_FREE_BYTES, zones)
    assert done.returncode == 0, done.stdout
    fits, runs, taken, asked, _bytes, acks = done.stdout.split()
    assert (fits, int(runs), int(asked)) == ("True", 2 * 32, zones)
    assert least <= int(taken) <= zones
    assert int(acks) == 2 * 2 * int(taken), "two days, a start and an end each"


def test_a_plan_for_which_memory_is_short_is_refused(flash: Path, tmp_path: Path) -> None:
    """Before anything is written or loaded for it: every run goes on to be remembered."""
    done = native(flash, "hold_plans.py", tmp_path, PLANS_FREE_BYTES - 5_000, 8)
    assert done.returncode == 0, done.stdout
    _fits, runs, taken, *_ = done.stdout.split()
    assert int(runs) == 2 * 32 and int(taken) < 8


def boots(flash: Path, folder: Path, boot: int, sensors: int, takes: int) -> "subprocess.CompletedProcess[str]":
    return native(flash, "boot_outbox.py", folder, FREE_BYTES, OUTBOX_BYTES, boot, sensors, takes)


def native(flash: Path, script: str, *words: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*micropython(), "-X", "heapsize=512k", str(HERE / script), *map(str, words)],
        env={"MICROPYPATH": f"{flash / 'lib'}:.frozen"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
