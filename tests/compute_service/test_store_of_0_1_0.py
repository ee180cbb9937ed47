"""A farm that updates its service goes on where version 0.1.0 stopped: its commands, its samples and its reasons."""

import gzip
import json
import random
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from compute_service.__main__ import main
from compute_service.adapters.sqlite.store import SqliteStore
from tests.compute_service.bench import GATEWAY, Bench
from tests.compute_service.test_replay import DAYS, ZONES

STORES = Path(__file__).with_name("stores")
THEN: dict[str, Any] = json.loads((STORES / "0.1.0.json").read_text())
ULID = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "compute.sqlite"
    path.write_bytes(gzip.decompress((STORES / "0.1.0.sqlite.gz").read_bytes()))
    return path


@pytest.fixture
def bench(path: Path) -> Iterator[Bench]:
    with closing(SqliteStore(path)) as store:
        yield Bench(store, ZONES, now=THEN["now"], pump_l_min=390)


def went_on(bench: Bench) -> None:
    """What came next: the service starts again, everything under way is acknowledged, and five dry hours follow."""
    bench.service.start()
    chance = random.Random(11)
    bench.tick(10)
    for command in list(bench.commands()):
        run_s = command["duration_s"]
        bench.hear_ack(command, "done", duration_s=run_s, volume_l=run_s * 2.5, at=bench.now)
    for quarter in range(20):
        for probe in ("a", "b", "a-20cm", "a-40cm"):
            vwc = round(0.155 + chance.gauss(0, 0.002), 4)
            bench.hear_reading(probe, vwc=vwc, sample={"seq": 9000 + quarter}, zone_id=f"plot-1{probe[0]}")
        weather: dict[str, float | None] = {
            "air_temperature_c": 24.0,
            "rain_mm": 0.0,
            "wind_speed_m_s": 2.0,
            "solar_radiation_w_m2": 300.0,
        }
        weather |= {"vwc": None, "seq": 9000 + quarter}
        bench.hear_reading("a", sample=weather, sensor_id=f"{GATEWAY}.weather", zone_id=None)
        bench.tick(10)
        bench.tick(890)


def without_ids(event: dict[str, Any]) -> dict[str, Any]:
    named = {name: value for name, value in event.items() if name not in {"decision_id", "command_id"}}
    cleaned: dict[str, Any] = json.loads(ULID.sub("<id>", json.dumps(named)))
    return cleaned


def test_what_waited_is_there(bench: Bench) -> None:
    """The command without its PUBACK, the samples without their decision, and the epochs are those that were kept."""
    assert [row.message for row in bench.store.commands.in_states("pending")] == THEN["pending"]
    assert bench.store.commands.counts() == THEN["states"]
    for zone in ZONES:
        assert [list(sample) for sample in bench.store.zones.news(zone).samples] == THEN["waiting"][zone.zone_id]
        assert bench.store.commands.epoch(zone.zone_id) == THEN["epochs"][zone.zone_id]


def test_the_command_under_way_is_published_again_unchanged(bench: Bench) -> None:
    """After the update the gateway hears the very same command once more, so that nothing is watered twice."""
    bench.service.start()
    assert bench.commands() == [{**THEN["pending"][0], "v": 1}]


def test_it_goes_on_as_the_old_version_did(bench: Bench) -> None:
    """Every event that follows is the one that version 0.1.0 gave, to the last digit, and so is what is settled."""
    went_on(bench)
    events = [without_ids(event) for event in json.loads(json.dumps(bench.events))]
    assert events == [without_ids(event) for event in THEN["events"]]
    assert bench.store.commands.counts() == THEN["states_after"]
    deliveries = bench.store.commands.deliveries()
    assert sum(delivery.volume_l or 0 for delivery in deliveries) == THEN["litres"]


def test_its_days_are_repeated_exactly(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each decision of the days that the old version lived comes out the same from the inputs that it kept."""
    for day in DAYS[:2]:
        assert main(["replay", day, "--store", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.endswith(" decisions, all the same") for line in lines)
    assert sum(int(line.split()[0]) for line in lines) == 256
