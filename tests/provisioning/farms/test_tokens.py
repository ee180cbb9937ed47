"""A token that arrives in clear is moved to the store of secrets; after that its text is nowhere else."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from provisioning.farms import references, tokens
from provisioning.farms.errors import RecordError, SecretError
from provisioning.farms.records import Records
from provisioning.farms.records_sqlite import SqliteRecords
from provisioning.farms.secrets import AwsSecrets, Secrets
from provisioning.farms.secrets_google import GoogleSecrets
from tests.provisioning import cloud

VMHUB, WHATSAPP = "vmhub-clear-5f1d9a", "EAAG-clear-0b7c3e"
AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
NAME = "irrigation-farm-12abc34501de35-dev"
PATH = tokens.path_of("a1B2", "12abc34501de35")


@pytest.fixture(params=["aws", "google"])
def secrets(request: pytest.FixtureRequest, running: dict[str, str]) -> Iterator[Secrets]:
    """A store of secrets: AWS's on the local cloud, Google's client before what stands for Google."""
    with ExitStack() as stack:
        if request.param == "google":
            from tests.provisioning.farms.google_secrets import secret_manager  # noqa: PLC0415  # it loads gRPC

            client, _ = stack.enter_context(secret_manager())
            yield GoogleSecrets(client, "farms-1")
        else:
            client = cloud.client("secretsmanager", running["moto"])
            stack.callback(client.close)
            yield AwsSecrets(client)
            for row in client.list_secrets()["SecretList"]:
                client.delete_secret(SecretId=row["ARN"], ForceDeleteWithoutRecovery=True)


def test_a_registration_has_the_seeds_four_fields() -> None:
    """At users/{userId}/tokens/{cnpj}; what nobody gave is empty, and a path that is none is refused."""
    assert PATH == "users/a1B2/tokens/12abc34501de35"
    assert tokens.registration({"vmhub_token": VMHUB}, AT) == {
        "vmhub_token": VMHUB,
        "whatsapp_token": "",
        "status": "pending_setup",
        "created_at": AT,
    }
    with pytest.raises(RecordError):
        tokens.path_of("../x", "12abc34501de35")


def test_a_token_in_clear_is_moved(
    store: Sequence[Records],
    secrets: Secrets,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The record has references, each leads to its token, and the text is in no file and no log any more."""
    caplog.set_level(logging.INFO)
    one, other = store
    one.create(PATH, tokens.registration({"vmhub_token": VMHUB, "whatsapp_token": WHATSAPP}, AT))
    record = tokens.move(other, secrets, PATH, NAME)
    assert record is not None
    assert record == one.get(PATH)
    assert set(record) == {"vmhub_token", "whatsapp_token", "status", "created_at"}
    assert references.is_reference(record["vmhub_token"])
    assert [secrets.read(record[field]) for field in tokens.TOKENS] == [VMHUB, WHATSAPP]
    everything = repr([store[0].list("users/a1B2/tokens"), caplog.text]).encode()
    for place in (everything, *(path.read_bytes() for path in tmp_path.iterdir())):
        assert b"clear" not in place


def test_what_was_moved_is_not_moved_again(store: Sequence[Records], secrets: Secrets) -> None:
    """A late event changes nothing; a token that is given anew is kept in place of the old one, at the same place."""
    records = store[0]
    records.create(PATH, tokens.registration({"vmhub_token": VMHUB}, AT))
    first = tokens.move(records, secrets, PATH, NAME)
    assert first is not None
    assert first["whatsapp_token"] == ""
    assert tokens.move(records, secrets, PATH, NAME) == first
    records.put(PATH, first | {"vmhub_token": "another-clear-one", "status": "provisioned"})
    assert tokens.move(records, secrets, PATH, NAME) == first | {"status": "provisioned"}
    assert secrets.read(first["vmhub_token"]) == "another-clear-one"
    assert tokens.move(records, secrets, tokens.path_of("a1B2", "12345678000195"), NAME) is None


def test_a_reference_to_somebody_elses_secret_leads_nowhere(store: Sequence[Records], secrets: Secrets) -> None:
    """Who writes another farm's reference where a token belongs has that text kept, and nothing of theirs."""
    theirs = secrets.keep("irrigation-farm-12345678000195-dev-vmhub-token", "theirs-clear")
    store[0].create(PATH, tokens.registration({"vmhub_token": theirs}, AT))
    record = tokens.move(store[0], secrets, PATH, NAME)
    assert record is not None
    assert record["vmhub_token"] != theirs
    assert secrets.read(record["vmhub_token"]) == theirs


@pytest.mark.parametrize("value", [7, ["vmhub-clear"], {"a": "vmhub-clear"}, True])
def test_a_token_that_is_no_text_is_refused(tmp_path: Path, value: Any) -> None:
    """Whatever stands where a token belongs is told, without its value."""
    records = SqliteRecords(tmp_path / "records.sqlite")
    records.create(PATH, tokens.registration({}, AT) | {"vmhub_token": value})
    with pytest.raises(RecordError, match=rf"^record {PATH}, vmhub_token: want a text$"):
        tokens.move(records, Slow(lambda: None), PATH, NAME)
    records.close()


