"""Google's clients, which are an extra of their own: they bring gRPC, and most farms need none of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from provisioning.errors import ProvisioningError
from provisioning.farms.errors import MissingClientError

REMEDY = "pip install --require-hashes --requirement requirements/provisioning-google.txt"


def firestore_client(project: str, **options: Any) -> Any:
    """A client of a project's Firestore; FIRESTORE_EMULATOR_HOST leads it elsewhere. Raises MissingClientError."""
    with _installed("Firestore"):
        from google.cloud import firestore  # noqa: PLC0415  # an extra

    return firestore.Client(project=project, **options)


def secrets_client(**options: Any) -> Any:
    """A client of Secret Manager. Raises MissingClientError."""
    with _installed("Secret Manager"):
        from google.cloud import secretmanager  # noqa: PLC0415  # an extra

    return secretmanager.SecretManagerServiceClient(**options)


def errors() -> Any:
    """What Google's clients raise, as a module. Raises MissingClientError."""
    with _installed("Google"):
        from google.api_core import exceptions  # noqa: PLC0415  # an extra

    return exceptions


@contextmanager
def translated(what: str, kind: type[ProvisioningError]) -> Iterator[None]:
    """Whatever Google's clients raise becomes a `kind` that says what was asked, and nothing of what was sent."""
    calls = errors()
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415  # an extra, which is there

    try:
        yield
    except calls.GoogleAPICallError as error:
        raise kind(f"{what}: {type(error).__name__}; look at the project and at the account's roles") from None
    except (calls.RetryError, GoogleAuthError) as error:
        raise kind(f"{what}: {type(error).__name__}; check credentials and network") from None


@contextmanager
def _installed(what: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingClientError(f"the client of {what} is not installed; remedy: {REMEDY}") from error
