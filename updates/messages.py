"""What jobs and streams have in common: topics, replies, and a request read from a payload."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from protocol import json_text
from updates.errors import RequestError

ROOT = "$aws/things"


class Reply(NamedTuple):
    """A message to a thing. At QoS 0 what does not arrive is asked for again."""

    topic: str
    payload: bytes
    qos: int


def reply(topic: str, message: Mapping[str, Any], qos: int = 1) -> Reply:
    """A reply in JSON, without the fields that have no value."""
    fields = {name: value for name, value in message.items() if value is not None}
    return Reply(topic, json.dumps(fields, separators=(",", ":")).encode(), qos)


def read_request(payload: bytes) -> dict[str, Any]:
    """A request's fields. Raises RequestError with the code that is documented for what is no JSON."""
    try:
        request = json_text.loads(payload)
    except (ValueError, RecursionError) as error:
        raise RequestError("InvalidJson", f"not JSON: {error}"[:200]) from error
    if not isinstance(request, dict):
        raise RequestError("InvalidRequest", "want a JSON object")
    return request


def token_of(request: Mapping[str, Any], name: str) -> str | None:
    """The request's own mark, which its answers repeat: at most 64 bytes of text. Raises RequestError."""
    token = request.get(name)
    if token is None:
        return None
    if not isinstance(token, str) or len(token.encode()) > 64:
        raise RequestError("InvalidRequest", f"{name}: want a text of at most 64 bytes")
    return token


def integer_of(request: Mapping[str, Any], name: str) -> int | None:
    """A whole number, or None where there is none. Raises RequestError for anything else."""
    number = request.get(name)
    if number is not None and type(number) is not int:
        raise RequestError("InvalidRequest", f"{name}: want a whole number")
    return number
