"""The judge of a chaos run notices each broken promise: one that cannot fail would prove nothing."""

import gzip
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.chaos.evidence import judge
from tests.chaos.place import COMPUTE, RAW_PREFIX, Pace, Place
from tests.chaos.report import report_of, text

GATEWAY, ZONE, SENSOR = "irrigation-gateway-1", "plot-1a", "irrigation-gateway-1.soil-a"
NOON = 1_591_700_000
Left = dict[str, Any]


def a_good_run() -> Left:
    """A command, its run of 100 s, a later stop, one sample that was published twice."""
    head = {"gateway_id": GATEWAY, "boot_id": "b"}
    command: Left = {"command_id": "c1", "device_id": GATEWAY, "zone_id": ZONE, "action": "open", "duration_s": 100}
    command |= {"issued_at": NOON, "expires_at": NOON + 300}
    stop: Left = {"command_id": "c2", "device_id": GATEWAY, "zone_id": None, "action": "stop_all"}
    stop |= {"issued_at": NOON + 200, "expires_at": NOON + 500}
    acks = [
        {**head, "command_id": "c1", "zone_id": ZONE, "state": "started", "seq": 1},
        {**head, "command_id": "c1", "zone_id": ZONE, "state": "done", "seq": 2},
        {**head, "command_id": "c2", "zone_id": None, "state": "done", "seq": 3},
    ]
    sample = {"seq": 1, "measured_at": NOON, "vwc": 0.2, "soil_temperature_c": 15.0}
    reading = {**head, "client_id": GATEWAY, "sensor_id": SENSOR, "samples": [sample]}
    return {
        "commands": [command, stop],
        "acks": acks,
        "pins": [[NOON + 1, True], [NOON + 101, False]],
        "reads": [[NOON, SENSOR, {"vwc": 0.2, "soil_temperature_c": 15.0}]],
        "raw": [reading, reading],
        "lake": [(SENSOR, "b", 1)],
        "states": {"c1": "done", "c2": "done"},
        "runs": [("c1", ZONE, NOON + 101, 100.0, "duration")],
        "dropped": 0,
    }


