"""The demonstration's lake is plain Parquet: other engines read the same sums from it."""

from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.dataset as ds
import pytest

from tests.end_to_end.conftest import Demo


@pytest.mark.parametrize("table", ["samples", "windows"])
def test_three_engines_agree(small: Demo, table: str) -> None:
    """pyarrow, DuckDB and pandas see the same rows and the same sums."""
    folder = Path(small.summary["parquet_dir"]) / table
    column = "vwc" if table == "samples" else "mean"
    arrow = ds.dataset(folder, format="parquet", partitioning="hive").to_table()
    query = f"SELECT count(*), sum({column}) FROM '{folder}/**/*.parquet'"
    with duckdb.connect() as database:
        rows, total = database.execute(query).fetchall()[0]
    frame = pd.read_parquet(folder)
    assert rows == arrow.num_rows == len(frame) > 0
    assert total == pytest.approx(arrow[column].to_pandas().sum())
    assert total == pytest.approx(frame[column].sum())


def test_samples_are_distinct(small: Demo) -> None:
    """No (sensor_id, boot_id, seq) stands twice."""
    frame = pd.read_parquet(Path(small.summary["parquet_dir"]) / "samples")
    assert len(frame) == small.summary["samples_in_lake"]
    assert not frame.duplicated(["sensor_id", "boot_id", "seq"]).any()
