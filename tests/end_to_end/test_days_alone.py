"""A farm that loses its cloud for days: the zone that has a plan is watered by it, and that is settled afterwards."""

import contextlib

import pytest

from compute_service.adapters import zones_file
from compute_service.adapters.sqlite.store import SqliteStore
from tests.end_to_end.conftest import Demo, Play

DAY_S, RUN_S = 86_400, 1200
ALONE = f"""\
description: {{en: Two days and a half without the cloud, pt: Dois dias e meio sem a nuvem}}
seed: 3
days: 4
weather: {{file: drummondville-2020-summer, start: 2020-07-02}}
gateways:
  - gateway: irrigation-gateway-1
    zones:
      - {{zone_id: plot-1a, soil: sand, crop: potato, area_m2: 300, fallback: {{run_s: {RUN_S}, days: 2}}}}
      - {{zone_id: plot-1b, soil: sand, crop: potato, area_m2: 200}}
faults:
  - {{kind: wifi_loss, target: irrigation-gateway-1, from: 1d 0h 7m, until: 3d 14h 7m}}
"""


@pytest.fixture(scope="module")
def alone(play: Play, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The farm after its season."""
    path = tmp_path_factory.mktemp("scenario") / "days-alone.yaml"
    path.write_text(ALONE)
    demo = play(scenario=path)
    assert demo.code == 0, demo.stdout + demo.stderr
    return demo


def outage(demo: Demo) -> tuple[int, int]:
    """From when until when the service had no word of the gateway; Unix seconds."""
    gone, back = [status["at"] for status in demo.events("status")][1:3]
    return gone, back


def test_a_zone_with_a_plan_is_watered(alone: Demo) -> None:
    """Not before a day alone, once in any 24 h, on as many days as the plan says; a zone without one stays dry."""
    gone, back = outage(alone)
    assert back - gone > 2 * DAY_S
    edges = [edge for edge in alone.events("valve_edge") if gone < edge["at"] < back]
    assert [(edge["zone_id"], edge["open"]) for edge in edges] == [("plot-1a", True), ("plot-1a", False)] * 2
    first, _, second, _ = [edge["at"] for edge in edges]
    assert first > gone + DAY_S - 900  # the broker's last word was a little earlier than its loss was known
    assert second - first >= DAY_S
    assert [shut["at"] - opened["at"] for opened, shut in zip(edges[::2], edges[1::2], strict=True)] == [RUN_S, RUN_S]
    assert alone.summary["valve_bound_violations"] == 0


def test_its_runs_are_settled_when_the_cloud_is_back(alone: Demo) -> None:
    """Each once, at its own time: as acks, in the water that was delivered, and as runs in the service's store."""
    gone, back = outage(alone)
    runs = [ack for ack in alone.events("ack") if ack["command_id"].endswith(("-1", "-2")) and ack["state"] == "done"]
    assert [ack["duration_s"] for ack in runs] == [RUN_S, RUN_S]
    assert all(gone < ack["at"] < back <= ack["received_at"] for ack in runs)
    with contextlib.closing(SqliteStore(alone.out / "compute.sqlite", must_exist=True)) as store:
        zones = {zone.zone_id: zone for zone in zones_file.load(alone.out / "zones.yaml").zones}
        states = [store.commands.get(ack["command_id"]) for ack in runs]
        assert zones["plot-1a"].fallback is not None and zones["plot-1b"].fallback is None
    assert [row.state for row in states if row] == ["done", "done"]
    assert alone.summary["samples_lost"] == 0
