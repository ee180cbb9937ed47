"""The questions of docs/lake.md, asked of a lake to the letter: four ways each, whose answers must be the same."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest

DOCUMENT = (Path(__file__).parents[2] / "docs" / "lake.md").read_text(encoding="utf-8")
QUESTION = re.compile(r"^### (.+?)\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
SNIPPET = re.compile(r"^(Athena|DuckDB|Polars|pandas):\n\n```\w+\n(.*?)```", re.MULTILINE | re.DOTALL)
QUESTIONS = {title: dict(SNIPPET.findall(text)) for title, text in QUESTION.findall(DOCUMENT)}
TEN = [title for title in QUESTIONS if title[0].isdigit()]
IN_DUCKDB = {"string": "VARCHAR", "bigint": "BIGINT", "double": "DOUBLE", "timestamp": "TIMESTAMP WITH TIME ZONE"}
Rows = list[tuple[Any, ...]]
Catalogue = dict[str, dict[str, Any]]


def in_athena(text: str, catalogue: Catalogue, root: str) -> Rows:
    """Run Athena's SQL in DuckDB, on views made of Glue's tables alone; `root` is the S3 location that is `lake/`."""
    with duckdb.connect() as connection:
        for name in ("samples", "windows"):
            _make_view(connection, catalogue[name], root)
        return connection.execute(text).fetchall()


def _make_view(connection: duckdb.DuckDBPyConnection, table: dict[str, Any], root: str) -> None:
    columns = {column["Name"]: IN_DUCKDB[column["Type"]] for column in table["StorageDescriptor"]["Columns"]}
    keys = {key["Name"]: key["Type"].upper() for key in table["PartitionKeys"]}
    places = [partition["StorageDescriptor"]["Location"] for partition in table["Partitions"]]
    assert all(place.startswith(root) for place in places)
    files = [f"lake/{place.removeprefix(root)}*.parquet" for place in places]
    read = f"select {', '.join((*columns, *keys))} from read_parquet({files}, union_by_name = true)"
    connection.execute(f"create view {table['Name']} as {read}")
    found = connection.execute(f"describe {table['Name']}").fetchall()
    assert {row[0]: row[1] for row in found} == columns | keys, "Athena refuses a file that is not of the table's types"


def in_duckdb(text: str) -> Rows:
    """Run DuckDB's SQL."""
    with duckdb.connect() as connection:
        return connection.execute(text).fetchall()


def in_polars(text: str) -> Rows:
    """Run Python that leaves a Polars frame as `answer`."""
    names: dict[str, Any] = {"pl": pl}
    exec(text, names)
    answer: pl.DataFrame = names["answer"]
    return answer.rows()


def in_pandas(text: str) -> Rows:
    """Run Python that leaves a pandas frame as `answer`."""
    names: dict[str, Any] = {"pd": pd}
    exec(text, names)
    answer: pd.DataFrame = names["answer"]
    return list(answer.itertuples(index=False, name=None))


def ask(title: str, catalogue: Catalogue, root: str) -> Rows:
    """Ask the lake in the working directory's `lake/` in four ways; gives the answer that all have."""
    ways: dict[str, Callable[[str], Rows]] = {
        "Athena": lambda text: in_athena(text, catalogue, root),
        "DuckDB": in_duckdb,
        "Polars": in_polars,
        "pandas": in_pandas,
    }
    assert QUESTIONS[title].keys() == ways.keys(), title
    answers = {name: _plain_rows(way(QUESTIONS[title][name])) for name, way in ways.items()}
    expected = answers["DuckDB"]
    for name, found in answers.items():
        assert [len(row) for row in found] == [len(row) for row in expected], (title, name)
        for row, wanted in zip(found, expected, strict=True):
            for value, want in zip(row, wanted, strict=True):
                close = pytest.approx(want, rel=1e-9, abs=1e-12) if isinstance(want, float) else want
                assert value == close, (title, name)
    return expected


def _plain_rows(rows: Rows) -> Rows:
    """Numbers as floats; dates and times as text, whatever their class."""
    return [tuple(_plain(value) for value in row) for row in rows]


def _plain(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)[:19]
