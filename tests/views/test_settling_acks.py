"""Which ack counts, when a command got more than one that could be its last."""

import itertools
from typing import Any

import pytest

from compute_service.commands import SETTLED, TRANSITIONS
from demo.faults.evidence import Evidence
from views.decisions import decisions_by_zone
from views.events import settling_acks
from views.plots import runs_by_zone

START = 1593576000
FINAL_AND_NOT = ("received", "started", "done", "failed", "rejected")


def ack(number: int, state: str = "done", litres: float = 10.0, **more: Any) -> dict[str, Any]:
    at = START + 60 * number
    answer = {"kind": "ack", "command_id": "c", "zone_id": "z", "gateway_id": "g", "state": state, "code": "ok"}
    return {**answer, "at": at, "received_at": at, "duration_s": 60, "volume_l": litres, **more}


def of_all(events: list[dict[str, Any]]) -> list[float]:
    """The litres that each part of a report goes by: a chart's runs, the diary's attempts, the evidence of a fault."""
    decision = {"kind": "decision", "at": START, "zone_id": "z", "decision_id": "d", "checks": []}
    command = {"kind": "command", "at": START, "issued_at": START, "zone_id": "z", "action": "open"}
    story = [decision, command | {"command_id": "c", "decision_id": "d"}, *events]
    [run] = runs_by_zone(story)["z"]
    [attempt] = decisions_by_zone(story)["z"].attempts
    [evidence] = Evidence(events=story).runs
    return [run.litres, attempt.litres, evidence["volume_l"]]


def test_the_first_final_ack_counts_everywhere() -> None:
    """Ten litres, then a second last word of 25: chart, diary and list of faults say ten, as the service booked."""
    assert of_all([ack(1, litres=10.0), ack(2, litres=25.0)]) == [10.0] * 3


def test_the_first_is_the_first_that_was_received() -> None:
    """A gateway with a wrong clock dates its acks as it likes: what came first was settled."""
    assert of_all([ack(1, litres=25.0, received_at=START + 900), ack(2, litres=10.0)]) == [10.0] * 3


@pytest.mark.parametrize("states", list(itertools.product(FINAL_AND_NOT, repeat=3)), ids="-".join)
def test_what_settles_is_what_the_service_settles(states: tuple[str, ...]) -> None:
    """Whatever a gateway answers, in whichever order: the report goes by the ack that the service booked."""
    state, settling = "sent", None
    for number, answer in enumerate(states):
        state, before = TRANSITIONS.get(state, {}).get(answer, state), state
        if state in SETTLED and before not in SETTLED:
            settling = number
    acks = [ack(number, answer) for number, answer in enumerate(states)]
    assert settling_acks(acks) == ({} if settling is None else {"c": acks[settling]})
