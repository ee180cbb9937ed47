"""The Glue tables that Terraform makes and those that the function makes are the same, and neither undoes the other."""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from awslambdaric.lambda_runtime_log_utils import JsonFormatter

from lambda_functions.aggregate import index
from lambda_functions.lake import catalog
from lambda_functions.lake.raw import Bad
from lambda_functions.lake.settings import Settings
from lambda_functions.lake.store import Store

MODULES = Path(__file__).parents[2] / "terraform" / "modules"
TABLES = MODULES / "lake" / "tables.json"
FUNCTION = MODULES / "compute" / "function.tf"
HOUR = "2024/06/01/00"
T0 = 1717200000  # 2024-06-01 00:00 UTC
PERMISSIONS = {"ListObjectsV2": "ListBucket", "HeadObject": "GetObject"}  # the others are named after their call
OWNERS_CALLS = ("CreateDatabase", "CreateTable", "UpdateTable", "DeleteTable")


def of_terraform(name: str, table: dict[str, Any], bucket: str, prefix: str) -> dict[str, Any]:
    """A table of tables.json as the module gives it to Glue."""
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": table["classification"]},
        "PartitionKeys": [{"Name": key, "Type": kind} for key, kind in table["partition_keys"]],
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": kind} for column, kind in table["columns"]],
            "Location": f"s3://{bucket}/{prefix}{name}/",
            "InputFormat": table["input_format"],
            "OutputFormat": table["output_format"],
            "SerdeInfo": {
                "SerializationLibrary": table["serialization_library"],
                "Parameters": {"serialization.format": "1"},
            },
        },
    }


@contextmanager
def nobody_touches_tables() -> Iterator[None]:
    """Fail whatever the function's role may not call on AWS."""
    events = Store.connect().glue.meta.events

    def refuse(model: Any, **_: Any) -> None:
        raise AssertionError(f"{model.name} is Terraform's")

    for call in OWNERS_CALLS:
        events.register(f"before-call.glue.{call}", refuse, call)
    try:
        yield
    finally:
        for call in OWNERS_CALLS:
            events.unregister(f"before-call.glue.{call}", unique_id=call)


@pytest.fixture
def tables_of_terraform(lake: Any) -> Iterator[Any]:
    """The Glue client, in a database as `terraform apply` leaves it, with a column that is newer than the function."""
    glue: Any = boto3.client("glue")
    glue.create_database(DatabaseInput={"Name": lake.database})
    for name, table in json.loads(TABLES.read_text()).items():
        newer = {**table, "columns": [*table["columns"], ["leaf_wetness_min", "double"]]}
        wanted = of_terraform(name, newer, lake.bucket, "lake/")
        wanted["StorageDescriptor"] |= {"Compressed": False, "NumberOfBuckets": 0}  # the provider's own additions
        glue.create_table(DatabaseName=lake.database, TableInput={**wanted, "Retention": 0})
    yield glue
    glue.close()


def test_terraform_has_the_same_tables() -> None:
    """tables.json says, to the letter and in order, what the function would make."""
    tables = json.loads(TABLES.read_text())
    settings = Settings(
        source_bucket="farm",
        source_prefix="raw/",
        dest_bucket="farm",
        dest_prefix="lake/",
        glue_database="farm",
        interval_minutes=15,
    )
    assert list(tables) == list(catalog.COLUMNS)
    for name, table in tables.items():
        assert of_terraform(name, table, "farm", "lake/") == catalog.definition(settings, name)


def test_the_quarantine_has_the_columns_of_its_entries() -> None:
    """What a run writes as an entry is what Athena looks for."""
    assert tuple(catalog.COLUMNS["quarantine"]) == Bad._fields


def test_tables_of_terraform_are_left_alone(lake: Any, line: Any, sample: Any, tables_of_terraform: Any) -> None:
    """A run on Terraform's tables only adds partitions, also when they have a column that it does not know."""
    with nobody_touches_tables():
        lake.put(f"{HOUR}/a.gz", [line(sample(0)), b"no reading"])
        assert lake.run()["samples_written"] == 1
    for name, count in (("samples", 1), ("windows", 1), ("quarantine", 0)):
        table = tables_of_terraform.get_table(DatabaseName=lake.database, Name=name)["Table"]
        assert table["StorageDescriptor"]["Columns"][-1]["Name"] == "leaf_wetness_min"
        partitions = tables_of_terraform.get_partitions(DatabaseName=lake.database, TableName=name)["Partitions"]
        assert len(partitions) == count


def test_the_role_allows_what_runs_call_and_no_more(
    lake: Any, line: Any, sample: Any, tables_of_terraform: Any
) -> None:
    """New days, known days, moved samples, refused lines and unreadable objects need every permission, and no other."""
    called: set[str] = set()
    events = [client.meta.events for client in (Store.connect().s3, Store.connect().glue)]

    def note(model: Any, **_: Any) -> None:
        called.add(f"{model.service_model.service_name}:{PERMISSIONS.get(model.name, model.name)}")

    for emitter in events:
        emitter.register("before-call", note, "note")
    try:
        lake.put(f"{HOUR}/a.gz", [line(sample(0)), b"no reading"])
        lake.run()
        lake.put(f"{HOUR}/b.gz", [line(sample(0, measured_at=T0 - 86400), received_at=T0), line(sample(1))])
        lake.put_bytes(f"{HOUR}/c.gz", b"no gzip")
        lake.run()
    finally:
        for emitter in events:
            emitter.unregister("before-call", unique_id="note")
    assert called == set(re.findall(r'"((?:s3|glue):\w+)"', FUNCTION.read_text()))


def test_mending_a_table_keeps_what_others_added(lake: Any, line: Any, sample: Any, tables_of_terraform: Any) -> None:
    """Where the function may update, a missing column comes back, and added columns and parameters stay."""
    table = tables_of_terraform.get_table(DatabaseName=lake.database, Name="samples")["Table"]
    columns = [column for column in table["StorageDescriptor"]["Columns"] if column["Name"] != "vwc"]
    changed = {
        "Name": "samples",
        "Parameters": {**table["Parameters"], "owner": "agronomy"},
        "StorageDescriptor": {**table["StorageDescriptor"], "Columns": columns},
    }
    tables_of_terraform.update_table(DatabaseName=lake.database, TableInput=changed)
    lake.put(f"{HOUR}/a.gz", [line(sample(0))])
    lake.run()
    mended = tables_of_terraform.get_table(DatabaseName=lake.database, Name="samples")["Table"]
    names = [column["Name"] for column in mended["StorageDescriptor"]["Columns"]]
    assert names == [*catalog.COLUMNS["samples"], "leaf_wetness_min"]
    assert mended["Parameters"] == {**table["Parameters"], "owner": "agronomy"}


def test_a_run_is_one_line_of_json_in_the_log(
    lake: Any, line: Any, sample: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """With Lambda's own formatter the report is a JSON object of one line; the alarm's filter reads `quarantined`."""
    lake.put(f"{HOUR}/a.gz", [line(sample(0)), b"no reading"])
    with caplog.at_level(logging.INFO, index.__name__):
        report = lake.run()
    [record] = [record for record in caplog.records if record.name == index.__name__]
    text = JsonFormatter().format(record)
    assert text.count("\n") == 1
    logged = json.loads(text)
    assert {name: logged[name] for name in report} == report
    assert logged["quarantined"] == 1
