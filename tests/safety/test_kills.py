"""kill -9 of fleet, compute service, gate with rule, and schedule, 40 times in one demonstration: nothing is lost.

The inner broker dies with the gate and forgets what it held: such commands expire, and the service decides again.
"""

import contextlib
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from compute_service.adapters.sqlite.store import SqliteStore
from demo.audit import open_spans
from tests.safety.accidents import Event, events_of, play, summary_of

pytestmark = pytest.mark.timeout(1500)  # whoever asks first for a demonstration waits for it
KINDS = 20  # four processes, each at each of the five kinds of moments
RUNS = [  # of kills and field days
    pytest.param((2 * KINDS, 6), id="40"),
    pytest.param((10 * KINDS, 10), id="200", marks=pytest.mark.soak),
]
SLOW_TO_IMPORT = {"boto3", "eto", "moto", "numpy", "pandas", "polars", "pyarrow", "rich"}
FINAL = {"done", "rejected", "failed", "expired"}


@pytest.fixture(scope="module", params=RUNS)
def run(request: pytest.FixtureRequest) -> tuple[int, int]:
    """How many kills, on how many field days."""
    kills, days = request.param
    return kills, days


@pytest.fixture(scope="module")
def kills(run: tuple[int, int]) -> int:
    return run[0]


@pytest.fixture(scope="module")
def killed(run: tuple[int, int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a demonstration with accidents."""
    kills, days = run
    return play(tmp_path_factory.mktemp("killed"), gateways=4, days=days, kills=kills)


@pytest.fixture(scope="module")
def summary(killed: Path) -> dict[str, Any]:
    return summary_of(killed)


@pytest.fixture(scope="module")
def events(killed: Path) -> list[Event]:
    return events_of(killed)


def test_every_kill_happened(events: list[Event], kills: int) -> None:
    """All four processes died, at every kind of moment: at any time, at work, and right after each kind of event."""
    deaths = [event for event in events if event["kind"] == "kill"]
    assert len(deaths) == kills
    by_process = Counter(death["process"] for death in deaths)
    assert set(by_process) == {"fleet", "compute", "cloud", "schedule"}
    assert min(by_process.values()) == kills // 4
    chosen = {(death["process"], death["moment"]) for death in deaths} - {(name, "any") for name in by_process}
    moments = ("turn", "command", "valve_edge", "ack")
    assert chosen == {(name, moment) for name in by_process for moment in moments}


def test_no_sample_is_lost(summary: dict[str, Any]) -> None:
    """Every sample that a gateway had recorded is in the lake, once."""
    assert summary["samples_taken"] == summary["samples_in_lake"] > 0
    assert summary["samples_lost"] == summary["samples_quarantined"] == summary["samples_dropped_by_outbox"] == 0


def test_no_valve_breaks_its_bound(summary: dict[str, Any], events: list[Event]) -> None:
    """Each opening is bounded by a command of its own, and every valve is shut at the end."""
    assert summary["valve_bound_violations"] == 0
    assert len(open_spans(events)) > 20


def test_no_decision_is_watered_twice(events: list[Event]) -> None:
    """However often a command was sent again, its decision opened the valve once at the most."""
    decisions = {c["command_id"]: c["decision_id"] for c in events if c["kind"] == "command"}
    assert len(set(decisions.values())) == len(decisions)
    spans = open_spans(events)
    assert 0 < len(spans) <= len(decisions)


def test_every_command_comes_to_an_end(summary: dict[str, Any], killed: Path) -> None:
    """Each command is done, rejected, failed or expired; none is left open."""
    with contextlib.closing(SqliteStore(killed / "compute.sqlite", must_exist=True)) as store:
        states = store.commands.counts()
    assert set(states) <= FINAL
    assert sum(states.values()) == summary["commands_sent"] > 0
    assert states["done"] > 0


@pytest.mark.parametrize(
    ("process", "needs"),
    [("fleet", set()), ("compute", set()), ("cloud", {"boto3"}), ("schedule", {"boto3", "polars"})],
)
def test_a_process_comes_back_with_its_own_room_alone(process: str, needs: set[str]) -> None:
    """What another process needs is not imported: half of a restart was that, and field time stands still meanwhile."""
    words = [sys.executable, "-c", f"import sys, demo.processes.{process}; print(*sys.modules)"]
    imported = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert SLOW_TO_IMPORT & set(imported) == needs
