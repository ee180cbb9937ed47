"""By whom an integration orders: its token, shown at its start and again with each order."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from integrations.errors import TokenError
from web.access import Access
from web.errors import WebError
from web.roles import Role

Orderer = Callable[[], str]


def nobody() -> str:
    """Without a token there are no orders. Raises TokenError."""
    raise TokenError(
        "this bridge has no token, so it orders nothing; make one for it in the console, and start it with --token-file"
    )


def by_token(token_file: Path, access_file: Path, now: Callable[[], float]) -> Orderer:
    """Gives a function that says whose token it is; each call looks it up again. Both raise TokenError."""
    try:
        secret = token_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenError(f"{token_file}: cannot be read ({error}); it holds the token and nothing else") from error

    def name() -> str:
        if not access_file.is_file():
            raise TokenError(f"{access_file}: no such file; give the --access that the console runs with")
        try:
            with closing(Access(access_file, now)) as access:
                person = access.of_token(secret)
        except WebError as error:
            raise TokenError(str(error)) from error
        if person is None:
            raise TokenError(f"the token in {token_file} is none of this farm's, or was revoked; make another one")
        if not person.role.may(Role.OPERATE):
            raise TokenError(f"the token {person.name} has the role {person.role}; orders need {Role.OPERATE}")
        return person.by

    return name
