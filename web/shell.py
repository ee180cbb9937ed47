"""The commands by which users and tokens are made from a shell; a password is asked for, never an argument."""

import argparse
import getpass
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from web.access import Access
from web.errors import AccessError
from web.passwords import LONGEST, SHORTEST
from web.roles import Role


def add_commands(commands: Any, file: str) -> None:
    """Add `user` and `token` to a parser's subcommands; each sets `args.run`, to be called with the arguments."""
    user = commands.add_parser("user", help="who may log in").add_subparsers(required=True, metavar="COMMAND")
    _command(user, "add", add_user, file, "name a new user; asks for the password", "NAME", has_role=True)
    _command(user, "list", list_users, file, "show the users")
    _command(user, "role", set_role, file, "give a user another role; ends their sessions", "NAME", has_role=True)
    _command(user, "password", set_password, file, "give a user another password; ends their sessions", "NAME")
    _command(user, "delete", delete_user, file, "delete a user; only the number stays where they did something", "NAME")
    token = commands.add_parser("token", help="tokens of machines").add_subparsers(required=True, metavar="COMMAND")
    _command(token, "add", add_token, file, "make a token; its secret is shown this once", "NAME", has_role=True)
    _command(token, "list", list_tokens, file, "show the tokens")
    _command(token, "revoke", revoke_token, file, "from now on the token opens nothing", "NAME")


def add_user(access: Access, args: argparse.Namespace) -> None:
    """Asks for the password, twice."""
    user = access.add_user(args.name, ask_password(args.name), args.role)
    print(f"{user.name} may {user.role}; journals know them as user {user.user_id}")


def list_users(access: Access, args: argparse.Namespace) -> None:  # noqa: ARG001 - as every command
    """One line a user."""
    for user in access.users():
        how = "  by the identity provider" if user.is_by_provider else ""
        print(f"{user.user_id:>4}  {user.role:<8}{_day(user.created_at)}  {user.name}{how}")


def set_role(access: Access, args: argparse.Namespace) -> None:
    """Ends their sessions, if it is another."""
    access.set_role(args.name, args.role)
    print(f"{args.name} may {args.role}")


def set_password(access: Access, args: argparse.Namespace) -> None:
    """Asks for it, twice."""
    access.user(args.name)  # a mistake is told before anybody types
    access.set_password(args.name, ask_password(args.name))
    print(f"{args.name} has another password and must log in again")


def delete_user(access: Access, args: argparse.Namespace) -> None:
    """Says what stays."""
    print(f"{args.name} is deleted; journals know them as user {access.delete_user(args.name)}")
    if not access.has_users():
        print("nobody may log in any more: the server listens to this machine alone, and lets everybody on it in")


def add_token(access: Access, args: argparse.Namespace) -> None:
    """The secret alone on the standard output, for a file."""
    secret = access.add_token(args.name, args.role)
    print(f"the token {args.name} may {args.role}; this is shown once:", file=sys.stderr)
    print(secret)


def list_tokens(access: Access, args: argparse.Namespace) -> None:  # noqa: ARG001 - as every command
    """One line a token."""
    for token in access.tokens():
        end = f"revoked {_day(token.revoked_at)}" if token.revoked_at is not None else "valid"
        use = f"used {_day(token.used_at)}" if token.used_at is not None else "never used"
        print(f"{token.role:<8}{_day(token.created_at)}  {token.name}  {use}  {end}")


def revoke_token(access: Access, args: argparse.Namespace) -> None:
    """At once, also where it is in use."""
    access.revoke_token(args.name)
    print(f"the token {args.name} opens nothing any more")


def ask_password(name: str) -> str:
    """Ask for a password twice; of a pipe, read one line. Raises AccessError."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass(f"password of {name} ({SHORTEST} to {LONGEST} characters): ")
    if getpass.getpass("once more: ") != password:
        raise AccessError("the two passwords differ; nothing was changed")
    return password


def _command(  # noqa: PLR0913, PLR0917 - the columns of the table above
    commands: Any,
    word: str,
    work: Callable[[Access, argparse.Namespace], None],
    file: str,
    text: str,
    name: str | None = None,
    *,
    has_role: bool = False,
) -> None:
    parser = commands.add_parser(word, help=text, description=f"{text[0].upper()}{text[1:]}.")
    if name is not None:
        parser.add_argument("name", metavar=name)
    if has_role:
        parser.add_argument("--role", type=Role, choices=list(Role), required=True, help="see, operate or manage")
    parser.add_argument("--access", type=Path, default=Path(file), help="the file of users (default: %(default)s)")
    parser.set_defaults(run=lambda args: _run(work, args))


def _run(work: Callable[[Access, argparse.Namespace], None], args: argparse.Namespace) -> int:
    with closing(Access(args.access, time.time)) as access:
        work(access, args)
    return 0


def _day(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d")
