"""Where tokens lie: a port of three verbs, and AWS Secrets Manager behind it. Records have references."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from provisioning.farms.errors import SecretError

MOST_BYTES = 65_536  # of both clouds


class Secrets(Protocol):
    """A store of secrets. Each verb raises SecretError, in whose text no secret stands."""

    def keep(self, name: str, text: str) -> str:
        """Keep a secret, in place of what this name had; gives the reference to it."""

    def read(self, reference: str) -> str:
        """The secret that is kept there now."""

    def forget(self, reference: str) -> None:
        """Remove a secret, all that it ever was; harmless if there is none."""


def checked(name: str, text: str) -> bytes:
    """A secret that both clouds keep. Raises SecretError."""
    try:
        secret = text.encode()
    except UnicodeEncodeError:
        raise SecretError(f"secret {name}: half a character stands in it; write it anew") from None
    if not 0 < len(secret) <= MOST_BYTES:
        raise SecretError(f"secret {name}: has {len(secret)} bytes, want 1 to {MOST_BYTES}")
    return secret


class AwsSecrets:
    """Secrets Manager; `client` is boto3's of it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def keep(self, name: str, text: str) -> str:
        """See Secrets."""
        checked(name, text)
        with _translated(name):
            try:
                answer = self._client.create_secret(Name=name, SecretString=text)
            except self._client.exceptions.ResourceExistsException:
                answer = self._client.put_secret_value(SecretId=name, SecretString=text)
        return str(answer["ARN"])

    def read(self, reference: str) -> str:
        """See Secrets."""
        with _translated(reference):
            return str(self._client.get_secret_value(SecretId=reference)["SecretString"])

    def forget(self, reference: str) -> None:
        """See Secrets."""
        with _translated(reference):
            try:
                self._client.delete_secret(SecretId=reference, ForceDeleteWithoutRecovery=True)
            except self._client.exceptions.ResourceNotFoundException:
                return


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Only codes and kinds: a cloud's own sentence may repeat what was sent."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise SecretError(f"secret {what}: {code}; look at its name and at the role") from None
    except BotoCoreError as error:
        raise SecretError(f"secret {what}: {type(error).__name__}; check credentials, region and network") from None
