"""S3 and Glue in memory, with S3's conditional writes, for tests that need thousands of lakes.

Only what the function calls is here. `tests/aggregate/test_fake_aws.py` holds it to what moto answers.
"""

import hashlib
import io
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

BEFORE, AFTER = "before", "after"
Watch = Callable[[str, str], None]  # called with BEFORE and AFTER and the operation; may raise, as a crash does


class NoSuchKey(ClientError):  # noqa: N818  # boto3's name
    """As `client.exceptions.NoSuchKey`."""


class EntityNotFoundException(ClientError):  # noqa: N818  # boto3's name
    """As `client.exceptions.EntityNotFoundException`."""


def _refuse(operation: str, code: str, kind: type[ClientError] = ClientError) -> ClientError:
    return kind({"Error": {"Code": code, "Message": code}}, operation)


class Paginator:
    """One page, as of a prefix with fewer than 1,000 keys."""

    def __init__(self, call: Callable[..., dict[str, Any]]) -> None:
        self._call = call

    def paginate(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        yield self._call(**arguments)


class S3:
    """One bucket of any name. `objects` maps a key to body and metadata; `with_watch` gives another client of it."""

    class exceptions:  # noqa: N801  # boto3's name
        NoSuchKey = NoSuchKey

    def __init__(self, watch: Watch = lambda when, operation: None) -> None:
        self.objects: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.calls: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self._watch = watch
        self._lock = threading.Lock()

    def with_watch(self, watch: Watch) -> "S3":
        client = S3(watch)
        client.objects, client.calls, client.bytes, client._lock = self.objects, self.calls, self.bytes, self._lock
        return client

    def _called(self, operation: str, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        self._watch(BEFORE, operation)
        with self._lock:
            self.calls[operation] += 1
            answer = act()
        self._watch(AFTER, operation)
        return answer

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803  # boto3's names, here and below
        def act() -> dict[str, Any]:
            if Key not in self.objects:
                raise _refuse("GetObject", "NoSuchKey", NoSuchKey)
            body, metadata = self.objects[Key]
            self.bytes["GetObject"] += len(body)
            return {"Body": io.BytesIO(body), "ETag": _etag(body), "Metadata": metadata}

        return self._called("GetObject", act)

    def head_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        def act() -> dict[str, Any]:
            if Key not in self.objects:
                raise _refuse("HeadObject", "404")
            body, metadata = self.objects[Key]
            return {"ETag": _etag(body), "Metadata": metadata}

        return self._called("HeadObject", act)

    def put_object(  # noqa: PLR0917  # boto3's arguments, all given by name
        self,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        Metadata: dict[str, str] | None = None,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
        IfNoneMatch: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            there = self.objects.get(Key)
            if IfMatch is not None and there is None:
                raise _refuse("PutObject", "NoSuchKey", NoSuchKey)
            if (IfNoneMatch and there) or (IfMatch is not None and there and IfMatch != _etag(there[0])):
                raise _refuse("PutObject", "PreconditionFailed")
            self.objects[Key] = (Body, Metadata or {})
            self.bytes["PutObject"] += len(Body)
            return {"ETag": _etag(Body)}

        return self._called("PutObject", act)

    def _list(self, Bucket: str, Prefix: str, StartAfter: str) -> dict[str, Any]:  # noqa: N803
        def act() -> dict[str, Any]:
            keys = sorted(key for key in self.objects if key.startswith(Prefix) and key > StartAfter)
            return {"Contents": [{"Key": key, "Size": len(self.objects[key][0])} for key in keys]}

        return self._called("ListObjectsV2", act)

    def get_paginator(self, operation: str) -> Paginator:
        assert operation == "list_objects_v2"
        return Paginator(self._list)


class Glue:
    """One database. `partitions` are pairs of a table and a day; `with_watch` gives another client of it."""

    class exceptions:  # noqa: N801  # boto3's name
        EntityNotFoundException = EntityNotFoundException

    def __init__(self, watch: Watch = lambda when, operation: None) -> None:
        self.databases: set[str] = set()
        self.tables: dict[str, dict[str, Any]] = {}
        self.partitions: set[tuple[str, str]] = set()
        self.calls: Counter[str] = Counter()
        self._watch = watch

    def with_watch(self, watch: Watch) -> "Glue":
        client = Glue(watch)
        client.databases, client.tables = self.databases, self.tables
        client.partitions, client.calls = self.partitions, self.calls
        return client

    def _called(self, operation: str, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        self._watch(BEFORE, operation)
        self.calls[operation] += 1
        answer = act()
        self._watch(AFTER, operation)
        return answer

    def _get_tables(self, DatabaseName: str) -> dict[str, Any]:  # noqa: N803  # boto3's names, here and below
        def act() -> dict[str, Any]:
            if DatabaseName not in self.databases:
                raise _refuse("GetTables", "EntityNotFoundException", EntityNotFoundException)
            return {"TableList": list(self.tables.values())}

        return self._called("GetTables", act)

    def get_paginator(self, operation: str) -> Paginator:
        assert operation == "get_tables"
        return Paginator(self._get_tables)

    def create_database(self, DatabaseInput: dict[str, Any]) -> None:  # noqa: N803
        def act() -> dict[str, Any]:
            if DatabaseInput["Name"] in self.databases:
                raise _refuse("CreateDatabase", "AlreadyExistsException")
            self.databases.add(DatabaseInput["Name"])
            return {}

        self._called("CreateDatabase", act)

    def create_table(self, DatabaseName: str, TableInput: dict[str, Any]) -> None:  # noqa: N803
        def act() -> dict[str, Any]:
            if TableInput["Name"] in self.tables:
                raise _refuse("CreateTable", "AlreadyExistsException")
            self.tables[TableInput["Name"]] = TableInput
            return {}

        self._called("CreateTable", act)

    def update_table(self, DatabaseName: str, TableInput: dict[str, Any]) -> None:  # noqa: N803
        def act() -> dict[str, Any]:
            self.tables[TableInput["Name"]] = TableInput
            return {}

        self._called("UpdateTable", act)

    def batch_create_partition(
        self,
        DatabaseName: str,  # noqa: N803
        TableName: str,  # noqa: N803
        PartitionInputList: list[dict[str, Any]],  # noqa: N803
    ) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            wanted = {(TableName, entry["Values"][0]) for entry in PartitionInputList}
            there = wanted & self.partitions
            self.partitions.update(wanted)
            detail = {"ErrorCode": "AlreadyExistsException"}
            return {"Errors": [{"PartitionValues": [day], "ErrorDetail": detail} for _, day in there]}

        return self._called("BatchCreatePartition", act)


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
