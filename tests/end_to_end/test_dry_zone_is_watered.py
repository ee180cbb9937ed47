"""The main job: a dry zone is watered, through every part that a real farm has, and nothing is lost on the way."""

from pathlib import Path

import pandas as pd
import pytest

from tests.end_to_end.conftest import Demo, Event

HOUR_S = 3600


@pytest.fixture(scope="session")
def run(small: Demo) -> dict[str, Event]:
    """One run of the farm, told by its events: decision, command, opening, ack."""
    done = next(ack for ack in small.events("ack") if ack["state"] == "done")
    command = next(c for c in small.events("command") if c["command_id"] == done["command_id"])
    decision = next(d for d in small.events("decision") if d["decision_id"] == command["decision_id"])
    edges = [e for e in small.events("valve_edge") if e["zone_id"] == done["zone_id"] and e["at"] >= command["at"]]
    opening = next(e for e in edges if e["open"])
    closing = next(e for e in edges if not e["open"] and e["at_ms"] >= opening["at_ms"])
    return {"decision": decision, "command": command, "opening": opening, "closing": closing, "ack": done}


def test_the_decision_explains_itself(run: dict[str, Event]) -> None:
    """The roots had used what they may, every check passed, a sentence says so, and a receipt has the figures."""
    decision = run["decision"]
    assert all(check["passed"] for check in decision["checks"])
    assert decision["zone_id"] in decision["sentence"]
    need = next(check for check in decision["checks"] if check["name"] == "needs_water")
    assert need["value"] > need["threshold"] > 0
    assert decision["receipt"]["depletion_mm"] == pytest.approx(need["value"], abs=0.1)
    assert 0 < decision["receipt"]["readily_available_mm"] < decision["receipt"]["available_mm"]
    assert set(decision["receipt"]["probes"].values()) == {"healthy"}


def test_the_valve_opens_for_the_commanded_time(run: dict[str, Event]) -> None:
    """The pin goes high once the command is out, and low when its duration is over, to the second."""
    assert run["command"]["at"] <= run["opening"]["at"] <= run["command"]["expires_at"]
    open_ms = run["closing"]["at_ms"] - run["opening"]["at_ms"]
    assert abs(open_ms - run["command"]["duration_s"] * 1000) <= 1000


def test_the_ack_settles_what_was_delivered(run: dict[str, Event], small: Demo) -> None:
    """The ack says how long and how much, by the meter; the sum over all acks is what the farm's meters counted."""
    assert run["ack"]["duration_s"] == pytest.approx(run["command"]["duration_s"], abs=1)
    assert run["ack"]["volume_source"] == "measured"
    litres = {ack["command_id"]: ack["volume_l"] for ack in small.events("ack") if ack["state"] == "done"}
    assert sum(litres.values()) == pytest.approx(small.summary["litres_delivered"], rel=1e-3)


def test_the_water_shows_in_the_next_readings(run: dict[str, Event], small: Demo) -> None:
    """The loop is closed: after the run the probe reads wetter than when it started."""
    frame = pd.read_parquet(Path(small.summary["parquet_dir"]) / "samples")
    own = frame[(frame["zone_id"] == run["ack"]["zone_id"]) & frame["vwc"].notna()].sort_values("measured_at")
    at = own["measured_at"].map(pd.Timestamp.timestamp)
    before = own["vwc"][at <= run["opening"]["at"]].iloc[-1]
    assert own["vwc"][at > run["closing"]["at"] + HOUR_S].iloc[0] > before + 0.01


def test_what_is_believed_follows_the_soil(run: dict[str, Event], small: Demo) -> None:
    """After the run the service believes in less depletion; at all times it is near the truth, which it never sees."""
    zone_id = run["ack"]["zone_id"]
    decisions = [d for d in small.events("decision") if d["zone_id"] == zone_id]
    after = next(d for d in decisions if d["at"] > run["closing"]["at"] + HOUR_S)
    assert (
        after["receipt"]["depletion_mm"]
        < run["decision"]["receipt"]["depletion_mm"] - run["decision"]["intent"]["depth_mm"] / 2
    )
    zone = next(zone for zone in small.zones if zone["zone_id"] == zone_id)
    truth = dict(small.truth["moisture"][zone_id])
    whole_mm = zone["root_depth_m"] * 1000
    pairs = [(d, truth[d["at"] // HOUR_S * HOUR_S]) for d in decisions if d["at"] // HOUR_S * HOUR_S in truth]
    full = zone["field_capacity"]  # what is above it drains away, and is nothing to count on
    errors = [d["receipt"]["depletion_mm"] - (full - min(vwc, full)) * whole_mm for d, vwc in pairs]
    assert len(errors) > 40
    assert (sum(error**2 for error in errors) / len(errors)) ** 0.5 < 0.1 * decisions[0]["receipt"]["available_mm"]


def test_nothing_is_lost(small: Demo) -> None:
    """Every sample that was taken is in the lake, once; every command was answered; every valve kept its bound."""
    summary = small.summary
    assert summary["samples_taken"] == summary["samples_in_lake"] > 0
    assert summary["samples_lost"] == summary["samples_quarantined"] == summary["samples_dropped_by_outbox"] == 0
    assert summary["messages_published"] == summary["messages_acked"] > 0
    assert summary["commands_sent"] == summary["commands_done"] > 0
    assert summary["valve_bound_violations"] == 0
    assert summary["zones_below_wilting_point"] == 0
