"""Passwords: what is accepted as one, and whether one fits, in the same time whether or not there is such a user."""

import secrets
import threading
import unicodedata
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from web.errors import AccessError

SHORTEST = 12  # characters
LONGEST = 256  # characters: more is no password but an attempt to keep this machine busy
AT_ONCE = 2  # verifications; each takes 64 MiB


class Passwords:
    """Argon2id by its library's own parameters, or by those given."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def hash(self, password: str, name: str) -> str:
        """What is kept of a new password. Raises AccessError for one that is no good."""
        text = _normal(password)
        if len(text) < SHORTEST:
            raise AccessError(f"the password is too short: {len(text)} characters, at least {SHORTEST}")
        if len(text) > LONGEST:
            raise AccessError(f"the password is too long: {len(text)} characters, at most {LONGEST}")
        if text.casefold() == name.casefold() or len(set(text)) == 1:
            raise AccessError("the password is the name, or one character over and over; choose another")
        with self._turns:
            return self._hasher.hash(_bytes(text))

    def fits(self, password: str, password_hash: str | None) -> bool:
        """True if it is the password; for nobody's (None) as much work is done as for somebody's."""
        text = _normal(password)[: LONGEST + 1]
        with self._turns:
            nobodys = self._nobodys  # made at the first attempt, whosever it is
            try:
                return self._hasher.verify(password_hash or nobodys, _bytes(text)) and password_hash is not None
            except (VerificationError, InvalidHashError):
                return False

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash(secrets.token_urlsafe(32))


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)  # two keyboards write one é in two ways


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # JSON can hold half a character
