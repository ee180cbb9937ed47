"""docs/lake.md is true: its questions are answered, alike by all four, and its tables are the lake's."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest

from lambda_functions.aggregate.lake.tables import TABLES

DOCUMENT = (Path(__file__).parents[2] / "docs" / "lake.md").read_text(encoding="utf-8")
SECTIONS = re.findall(r"^### (\d+\. .+?)\n(.*?)(?=^### |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
SNIPPET = re.compile(r"^(Athena|DuckDB|Polars|pandas):\n\n```\w+\n(.*?)```", re.MULTILINE | re.DOTALL)
T0 = 1717200000  # 2024-06-01 00:00 UTC
Rows = list[tuple[Any, ...]]


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
        "soil-a": {"vwc": 0.26 - step / 1200 - gateway / 100, "soil_temperature_c": 12 + (step * 7) % 11},
        "weather": {"rain_mm": (step % 13) / 10},
        "flow": {"flow_l_min": 8.0 * gateway if step % 48 < 4 else 0.0},
    }[sensor]
    clock = "estimated" if step % 5 == gateway else "synced"
    return {"seq": step, "measured_at": T0 + step * 1800, "clock": clock, **values}


def in_sql(text: str) -> Rows:
    with duckdb.connect() as connection:
        for table in TABLES:
            connection.execute(f"create view {table} as select * from 'lake/{table}/*/*.parquet'")
        return connection.execute(text).fetchall()


def in_polars(text: str) -> Rows:
    names: dict[str, Any] = {"pl": pl}
    exec(text, names)
    answer: pl.DataFrame = names["answer"]
    return answer.rows()


def in_pandas(text: str) -> Rows:
    names: dict[str, Any] = {"pd": pd}
    exec(text, names)
    answer: pd.DataFrame = names["answer"]
    return list(answer.itertuples(index=False, name=None))


WAYS: dict[str, Callable[[str], Rows]] = {"Athena": in_sql, "DuckDB": in_sql, "Polars": in_polars, "pandas": in_pandas}


def plain(rows: Rows) -> Rows:
    """Numbers as floats; dates and times as text, whatever their class."""
    return [tuple(_plain(value) for value in row) for row in rows]


def _plain(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)[:19]


def test_every_question_has_four_answers(field: Path) -> None:
    """Ten questions, each asked in four ways, have the same answer each."""
    assert len(SECTIONS) == 10
    for title, text in SECTIONS:
        snippets = dict(SNIPPET.findall(text))
        assert snippets.keys() == WAYS.keys(), title
        answers = {name: WAYS[name](snippets[name]) for name in WAYS}
        expected = plain(answers["DuckDB"])
        assert expected, title
        for name, rows in answers.items():
            found = plain(rows)
            assert [len(row) for row in found] == [len(row) for row in expected], (title, name)
            for row, wanted in zip(found, expected, strict=True):
                for value, want in zip(row, wanted, strict=True):
                    assert value == (pytest.approx(want, rel=1e-9) if isinstance(want, float) else want), (title, name)


@pytest.mark.parametrize("table", TABLES)
def test_the_tables_are_documented(table: str) -> None:
    """The columns that docs/lake.md names are those that the lake has, in their order."""
    section = DOCUMENT.split(f"## `{table}`", 1)[1].split("\n## ", 1)[0]
    first_cells = re.findall(r"^\| (`[^|]+`) \|", section, re.MULTILINE)
    assert [name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)] == list(TABLES[table])
