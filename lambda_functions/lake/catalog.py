"""The Glue catalogue: a database, three tables, a partition for every day of two of them.

On AWS, Terraform has made database and tables, from terraform/modules/lake/tables.json; then only partitions are added
here. Where nobody has, as in the local cloud, this makes them. A test holds the two definitions together.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from .errors import StoreError
from .settings import Settings
from .store import refusals
from .tables import TABLES

if TYPE_CHECKING:  # stubs are for development, not in the image
    from types_boto3_glue import GlueClient

PARTITIONS_A_CALL = 100
TYPES = {"String": "string", "Int64": "bigint", "Float64": "double", "Datetime": "timestamp"}
COLUMNS = {
    **{table: {name: TYPES[str(dtype.base_type())] for name, dtype in TABLES[table].items()} for table in TABLES},
    "quarantine": {"object": "string", "line": "bigint", "sample": "bigint", "reason": "string", "raw": "string"},
}
_HIVE = "org.apache.hadoop.hive.ql.io"
PARQUET = {
    "InputFormat": f"{_HIVE}.parquet.MapredParquetInputFormat",
    "OutputFormat": f"{_HIVE}.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": f"{_HIVE}.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}
JSON = {
    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
    "OutputFormat": f"{_HIVE}.HiveIgnoreKeyTextOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}


def location(settings: Settings, table: str, day: str | None = None) -> str:
    """The key prefix of a table, or of one of its days."""
    return f"{settings.dest_prefix}{table}/" + (f"day={day}/" if day else "")


def register(glue: "GlueClient", settings: Settings, days: list[str]) -> None:
    """See to it that database and tables are there and right, and partitions for the new `days`. Raises StoreError."""
    with refusals(f"Glue database {settings.glue_database}"):
        there = _tables(glue, settings.glue_database)
        for name in COLUMNS:
            _see_to_table(glue, settings, name, there.get(name))
        for name in TABLES:
            for start in range(0, len(days), PARTITIONS_A_CALL):
                _see_to_partitions(glue, settings, name, days[start : start + PARTITIONS_A_CALL])


def _tables(glue: "GlueClient", database: str) -> dict[str, Any]:
    try:
        pages = glue.get_paginator("get_tables").paginate(DatabaseName=database)
        return {table["Name"]: table for page in pages for table in page["TableList"]}
    except glue.exceptions.EntityNotFoundException:
        with _another_run_may_be_first():
            glue.create_database(DatabaseInput={"Name": database, "Description": "PythoFlow's lake"})
        return {}


@contextmanager
def _another_run_may_be_first() -> Iterator[None]:
    """Pass over the refusal of what another run has just made, or is making: it makes the same."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("AlreadyExistsException", "ConcurrentModificationException"):
            raise


def _see_to_table(glue: "GlueClient", settings: Settings, name: str, there: dict[str, Any] | None) -> None:
    table: Any = definition(settings, name)
    with _another_run_may_be_first():
        if there is None:
            glue.create_table(DatabaseName=settings.glue_database, TableInput=table)
        elif not _holds(there, table):
            glue.update_table(DatabaseName=settings.glue_database, TableInput=_mended(there, table))


def _holds(there: Any, part: Any) -> bool:
    """True if `there` says all that `part` says; Glue adds fields of its own, and a newer version adds columns."""
    if isinstance(part, dict):
        return isinstance(there, dict) and all(_holds(there.get(key), value) for key, value in part.items())
    if isinstance(part, list):
        return isinstance(there, list) and all(any(_holds(one, other) for one in there) for other in part)
    return bool(there == part)


def _mended(there: dict[str, Any], table: dict[str, Any]) -> Any:
    """The table, and the parameters and columns that somebody else has added."""
    storage = table["StorageDescriptor"]
    names = {column["Name"] for column in storage["Columns"]}
    more = [column for column in there["StorageDescriptor"].get("Columns", []) if column["Name"] not in names]
    return {
        **table,
        "Parameters": {**there.get("Parameters", {}), **table["Parameters"]},
        "StorageDescriptor": {**storage, "Columns": [*storage["Columns"], *more]},
    }


def _see_to_partitions(glue: "GlueClient", settings: Settings, name: str, days: list[str]) -> None:
    answer = glue.batch_create_partition(
        DatabaseName=settings.glue_database,
        TableName=name,
        PartitionInputList=[{"Values": [day], "StorageDescriptor": _storage(settings, name, day)} for day in days],  # type: ignore[typeddict-item]  # plain dicts
    )
    for error in answer.get("Errors", []):
        detail = error.get("ErrorDetail", {})
        if detail.get("ErrorCode") != "AlreadyExistsException":
            raise StoreError(f"Glue partition {name} {error.get('PartitionValues')}: {detail.get('ErrorMessage')}")


def definition(settings: Settings, name: str) -> dict[str, Any]:
    """A table as Glue's CreateTable takes it."""
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet" if name in TABLES else "json"},
        "PartitionKeys": [{"Name": "day", "Type": "date"}] if name in TABLES else [],
        "StorageDescriptor": _storage(settings, name, None),
    }


def _storage(settings: Settings, name: str, day: str | None) -> dict[str, Any]:
    return {
        "Columns": [{"Name": column, "Type": kind} for column, kind in COLUMNS[name].items()],
        "Location": f"s3://{settings.dest_bucket}/{location(settings, name, day)}",
        **(PARQUET if name in TABLES else JSON),
    }
