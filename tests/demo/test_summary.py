"""What the gateways bring home becomes one account, and a lake's traces are those of the zones' own probes."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from demo.job import Job
from demo.lake_facts import lake_facts
from demo.participants import Member, Participants, member_job
from demo.summary import balance_error_mm, brought_home
from field_time.participant import ANSWERS
from gateway_sim import scenario as scenarios
from gateway_sim.member import season

GUIDE = Path(__file__).parents[2] / "docs" / "field.md"
BALANCE = {
    "rain_mm": 10.0,
    "irrigation_mm": 20.0,
    "lost_mm": 4.0,
    "runoff_mm": 1.0,
    "percolation_mm": 2.0,
    "evapotranspiration_mm": 13.0,
    "stored_at_start_mm": 80.0,
    "stored_at_end_mm": 90.0,
}


def words(zone_id: str, **more: Any) -> dict[str, Any]:
    counters = {"samples_taken": 10, "samples_dropped": 1, "messages_published": 5, "messages_acked": 4}
    return {**counters, "litres": {zone_id: 2.5}, "balance": {zone_id: BALANCE}, **more}


def test_the_words_of_all_gateways_are_one_account() -> None:
    """Counters add up, zones stand side by side, and a board without a soil to know brings counters alone."""
    participants = Participants(True, {"board": Member(("node",), {}), "other": Member(("python",), {})})
    home = {
        "fleet": words("one", zones_below_wilting_point=["one"]),
        "other": words("two"),
        "board": {name: value for name, value in words("three").items() if isinstance(value, int)},
        "compute": {"commands": {}},
    }
    together = brought_home(participants, home)
    assert (together["samples_taken"], together["samples_dropped"], together["messages_acked"]) == (30, 3, 12)
    assert together["litres"] == {"one": 2.5, "two": 2.5}
    assert set(together["balance"]) == {"one", "two"}
    assert together["zones_below_wilting_point"] == ["one"]


def test_gateways_act_before_what_they_talk_to() -> None:
    """The fleet, if there is one, then the processes, then the services."""
    board = {"board": Member(("node",), {})}
    assert Participants(True, board).order == ("fleet", "board", "compute", "cloud", "schedule")
    assert Participants(False, board).order == ("board", "compute", "cloud", "schedule")


def test_the_guide_names_all_of_a_job_and_of_what_is_asked(tmp_path: Path) -> None:
    """Whoever writes a gateway of his own finds every entry of the job, and every question, in the guide."""
    hard = scenarios.load("hard-season")
    member = Member(("node",), season(hard, hard.farm.gateways[0]))
    job = Job(
        scenario="",
        gateways=None,
        seed=1,
        weather=None,
        broker="embedded",
        start=0,
        end=1,
        work=str(tmp_path),
        out=str(tmp_path),
    )
    document = json.loads(Path(member_job(job, "irrigation-gateway-1", member)).read_text())
    section = GUIDE.read_text().split("### A gateway that is any process")[1]
    table = section.split("The field clock's lines")[0]
    told = {name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert told == set(document)
    assert set(re.findall(r'"do": "(\w+)"', section)) == set(ANSWERS)
    assert all(f"`{name}`" in section for name in words("one", zones_below_wilting_point=[]))


@pytest.mark.parametrize(("name", "error"), [("rain_mm", 0.7), ("lost_mm", 0.7), ("stored_at_end_mm", 0.7)])
def test_water_that_is_not_accounted_for_is_found(name: str, error: float) -> None:
    """A balance that closes has no error; whichever entry is wrong, the error is that of the entry."""
    assert balance_error_mm(BALANCE) == pytest.approx(0.0)
    assert balance_error_mm({**BALANCE, name: BALANCE[name] + error}) == pytest.approx(error)


def test_a_trace_is_of_the_zones_own_probe(tmp_path: Path) -> None:
    """Probes at other depths of the same zone are samples of the lake, and no part of its trace."""
    first = datetime(2020, 7, 1, tzinfo=UTC)
    rows = [
        {
            "sensor_id": f"g.{sensor}",
            "zone_id": "plot" if sensor != "weather" else None,
            "boot_id": "boot-1",
            "seq": number,
            "measured_at": first + timedelta(hours=number),
            "received_at": first,
            "vwc": vwc + number / 100 if number else None,
        }
        for sensor, vwc in (("soil-a", 0.2), ("soil-a-20cm", 0.3), ("weather", 0.4))
        for number in range(3)
    ]
    (tmp_path / "samples").mkdir()
    pl.DataFrame(rows).write_parquet(tmp_path / "samples" / "day.parquet")
    facts = lake_facts(tmp_path, ["g.soil-a"])
    assert facts.samples == 9
    start = int(first.timestamp())
    assert list(facts.traces) == ["plot"]
    assert [(at - start, round(vwc, 6)) for at, vwc in facts.traces["plot"]] == [(3600, 0.21), (7200, 0.22)]
