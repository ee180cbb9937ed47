"""The auditor of valve rule 6 sees every way in which an opening can break its bounds."""

from typing import Any

import pytest

from demo.audit import open_spans, valve_bound_violations

T = 1_591_700_000
CAPS = {"plot-1a": 3600, "plot-1b": 3600}


def command(action: str = "open", at: int = T, zone: str | None = "plot-1a", **more: Any) -> dict[str, Any]:
    fields = {"command_id": f"c{at}", "zone_id": zone, "action": action, "issued_at": at, "expires_at": at + 600}
    return {"kind": "command", "at": at, **fields, "duration_s": 600 if action == "open" else None, **more}


def edge(at: int, is_open: bool, zone: str = "plot-1a", ms: int = 0) -> dict[str, Any]:
    return {"kind": "valve_edge", "at": at, "at_ms": at * 1000 + ms, "zone_id": zone, "open": is_open}


def run(start: int, seconds: int, zone: str = "plot-1a", ms: int = 0) -> list[dict[str, Any]]:
    return [edge(start, True, zone), edge(start + seconds, False, zone, ms)]


def test_a_run_within_its_command_is_no_violation() -> None:
    """A valve that opens on its command and closes at most a second late is in order."""
    assert valve_bound_violations([command(), *run(T + 5, 600, ms=1000)], CAPS) == []


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([command(), *run(T + 5, 600, ms=1001)], "601001 ms, 600000 ms were allowed"),
        ([command(duration_s=7200), *run(T, 3700)], "3600000 ms were allowed"),
        ([command(), edge(T, True)], "never closed"),
        (run(T, 10), "without a command"),
        ([command(zone="plot-1b"), *run(T, 10)], "without a command"),
        ([command(), *run(T + 601, 10)], "without a command"),
        ([command(), *run(T, 10), *run(T + 100, 10)], "without a command"),
        ([command(), command(), *run(T, 10), *run(T + 100, 10)], "without a command"),
        ([command(), command("close", T + 10), *run(T + 20, 10)], "opened after close"),
        ([command(), command("stop_all", T + 10, None), *run(T + 20, 10)], "opened after stop_all"),
    ],
)
def test_every_breach_is_told(events: list[dict[str, Any]], why: str) -> None:
    """Too long, beyond the hard cap, never closed, unasked, on another zone's word, expired, twice, or after a stop."""
    (violation,) = valve_bound_violations(events, CAPS)
    assert why in violation


def test_a_replaced_run_has_the_bound_of_both_its_commands() -> None:
    """A second command during a run prolongs it by its own bound, no more."""
    both = [command(), command(at=T + 300, command_id="second")]
    assert valve_bound_violations([*both, *run(T, 900)], CAPS) == []
    assert len(valve_bound_violations([*both, *run(T, 1300)], CAPS)) == 1


def test_edges_pair_by_zone() -> None:
    """Two valves that overlap are two spans."""
    spans = open_spans([*run(T, 60), *run(T + 30, 60, "plot-1b")])
    assert [(s.zone_id, s.start_ms, s.end_ms) for s in spans] == [
        ("plot-1a", T * 1000, (T + 60) * 1000),
        ("plot-1b", (T + 30) * 1000, (T + 90) * 1000),
    ]


DAY = 86_400


def plan(at: int = T, **more: Any) -> list[dict[str, Any]]:
    """A fallback plan of 600 s on two days, and the board's answer."""
    bounds = {"duration_s": 600, "days": 2, "valid_from": at, "valid_until": at + 9 * DAY, "epoch": 1, **more}
    return [command("fallback", at, **bounds), answer(f"c{at}", at + 1)]


def answer(command_id: str, at: int) -> dict[str, Any]:
    return {"kind": "ack", "command_id": command_id, "state": "done", "at": at, "zone_id": "plot-1a"}


def test_runs_under_a_plan_are_no_violation() -> None:
    """Once in any 24 h, on as many days as it says; a stop that the board never heard ends none of them."""
    runs = [*run(T + DAY, 600, ms=1000), *run(T + 2 * DAY, 600)]
    assert valve_bound_violations([*plan(), *runs, command("close", T + 9000, epoch=2)], CAPS) == []


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([*plan(), *run(T + DAY, 602)], "602000 ms, plan"),
        ([*plan(duration_s=7200), *run(T + DAY, 3700)], "allowed 3600000"),
        ([*plan(), *run(T + DAY, 10), *run(T + 2 * DAY - 1, 10)], "twice in 24 h"),
        ([*plan(), *(edge for day in (1, 2, 3) for edge in run(T + day * DAY, 10))], "for the 3th time"),
        ([*plan(), *run(T + 9 * DAY + 1, 10)], "outside of its time"),
        ([*plan(), *run(T - 60, 10)], "without a command"),
        ([plan()[0], *run(T + DAY, 10)], "without a command"),
        ([*plan(), command("close", T + 60, epoch=2), answer(f"c{T + 60}", T + 61), *run(T + DAY, 10)], "without"),
        (
            [*plan(), command("stop_all", T + 60, None, epoch=0), answer(f"c{T + 60}", T + 61), *run(T + DAY, 10)],
            "without",
        ),
    ],
)
def test_every_breach_of_a_plan_is_told(events: list[dict[str, Any]], why: str) -> None:
    """Too long, beyond the hard cap, too often, on too many days, too late, before it or without it, after a stop."""
    (violation,) = valve_bound_violations(events, CAPS)
    assert why in violation
