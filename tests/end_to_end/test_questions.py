"""The ten questions of docs/lake.md have answers in the demonstration's own lake, in all four ways of asking."""

import json
from pathlib import Path

import pytest

from tests.aggregate.questions import TEN, Catalogue, ask
from tests.end_to_end.conftest import Demo

ROOT = "s3://pythoflow-demo/lake/"


@pytest.fixture
def tables(small: Demo, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """What Glue said of the demonstration's tables; its lake is in the working directory."""
    lake = Path(small.summary["parquet_dir"])
    monkeypatch.chdir(lake.parent)
    found: Catalogue = json.loads((lake / "glue.json").read_text())
    return found


@pytest.mark.parametrize("title", TEN)
def test_the_demonstrations_lake_answers(tables: Catalogue, title: str) -> None:
    """Four ways of asking, one answer, and it is not empty."""
    assert ask(title, tables, ROOT)


def test_every_day_is_a_partition(small: Demo, tables: Catalogue) -> None:
    """Glue knows each day that the lake has, and no other."""
    for name in small.summary["glue_tables"]:
        days = {f"day={value}" for partition in tables[name]["Partitions"] for value in partition["Values"]}
        assert days == {folder.name for folder in (Path(small.summary["parquet_dir"]) / name).iterdir()}
