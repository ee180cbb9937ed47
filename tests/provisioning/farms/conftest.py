"""The stores of records, each behind what it really is: a file, moto, dynalite, an emulator of Firestore."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from provisioning.farms.records import Records
from provisioning.farms.records_dynamodb import DynamoDbRecords, make_table
from provisioning.farms.records_firestore import FirestoreRecords
from provisioning.farms.records_sqlite import SqliteRecords
from tests.provisioning import cloud
from tests.provisioning.farms.emulators import aws_api, emulator, firestore_at

STORES = ("sqlite", "moto", "dynalite", "firestore")
NUMBERS = count(1)


@pytest.fixture(scope="package")
def running() -> Iterator[dict[str, str]]:
    """Where each emulator answers; each is started for the first test that asks, once for all."""
    with ExitStack() as stack:
        yield Running(stack)


class Running(dict[str, str]):
    """Addresses by store."""

    def __init__(self, stack: ExitStack) -> None:
        super().__init__()
        self._stack = stack

    def __missing__(self, store: str) -> str:
        """Start it."""
        started = {
            "moto": lambda: self._stack.enter_context(aws_api()),
            "dynalite": lambda: f"http://{self._stack.enter_context(emulator('dynamodb'))}",
            "firestore": lambda: self._stack.enter_context(emulator("firestore")),
        }
        self[store] = started[store]()
        return self[store]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, running: dict[str, str], tmp_path: Path) -> Iterator[list[Records]]:
    """One store, empty, as two workers see it: each has a file or a client of its own."""
    with ExitStack() as stack:
        yield [make() for make in two_of(request.param, running, tmp_path, stack)]


def two_of(store: str, running: dict[str, str], folder: Path, stack: ExitStack) -> list[Any]:
    """What makes the two."""
    name = f"farms-{next(NUMBERS)}"
    if store == "sqlite":
        return [lambda: opened(stack, folder / "records.sqlite")] * 2
    if store == "firestore":
        return [lambda: FirestoreRecords(stack.enter_context(firestore_at(running[store], name)))] * 2
    clients = [cloud.client("dynamodb", running[store]) for _ in range(2)]
    for client in clients:
        stack.callback(client.close)
    make_table(clients[0], name)
    return [lambda client=client: DynamoDbRecords(client, name) for client in clients]


def opened(stack: ExitStack, path: Path) -> SqliteRecords:
    records = SqliteRecords(path)
    stack.callback(records.close)
    return records
