"""kill -9 of five processes while the rest goes wrong too: sensors, lines, networks and power of a hard season."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.end_to_end.hard_season import short_season
from tests.safety.accidents import events_of, play, summary_of

KILLS = 25  # five processes, each at each of the five kinds of moments


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("length", ["short", pytest.param("six days", marks=pytest.mark.soak)])
def test_faults_and_kills_together(tmp_path: Path, length: str) -> None:
    """In the hard season too, nothing is lost, no bound is broken, and the faults are what they were before a kill."""
    season: dict[str, object] = {"scenario": "hard-season", "days": 6}
    if length == "short":
        season = {"scenario": short_season(tmp_path)}
    out = play(tmp_path / "out", **season, kills=KILLS)
    summary, events = summary_of(out), events_of(out)
    by_process = Counter(event["process"] for event in events if event["kind"] == "kill")
    assert by_process == dict.fromkeys(("fleet", "irrigation-gateway-6", "compute", "cloud", "schedule"), 5)
    assert summary["samples_taken"] == summary["samples_in_lake"] > 0
    assert summary["samples_lost"] == summary["valve_bound_violations"] == 0
    assert summary["water_balance_error_mm"] < 0.5
    balance = json.loads((out / "truth.json").read_text())["balance"]
    lost = {zone: balance[zone]["lost_mm"] / balance[zone]["irrigation_mm"] for zone in ("plot-3b", "plot-5a")}
    assert lost["plot-3b"] > 2 * lost["plot-5a"], "a burst line loses more of its water, however much that is"
    in_percent = [event["at"] for event in events if event["kind"] == "error" and "soil-c: vwc" in event["text"]]
    kills_of_the_fleet = [event["at"] for event in events if event["kind"] == "kill" and event["process"] == "fleet"]
    assert max(in_percent) > min(kills_of_the_fleet)
    assert any(event["kind"] == "ack" and event["end_reason"] == "power_cut" for event in events)
