"""A board with the shipped firmware, in MicroPython's own VM, is one gateway of the demonstration's farm."""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from demo.participants import SERVICES
from demo.summary import balance_error_mm
from tests.end_to_end.conftest import Demo, Play

SCENARIO = Path(__file__).parent / "scenarios" / "board.yaml"
BOARD = "irrigation-gateway-4"
AREAS_M2 = {"plot-4a": 300, "plot-4b": 200}
ZONES = set(AREAS_M2)
SENSORS = {"soil-a", "soil-a-20cm", "flow-plot-4a", "soil-b", "flow-plot-4b", "weather"}
# A relay, and a latching valve: the pin and the level that open, those that close, ms until the master valve follows.
MOVES = {"plot-4a": ((16, 1), (16, 0), 0), "plot-4b": ((17, 1), (18, 1), 60)}
CLOSED_MM = 0.5
EVERY_S = 900
DAYS = 1
KILLS = 8  # two of each process
# Power that goes when a valve opens and while it is open, and an hour without a network.
FAULTS: list[dict[str, Any]] = [
    {"kind": "brown_out", "target": BOARD, "from": "0h", "until": "15h", "amount": 10},
    {"kind": "reboot", "target": BOARD, "from": "16h 20m", "amount": 60},
    {"kind": "wifi_loss", "target": BOARD, "from": "20h 10m", "until": "21h 20m"},
]


def of_the_board(demo: Demo, kind: str) -> list[dict[str, Any]]:
    """The events of one kind about the board and its zones, by time."""
    return [event for event in demo.events(kind) if event.get("zone_id") in ZONES]


def pins(demo: Demo) -> list[tuple[int, int, int]]:
    """Each move of a pin that drives a valve: Unix ms, pin, level."""
    lines = (demo.out / "logs" / f"{BOARD}.log").read_text().splitlines()
    moves = [line.split() for line in lines if " pin " in line]
    return [(int(words[0]), int(words[2]), int(words[4])) for words in moves]


def promises_hold(demo: Demo) -> None:
    """Nothing is lost, no valve is open too long, every millimetre is found."""
    assert demo.code == 0, demo.stdout + demo.stderr
    summary = demo.summary
    assert summary["samples_taken"] == summary["samples_in_lake"] > 0
    assert summary["samples_lost"] == summary["samples_quarantined"] == summary["samples_dropped_by_outbox"] == 0
    assert summary["valve_bound_violations"] == 0
    assert max(balance_error_mm(balance) for balance in truth(demo).values()) < CLOSED_MM


def truth(demo: Demo) -> dict[str, dict[str, float]]:
    """The water of each zone, in mm."""
    balances: dict[str, dict[str, float]] = json.loads((demo.out / "truth.json").read_text())["balance"]
    return balances


@pytest.fixture(scope="module")
def fleet(play: Play) -> Demo:
    """A day of three simulated gateways and the board."""
    return play(scenario=SCENARIO, days=DAYS)


def alone(folder: Path, faults: Sequence[Mapping[str, Any]] = ()) -> Path:
    """The scenario without the simulated gateways, for one day."""
    path = folder / SCENARIO.name
    shutil.copy(SCENARIO.parent / "july-2027.csv", folder)
    head, tail = SCENARIO.read_text().split("gateways:\n", 1)
    told = f"{head}gateways:\n{tail[tail.index(f'  - gateway: {BOARD}') :]}".replace("days: 2", "days: 1")
    path.write_text(f"{told}faults: {json.dumps(faults)}\n" if faults else told)
    return path


