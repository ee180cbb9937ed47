"""The body of a request, read strictly: what two programs would read in two ways is no JSON here."""

import json
import math
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MOST_DEPTH = 64
MOST_DIGITS = 400
JSON = "application/json"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class JsonRoute(APIRoute):
    """A route whose body is JSON and says so: 415 for another type, 400 for what is no JSON."""

    def get_route_handler(self) -> Handler:
        """What answers a request."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def strict(request: Request) -> Response:
            posted = _Posted(request.scope, request.receive)
            if await posted.body():
                _check_type(request)
            return await handle(posted)

        return strict


class _Posted(Request):
    async def json(self) -> Any:
        try:
            return read(await self.body())
        except (ValueError, RecursionError) as error:
            raise HTTPException(400, f"the body is no JSON: {error}") from error


def read(body: bytes) -> Any:
    """The value of a JSON text in UTF-8. Raises ValueError, RecursionError."""
    text = body.decode("utf-8-sig")
    value = json.loads(
        text, object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite, parse_int=_whole
    )
    _check(value, MOST_DEPTH)
    return value


def _check_type(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise HTTPException(415, f"the body is of type {kind[:80] or 'none'}; send Content-Type: {JSON}")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, "the body is encoded; send it as it is, without Content-Encoding")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            raise ValueError(f"{name[:80]!r} is in an object twice")
        names.add(name)
    return dict(pairs)


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError(f"{word[:80]} is too large a number")
    return number


def _whole(word: str) -> int:
    if len(word) > MOST_DIGITS:
        raise ValueError(f"{word[:20]}… is too large a number")
    return int(word)


def _check(value: Any, depth_left: int) -> None:
    """Half a character (an escape of one surrogate) is no text; what is nested too deep, no program's own."""
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ValueError("it holds half a character")
    elif isinstance(value, dict | list):
        if not depth_left:
            raise ValueError(f"it is nested more than {MOST_DEPTH} deep")
        for name in value if isinstance(value, dict) else ():
            _check(name, depth_left)
        for one in value.values() if isinstance(value, dict) else value:
            _check(one, depth_left - 1)
