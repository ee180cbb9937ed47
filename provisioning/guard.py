"""What stands before every route: whose host, whose page, how much, which key, how often; and the audit behind it."""

from collections.abc import Callable
from contextlib import suppress

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from provisioning.code import MIB
from provisioning.keys import ANYBODY, Key
from provisioning.service import Service
from web.answers import answer
from web.errors import RequestError, WebError
from web.middleware import SAFE, bearer, check_host, check_length, is_local, limited, with_headers
from web.site import Site

MOST_BODY_BYTES = 28 * MIB  # an archive of 20 MiB in base64, and variables
PUBLIC = {"/openapi.json"}
LOGIN = "this needs a key: Authorization: Bearer KEY (python -m provisioning key add makes one)"


def guard(app: ASGIApp, site: Site, service_of: Callable[[], Service]) -> ASGIApp:
    """The app behind every check."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        sender = with_headers(send, site)
        state = scope.setdefault("state", {})
        service = service_of()
        try:
            headers = Headers(scope=scope)
            check_host(headers, site)
            _check_page(scope, headers, site)
            check_length(headers, site)
            _check_place(scope, headers, site, service)
            is_open = service.setup.is_open  # then there is no file to look into, and no thread is needed
            state["key"] = ANYBODY if is_open else await run_in_threadpool(_key, service, headers, scope["path"])
        except WebError as error:
            await answer(Request(scope), site, error.status, str(error), error.headers)(scope, receive, sender)
            return
        if scope["method"] not in SAFE:
            sender = _audited(sender, scope, service)
        await app(scope, limited(receive, site.most_body_bytes), sender)

    return guarded


async def key_of(request: Request) -> Key:
    """Who asks: a FastAPI dependency. Raises RequestError 401."""
    key: Key | None = getattr(request.state, "key", None)
    if key is None:
        raise RequestError(401, LOGIN, {"WWW-Authenticate": "Bearer"})
    return key


def still_may(service: Service, request: Request) -> bool:
    """True while whoever opened a long answer is still let in."""
    if service.setup.is_open:
        return True
    secret = bearer(Headers(scope=request.scope))
    return secret is not None and service.keys.of_secret(secret) is not None


def _key(service: Service, headers: Headers, path: str) -> Key | None:
    secret = bearer(headers)
    key = service.keys.of_secret(secret) if secret else None
    if key is None:
        if path in PUBLIC:
            return None
        raise RequestError(401, LOGIN, {"WWW-Authenticate": "Bearer"})
    service.pace.take(key.name)
    return key


def _check_place(scope: Scope, headers: Headers, site: Site, service: Service) -> None:
    """Without keys whoever is on this machine may everything: nobody who comes through a proxy is."""
    if service.setup.is_open and not is_local(scope, headers, site):
        raise RequestError(403, "the service is open to this machine alone; serve without --open, and send a key")


def _check_page(scope: Scope, headers: Headers, site: Site) -> None:
    """Without keys, a page of somebody else's in this machine's browser must not order anything."""
    if scope["method"] in SAFE or bearer(headers) is not None:
        return
    origin, place = headers.get("origin"), headers.get("sec-fetch-site", "none")
    is_own = origin is None or site.is_own(origin, scope["scheme"], headers["host"])
    if not is_own or place not in {"none", "same-origin"}:
        raise RequestError(403, "the request comes from another site's page; nothing was changed")


def _audited(send: Send, scope: Scope, service: Service) -> Send:
    """A row for each call that may change something, with its answer's code."""

    def write(status: int) -> None:
        state = scope["state"]
        key, job_id = state.get("key"), state.get("job_id")
        project_id = None
        if job_id is not None:
            project_id = service.store.job(job_id).project_id
        statement = "INSERT INTO audit (at, key, call, status, project_id, job_id) VALUES (?, ?, ?, ?, ?, ?)"
        call = f"{scope['method']} {scope['path'][:200]}"
        name = key.name if key else ""
        service.store.database.run(statement, service.store.now(), name, call, status, project_id, job_id)

    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            with suppress(WebError):  # the disk is full: the answer tells of it
                await run_in_threadpool(write, message["status"])
        await send(message)

    return sender
