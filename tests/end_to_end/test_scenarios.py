"""Seasons from files: whatever breaks, nothing is lost and every millimetre is found; a gateway may be any process."""

import contextlib
from collections import Counter
from pathlib import Path

import pytest

from compute_service.adapters import zones_file
from compute_service.adapters.sqlite.store import SqliteStore
from demo.summary import balance_error_mm
from tests.end_to_end.conftest import Demo, Play
from tests.end_to_end.hard_season import short_season

CLOSED_MM = 0.5
BESIDE_A_FLEET = """\
description: {en: A fleet and a process, pt: Uma frota e um processo}
seed: 3
days: 2
weather: {file: drummondville-2020-summer, start: 2020-07-02}
gateways:
  - gateway: irrigation-gateway-1
    zones:
      - {zone_id: plot-1a, soil: sandy loam, crop: potato, area_m2: 300, probe_depths_m: [0.1, 0.3]}
  - gateway: irrigation-gateway-2
    process: [python, -m, gateway_sim, member]
    zones:
      - {zone_id: plot-2a, soil: sandy loam, crop: potato, area_m2: 300}
      - {zone_id: plot-2b, soil: loam, crop: onion, area_m2: 200, probe_depths_m: [0.2]}
"""


def nothing_is_lost(demo: Demo) -> None:
    assert demo.code == 0, demo.stdout + demo.stderr
    summary = demo.summary
    assert summary["samples_taken"] == summary["samples_in_lake"] > 0
    assert summary["samples_lost"] == summary["samples_quarantined"] == summary["samples_dropped_by_outbox"] == 0
    assert summary["valve_bound_violations"] == 0


