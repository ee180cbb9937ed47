"""Issue, show, renew, rotate, revoke and fetch the identities of gateways and services: `python -m certs --help`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from certs.authority import Identity
from certs.errors import USUAL, CertsError
from certs.folder import AMAZON_ROOT
from certs.renewal import RenewingAuthority
from certs.spares import MOST
from protocol.farms import DEFAULT, add_option, compute, gateway

if TYPE_CHECKING:
    from certs.fetch import Account

GATE_NAMES = ("localhost", "127.0.0.1")
WARN_DAYS = 60  # as the compute service's alarm `identity_expires`


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
    add_option(issue)
    issue.add_argument("--things", nargs="+", default=[], metavar="NAME", help="things of these names")
    show = commands.add_parser("show", help="list the identities and when they expire")
    rotate = commands.add_parser("rotate", help="replace the key and the certificate of one thing")
    rotate.add_argument("thing", metavar="THING")
    revoke = commands.add_parser("revoke", help="refuse a stolen thing everywhere: here, and in AWS")
    revoke.add_argument("thing", metavar="THING")
    revoke.add_argument("--here-only", action="store_true", help="this farm has no deployment in AWS")
    _add_account(revoke)
    for command in (issue, show, rotate, revoke, *_add_renewal(commands)):
        command.add_argument("--out", type=Path, default=USUAL, help="folder (default: %(default)s)")
    _add_fetch(commands.add_parser("fetch", help="fetch the identity of a deployed thing from AWS"))
    return parser


def _add_renewal(commands: Any) -> list[argparse.ArgumentParser]:
    """The commands by which a board renews its identity where it stands."""
    spares = commands.add_parser("spares", help="make spare keys for a board that is flashed next")
    spares.add_argument("--count", type=int, choices=range(1, MOST + 1), default=MOST, metavar="N", help="default: 5")
    which = spares.add_mutually_exclusive_group()
    which.add_argument("--again", action="store_true", help="the board is flashed anew and lost those that it had")
    which.add_argument("--handed-over", action="store_true", help="the board has them: remove the private keys here")
    renew = commands.add_parser("renew", help="certify the board's next spare, beside its certificate")
    settle = commands.add_parser("settle", help="make the next certificate the only one: the board was seen with it")
    withdraw = commands.add_parser("withdraw", help="give up the next certificate: the board was seen with the old one")
    for command in (settle, withdraw):
        command.add_argument("--seen", required=True, metavar="SERIAL", help="that the board's status shows")
    for command in (spares, renew, settle, withdraw):
        command.add_argument("thing", metavar="THING")
    return [spares, renew, settle, withdraw]


def _add_fetch(fetch: argparse.ArgumentParser) -> None:
    fetch.add_argument("thing", metavar="THING")
    fetch.add_argument("--environment", default="dev", help="the deployment, as Terraform knows it (%(default)s)")
    add_option(fetch)
    _add_account(fetch)
    fetch.add_argument("--root-ca", type=Path, default=AMAZON_ROOT, metavar="FILE", help="CA to trust (Amazon's)")
    fetch.add_argument("--out", type=Path, default=Path("certs/fetched"), help="folder (default: %(default)s)")


def _add_account(command: argparse.ArgumentParser) -> None:
    command.add_argument("--region", help="default: as the AWS configuration says")
    command.add_argument("--endpoint-url", metavar="URL", help="another AWS API than AWS's own")


def _issue(authority: RenewingAuthority, arguments: argparse.Namespace) -> None:
    farm = [gateway(arguments.farm, number) for number in range(1, (arguments.gateways or 0) + 1)]
    if farm:
        authority.issue_server(GATE_NAMES)
        farm.append(compute(arguments.farm))
    elif not arguments.things:
        raise CertsError("nothing to issue: say --gateways N, or --things NAME")
    for thing_name in [*farm, *arguments.things]:
        print(authority.issue(thing_name))


def _show(authority: RenewingAuthority, _: argparse.Namespace) -> None:
    for identity in authority.identities():
        print(f"{identity.name:<32} {_end(authority, identity)}{_of_board(identity)}")
        if identity.next is not None:
            head = f"  next, spare {identity.next.spare}, not settled"
            print(f"{head:<32} {_end(authority, identity.next)}  serial {identity.next.serial}")


def _end(authority: RenewingAuthority, identity: Identity) -> str:
    days = authority.days_left(identity)
    mark = "" if days >= WARN_DAYS else f"  ENDS IN {days} DAYS" if days >= 0 else "  ENDED"
    return f"until {identity.expires_at:%Y-%m-%d}  {identity.certificate_id}{mark}"


def _of_board(identity: Identity) -> str:
    """Whose key is where, of a thing that has spares or had some."""
    words = ["key on its board alone"] if identity.is_key_on_board else []
    if identity.unsent:
        words.append(f"spares not handed over: {_list(identity.unsent)}")
    elif identity.spares or identity.is_key_on_board:
        words.append(f"spares left: {_list(identity.spares) or 'none'}")
    return "".join(f"  {each}" for each in words)


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _spares(authority: RenewingAuthority, arguments: argparse.Namespace) -> None:
    if arguments.handed_over:
        identity = authority.hand_over(arguments.thing)
        print(f"{identity.name}: spares {_list(identity.spares)} are on its board alone")
        return
    identity = authority.make_spares(arguments.thing, arguments.count, again=arguments.again)
    print(f"{identity.name}: spares {_list(identity.spares)} in {identity.folder / 'spares'}")


def _renew(authority: RenewingAuthority, arguments: argparse.Namespace) -> None:
    identity = authority.renew(arguments.thing)
    print(f"{identity.name}: next certificate, spare {identity.spare}, serial {identity.serial}")
    print(f"{identity.folder / 'certificate.pem'}")


def _settle(authority: RenewingAuthority, arguments: argparse.Namespace) -> None:
    identity = authority.settle(arguments.thing, arguments.seen)
    print(f"{identity.name}: {identity.serial} is its only certificate, until {identity.expires_at:%Y-%m-%d}")


def _withdraw(authority: RenewingAuthority, arguments: argparse.Namespace) -> None:
    identity = authority.withdraw(arguments.thing, arguments.seen)
    print(f"{identity.name}: {identity.serial} stays its certificate, until {identity.expires_at:%Y-%m-%d}")


def _account(arguments: argparse.Namespace, environment: str = "dev", farm: str = DEFAULT) -> "Account":
    from certs.fetch import Account  # noqa: PLC0415  # boto3 is most of what a start would cost the other commands

    return Account(environment, arguments.region, arguments.endpoint_url, farm)


def _fetch(arguments: argparse.Namespace) -> None:
    with closing(_account(arguments, arguments.environment, arguments.farm)) as account:
        print(account.fetch(arguments.thing, arguments.out, arguments.root_ca))


def _rotate(authority: RenewingAuthority, arguments: argparse.Namespace) -> None:
    print(authority.rotate(arguments.thing))


def _revoke(authority: RenewingAuthority, arguments: argparse.Namespace) -> None:
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


COMMANDS = {  # those of the local authority
    "issue": _issue,
    "show": _show,
    "rotate": _rotate,
    "revoke": _revoke,
    "spares": _spares,
    "renew": _renew,
    "settle": _settle,
    "withdraw": _withdraw,
}


def main() -> int:
    """Run one command; a mistake of the user's is one line on stderr and code 2."""
    arguments = _parser().parse_args()
    try:
        if arguments.command == "fetch":
            _fetch(arguments)
        else:
            COMMANDS[arguments.command](RenewingAuthority(arguments.out), arguments)
    except CertsError as error:
        print(f"certs: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
