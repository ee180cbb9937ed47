"""Decisions that explain themselves, and that come out the same when they are made again."""

import base64
import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from compute_service.__main__ import main
from compute_service.adapters import crops_table
from compute_service.adapters.packing import pack, unpack
from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.domain.constraints import Limits
from compute_service.domain.forecast import Forecast, ForecastHour
from compute_service.domain.inputs import Inputs, conclude, zone_from, zone_text
from compute_service.domain.zone import PlacedProbe
from compute_service.domain.zone_model import ZoneModel
from tests.compute_service.bench import GATEWAY, NOON, Bench, zone

DEEP = (PlacedProbe(f"{GATEWAY}.soil-a-20cm", 0.2), PlacedProbe(f"{GATEWAY}.soil-a-40cm", 0.4))
ZONES = (
    zone(
        "a",
        probes=DEEP,
        infiltration_mm_h=40.0,
        limits=Limits(daily_l=9000, seasonal_l=1e6, hours=((3600, 82800),), frost_c=1.0, wind_m_s=9.0),
    ),
    zone("b", efficiency=0.9, allowed_depletion=None),
)
BY_POSITION = Path(__file__).with_name("recorded") / "kept_by_position.json"  # of a service before names were kept
DAYS = ("2025-06-15", "2025-06-16", "2025-06-17")