@pytest.fixture(scope="module", params=[1, pytest.param(2, marks=pytest.mark.soak)], ids="{} days".format)
def beside(request: pytest.FixtureRequest, play: Play, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A fleet of one gateway, and a gateway that is a process of its own."""
    path = tmp_path_factory.mktemp("scenario") / "beside-a-fleet.yaml"
    path.write_text(BESIDE_A_FLEET)
    return play(scenario=path, days=request.param)


def test_a_fleet_and_a_process_play_together(beside: Demo) -> None:
    """Both sample, are watered and bring everything home; the whole is summed up as one farm."""
    nothing_is_lost(beside)
    assert (beside.summary["scenario"], beside.summary["gateways"], beside.summary["zones"]) == ("beside-a-fleet", 2, 3)
    assert beside.summary["samples_taken"] == beside.summary["field_days"] * 96 * ((1 + 2 + 1) + (1 + 2 + 1))
    done = Counter(ack["zone_id"] for ack in beside.events("ack") if ack["state"] == "done")
    assert set(done) == {"plot-1a", "plot-2a", "plot-2b"}
    kinds = {row["gateway_id"]: row["kind"] for row in beside.truth["layout"]["gateways"]}
    assert kinds == {"irrigation-gateway-1": "simulated", "irrigation-gateway-2": "process"}


@pytest.mark.soak
def test_a_farm_of_processes_alone(play: Play, tmp_path: Path) -> None:
    """There need not be a fleet.

    At each push test_board_in_the_fleet.py plays such a farm, on which every process is killed.
    """
    path = tmp_path / "alone.yaml"
    first, second = BESIDE_A_FLEET.split("  - gateway: irrigation-gateway-2")
    path.write_text(first[: first.index("  - gateway")] + "  - gateway: irrigation-gateway-2" + second)
    demo = play(scenario=path, days=1)
    nothing_is_lost(demo)
    assert demo.summary["samples_taken"] == 96 * 4


def test_every_probe_of_a_zone_is_kept_by_compute(beside: Demo) -> None:
    """Each depth is remembered in its store, beside the zone's own, and all are believed."""
    with contextlib.closing(SqliteStore(beside.out / "compute.sqlite", must_exist=True)) as store:
        models = {zone.zone_id: store.zones.model(zone) for zone in zones_file.load(beside.out / "zones.yaml").zones}
        refusals = store.updates.counters().get("refusals", 0)
    one, two = "irrigation-gateway-1.soil-a", "irrigation-gateway-2.soil-b"
    own = "irrigation-gateway-2.soil-a"
    assert {zone_id: set(model.verdicts) for zone_id, model in models.items() if model} == {
        "plot-1a": {one, f"{one}-10cm", f"{one}-30cm"},
        "plot-2a": {own},
        "plot-2b": {two, f"{two}-20cm"},
    }
    assert {verdict.kind for model in models.values() if model for verdict in model.verdicts.values()} == {"healthy"}
    assert refusals == 0


@pytest.mark.parametrize("days", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_another_zone_is_another_farm(play: Play, days: int) -> None:
    """Zones that differ are watered differently, and nothing is lost."""
    demo = play(scenario="mixed-soils", days=days)
    nothing_is_lost(demo)
    water = {zone_id: balance["irrigation_mm"] for zone_id, balance in demo.truth["balance"].items()}
    assert len(water) == 8
    assert max(water.values()) > 1.5 * min(water.values()) > 0


@pytest.fixture(scope="module", params=["short", pytest.param("whole", marks=pytest.mark.soak)])
def hard(request: pytest.FixtureRequest, play: Play, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The hard season: the whole, or all its faults in a third of its days."""
    if request.param == "whole":
        return play(scenario="hard-season")
    return play(scenario=short_season(tmp_path_factory.mktemp("short")))


def test_a_hard_season_loses_nothing(hard: Demo) -> None:
    """Fifteen faults: every sample is in the lake, and every valve kept its bound."""
    nothing_is_lost(hard)
    assert hard.summary["faults"] == 15


def test_the_water_of_a_hard_season_is_all_accounted_for(hard: Demo) -> None:
    """In minus out is the change of storage in every zone, though lines burst and valves were stuck."""
    balance = hard.truth["balance"]
    assert len(balance) == hard.summary["zones"]
    errors = {zone_id: balance_error_mm(row) for zone_id, row in balance.items()}
    assert max(errors.values()) < CLOSED_MM
    assert hard.summary["water_balance_error_mm"] == pytest.approx(max(errors.values()), abs=1e-6)


def test_the_faults_of_a_hard_season_show(hard: Demo) -> None:
    """In acks, in the account and in what the gateways reported, each where its label says."""
    balance, events = hard.truth["balance"], hard.events("ack")
    final = [ack for ack in events if ack["state"] in {"done", "failed"}]
    brown = [ack for ack in final if ack["zone_id"] in {"plot-6a", "plot-6b"} and ack["end_reason"] == "power_cut"]
    assert brown, "a brown-out cuts the power at each opening"
    assert any(ack["zone_id"] == "plot-3c" and ack["volume_l"] == 0 for ack in final), "a valve that does not open"
    assert balance["plot-4c"]["irrigation_mm"] > 3 * balance["plot-4a"]["irrigation_mm"], "one that does not close"
    latches = [error for error in hard.events("error") if error["code"] == "leak"]
    assert {error["gateway_id"] for error in latches} == {"irrigation-gateway-4"}, "which latches its gateway, alone"
    codes = {ack["code"] for ack in events if ack["state"] == "rejected" and ack["at"] > latches[0]["at"]}
    assert codes <= {"leak"}, "and opens nothing any more"
    lost = {
        zone_id: balance[zone_id]["lost_mm"] / balance[zone_id]["irrigation_mm"] for zone_id in ("plot-3b", "plot-5a")
    }
    assert lost["plot-3b"] > 2 * lost["plot-5a"], "a burst line"
    assert any(error["code"] == "bad_value" and "gateway-2.soil-c" in error["text"] for error in hard.events("error"))
    rows = hard.truth["faults"]
    assert rows[0]["name"] == "noise irrigation-gateway-1.soil-a"
    assert sum(row["end"] is None for row in rows) == 3


def test_the_report_tells_of_a_season(hard: Demo) -> None:
    """In both languages, with the story's own words."""
    english, portuguese = ((hard.out / name).read_text() for name in ("report.html", "report.pt-BR.html"))
    told = hard.truth["scenario"]["description"]
    assert told["en"] in english
    assert told["pt"] in portuguese
