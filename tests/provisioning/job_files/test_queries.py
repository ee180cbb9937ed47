"""Questions to the clouds ask for exactly what was written."""

import re
import shlex
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from provisioning.job_files.command import main
from provisioning.job_files.generate import generate
from provisioning.job_files.queries import billing_sql, queries
from provisioning.job_files.read import Reader
from tests.provisioning.job_files.files import job, lay

KINDS = ("aws_ecs_fargate", "aws_lambda", "gcp_cloud_run", "gcp_cloud_function")


def asked(folder: Path, document: Any) -> tuple[str, dict[str, str]]:
    """The root's text, and the questions by title."""
    made = generate(Reader(folder).read(lay(folder, document)))
    assert made.text is not None
    return made.text, dict(queries(made.job, made.tags))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", ["underscore", "hyphen"])
def test_every_key_and_value_is_one_that_was_written(kind: str, style: str, tmp_path: Path) -> None:
    """Whatever is filtered by stands in the root's common_tags, and the name that is run is that of the resource."""
    text, found = asked(tmp_path, job(kind, key_style=style))
    tags = dict(re.findall(r'^    (\S+) += "(.*)"$', text, re.MULTILINE))
    pairs = {pair for one in found.values() for pair in re.findall(r"labels\.([\w-]+)=(\S+)", one)}
    pairs |= {pair for one in found.values() for pair in re.findall(r"Key=(\S+),Values=(\S+)", one)}
    pairs |= {pair for one in found.values() for pair in re.findall(r'"Key": "(\S+)", "Values": \["(\S+)"\]', one)}
    assert len(pairs) >= 2
    assert pairs <= set(tags.items())
    assert {key for one in found.values() for key in re.findall(r"TagKey=([\w-]+)", one)} <= set(tags)
    assert "sitio-soil-samples-dev" in found["Run it once by hand"]
    assert all(shlex.split(command) for title, command in found.items() if "BigQuery" not in title)


def in_duckdb(sql: str) -> str:
    """BigQuery's SQL as DuckDB reads it.

    One thing sqlglot leaves as it is: in BigQuery the fields of an unnested list are columns, in DuckDB on demand.
    """

    def unnested(node: Any) -> Any:
        if not isinstance(node, exp.Unnest):
            return node
        return sqlglot.parse_one(f"(SELECT UNNEST({node.expressions[0].sql()}, max_depth => 2))", read="duckdb")

    return str(sqlglot.parse_one(sql, read="bigquery").transform(unnested).sql("duckdb"))


def test_the_billing_sql_sums_one_cost_centre() -> None:
    """On a table of the export's shape: other labels, other values and older days are left out."""
    asked_sql = billing_sql("finops_cost_center", "eng-001", "p.d.t")
    assert "(SELECT value FROM UNNEST(labels) WHERE key = 'finops_cost_center')" in asked_sql
    sql = in_duckdb(asked_sql)
    with duckdb.connect() as database:
        database.execute("ATTACH ':memory:' AS p; CREATE SCHEMA p.d")
        database.execute(
            "CREATE TABLE p.d.t (usage_start_time TIMESTAMP, cost DOUBLE, labels STRUCT(key VARCHAR, value VARCHAR)[])"
        )
        for days, cost, labels in (
            (1, 1.5, "[{'key': 'team', 'value': 'x'}, {'key': 'finops_cost_center', 'value': 'eng-001'}]"),
            (2, 2.0, "[{'key': 'finops_cost_center', 'value': 'eng-001'}]"),
            (3, 4.0, "[{'key': 'finops_cost_center', 'value': 'eng-002'}]"),
            (4, 8.0, "[{'key': 'team', 'value': 'eng-001'}]"),
            (5, 16.0, "[]"),
            (90, 32.0, "[{'key': 'finops_cost_center', 'value': 'eng-001'}]"),
        ):
            database.execute(f"INSERT INTO p.d.t VALUES (current_date - INTERVAL {days} DAY, {cost}, {labels})")
        assert database.execute(sql).fetchall() == [("eng-001", 3.5)]


def test_questions_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--queries` prints; a table that is no name is refused."""
    path = lay(tmp_path, job("gcp_cloud_run"))
    words = [str(path), "--root", str(tmp_path), "--output-dir", str(tmp_path / "out"), "--queries"]
    assert main([*words, "--billing-table", "mine.billing.export"]) == 0
    assert "FROM `mine.billing.export`" in capsys.readouterr().out
    assert main([*words, "--billing-table", "x`; DROP"]) == 1
    assert not (tmp_path / "out").exists()


def test_costs_are_asked_by_the_asset_where_there_is_no_cost_centre(tmp_path: Path) -> None:
    """A job without one still has a question that finds it."""
    document = job()
    made = generate(Reader(tmp_path).read(lay(tmp_path, document, asset={"name": "plain", "version": 1})))
    assert '"Key": "asset_name", "Values": ["plain"]' in dict(queries(made.job, made.tags))["Costs of the last 30 days"]
