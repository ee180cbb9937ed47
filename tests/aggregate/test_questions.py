"""docs/lake.md is true: its questions are answered, alike by all four, and its tables are the lake's."""

import re
from pathlib import Path
from typing import Any

import boto3
import pytest

from lambda_functions.lake.tables import TABLES
from tests.aggregate.questions import DOCUMENT, QUESTIONS, TEN, Catalogue, ask

T0 = 1717200000  # 2024-06-01 00:00 UTC


@pytest.fixture
def field(lake: Any, line: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Three days of soil, weather and flow, in a lake made by the function, downloaded, as the working directory."""
    for gateway in (1, 2):
        for number, sensor in enumerate(("soil-a", "weather", "flow")):
            samples = [_sample(sensor, gateway, step) for step in range(3 * 48) if step % 7 != gateway]
            zone_id = None if sensor == "weather" else f"plot-{gateway}a"
            for first in range(0, len(samples), 50):
                text = line(
                    *samples[first : first + 50],
                    sensor_id=f"irrigation-gateway-{gateway}.{sensor}",
                    zone_id=zone_id,
                    received_at=T0 + 3 * 86400 + gateway * 60,
                )
                lake.put(f"2024/06/03/00/{gateway}{number}{first}.gz", [text])
    lake.run()
    lake.download(tmp_path / "lake")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _sample(sensor: str, gateway: int, step: int) -> dict[str, Any]:
    values = {
        "soil-a": {"vwc": 0.26 - step % 48 / 800 - gateway / 100, "soil_temperature_c": 12 + (step * 7) % 11},
        "weather": {"rain_mm": (step % 13) / 10},
        "flow": {"flow_l_min": 8.0 * gateway if step % 48 < 4 else 0.0},
    }[sensor]
    clock = "estimated" if step % 5 == gateway else "synced"
    return {"seq": step, "measured_at": T0 + step * 1800, "clock": clock, **values}


def catalogue(database: str) -> Catalogue:
    """Glue's tables, each with its partitions."""
    glue = boto3.client("glue")
    tables = {table["Name"]: table for table in glue.get_tables(DatabaseName=database)["TableList"]}
    return {
        name: {**table, "Partitions": glue.get_partitions(DatabaseName=database, TableName=name)["Partitions"]}
        for name, table in tables.items()
    }


def test_every_question_has_four_answers(field: Path, lake: Any) -> None:
    """Each question, asked in four ways, has the same answer each, and there is one."""
    assert len(TEN) == 10
    tables = catalogue(lake.database)
    for title in QUESTIONS:
        assert ask(title, tables, f"s3://{lake.bucket}/lake/"), title


@pytest.mark.parametrize("title", QUESTIONS)
def test_athena_calculates_with_doubles(title: str) -> None:
    """No decimal is divided or averaged: Athena rounds that to the decimal's digits, which DuckDB does not."""
    compared = re.compile(r"[<>=] *\d+\.\d+")
    assert not re.search(r"\d\.\d", compared.sub("", QUESTIONS[title]["Athena"]))


@pytest.mark.parametrize("table", TABLES)
def test_the_tables_are_documented(table: str) -> None:
    """The columns that docs/lake.md names are those that the lake has, in their order."""
    section = DOCUMENT.split(f"## `{table}`", 1)[1].split("\n## ", 1)[0]
    first_cells = re.findall(r"^\| (`[^|]+`) \|", section, re.MULTILINE)
    assert [name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)] == list(TABLES[table])
