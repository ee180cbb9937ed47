"""Where a server is reached, and what follows from it: whose requests are its own, and how its cookies are kept."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

ErrorPage = Callable[[Request, int, str], Response]
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """How people and machines reach a server.

    `origin` is what they type (https://farm.example) where that is not what the server binds; `is_loopback`: it listens
    to this machine alone, with no proxy before it, so that without users whoever sits here may everything. `cookie` is
    the server's own: a browser sends the cookies of one port of a host to every other. `page` makes a page of a status
    and a sentence; `login_path` is where a browser is led that must log in.
    """

    origin: str | None = None
    is_tls: bool = False
    is_loopback: bool = True
    cookie: str = "session"
    most_body_bytes: int = MIB
    page: ErrorPage | None = None
    login_path: str | None = "/login"

    def knows_host(self, host: str) -> bool:
        """True if a request's Host may be this server; a name of another's choosing is how rebinding begins."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if is_loopback_name(name):
            return True
        if self.origin is not None:
            return host == urlsplit(self.origin).netloc
        return not self.is_loopback

    def is_own(self, origin: str, scheme: str, host: str) -> bool:
        """True if a page of this very server sent the request."""
        return origin in {self.origin, f"{scheme}://{host}"}


def is_loopback_name(name: str) -> bool:
    """True for the names and addresses that lead to this machine and nowhere else."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
