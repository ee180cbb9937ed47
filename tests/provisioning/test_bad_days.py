"""AWS that goes away in the middle of an apply, wrong credentials, a full disk: a sentence each, and nothing lost."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.cloud import Cloud
from provisioning.errors import CloudError
from provisioning.surroundings import setup_of
from tests.provisioning.clients import Client, ended, in_process
from tests.provisioning.roots import SMALL


@pytest.fixture
def client(mirror: Path) -> Iterator[Client]:
    """A service without keys."""
    with in_process(mirror, is_open=True) as client:
        yield client


def test_an_aws_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error says what could not be asked, and of whom."""
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    setup = setup_of(tmp_path, nowhere, roles={"f": "arn:aws:iam::123456789012:role/f"})
    with pytest.raises(CloudError, match="cannot be asked what project p has"):
        Cloud(setup, "g", "p").look()
    with pytest.raises(CloudError, match="role/f of farm f cannot be assumed"):
        Cloud(setup, "f", "p").variables()


def test_a_disk_that_is_full_is_a_sentence(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """No job is begun that could not be written down, and nothing of its code stays."""
    connection = client.service.store.database._connection
    monkeypatch.setattr(client.service.store.database, "_connection", Full(connection))
    answer = client.post("/api/deploy", json={"projectId": "full", "iacCode": SMALL})
    assert answer.status_code == 500
    assert "disk" in answer.json()["error"]
    monkeypatch.undo()
    assert list(client.service.setup.data.glob("projects/full/jobs/*")) == []
    assert ended(client, client.post("/api/deploy", json={"projectId": "full", "iacCode": SMALL}).json()["jobId"])


class Full:
    """A connection whose file takes no new row."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        """As the real one, but for what writes."""
        if statement.startswith(("INSERT", "UPDATE")):
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(statement, *values)  # type: ignore[arg-type]

    @property
    def in_transaction(self) -> bool:
        """As the real one."""
        return self._connection.in_transaction