def live(store: SqliteStore, hours: int = 48) -> Bench:
    """Two zones through dry days, with weather, forecasts, runs that are acked or not, a restart, manual water."""
    chance = random.Random(5)
    bench = Bench(store, ZONES, pump_l_min=390)
    vwc = {"a": 0.22, "b": 0.21}
    answered = 0
    for quarter in range(hours * 4):
        if quarter == 90:
            again = Bench(store, ZONES, now=bench.now, pump_l_min=390)
            again.service.start()
            again.published, bench = [*bench.published, *again.published], again
        bench.forecast = Forecast(
            bench.now - 60, tuple(ForecastHour(NOON // 3600 * 3600 + n * 3600, 0.1) for n in range(99))
        )
        weather = {"air_temperature_c": 18 + quarter % 96 / 8, "rain_mm": 0.1 * (quarter % 40 == 0), "vwc": None}
        weather |= {"wind_speed_m_s": 2.0, "solar_radiation_w_m2": 300.0, "seq": quarter}
        bench.hear_reading("a", sample=weather, sensor_id=f"{GATEWAY}.weather", zone_id=None)
        for letter in ("a", "b", "a-20cm", "a-40cm"):
            told = round(vwc[letter[0]] + chance.gauss(0, 0.002), 4)
            bench.hear_reading(letter, vwc=told, sample={"seq": quarter}, zone_id=f"plot-1{letter[0]}")
        if quarter == 70:
            bench.hear_leak("b", 800.0, 600)
        bench.tick(10)
        for command in bench.commands()[answered:]:
            answered += 1
            letter = command["zone_id"][-1]
            vwc[letter] += command["duration_s"] / 3600 * 120 * 0.75 / 500
            if answered % 5:
                bench.hear_ack(command, "done", duration_s=command["duration_s"], at=bench.now + command["duration_s"])
        vwc = {letter: value - 0.0004 for letter, value in vwc.items()}
        bench.tick(890)
    return bench


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("replay") / "store"
    with closing(SqliteStore(path)) as store:
        bench = live(store)
        assert len(bench.commands()) > 6
    yield path


def test_every_decision_comes_out_the_same(lived: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Days with runs, rain, forecasts, a restart: each decision is repeated to the last digit."""
    for day in DAYS:
        assert main(["replay", day, "--store", str(lived)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 3
    assert all(line.endswith(" decisions, all the same") for line in told)
    assert sum(int(line.split()[0]) for line in told) == 48 * 4 * 2


def test_a_decision_that_was_changed_is_found(lived: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A receipt that says otherwise than its inputs, be it in one digit, is told with what it was and is."""
    path = tmp_path / "store"
    path.write_bytes(lived.read_bytes())
    with closing(sqlite3.connect(path)) as store:
        query = "SELECT decision_id, reasons FROM decisions ORDER BY at LIMIT 1 OFFSET 30"
        [(decision_id, reasons)] = store.execute(query).fetchall()
        told = unpack(reasons)
        told["receipt"]["depletion_mm"] += 0.001
        store.execute("UPDATE decisions SET reasons = ? WHERE decision_id = ?", (pack(told), decision_id))
        store.commit()
    assert main(["replay", DAYS[0], "--store", str(path)]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{decision_id} of plot-1")
    assert "receipt was" in first
    assert last.endswith("decisions, 1 of them otherwise")


def test_every_decision_explains_itself(lived: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run and a refusal print what they went by, each check, and what would have changed them."""
    with closing(SqliteStore(lived)) as store:
        rows = store.decisions.last(1000, "plot-1a")
    run = next(row for row in rows if row["intent"])
    none = next(row for row in rows if not row["intent"])
    for row, ending in ((run, "then it would have waited"), (none, "there would have been water")):
        assert main(["explain", row["decision_id"], "--store", str(lived)]) == 0
        told = capsys.readouterr().out
        assert row["sentence"] in told
        assert f"Dr = {row['receipt']['depletion_mm']} mm" in told
        assert "a calendar of 25 mm a week gives 357 l a day" in told
        assert ending in told
        assert all(check["name"] in told for check in row["checks"])


def test_the_store_stays_small(lived: Path) -> None:
    """A season of twelve zones that are decided about every quarter of an hour stays below 200 MB."""
    with closing(sqlite3.connect(lived)) as store:
        query = "SELECT avg(length(reasons) + length(inputs) + length(sentence) + 120) FROM decisions"
        [(each,)] = store.execute(query).fetchall()
    assert each * 12 * 96 * 150 < 200e6


def test_zones_and_models_survive_being_kept(lived: Path) -> None:
    """Settings and beliefs are the same after they were a text."""
    for one in ZONES:
        assert zone_from(zone_text(one), crops_table.crop) == one
        with closing(SqliteStore(lived)) as store:
            model = store.zones.model(one)
        assert model is not None
        assert ZoneModel.from_json(one.place, json.loads(json.dumps(model.to_json()))) == model


def test_what_an_older_service_kept_by_position_is_decided_again_the_same() -> None:
    """Two mornings that were kept as lists without names, with runs and a model, come out to the last digit.

    A check that was added since is none of theirs.
    """
    recorded = json.loads(BY_POSITION.read_text())
    zones = {name: zone_from(text, crops_table.crop) for name, text in recorded["settings"].items()}
    models: dict[str, ZoneModel | None] = {}
    for row in recorded["decisions"]:
        reasons, inputs = (unpack(base64.b64decode(row[name])) for name in ("reasons", "inputs"))
        one = zones[inputs["zone"]]
        if "model" in inputs:
            models[row["zone_id"]] = ZoneModel.from_json(one.place, inputs["model"]) if inputs["model"] else None
        decision, models[row["zone_id"]] = conclude(one, models[row["zone_id"]], Inputs.from_json(inputs), row["at"])
        told = json.loads(json.dumps(decision.to_json()))
        assert (told["sentence"], told["intent"], told["receipt"]) == (
            row["sentence"],
            reasons["intent"],
            reasons["receipt"],
        )
        names = {check["name"] for check in reasons["checks"]}
        assert [check for check in told["checks"] if check["name"] in names] == reasons["checks"]
    assert sum(row["command_id"] is not None for row in recorded["decisions"]) > 5


def test_a_model_that_an_older_service_kept_goes_on(tmp_path: Path) -> None:
    """A store's model with lists without names is the same model once it is kept again, by name."""
    recorded = json.loads(BY_POSITION.read_text())
    with closing(SqliteStore(tmp_path / "store")) as store:
        for one in ZONES:
            old = recorded["models"][one.zone_id]
            model = ZoneModel.from_json(one.place, old)
            store.zones.save_model(one, model, [])
            again = store.zones.model(one)
            assert again == model
            assert len(model.fluxes) == len(old["moved"]) > 20
            assert [list(part) for part in model.belief.estimate] == old["belief"]["known"]
            assert {name: [verdict.kind, verdict.why] for name, verdict in model.verdicts.items()} == old["verdicts"]


def test_nothing_is_kept_by_its_place_alone(lived: Path) -> None:
    """A later service can add a value anywhere: every list of inputs and models is one column, of one kind."""

    def mixed(value: object) -> bool:
        if isinstance(value, dict):
            return any(map(mixed, value.values()))
        kinds = (
            {float if type(one) is int else type(one) for one in value} - {type(None)}
            if isinstance(value, list)
            else set()
        )
        return len(kinds) > 1 or bool(kinds & {list, dict})

    with closing(sqlite3.connect(lived)) as database:
        inputs = [unpack(row[0]) for row in database.execute("SELECT inputs FROM decisions")]
        models = [json.loads(row[0]) for row in database.execute("SELECT model FROM models")]
    assert inputs
    assert models
    assert not [row for row in (*inputs, *models) if mixed(row)]
