"""The seed's registrations, `users/{userId}/tokens/{cnpj}`: what stands there, and how a token in clear leaves it.

Whoever registers writes `vmhub_token, whatsapp_token, status, created_at`, the tokens perhaps in clear. They are moved
to the store of secrets as soon as they are seen, and the record then has references.
"""

from collections.abc import Mapping
from datetime import datetime

from provisioning.farms.errors import RecordError
from provisioning.farms.records import Record, Records, place
from provisioning.farms.references import is_to
from provisioning.farms.secrets import Secrets

TOKENS = ("vmhub_token", "whatsapp_token")
PENDING_SETUP = "pending_setup"


def path_of(user_id: str, cnpj: str) -> str:
    """Where a user's registration of a CNPJ stands. Raises RecordError."""
    path = f"users/{user_id}/tokens/{cnpj}"
    place(path)
    return path


def registration(tokens: Mapping[str, str], created_at: datetime) -> Record:
    """A new registration, with exactly the seed's fields; a token that nobody gave is empty."""
    return {**{name: tokens.get(name, "") for name in TOKENS}, "status": PENDING_SETUP, "created_at": created_at}


def move(records: Records, secrets: Secrets, path: str, name: str) -> Record | None:
    """Bring what stands in clear in a registration to `secrets`, as `{name}-vmhub-token`; gives the record after it.

    A reference that is not to the farm's own secret is moved as if it were a token: who registers cannot make us read
    what is somebody else's. None if there is no such record.

    The secret is kept before the record loses it, so a kill between the two costs a second call and no token. What
    changes meanwhile is looked at anew; only a token that is changed in the moment between the last look and the write
    is lost with it, and has to be given again. Raises RecordError if a token is no text, and what the stores raise.
    """
    record = records.get(path)
    while record is not None and (clear := _clear(path, record, name)):
        references = {field: secrets.keep(secret_name(name, field), record[field]) for field in clear}
        before, record = record, records.get(path)
        if record == before:
            record = before | references
            records.put(path, record)
        elif record is None:
            for reference in references.values():
                secrets.forget(reference)
    return record


def _clear(path: str, record: Record, name: str) -> list[str]:
    """The fields in which a token itself stands. Raises RecordError."""
    values = {field: record.get(field) for field in TOKENS}
    for field, value in values.items():
        if value is not None and not isinstance(value, str):
            raise RecordError(f"record {path}, {field}: want a text")
    return [field for field, value in values.items() if value and not is_to(value, secret_name(name, field))]


def secret_name(name: str, field: str) -> str:
    """What a farm's secret is called: `name` is its own, as names.SECRET has it."""
    return f"{name}-{field.replace('_', '-')}"
