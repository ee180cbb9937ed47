"""Tokens in Google's Secret Manager."""

from contextlib import suppress
from typing import Any

from provisioning.farms.errors import SecretError
from provisioning.farms.google import errors, translated
from provisioning.farms.references import GOOGLE
from provisioning.farms.secrets import checked


class GoogleSecrets:
    """Secret Manager of one project; `client` is as google.secrets_client makes one."""

    def __init__(self, client: Any, project: str) -> None:
        self._client, self._project = client, project

    def keep(self, name: str, text: str) -> str:
        """See Secrets."""
        payload = {"data": checked(name, text)}
        parent = f"projects/{self._project}"
        secret: dict[str, Any] = {"replication": {"automatic": {}}}
        with translated(f"secret {name}", SecretError):
            with suppress(errors().AlreadyExists):  # it gets one version more
                self._client.create_secret(request={"parent": parent, "secret_id": name, "secret": secret})
            self._client.add_secret_version(request={"parent": f"{parent}/secrets/{name}", "payload": payload})
        return f"{parent}/secrets/{name}"

    def read(self, reference: str) -> str:
        """See Secrets; a reference without a version is that of the latest."""
        name = reference if "/versions/" in reference else f"{_secret(reference)}/versions/latest"
        with translated(f"secret {reference}", SecretError):
            return str(self._client.access_secret_version(request={"name": name}).payload.data.decode())

    def forget(self, reference: str) -> None:
        """See Secrets."""
        with translated(f"secret {reference}", SecretError):
            try:
                self._client.delete_secret(request={"name": _secret(reference)})
            except errors().NotFound:
                return


def _secret(reference: str) -> str:
    match = GOOGLE.fullmatch(reference)
    if match is None:
        raise SecretError(f"secret {reference[:100]}: is none of Google's; want projects/PROJECT/secrets/NAME")
    return f"projects/{match[1]}/secrets/{match[2]}"
