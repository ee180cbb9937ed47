"""How an error is told: `{"error": sentence}` to programs, and the server's own page to people."""

import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from web.errors import WebError
from web.site import Site

log = logging.getLogger(__name__)
OURS = "something went wrong here, and the log says what; nothing is known to have changed"


def wants_page(request: Request) -> bool:
    """True for a person's browser, False for a program: the API, a script on the page, a machine with its token."""
    path: str = request.scope["path"]
    is_program = path.startswith("/api/") or "authorization" in request.headers
    return not is_program and "text/html" in request.headers.get("accept", "")


def answer(request: Request, site: Site, status: int, sentence: str, headers: Mapping[str, str]) -> Response:
    """The answer for an error, as whoever asked can read it; a browser that must log in is led there."""
    if not wants_page(request):
        return JSONResponse({"error": sentence}, status, headers)
    if status == 401 and site.login_path is not None and request.scope["path"] != site.login_path:
        query = request.scope["query_string"].decode("latin-1")
        goal = request.scope["path"] + (f"?{query}" if query else "")
        suffix = f"?next={quote(goal, safe='')}" if request.method == "GET" else ""
        return RedirectResponse(site.login_path + suffix, 303)
    if site.page is None:
        return JSONResponse({"error": sentence}, status, headers)
    response = site.page(request, status, sentence)
    response.status_code = status
    response.headers.update(headers)
    return response


def install(app: Any, site: Site) -> None:
    """Let a FastAPI or Starlette app tell every error so."""
    from fastapi.exceptions import RequestValidationError  # noqa: PLC0415 - half a second for those who have no app

    def by_us(request: Request, error: WebError) -> Response:
        if error.status >= 500:
            log.error("%s %s: %s", request.method, request.scope["path"], error)
        return answer(request, site, error.status, str(error), error.headers)

    def by_route(request: Request, error: HTTPException) -> Response:
        return answer(request, site, error.status_code, str(error.detail), error.headers or {})

    def by_input(request: Request, error: RequestValidationError) -> Response:
        sentence = "; ".join(_mistake(one) for one in error.errors())
        return answer(request, site, 422, sentence, {})

    def by_chance(request: Request, _: Exception) -> Response:
        return answer(request, site, 500, OURS, {})  # the server logs it with its traceback

    handlers: dict[type[Exception], Callable[..., Response]] = {
        WebError: by_us,
        HTTPException: by_route,
        RequestValidationError: by_input,
        Exception: by_chance,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def safe_goal(path: str | None) -> str:
    """Where to go after a login: a path of this server, or its first page; never another server's."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")):
        return "/"
    return path if path.isprintable() and "\\" not in path else "/"


def _mistake(mistake: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in mistake["loc"] if part not in {"body", "query", "path", "header"})
    return f"{place[:200] or 'the request'}: {mistake['msg']}"
