"""Records in a DynamoDB table: `collection` and `id` are its key, `record` is a map, which people and streams read."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from provisioning.farms.errors import RecordStoreError, TakenError
from provisioning.farms.records import MOST_WHOLE, Record, checked, checked_collection, packed, place, unpacked

_KEYS = (("collection", "HASH"), ("id", "RANGE"))


def make_table(client: Any, table: str) -> None:
    """Make the table, as Terraform would, and wait until it is there. Raises RecordStoreError."""
    with _translated(table):
        client.create_table(
            TableName=table,
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in _KEYS],
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in _KEYS],
            BillingMode="PAY_PER_REQUEST",
        )
        client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


class DynamoDbRecords:
    """Records in a table that is there already. `client` is boto3's of DynamoDB."""

    def __init__(self, client: Any, table: str) -> None:
        self._client, self._table = client, table

    def create(self, path: str, record: Mapping[str, Any]) -> None:
        """See Records."""
        item = _item(path, record)
        with _translated(self._table):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(#id)",
                    ExpressionAttributeNames={"#id": "id"},
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                raise TakenError(f"record {path}: is there already; look at it, or take another name") from error

    def get(self, path: str) -> Record | None:
        """See Records."""
        with _translated(self._table):
            answer = self._client.get_item(TableName=self._table, Key=_key(path), ConsistentRead=True)
        return _record(answer["Item"]) if "Item" in answer else None

    def put(self, path: str, record: Mapping[str, Any]) -> None:
        """See Records."""
        item = _item(path, record)
        with _translated(self._table):
            self._client.put_item(TableName=self._table, Item=item)

    def list(self, collection: str) -> dict[str, Record]:
        """See Records."""
        query = {
            "TableName": self._table,
            "KeyConditionExpression": "#collection = :collection",
            "ExpressionAttributeNames": {"#collection": "collection"},
            "ExpressionAttributeValues": {":collection": {"S": checked_collection(collection)}},
            "ConsistentRead": True,
        }
        with _translated(self._table):
            pages = self._client.get_paginator("query").paginate(**query)
            return {item["id"]["S"]: _record(item) for page in pages for item in page["Items"]}

    def delete(self, path: str) -> None:
        """See Records."""
        with _translated(self._table):
            self._client.delete_item(TableName=self._table, Key=_key(path))


def record_of(item: Mapping[str, Any]) -> tuple[str, Record]:
    """Path and record of an item as DynamoDB has it, in a table or in a stream's event."""
    return f"{item['collection']['S']}/{item['id']['S']}", _record(item)


@contextmanager
def _translated(table: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise RecordStoreError(f"records in DynamoDB's {table}: {code}; look at the table and the role") from error
    except BotoCoreError as error:
        why = " ".join(str(error).split())
        raise RecordStoreError(f"records in DynamoDB's {table}: {why}; check credentials, region, network") from error


def _key(path: str) -> dict[str, Any]:
    collection, name = place(path)
    return {"collection": {"S": collection}, "id": {"S": name}}


def _item(path: str, record: Mapping[str, Any]) -> dict[str, Any]:
    return {**_key(path), "record": TypeSerializer().serialize(_decimal(packed(checked(path, record))))}


def _record(item: Mapping[str, Any]) -> Record:
    record: Record = unpacked(_plain(TypeDeserializer().deserialize(item["record"])))
    return record


def _decimal(value: Any) -> Any:
    """Numbers as the serializer wants them: it takes no floats, lest they lose digits."""
    if isinstance(value, dict):
        return {name: _decimal(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_decimal(one) for one in value]
    return Decimal(repr(value)) if isinstance(value, float) else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) <= MOST_WHOLE else float(value)
    return value
