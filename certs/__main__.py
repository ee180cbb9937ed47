"""Issue, show, rotate, revoke and fetch the identities of gateways and services: `python -m certs --help`."""

import argparse
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from certs.authority import Authority
from certs.errors import CertsError
from certs.folder import AMAZON_ROOT

if TYPE_CHECKING:
    from certs.fetch import Account

COMPUTE = "irrigation-compute"
GATE_NAMES = ("localhost", "127.0.0.1")


def _positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100_000:
        raise argparse.ArgumentTypeError(f"want 1 to 100000, got {text}")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m certs", description="Keys and certificates of gateways.")
    commands = parser.add_subparsers(dest="command", required=True)
    issue = commands.add_parser("issue", help="issue what is missing, expiring or of another CA; keep the rest")
    issue.add_argument("--gateways", type=_positive, metavar="N", help="gateways 1 to N, compute and the gate")
    issue.add_argument("--things", nargs="+", default=[], metavar="NAME", help="things of these names")
    show = commands.add_parser("show", help="list the identities and when they expire")
    rotate = commands.add_parser("rotate", help="replace the key and the certificate of one thing")
    rotate.add_argument("thing", metavar="THING")
    revoke = commands.add_parser("revoke", help="refuse a stolen thing everywhere: here, and in AWS")
    revoke.add_argument("thing", metavar="THING")
    revoke.add_argument("--here-only", action="store_true", help="this farm has no deployment in AWS")
    _add_account(revoke)
    for command in (issue, show, rotate, revoke):
        command.add_argument("--out", type=Path, default=Path("certs/issued"), help="folder (default: %(default)s)")
    _add_fetch(commands.add_parser("fetch", help="fetch the identity of a deployed thing from AWS"))
    return parser


def _add_fetch(fetch: argparse.ArgumentParser) -> None:
    fetch.add_argument("thing", metavar="THING")
    fetch.add_argument("--environment", default="dev", help="the deployment, as Terraform knows it (%(default)s)")
    _add_account(fetch)
    fetch.add_argument("--root-ca", type=Path, default=AMAZON_ROOT, metavar="FILE", help="CA to trust (Amazon's)")
    fetch.add_argument("--out", type=Path, default=Path("certs/fetched"), help="folder (default: %(default)s)")


def _add_account(command: argparse.ArgumentParser) -> None:
    command.add_argument("--region", help="default: as the AWS configuration says")
    command.add_argument("--endpoint-url", metavar="URL", help="another AWS API than AWS's own")


def _issue(authority: Authority, arguments: argparse.Namespace) -> None:
    farm = [f"irrigation-gateway-{number}" for number in range(1, (arguments.gateways or 0) + 1)]
    if farm:
        authority.issue_server(GATE_NAMES)
        farm.append(COMPUTE)
    elif not arguments.things:
        raise CertsError("nothing to issue: say --gateways N, or --things NAME")
    for thing_name in [*farm, *arguments.things]:
        print(authority.issue(thing_name))


def _show(authority: Authority, _: argparse.Namespace) -> None:
    for identity in authority.identities():
        print(f"{identity.name:<32} until {identity.expires_at:%Y-%m-%d}  {identity.certificate_id}")


def _account(arguments: argparse.Namespace, environment: str = "dev") -> "Account":
    from certs.fetch import Account  # noqa: PLC0415  # boto3 is most of what a start would cost the other commands

    return Account(environment, arguments.region, arguments.endpoint_url)


def _fetch(arguments: argparse.Namespace) -> None:
    with closing(_account(arguments, arguments.environment)) as account:
        print(account.fetch(arguments.thing, arguments.out, arguments.root_ca))


def _rotate(authority: Authority, arguments: argparse.Namespace) -> None:
    print(authority.rotate(arguments.thing))


def _revoke(authority: Authority, arguments: argparse.Namespace) -> None:
    """Each place is tried, whatever the other says: what one refuses must not keep a thief's way open in the other."""
    places = (
        {"here": authority.revoke} if arguments.here_only else {"here": authority.revoke, "in AWS": _aws(arguments)}
    )
    failures = []
    for place, revoke in places.items():
        try:
            for certificate_id in revoke(arguments.thing):
                print(f"{arguments.thing}: certificate {certificate_id} counts no more {place}")
        except CertsError as error:
            failures.append(f"not revoked {place}: {error}")
    if failures:
        raise CertsError("; ".join(failures))


def _aws(arguments: argparse.Namespace) -> Callable[[str], list[str]]:
    def revoke(thing_name: str) -> list[str]:
        with closing(_account(arguments)) as account:
            return account.revoke(thing_name)

    return revoke


COMMANDS = {"issue": _issue, "show": _show, "rotate": _rotate, "revoke": _revoke}  # those of the local authority


def main() -> int:
    """Run one command; a mistake of the user's is one line on stderr and code 2."""
    arguments = _parser().parse_args()
    try:
        if arguments.command == "fetch":
            _fetch(arguments)
        else:
            COMMANDS[arguments.command](Authority(arguments.out), arguments)
    except CertsError as error:
        print(f"certs: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
