"""What stands before every route: whose host, whose page, how much, who, and whether they may.

`protect` wraps the whole app, so that an error of the app itself leaves with the same headers.
"""

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web import cookies
from web.access import Access
from web.answers import answer
from web.errors import RequestError, WebError
from web.roles import LOCAL, Person, Rights
from web.site import Site, is_loopback_name

SAFE = {"GET", "HEAD", "OPTIONS"}
BEARER = "bearer "
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
SECURITY: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # `no-referrer` would make browsers send `Origin: null` with the forms of our own pages.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
HSTS = {"Strict-Transport-Security": "max-age=31536000"}


def protect(app: ASGIApp, site: Site, access: Access, rights: Rights) -> ASGIApp:
    """The app behind every check; what it gets to see comes from `person_of` somebody who may."""

    async def protected(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        sender = with_headers(send, site)
        request = Request(scope)
        try:
            check_host(request.headers, site)
            _check_origin(scope, request.headers, site)
            check_length(request.headers, site)
            person = await _who(scope, request.headers, site, access)
            rights.check(scope["method"], scope["path"], person)
        except WebError as error:
            await answer(request, site, error.status, str(error), error.headers)(scope, receive, sender)
            return
        scope.setdefault("state", {})["person"] = person
        await app(scope, limited(receive, site.most_body_bytes), sender)

    return protected


def person_of(request: Request) -> Person:
    """Who asks; on routes for everybody raises RequestError if nobody has logged in. Also a FastAPI dependency."""
    person = maybe_person_of(request)
    if person is None:
        raise RequestError(401, "log in first", {"WWW-Authenticate": "Bearer"})
    return person


def maybe_person_of(request: Request) -> Person | None:
    """Who asks, or None if nobody has logged in."""
    person: Person | None = getattr(request.state, "person", None)
    return person


def address_of(request: Request) -> str:
    """From where, for orders and the limit of attempts; a proxy's word for it holds only if the proxy is trusted."""
    return request.client.host if request.client is not None else "unknown"


def session_of(request: Request, site: Site) -> str | None:
    """The secret of the session that came with the request, to end it."""
    return cookies.read(site, request.headers.get("cookie"), site.cookie)


def still_may(request: Request, site: Site, access: Access) -> bool:
    """True while whoever opened a long answer is still let in: their session or token has not ended meanwhile.

    Looking so is no use of the session, which ends idle under a page that nobody touches.
    """
    return _known(request.scope, request.headers, site, access, is_use=False) is not None


def check_host(headers: Headers, site: Site) -> None:
    """Raise RequestError for a Host that is not this server's."""
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not site.knows_host(hosts[0]):
        raise RequestError(421, "this server has another name; open it by its own address")


def _check_origin(scope: Scope, headers: Headers, site: Site) -> None:
    """A form of another site brings this browser's cookie, but never this site's Origin."""
    if scope["method"] in SAFE or bearer(headers) is not None:
        return
    origin, fetch_site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
    if origin is None:
        raise RequestError(403, "the request says not from which page it comes (Origin); machines use a token")
    if fetch_site != "same-origin" or not site.is_own(origin, scope["scheme"], headers["host"]):
        raise RequestError(403, "the request comes from another site's page; nothing was changed")


def check_length(headers: Headers, site: Site) -> None:
    """Raise RequestError for a body that says it is longer than the site takes."""
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdecimal()) or int(length[:20]) > site.most_body_bytes:
        raise RequestError(413, _too_large(site.most_body_bytes))


async def _who(scope: Scope, headers: Headers, site: Site, access: Access) -> Person | None:
    return await run_in_threadpool(_known, scope, headers, site, access, is_use=True)


def _known(scope: Scope, headers: Headers, site: Site, access: Access, *, is_use: bool) -> Person | None:
    if "authorization" in headers:  # then a cookie counts nothing: it came without the check of Origin
        secret = bearer(headers)
        return access.of_token(secret) if secret else None
    secret = cookies.read(site, headers.get("cookie"), site.cookie)
    if secret is not None and (person := access.of_session(secret, is_use=is_use)) is not None:
        return person
    return LOCAL if is_local(scope, headers, site) and not access.has_users() else None


def is_local(scope: Scope, headers: Headers, site: Site) -> bool:
    """True for a request of this very machine, through no proxy."""
    client = scope.get("client")
    is_forwarded = any(name in headers for name in FORWARDED)
    return site.is_loopback and client is not None and is_loopback_name(client[0]) and not is_forwarded


def bearer(headers: Headers) -> str | None:
    """The secret behind `Authorization: Bearer`, or None."""
    value = headers.get("authorization", "")
    return value[len(BEARER) :].strip() if value.lower().startswith(BEARER) else None


def with_headers(send: Send, site: Site) -> Send:
    """A `send` that adds the headers of every answer."""

    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in {**SECURITY, **(HSTS if site.is_tls else {})}.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sender


def limited(receive: Receive, most_bytes: int) -> Receive:
    """A body without a length, or with a wrong one, ends where the limit is."""
    count = 0

    async def receiver() -> Message:
        nonlocal count
        message = await receive()
        body: Any = message.get("body", b"")
        count += len(body)
        if count > most_bytes:
            raise HTTPException(413, _too_large(most_bytes))
        return message

    return receiver


def _too_large(most_bytes: int) -> str:
    return f"the request is too large: at most {most_bytes} bytes"
