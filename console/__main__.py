"""The command line of the console. Bad input ends with one line on stderr and exit code 2."""

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from compute_service.adapters.sqlite.store import SqliteStore
from compute_service.errors import ComputeError
from console.app import error_page, make_app
from console.errors import ConsoleError
from console.house import House
from web import serve, shell
from web.access import Access
from web.errors import WebError
from web.oidc import Login, read_provider
from web.serve import Listen

ACCESS_FILE = "console.sqlite"
PORT = 8080


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or (words[0].startswith("-") and words[0] not in {"-h", "--help"}):
        words = ["run", *words]
    args = _parser().parse_args(words)
    try:
        return int(args.run(args))
    except (ConsoleError, ComputeError, WebError) as error:
        for line in str(error).splitlines():
            print(f"console: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def run(args: argparse.Namespace) -> int:
    """Serve the pages until Ctrl-C or SIGTERM."""
    listen = serve.listen_of(args)
    SqliteStore.reader(args.store).close()  # a mistake is told before anything is served
    with closing(Access(args.access, time.time)) as access:
        listener = serve.bind(listen, has_users=access.has_users())
        address = serve.address_of(listener, listen)
        house = house_of(args, access, listen, address)
        serve.serve(make_app(house), listener, listen, lambda: print(f"console: {address}; Ctrl-C stops", flush=True))
    return 0


def house_of(args: argparse.Namespace, access: Access, listen: Listen, address: str) -> House:
    """What the pages are made of."""
    base = replace(serve.site_of(listen), cookie="pythoflow_console")
    house = House(
        store=args.store,
        access=access,
        site=base,
        wall_clock=time.time,
        zones_file=args.zones,
        login=_login(args.oidc, access, address),
    )
    return replace(house, site=replace(base, page=partial(error_page, house)))


def _login(provider: Path | None, access: Access, address: str) -> Login | None:
    if provider is None:
        return None
    return Login(read_provider(provider), access, f"{address.rstrip('/')}/login/callback", time.time)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m console", description="The page from which people see and steer a farm."
    )
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    verb = verbs.add_parser("run", help="serve the pages until Ctrl-C (the command that is meant without one)")
    verb.add_argument("--store", type=Path, default=Path("compute.sqlite"), help="the service's SQLite file")
    verb.add_argument("--zones", type=Path, help="the service's zones file, if people may change the settings here")
    verb.add_argument("--access", type=Path, default=Path(ACCESS_FILE), help="the file of users (default: %(default)s)")
    verb.add_argument("--oidc", type=Path, help="a TOML file: log in with an identity provider, see docs/console.md")
    serve.add_options(verb, PORT)
    verb.set_defaults(run=run)
    shell.add_commands(verbs, ACCESS_FILE)
    return parser


if __name__ == "__main__":
    sys.exit(main())
