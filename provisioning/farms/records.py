"""Records of farms, claims and notices: a port of five verbs, and what every store takes alike.

A record is a dict of texts, numbers, booleans, None, instants (datetime with a zone), lists and dicts; its path is
`collection/id`, with others' collections in front where it is somebody's: `users/{user}/tokens/{cnpj}`. What one store
would refuse or change (bytes, whole numbers beyond 2**53 - 1, lists in lists, 1e100) all of them refuse, so that a farm
may move from one to another.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from provisioning.farms.errors import RecordError

Record = dict[str, Any]

MOST_BYTES = 300_000  # as JSON; DynamoDB keeps 400 KB, names and all
MOST_DEPTH = 16  # Firestore has 20, DynamoDB 32
MOST_WHOLE = 2**53 - 1  # as JSON has it
LEAST_FLOAT, MOST_FLOAT = 1e-100, 1e31  # DynamoDB writes them out, and its client reads 38 digits
TIME = "$time"  # marks an instant where a store has none
_WORD = re.compile(r"(?!\.\.?(?:/|$)|__)[A-Za-z0-9._:@+-]{1,128}")
_NAME = re.compile(r"(?!\$|__)[^\x00-\x1f]{1,200}")


class Records(Protocol):
    """A store. Each verb raises RecordError for what no store takes, RecordStoreError if this one does not answer."""

    def create(self, path: str, record: Mapping[str, Any]) -> None:
        """Keep a record that is not there yet. Raises TakenError: of any number that try at once, one is let.

        Where the answer to the one is lost on its way, even the one may hear TakenError: it is not made twice, at
        worst nobody knows that it is theirs. A record that matters to its maker so says whose it is.
        """

    def get(self, path: str) -> Record | None:
        """A record as it was kept last, or None."""

    def put(self, path: str, record: Mapping[str, Any]) -> None:
        """Keep a record in place of the whole of what was there."""

    def list(self, collection: str) -> dict[str, Record]:
        """The records of one collection by id, in order; none of those below them."""

    def delete(self, path: str) -> None:
        """Forget a record; harmless if there is none. What is below it stays."""


def place(path: str) -> tuple[str, str]:
    """The collection of a record and its id. Raises RecordError."""
    words = path.split("/")
    if len(words) % 2 or not all(_WORD.fullmatch(word) for word in words):
        raise RecordError(f"record {path[:200]!r}: want collection/id, of letters, digits and . _ : @ + -")
    return path.rpartition("/")[0], words[-1]


def checked_collection(collection: str) -> str:
    """A collection's own path. Raises RecordError."""
    return place(f"{collection}/any")[0]


def checked(path: str, record: Mapping[str, Any]) -> Record:
    """A copy of a record as every store gives it back: instants in UTC, 2.0 as 2. Raises RecordError."""
    plain = {_name(path, name): _checked(f"{path}, {name}", value, 1) for name, value in record.items()}
    try:
        size = len(json.dumps(packed(plain), ensure_ascii=False).encode())
    except UnicodeEncodeError as error:
        raise RecordError(f"record {path}: half a character stands in a text; write it anew") from error
    if size > MOST_BYTES:
        raise RecordError(f"record {path}: has {size} bytes, want {MOST_BYTES} at most")
    return plain


def in_utc(value: datetime) -> datetime:
    """The same instant as a plain datetime, whatever a client's own kind of it is."""
    at = value.astimezone(UTC)
    return datetime(at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond, UTC)


def packed(value: Any) -> Any:
    """A value for a store that has no instants."""
    if isinstance(value, dict):
        return {name: packed(one) for name, one in value.items()}
    if isinstance(value, list):
        return [packed(one) for one in value]
    return {TIME: value.isoformat()} if isinstance(value, datetime) else value


def unpacked(value: Any) -> Any:
    """What was packed."""
    if isinstance(value, dict):
        return datetime.fromisoformat(value[TIME]) if TIME in value else {n: unpacked(v) for n, v in value.items()}
    return [unpacked(one) for one in value] if isinstance(value, list) else value


def _name(where: str, name: object) -> str:
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise RecordError(f"record {where}: {name!r} is no field's name; want a text of one line, without $ or __ in front")


def _checked(where: str, value: Any, depth: int) -> Any:
    if depth > MOST_DEPTH:
        raise RecordError(f"record {where}: more than {MOST_DEPTH} deep; keep it flatter")
    match value:
        case None | bool() | str():
            return value
        case int() | float():
            return _number(where, value)
        case datetime():
            return _instant(where, value)
        case dict():
            return {_name(where, name): _checked(f"{where}.{name}", one, depth + 1) for name, one in value.items()}
        case list() | tuple() if not any(isinstance(one, list | tuple) for one in value):
            return [_checked(where, one, depth + 1) for one in value]
        case list() | tuple():
            raise RecordError(f"record {where}: a list in a list; put each in a dict")
    raise RecordError(f"record {where}: {type(value).__name__} is kept by no store; write it as a text")


def _number(where: str, value: float) -> float:
    if isinstance(value, float) and value.is_integer() and abs(value) <= MOST_WHOLE:
        return int(value)
    is_held = abs(value) <= MOST_WHOLE if isinstance(value, int) else LEAST_FLOAT <= abs(value) < MOST_FLOAT
    if is_held and math.isfinite(value):
        return value
    raise RecordError(f"record {where}: not every store holds this number; write it as a text")


def _instant(where: str, value: datetime) -> datetime:
    if value.tzinfo is None:
        raise RecordError(f"record {where}: an instant without a zone; say which, as datetime.now(UTC) does")
    return in_utc(value)
