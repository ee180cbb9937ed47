"""kill -9 of fleet, compute service, gate with rule, and schedule, 200 times in one demonstration: nothing is lost.

The inner broker dies with the gate and forgets what it held: such commands expire, and the service decides again.
"""

import contextlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from compute_service.store import Store
from local_cloud.demo.audit import open_spans

KILLS = 200
KILLS_AMONG_FAULTS = 25  # five processes, each at each of the five kinds of moments
FINAL = {"done", "rejected", "failed", "expired"}

Event = dict[str, Any]


def play(out: Path, **options: object) -> Path:
    """A demonstration with these options of its command line; gives its output."""
    words = [word for name, value in {**options, "out": out}.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "local_cloud.demo", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=800, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a demonstration with accidents."""
    return play(tmp_path_factory.mktemp("killed"), gateways=4, days=10, kills=KILLS)


@pytest.fixture(scope="module")
def summary(killed: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((killed / "summary.json").read_text())
    return document


@pytest.fixture(scope="module")
def events(killed: Path) -> list[Event]:
    return [json.loads(line) for line in (killed / "events.jsonl").read_text().splitlines()]


@pytest.mark.timeout(900)
def test_every_kill_happened(events: list[Event]) -> None:
    """All four processes died, at every kind of moment: at any time, at work, and right after each kind of event."""
    kills = [event for event in events if event["kind"] == "kill"]
    assert len(kills) == KILLS
    by_process = Counter(kill["process"] for kill in kills)
    assert set(by_process) == {"fleet", "compute", "cloud", "schedule"}
    assert min(by_process.values()) == KILLS // 4
    assert {kill["moment"] for kill in kills} == {"any", "turn", "command", "valve_edge", "ack"}


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
    with contextlib.closing(Store(killed / "compute.sqlite", must_exist=True)) as store:
        states = store.command_counts()
    assert set(states) <= FINAL
    assert sum(states.values()) == summary["commands_sent"] > 0
    assert states["done"] > 0


@pytest.mark.timeout(900)
def test_faults_and_kills_together(tmp_path: Path) -> None:
    """In the hard season too, nothing is lost, no bound is broken, and the faults are what they were before a kill."""
    out = play(tmp_path, scenario="hard-season", days=6, kills=KILLS_AMONG_FAULTS)
    summary = json.loads((out / "summary.json").read_text())
    events = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    by_process = Counter(event["process"] for event in events if event["kind"] == "kill")
    assert by_process == dict.fromkeys(("fleet", "irrigation-gateway-6", "compute", "cloud", "schedule"), 5)
    assert summary["samples_taken"] == summary["samples_in_lake"] > 0
    assert summary["samples_lost"] == summary["valve_bound_violations"] == 0
    assert summary["water_balance_error_mm"] < 0.5
    balance = json.loads((out / "truth.json").read_text())["balance"]
    assert balance["plot-4b"]["lost_mm"] > 3 * balance["plot-4a"]["lost_mm"], "a burst line"
    in_percent = [event["at"] for event in events if event["kind"] == "error" and "soil-c: vwc" in event["text"]]
    kills_of_the_fleet = [event["at"] for event in events if event["kind"] == "kill" and event["process"] == "fleet"]
    assert max(in_percent) > min(kills_of_the_fleet)
    assert any(event["kind"] == "ack" and event["end_reason"] == "power_cut" for event in events)
