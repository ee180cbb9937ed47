"""The session's cookie: no script reads it, no other site's form sends it, and over TLS no neighbour can set it."""

from starlette.requests import Request, cookie_parser
from starlette.responses import Response

from web.access import DEVICE_S, Session
from web.site import Site


def give(response: Response, site: Site, session: Session, now: float) -> None:
    """Let the browser keep a session until its end, and beyond it that it has had one."""
    put(response, site, site.cookie, session.secret, max(0, int(session.ends_at - now)))
    if session.device is not None:
        put(response, site, f"{site.cookie}_device", session.device, int(DEVICE_S))


def device_of(request: Request, site: Site) -> str | None:
    """What the browser kept of an earlier login, for `Access.log_in`; a log-out leaves it."""
    return read(site, request.headers.get("cookie"), f"{site.cookie}_device")


def drop(response: Response, site: Site) -> None:
    """Let the browser forget it."""
    put(response, site, site.cookie, "", 0)


def put(response: Response, site: Site, name: str, value: str, max_age_s: int) -> None:
    """Set a cookie as this house sets them."""
    response.set_cookie(
        full_name(site, name), value, max_age=max_age_s, path="/", secure=site.is_tls, httponly=True, samesite="lax"
    )


def read(site: Site, header: str | None, name: str) -> str | None:
    """The value of a cookie in a Cookie header, or None."""
    return cookie_parser(header or "").get(full_name(site, name)) or None


def full_name(site: Site, name: str) -> str:
    """What a cookie is called: with `__Host-` a browser takes it only over TLS, from this host, for all of it."""
    return f"__Host-{name}" if site.is_tls else name