class Slow:
    """A store of secrets while whose work something else happens."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.secrets: dict[str, str] = {}
        self._meanwhile = [meanwhile]

    def keep(self, name: str, text: str) -> str:
        self.secrets[f"projects/farms-1/secrets/{name}"] = text
        while self._meanwhile:
            self._meanwhile.pop()()
        return f"projects/farms-1/secrets/{name}"

    def read(self, reference: str) -> str:
        return self.secrets[reference]

    def forget(self, reference: str) -> None:
        del self.secrets[reference]


def test_a_token_that_changes_while_it_is_moved_is_not_lost(tmp_path: Path) -> None:
    """The user gives another one, and somebody writes a status, while the store of secrets works: both are kept."""
    records = SqliteRecords(tmp_path / "records.sqlite")
    first = tokens.registration({"vmhub_token": VMHUB}, AT)
    records.create(PATH, first)
    second = first | {"vmhub_token": "another-clear-one", "status": "provisioning"}
    secrets = Slow(lambda: records.put(PATH, second))
    record = tokens.move(records, secrets, PATH, NAME)
    assert record == records.get(PATH)
    assert record is not None
    assert record["status"] == "provisioning"
    assert secrets.read(record["vmhub_token"]) == "another-clear-one"
    records.close()


def test_a_registration_that_goes_while_it_is_moved_leaves_no_secret(tmp_path: Path) -> None:
    """Nobody has a reference to it any more, so it is forgotten, and the record does not come back."""
    records = SqliteRecords(tmp_path / "records.sqlite")
    records.create(PATH, tokens.registration({"vmhub_token": VMHUB, "whatsapp_token": WHATSAPP}, AT))
    secrets = Slow(lambda: records.delete(PATH))
    assert tokens.move(records, secrets, PATH, NAME) is None
    assert records.get(PATH) is None
    assert secrets.secrets == {}
    records.close()


def test_a_secret_that_cannot_be_kept_leaves_the_record(store: Sequence[Records]) -> None:
    """The token is not lost; the next call moves it."""

    class Shut(AwsSecrets):
        def keep(self, name: str, text: str) -> str:
            raise SecretError("shut")

    before = tokens.registration({"vmhub_token": VMHUB}, AT)
    store[0].create(PATH, before)
    with pytest.raises(SecretError):
        tokens.move(store[0], Shut(None), PATH, NAME)
    assert store[0].get(PATH) == before


def test_a_secret_that_is_forgotten_is_gone(secrets: Secrets) -> None:
    """It can be read no more, forgetting it again does no harm, and its name is free."""
    reference = secrets.keep("farm-a", "x")
    secrets.forget(reference)
    secrets.forget(reference)
    with pytest.raises(SecretError, match=r"^secret .*; look at "):
        secrets.read(reference)
    assert secrets.read(secrets.keep("farm-a", "y")) == "y"


@pytest.mark.parametrize("text", ["", "clear" * 20_000, "clear\ud800"])
def test_a_secret_that_no_cloud_keeps_is_refused_and_not_repeated(secrets: Secrets, text: str) -> None:
    """Too long, empty or half a character: the error names the secret, and has nothing of it."""
    with pytest.raises(SecretError, match=r"^secret farm-a: ") as caught:
        secrets.keep("farm-a", text)
    assert "clear" not in str(caught.value)


def test_a_cloud_that_refuses_is_told_without_the_secret(running: dict[str, str]) -> None:
    """Neither the error nor what it comes from has the text in it."""
    client = cloud.client("secretsmanager", running["moto"])
    with pytest.raises(SecretError, match=r"^secret a b: [A-Za-z]*; look at its name") as caught:
        AwsSecrets(client).read("a b")
    assert caught.value.__cause__ is None
    with pytest.raises(
        SecretError, match=r"^secret a: EndpointConnectionError; check credentials, region and network$"
    ):
        AwsSecrets(cloud.client("secretsmanager", "http://127.0.0.1:9")).keep("a", "clear")


def test_a_reference_that_is_none_of_googles_is_refused() -> None:
    """An ARN cannot be read there."""
    with pytest.raises(SecretError, match=r"is none of Google's; want projects/PROJECT/secrets/NAME$"):
        GoogleSecrets(None, "farms-1").read("arn:aws:secretsmanager:us-east-1:123456789012:secret:a-AbCdEf")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("projects/farms-1/secrets/vmhub", True),
        ("projects/123456/secrets/vmhub_token-1/versions/latest", True),
        ("projects/farms-1/secrets/vmhub/versions/7", True),
        ("arn:aws:secretsmanager:sa-east-1:123456789012:secret:irrigation/a-AbCdEf", True),
        ("arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:a-AbCdEf", True),
        ("projects/farms-1/secrets/", False),
        ("projects/farms-1/secrets/a/versions/x", False),
        ("arn:aws:s3:::bucket", False),
        ("arn:aws:secretsmanager:us-east-1:1:secret:a", False),
        ("EAAGm0PX4ZCpsBA", False),
        ("x projects/farms-1/secrets/vmhub", False),
        ("projects/farms-1/secrets/vmhub\n", False),
        ("", False),
        (None, False),
    ],
)
def test_a_reference_is_told_from_a_token(text: Any, is_one: bool) -> None:
    """What only looks like one is taken for a token, and moved."""
    assert references.is_reference(text) is is_one
