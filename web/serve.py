"""Starting a server: where it listens, with which certificate, behind which proxy; each mistake is one sentence.

Without users a server is for this machine alone.
"""

import argparse
import contextlib
import errno
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp

from web.errors import ListenError
from web.site import Site, is_loopback_name

GRACE_S = 5  # for answers under way when the server is asked to end; streams end at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where and how a server listens. `proxies`: addresses and networks whose word for a client's address holds."""

    host: str = "127.0.0.1"
    port: int = 0
    cert: Path | None = None
    key: Path | None = None
    origin: str | None = None
    proxies: tuple[str, ...] = ()


def add_options(parser: argparse.ArgumentParser, port: int) -> None:
    """The options of every server of the house."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen at; another needs users (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=port, help="0 takes any that is free (default: %(default)s)")
    parser.add_argument("--cert", type=Path, help="serve TLS with this certificate chain (PEM)")
    parser.add_argument("--key", type=Path, help="the certificate's private key (PEM)")
    parser.add_argument("--origin", help="what people type, where a proxy or a name leads here: https://farm.example")
    parser.add_argument(
        "--proxy-headers",
        metavar="ADDRESSES",
        help="believe X-Forwarded-For of proxies at these addresses (with commas); needs --origin",
    )


def listen_of(args: argparse.Namespace) -> Listen:
    """What those options say. Raises ListenError for what does not go together."""
    proxies = tuple(one.strip() for one in (args.proxy_headers or "").split(",") if one.strip())
    listen = Listen(host=args.host, port=args.port, cert=args.cert, key=args.key, origin=args.origin, proxies=proxies)
    _check(listen)
    return listen


def site_of(listen: Listen) -> Site:
    """Where the server is reached, for whom it makes cookies and whose requests it takes for its own."""
    return Site(
        origin=listen.origin,
        is_tls=listen.cert is not None or (listen.origin or "").startswith("https:"),
        is_loopback=is_loopback_name(listen.host) and not listen.proxies and listen.origin is None,
    )


def bind(listen: Listen, *, has_users: bool) -> socket.socket:
    """The socket on which a server will listen. Raises ListenError."""
    _check(listen)
    if not has_users and not site_of(listen).is_loopback:
        place = listen.host if not is_loopback_name(listen.host) else "a proxy"
        raise ListenError(
            f"nobody may log in yet, so {place} would let everybody in; add a user, or use 127.0.0.1 alone"
        )
    if not 0 <= listen.port <= 65535:
        raise ListenError(f"{listen.port} is no port; give --port 0 to 65535")
    try:
        family, kind, _, _, address = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise ListenError(f"{listen.host!r} is no address of this machine; give another --host") from error
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it; asyncio sets it itself only where it made the listener. Else the second packet of an
        # answer waits until the client has acknowledged the first, which takes that 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(socket.SOMAXCONN)
    except OSError as error:
        listener.close()
        raise ListenError(_why_not(error, listen)) from error
    return listener


def address_of(listener: socket.socket, listen: Listen) -> str:
    """What people type to get there."""
    if listen.origin is not None:
        return f"{listen.origin}/"
    host, port = listener.getsockname()[:2]
    return f"{'https' if listen.cert else 'http'}://{f'[{host}]' if ':' in host else host}:{port}/"


def serve(app: ASGIApp, listener: socket.socket, listen: Listen, on_start: Callable[[], None] | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM; open streams end then. Raises ListenError for a certificate that is no good."""
    config = uvicorn.Config(
        app,
        ssl_certfile=listen.cert,
        ssl_keyfile=listen.key,
        proxy_headers=bool(listen.proxies),
        forwarded_allow_ips=list(listen.proxies),
        server_header=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=GRACE_S,
    )
    with contextlib.closing(listener), contextlib.suppress(KeyboardInterrupt):
        _Server(config, on_start).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says when it has started."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._on_start is not None:
            self._on_start()


def _check(listen: Listen) -> None:
    if (listen.cert is None) != (listen.key is None):
        raise ListenError("--cert and --key go together: give both, or neither")
    if listen.proxies and listen.origin is None:
        raise ListenError("--proxy-headers needs --origin, what people type: https://farm.example")
    for proxy in listen.proxies:
        _check_network(proxy)
    if listen.origin is not None:
        _check_origin(listen.origin)
    if listen.cert is not None and listen.key is not None:
        _check_certificate(listen.cert, listen.key)


def _check_network(proxy: str) -> None:
    try:
        ipaddress.ip_network(proxy)
    except ValueError as error:
        raise ListenError(f"--proxy-headers {proxy!r} is no address and no network (10.0.0.0/8)") from error


def _check_origin(origin: str) -> None:
    parts = urlsplit(origin)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.netloc
        or origin != f"{parts.scheme}://{parts.netloc.lower()}"
    ):
        raise ListenError(f"--origin {origin!r} is not of the form https://farm.example or http://farm.example:8080")


def _check_certificate(cert: Path, key: Path) -> None:
    for path in (cert, key):
        if not path.is_file():
            raise ListenError(f"{path}: no such file")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: "")
    except (ssl.SSLError, OSError) as error:
        raise ListenError(f"{cert} and {key} are no certificate with its key, unencrypted, as PEM: {error}") from error


def _why_not(error: OSError, listen: Listen) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {listen.port} of {listen.host} is taken by another program; end it, or give another --port"
    if error.errno == errno.EACCES:
        return f"port {listen.port} is for the system alone; give a --port from 1024 on, or use a proxy"
    return f"cannot listen at {listen.host} port {listen.port}: {error.strerror or error}"
