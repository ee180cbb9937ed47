"""Issue, show and rotate the identities of gateways and services: `python -m certs --help`."""

import argparse
import sys
from pathlib import Path

from certs.authority import Authority
from certs.errors import CertsError

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
    for command in (issue, show, rotate):
        command.add_argument("--out", type=Path, default=Path("certs/issued"), help="folder (default: %(default)s)")
    return parser


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


def _rotate(authority: Authority, arguments: argparse.Namespace) -> None:
    print(authority.rotate(arguments.thing))


COMMANDS = {"issue": _issue, "show": _show, "rotate": _rotate}


def main() -> int:
    """Run one command; a mistake of the user's is one line on stderr and code 2."""
    arguments = _parser().parse_args()
    try:
        COMMANDS[arguments.command](Authority(arguments.out), arguments)
    except CertsError as error:
        print(f"certs: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
