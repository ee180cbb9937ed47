"""The seed's registrations, `users/{userId}/tokens/{cnpj}`: what stands there, and how a token in clear leaves it.

Whoever registers writes `vmhub_token, whatsapp_token, status, created_at`, the tokens perhaps in clear. They are moved
to the store of secrets as soon as they are seen, and the record then has references.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from provisioning.farms.records import Record, Records, place
from provisioning.farms.references import is_reference
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

    None if there is no such record. The secret is kept before the record loses it, so a kill between the two costs a
    second call and no token. Of two that write at once the later wins: a token that a user changes in the moment
    between is lost with it, and has to be given again.
    """
    record = records.get(path)
    if record is None:
        return None
    clear = {field: record[field] for field in TOKENS if is_clear(record.get(field))}
    if not clear:
        return record
    references = {field: secrets.keep(secret_name(name, field), text) for field, text in clear.items()}
    records.put(path, record | references)
    return record | references


def is_clear(value: Any) -> bool:
    """True for a token itself."""
    return isinstance(value, str) and value != "" and not is_reference(value)


def secret_name(name: str, field: str) -> str:
    """What a farm's secret is called: `name` is its own, as names.SECRET has it."""
    return f"{name}-{field.replace('_', '-')}"