def write(root: Path, left: Left) -> Place:
    """What such a run leaves in its folder."""
    ports = {"gate_port": 1, "broker_port": 1, "aws_port": 1, "service_port": 1, "forecast_port": 1}
    pace = Pace(NOON * 1000, 0.0, 20.0)
    place = Place(root=str(root), gateways=1, seed=1, link_ports={}, pace=pace, **ports)
    book = [[NOON * 1000, COMPUTE, f"irrigation/control/{GATEWAY}/command", json.dumps(c)] for c in left["commands"]]
    book += [[NOON * 1000, GATEWAY, f"irrigation/control/{GATEWAY}/ack", json.dumps(a)] for a in left["acks"]]
    pins = [
        {"kind": "valve_edge", "zone_id": ZONE, "at_ms": at * 1000, "open": is_open} for at, is_open in left["pins"]
    ]
    for name, rows in (("witness", book), ("pins", pins), ("reads", left["reads"])):
        (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "board_faults.json").write_text("[]")
    counters = {GATEWAY: {"samples_dropped": left["dropped"], "reconnects": 0}}
    (root / "fleet.json").write_text(json.dumps({"boots": {}, "counters": counters}))
    raw, lake = root / "bucket" / RAW_PREFIX, root / "bucket" / "lake" / "samples"
    raw.mkdir(parents=True)
    lake.mkdir(parents=True)
    (raw / "a.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, left["raw"])).encode()))
    pl.DataFrame(left["lake"], ["sensor_id", "boot_id", "seq"], orient="row").write_parquet(lake / "a.parquet")
    with closing(sqlite3.connect(root / "compute.sqlite")) as store:
        store.execute("CREATE TABLE commands (command_id, state)")
        store.execute("CREATE TABLE deliveries (command_id, zone_id, ended_at, duration_s, end_reason)")
        store.executemany("INSERT INTO commands VALUES (?, ?)", left["states"].items())
        store.executemany("INSERT INTO deliveries VALUES (?, ?, ?, ?, ?)", left["runs"])
        store.commit()
    return place


def test_a_good_run_breaks_nothing(tmp_path: Path) -> None:
    """Duplicates on the way are no loss, and a stop after a run is no open after a stop."""
    verdict = judge(write(tmp_path, a_good_run()))
    assert verdict.broken == []
    assert verdict.facts["openings"] == verdict.facts["copies in raw"] == verdict.facts["samples in the lake"] == 1


def test_a_run_that_another_replaces_is_its_own(tmp_path: Path) -> None:
    """The second command opens in the moment in which the first one's run ends: each has its bound."""
    left = a_good_run()
    second = {**left["commands"][0], "command_id": "c3", "issued_at": NOON + 50, "expires_at": NOON + 350}
    left["commands"].append(second)
    left["states"]["c3"] = "done"
    left["pins"] = [[NOON + 1, True], [NOON + 60, False], [NOON + 60, True], [NOON + 160, False]]
    left["runs"] = [("c1", ZONE, NOON + 60, 59.0, "replaced"), ("c3", ZONE, NOON + 160, 100.0, "duration")]
    assert judge(write(tmp_path, left)).broken == []


def _late_start(left: Left) -> None:
    left["acks"] = [{**ack, "seq": {1: 4, 2: 5, 3: 3}[ack["seq"]]} for ack in left["acks"]]


def test_a_broken_promise_names_the_faults_before_it(tmp_path: Path) -> None:
    """Whoever reads a failure learns what had just been broken on purpose, and with which seed."""
    left = a_good_run()
    left["pins"].pop()
    write(tmp_path, left).save()
    strikes = [{"begins": f"fault {number}", "target": "service", "field_s": NOON + number} for number in range(-5, 3)]
    (tmp_path / "strikes.jsonl").write_text("".join(json.dumps(strike) + "\n" for strike in strikes))
    run = {"errors": [], "orders": {}, "restarts": {}, "gateways": 1, "seconds": 60, "seed": 7, "speed": 20}
    (tmp_path / "run.json").write_text(json.dumps(run))
    (sentence,) = [one for one in report_of(tmp_path)["broken"] if "never closed" in one]
    assert sentence.endswith("after fault -2 (service), fault -1 (service), fault 0 (service), fault 1 (service)")
    assert "seed 7" in text(report_of(tmp_path))


SPOILERS: dict[str, tuple[Callable[[Left], Any], str]] = {
    "never closed": (lambda left: left["pins"].pop(), "never closed"),
    "too long": (lambda left: left["pins"].__setitem__(1, [NOON + 103, False]), "were allowed"),
    "no command": (lambda left: left["commands"].pop(0), "without a command"),
    "twice": (lambda left: left["pins"].extend([[NOON + 110, True], [NOON + 120, False]]), "without a command"),
    "after a stop": (_late_start, "after a stop"),
    "settled otherwise": (lambda left: left["pins"].__setitem__(1, [NOON + 91, False]), "its pin never did"),
    "left open": (lambda left: left["states"].update(c1="sent"), "is sent at the end"),
    "forgotten": (lambda left: left["states"].pop("c1"), "is None at the end"),
    "lost before the raw store": (lambda left: left["raw"].clear(), "in no raw object"),
    "changed on the way": (lambda left: left["raw"][1]["samples"][0].update(vwc=0.3), "no probe gave"),
    "lost before the lake": (lambda left: left["lake"].__setitem__(0, (SENSOR, "b", 2)), "are not in the lake"),
    "twice in the lake": (lambda left: left["lake"].append((SENSOR, "b", 1)), "twice in the lake"),
    "dropped": (lambda left: left.update(dropped=3), "dropped by full outboxes"),
}


@pytest.mark.parametrize("name", SPOILERS)
def test_each_broken_promise_is_noticed(tmp_path: Path, name: str) -> None:
    """Each in a sentence of its own."""
    left = a_good_run()
    spoil, sentence = SPOILERS[name]
    spoil(left)
    assert any(sentence in one for one in judge(write(tmp_path, left)).broken)
