"""A server in a process of its own, as a room's `__main__` would start one: `python -m tests.web.server_process`."""

import argparse
import sys
import time
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from web import answers, middleware, serve, shell
from web.access import Access
from web.errors import WebError
from web.events import Event, Hub
from web.roles import Rights, Role


class Numbers:
    """An endless journal: as many events as there are tenths of a second."""

    def after(self, seq: int, limit: int) -> list[Event]:
        """One each tenth of a second."""
        return [Event(number, "tick", "{}") for number in range(seq + 1, min(self.newest(), seq + limit) + 1)]

    def newest(self) -> int:
        """Since the machine was started."""
        return int(time.monotonic() * 10)


def main(words: list[str]) -> int:
    """Serve, or make users."""
    parser = argparse.ArgumentParser(prog="server_process")
    commands = parser.add_subparsers(required=True)
    shell.add_commands(commands, "access.sqlite")
    start = commands.add_parser("serve")
    serve.add_options(start, port=0)
    start.add_argument("--access", type=Path, required=True)
    start.set_defaults(run=run)
    args = parser.parse_args(words)
    try:
        return int(args.run(args))
    except WebError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def run(args: argparse.Namespace) -> int:
    """Until Ctrl-C."""
    listen = serve.listen_of(args)
    access, site, hub = Access(args.access, time.time), serve.site_of(listen), Hub(Numbers())

    async def events(request: Request) -> Response:
        return hub.response(request, lambda: middleware.still_may(request, site, access))

    async def me(request: Request) -> Response:
        return JSONResponse([middleware.person_of(request).by, middleware.address_of(request), request.url.scheme])

    inner = Starlette(routes=[Route("/events", events), Route("/api/me", me)])
    answers.install(inner, site)
    rights = Rights({"GET /events": Role.SEE, "GET /api/me": Role.SEE})
    rights.check_routes(inner.routes)
    listener = serve.bind(listen, has_users=access.has_users())
    place = serve.address_of(listener, listen)
    app = middleware.protect(inner, site, access, rights)
    print("listens", listener.getsockname()[1], flush=True)
    serve.serve(app, listener, listen, lambda: print(f"serves {place}", flush=True))
    print("has ended", flush=True)
    access.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
