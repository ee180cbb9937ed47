"""The S3 and Glue in memory answer as moto does, so that what is proved on them holds on it."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local_cloud.aws import environment
from tests.aggregate import fake_aws


@pytest.fixture(params=["moto", "in memory"])
def clients(
    request: pytest.FixtureRequest, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Any, Any]]:
    for name, value in environment(endpoint).items():
        monkeypatch.setenv(name, value)
    if request.param == "in memory":
        yield fake_aws.S3(), fake_aws.Glue()
        return
    s3, glue = boto3.client("s3"), boto3.client("glue")
    s3.create_bucket(Bucket="contract")
    yield s3, glue
    for client in (s3, glue):
        client.close()


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def test_conditional_writes(clients: tuple[Any, Any]) -> None:
    """A write with a condition happens if the condition holds, and is refused with S3's own code if not."""
    s3, _ = clients
    place = {"Bucket": "contract", "Key": "conditional"}
    assert refusal(lambda: s3.put_object(**place, Body=b"0", IfMatch='"0"')) == "NoSuchKey"
    first = s3.put_object(**place, Body=b"1", IfNoneMatch="*", Metadata={"version": "1"})["ETag"]
    assert refusal(lambda: s3.put_object(**place, Body=b"2", IfNoneMatch="*")) == "PreconditionFailed"
    assert s3.get_object(**place)["Body"].read() == b"1"
    second = s3.put_object(**place, Body=b"2", IfMatch=first, Metadata={"version": "2"})["ETag"]
    assert second != first
    assert refusal(lambda: s3.put_object(**place, Body=b"3", IfMatch=first)) == "PreconditionFailed"
    answer = s3.get_object(**place)
    assert (answer["Body"].read(), answer["ETag"], answer["Metadata"]) == (b"2", second, {"version": "2"})
    head = s3.head_object(**place)
    assert (head["ETag"], head["Metadata"]) == (second, {"version": "2"})
    assert s3.put_object(**place, Body=b"1")["ETag"] == first  # an etag is that of the content
    assert s3.get_object(**place)["Metadata"] == {}


def test_what_is_not_there(clients: tuple[Any, Any]) -> None:
    """Reading an object that does not exist is refused, with the exception that the client has for it."""
    s3, _ = clients
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket="contract", Key="nowhere")
    assert refusal(lambda: s3.head_object(Bucket="contract", Key="nowhere")) == "404"


def test_listing(clients: tuple[Any, Any]) -> None:
    """Keys come in order, under the prefix, after the given one."""
    s3, _ = clients
    for key in ("list/b", "list/a", "list/c/d", "lisu"):
        s3.put_object(Bucket="contract", Key=key, Body=b"12")
    [page] = s3.get_paginator("list_objects_v2").paginate(Bucket="contract", Prefix="list/", StartAfter="list/a")
    assert [(entry["Key"], entry["Size"]) for entry in page["Contents"]] == [("list/b", 2), ("list/c/d", 2)]


def test_the_catalogue(clients: tuple[Any, Any]) -> None:
    """What is made twice is refused as existing, partitions one by one."""
    _, glue = clients
    tables = glue.get_paginator("get_tables")
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        list(tables.paginate(DatabaseName="contract"))
    glue.create_database(DatabaseInput={"Name": "contract"})
    assert refusal(lambda: glue.create_database(DatabaseInput={"Name": "contract"})) == "AlreadyExistsException"
    glue.create_table(
        DatabaseName="contract", TableInput={"Name": "t", "PartitionKeys": [{"Name": "day", "Type": "date"}]}
    )
    again = {"DatabaseName": "contract", "TableInput": {"Name": "t"}}
    assert refusal(lambda: glue.create_table(**again)) == "AlreadyExistsException"
    glue.update_table(DatabaseName="contract", TableInput={"Name": "t", "Description": "changed"})
    [page] = tables.paginate(DatabaseName="contract")
    assert [(table["Name"], table["Description"]) for table in page["TableList"]] == [("t", "changed")]
    answers = []
    for days in (["2024-06-01"], ["2024-06-01", "2024-06-02"]):
        entries = [{"Values": [day], "StorageDescriptor": {}} for day in days]
        answers.append(glue.batch_create_partition(DatabaseName="contract", TableName="t", PartitionInputList=entries))
    assert answers[0].get("Errors", []) == []
    [error] = answers[1]["Errors"]
    assert (error["PartitionValues"], error["ErrorDetail"]["ErrorCode"]) == (["2024-06-01"], "AlreadyExistsException")