@pytest.fixture(scope="module")
def worn(play: Play, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A day of the board alone, with all that may happen to it: what breaks, and kills among it."""
    return play(scenario=alone(tmp_path_factory.mktemp("alone"), FAULTS), kills=KILLS)


def test_a_board_waters_beside_simulated_gateways(fleet: Demo) -> None:
    """Its zones get their water, every command is done, and the whole farm ends with nothing lost."""
    promises_hold(fleet)
    summary = fleet.summary
    assert (summary["gateways"], summary["zones"], summary["zones_below_wilting_point"]) == (4, 7, 0)
    assert summary["commands_sent"] == summary["commands_done"] > 0
    assert {ack["zone_id"] for ack in of_the_board(fleet, "ack") if ack["state"] == "done"} == ZONES
    online = [event for event in fleet.events("status") if event["gateway_id"] == BOARD and event["state"] == "online"]
    assert [event["reset_cause"] for event in online] == ["power_on"]


def test_its_pins_obey(fleet: Demo) -> None:
    """Each command moves its valve's pins at once and for as long as it says, and water flows just then.

    The master valve follows a latching valve's pulse, unless it is open for the other zone already.
    """
    moves = pins(fleet)
    edges = {(edge["at_ms"], edge["zone_id"], edge["open"]) for edge in of_the_board(fleet, "valve_edge")}
    opened = [command for command in of_the_board(fleet, "command") if command["action"] == "open"]
    assert {command["zone_id"] for command in opened} == ZONES
    for command in opened:
        zone_id, begin_ms = command["zone_id"], command["issued_at"] * 1000
        end_ms = begin_ms + command["duration_s"] * 1000
        opens, closes, pulse_ms = MOVES[zone_id]
        others = [other for other in opened if other["zone_id"] != zone_id]
        if any(0 <= command["issued_at"] - other["issued_at"] < other["duration_s"] for other in others):
            pulse_ms = 0
        assert {(begin_ms, *opens), (end_ms, *closes)} <= set(moves)
        assert {(begin_ms + pulse_ms, zone_id, True), (end_ms, zone_id, False)} <= edges


def test_its_meters_see_what_flows(fleet: Demo) -> None:
    """What its acks say was delivered is what left the pipes, to the pulse."""
    told = dict.fromkeys(ZONES, 0.0)
    for ack in of_the_board(fleet, "ack"):
        told[ack["zone_id"]] += ack["volume_l"] or 0
        assert ack["volume_source"] == ("measured" if ack["state"] == "done" else "none")
    for zone_id, area_m2 in AREAS_M2.items():
        assert told[zone_id] == pytest.approx(truth(fleet)[zone_id]["irrigation_mm"] * area_m2, abs=0.5)
        assert told[zone_id] > 0


def test_its_samples_are_all_in_the_lake(fleet: Demo) -> None:
    """Every quarter of an hour of every sensor, without a gap, and the moisture is that of its own soil."""
    samples = pl.read_parquet(Path(fleet.summary["parquet_dir"]) / "samples" / "**" / "*.parquet")
    of_board = samples.filter(pl.col("sensor_id").str.starts_with(f"{BOARD}."))
    assert set(of_board["sensor_id"]) == {f"{BOARD}.{sensor}" for sensor in SENSORS}
    for sensor in SENSORS:
        rows = of_board.filter(pl.col("sensor_id") == f"{BOARD}.{sensor}").sort("seq")
        assert rows["seq"].to_list() == list(range(1, len(rows) + 1))
        quarters = rows["measured_at"].dt.epoch("s").unique()
        assert len(quarters.filter(quarters % EVERY_S == 0)) == DAYS * 86400 // EVERY_S
    own = of_board.filter(pl.col("sensor_id") == f"{BOARD}.soil-a").sort("measured_at")
    watered = next(edge["at"] for edge in of_the_board(fleet, "valve_edge") if edge["zone_id"] == "plot-4a")
    at = pl.col("measured_at").dt.epoch("s")
    before, after = own.filter(at <= watered), own.filter((at > watered + 2 * 3600) & (at < watered + 4 * 3600))
    assert after["vwc"].mean() > before["vwc"].tail(8).mean() + 0.01  # type: ignore[operator]  # they are numbers


def killed(demo: Demo) -> Counter[str]:
    """How often each process was killed."""
    return Counter(event["process"] for event in demo.events("kill"))


def test_a_board_that_is_killed_goes_on(worn: Demo) -> None:
    """kill -9 of each process in turn, the board's too: what was on its flash and its pins is not forgotten."""
    promises_hold(worn)
    assert killed(worn) == dict.fromkeys((BOARD, *SERVICES), KILLS // 4)
    assert worn.summary["commands_sent"] > 0


def test_a_board_bears_what_breaks(worn: Demo) -> None:
    """Power that goes when a valve opens and while it is open, and an hour without a network."""
    promises_hold(worn)
    bears(worn)


def bears(demo: Demo) -> None:
    """Runs were cut off, and told as such; it booted after each loss of power, and after each kill."""
    cut_off = [ack for ack in of_the_board(demo, "ack") if ack["end_reason"] == "power_cut"]
    assert {ack["state"] for ack in cut_off} == {"failed"}
    online = [event["boot_id"] for event in demo.events("status") if event["state"] == "online"]
    boots = {f"boot-{number}" for number in range(1, 4 + killed(demo)[BOARD])}
    assert boots <= {name.rpartition("-")[0] for name in online}


@pytest.mark.soak
@pytest.mark.parametrize(("faults", "kills"), [([], KILLS), (FAULTS, 0)], ids=["kills", "faults"])
def test_one_kind_of_trouble_at_a_time(
    play: Play, tmp_path: Path, faults: Sequence[Mapping[str, Any]], kills: int
) -> None:
    """The same holds with kills alone, and with faults alone."""
    demo = play(scenario=alone(tmp_path, faults), kills=kills)
    promises_hold(demo)
    assert killed(demo).total() == kills
    assert demo.summary["commands_sent"] > 0
    if faults:
        bears(demo)
