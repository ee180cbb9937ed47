"""Users, their sessions, and tokens of machines, in a file of its own.

Of a session or token only the SHA-256 is kept: who steals the file cannot log in with it. Times are Unix seconds of the
world's clock, which the caller gives.
"""

import hashlib
import re
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from argon2 import PasswordHasher

from web.attempts import Attempts
from web.database import Database
from web.errors import AccessError, LoginError
from web.passwords import Passwords
from web.roles import Person, Role

DAY_S = 86_400.0
IDLE_S = 3 * DAY_S  # of a session that nobody uses
LONGEST_S = 30 * DAY_S  # of any session
DEVICE_S = 90 * DAY_S  # of a browser's memory that somebody has logged in with it
LONGEST_BY_PROVIDER_S = DAY_S / 2  # of one that an identity provider vouched for: roles change there
NOTED_EVERY_S = 60.0  # a use is written down no oftener
USER_NAME = re.compile(r"[^\W_][\w .@+-]{0,62}")
TOKEN_NAME = re.compile(r"(?=.*[a-z])[a-z0-9][a-z0-9._-]{0,62}")
RESERVED = {"local"}
NO_LOGIN = "name and password do not fit"


class User(NamedTuple):
    """Somebody who may log in; `is_by_provider`: with an identity provider, not with a password."""

    user_id: int
    name: str
    role: Role
    created_at: float
    is_by_provider: bool


class Token(NamedTuple):
    """What a machine shows, without its secret; None: never used, not revoked."""

    name: str
    role: Role
    created_at: float
    used_at: float | None
    revoked_at: float | None


class Session(NamedTuple):
    """A login: the secret that the browser keeps, and when it ends at the latest (Unix s).

    `device` is what the browser keeps beyond it: by it the next login is judged apart from strangers' attempts.
    """

    secret: str
    person: Person
    ends_at: float
    device: str | None = None


class Access:
    """The file of who may come in. Safe in many threads, and beside other processes with the same file."""

    def __init__(
        self,
        path: Path,
        now: Callable[[], float],
        *,
        hasher: PasswordHasher | None = None,
        idle_s: float = IDLE_S,
        longest_s: float = LONGEST_S,
    ) -> None:
        """Opens the file, or makes it. Raises FileError."""
        self._now = now
        self._passwords = Passwords(hasher)
        self._idle_s = idle_s
        self._longest_s = longest_s
        self._database = Database(path)
        self._attempts = Attempts(self._database)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # Users

    def add_user(self, name: str, password: str, role: Role) -> User:
        """A new user. Raises AccessError."""
        if not USER_NAME.fullmatch(name):
            raise AccessError(f"{name[:80]!r} is no name of a user: 1 to 63 letters, digits and . _ - @ + and spaces")
        password_hash = self._passwords.hash(password, name)
        try:
            self._database.run(
                "INSERT INTO users (name, role, password_hash, created_at) VALUES (?, ?, ?, ?)",
                name,
                role,
                password_hash,
                self._now(),
            )
        except sqlite3.IntegrityError as error:
            raise AccessError(f"there is a user {name!r} already") from error
        return self.user(name)

    def users(self) -> list[User]:
        """Everybody who may log in, by name."""
        query = "SELECT user_id, name, role, created_at, password_hash IS NULL FROM users ORDER BY name"
        return [_user(row) for row in self._database.all(query)]

    def user(self, name: str) -> User:
        """One of them. Raises AccessError."""
        query = "SELECT user_id, name, role, created_at, password_hash IS NULL FROM users WHERE name=?"
        row = self._database.one(query, _storable(name))
        if row is None:
            raise AccessError(f"there is no user {name[:80]!r}; known are {self._known_names()}")
        return _user(row)

    def has_users(self) -> bool:
        """False as long as nobody may log in."""
        return self._database.one("SELECT 1 FROM users LIMIT 1") is not None

    def names(self) -> dict[str, str]:
        """Names for people, by what a journal has (`Person.by`); who is not in it was deleted, or is a machine."""
        return {f"user {number}": name for number, name in self._database.all("SELECT user_id, name FROM users")}

    def set_password(self, name: str, password: str) -> None:
        """Another password; ends every session of this user. Raises AccessError."""
        user = self.user(name)
        if user.is_by_provider:
            raise AccessError(f"{user.name} logs in with the identity provider and has no password here")
        password_hash = self._passwords.hash(password, name)
        with self._database.transaction():
            self._database.run("UPDATE users SET password_hash=? WHERE user_id=?", password_hash, user.user_id)
            self._database.run("DELETE FROM devices WHERE user_id=?", user.user_id)
            self.end_sessions(user.user_id)

    def set_role(self, name: str, role: Role) -> None:
        """Another role; ends every session of this user. Raises AccessError."""
        with self._database.transaction():
            user = self.user(name)
            if user.role != role:
                self._database.run("UPDATE users SET role=? WHERE user_id=?", role, user.user_id)
                self.end_sessions(user.user_id)

    def delete_user(self, name: str) -> int:
        """Delete a user with all sessions; gives the number by which journals know them. Raises AccessError."""
        with self._database.transaction():
            user = self.user(name)
            self._database.run("DELETE FROM users WHERE user_id=?", user.user_id)
            self._attempts.forget(user.name)
        self._database.sweep()
        return user.user_id

    # Sessions

    def log_in(self, name: str, password: str, address: str, device: str | None = None) -> Session:
        """Begin a session; `device` is what the browser kept of an earlier one.

        Raises LoginError, or AttemptsError. It hashes, for 0.1 s and more: not in an event loop.
        """
        name = _storable(name)
        device_hash = _hash(device or "")
        known_device = device_hash if self._knows_device(name, device_hash) else None
        attempt = self._attempts.begin(name, address, self._now(), known_device)
        query = "SELECT user_id, name, role, password_hash FROM users WHERE name=?"
        user_id, known_name, role, password_hash = self._database.one(query, name) or (None, "", "see", None)
        if not self._passwords.fits(password, password_hash):
            raise LoginError(NO_LOGIN)
        person = Person(name=known_name, role=Role(role), user_id=user_id)
        with self._database.transaction():
            # The hash took its time: the user may have gone meanwhile, or have another password or role.
            if self._database.one(query, name) != (user_id, known_name, role, password_hash):
                raise LoginError(NO_LOGIN)
            self._attempts.forgive(attempt)
            session = self._begin(person, self._longest_s)
            return session._replace(device=self._remember_device(person, device if known_device else None))

    def log_in_by_provider(self, issuer: str, subject: str, name: str, role: Role) -> Session:
        """Begin a session for whom an identity provider vouches; a role other than the last one ends the others."""
        with self._database.transaction():
            query = "SELECT user_id, name, role FROM users WHERE issuer=? AND subject=?"
            row = self._database.one(query, issuer, subject)
            if row is None:
                self._add_by_provider(issuer, subject, name, role)
                row = self._database.one(query, issuer, subject)
            assert row is not None
            user_id, known_name, known_role = row
            if known_role != role:
                self._database.run("UPDATE users SET role=? WHERE user_id=?", role, user_id)
                self.end_sessions(user_id)
            person = Person(name=known_name, role=role, user_id=user_id)
            return self._begin(person, min(self._longest_s, LONGEST_BY_PROVIDER_S))

    def of_session(self, secret: str, *, is_use: bool = True) -> Person | None:
        """Whose session it is, or None if it is none or has ended. `is_use` keeps it from ending idle."""
        now, token_hash = self._now(), _hash(secret)
        row = self._database.one(
            "SELECT user_id, name, role, used_at FROM sessions JOIN users USING (user_id)"
            " WHERE token_hash=? AND ends_at>? AND used_at>?",
            token_hash,
            now,
            now - self._idle_s,
        )
        if row is None:
            return None
        user_id, name, role, used_at = row
        if is_use and abs(now - used_at) >= NOTED_EVERY_S:
            self._database.run("UPDATE sessions SET used_at=? WHERE token_hash=?", now, token_hash)
        return Person(name=name, role=Role(role), user_id=user_id)

    def log_out(self, secret: str) -> None:
        """End a session, if it is one."""
        self._database.run("DELETE FROM sessions WHERE token_hash=?", _hash(secret))

    def end_sessions(self, user_id: int) -> int:
        """End every session of a user; gives how many."""
        return self._database.run("DELETE FROM sessions WHERE user_id=?", user_id).rowcount

    # Tokens of machines

    def add_token(self, name: str, role: Role) -> str:
        """A new token; its secret is given this once and never again. Raises AccessError."""
        if not TOKEN_NAME.fullmatch(name) or name in RESERVED:
            raise AccessError(f"{name[:80]!r} is no name of a token: 1 to 63 of a-z 0-9 . _ - with a letter among them")
        secret = secrets.token_urlsafe(32)
        try:
            self._database.run(
                "INSERT INTO tokens (name, role, token_hash, created_at) VALUES (?, ?, ?, ?)",
                name,
                role,
                _hash(secret),
                self._now(),
            )
        except sqlite3.IntegrityError as error:
            raise AccessError(f"there is a token {name!r} already; revoke it first, or choose another name") from error
        return secret

    def tokens(self) -> list[Token]:
        """Every token, also those revoked, by name and age."""
        query = "SELECT name, role, created_at, used_at, revoked_at FROM tokens ORDER BY name, token_id"
        return [Token(name, Role(role), *times) for name, role, *times in self._database.all(query)]

    def revoke_token(self, name: str) -> None:
        """From now on it opens nothing. Raises AccessError."""
        statement = "UPDATE tokens SET revoked_at=? WHERE name=? AND revoked_at IS NULL"
        if not self._database.run(statement, self._now(), _storable(name)).rowcount:
            valid = ", ".join(token.name for token in self.tokens() if token.revoked_at is None) or "none"
            raise AccessError(f"there is no valid token {name[:80]!r}; valid are {valid}")

    def of_token(self, secret: str) -> Person | None:
        """Which machine's token it is, or None if it is none or was revoked."""
        now, token_hash = self._now(), _hash(secret)
        query = "SELECT name, role, used_at FROM tokens WHERE token_hash=? AND revoked_at IS NULL"
        row = self._database.one(query, token_hash)
        if row is None:
            return None
        name, role, used_at = row
        if used_at is None or abs(now - used_at) >= NOTED_EVERY_S:
            self._database.run("UPDATE tokens SET used_at=? WHERE token_hash=?", now, token_hash)
        return Person(name=name, role=Role(role), is_machine=True)

    def _knows_device(self, name: str, device_hash: bytes) -> bool:
        query = "SELECT 1 FROM devices JOIN users USING (user_id) WHERE token_hash=? AND name=? AND devices.used_at>?"
        return self._database.one(query, device_hash, name, self._now() - DEVICE_S) is not None

    def _remember_device(self, person: Person, known_secret: str | None) -> str:
        now, secret = self._now(), known_secret or secrets.token_urlsafe(32)
        self._database.run("DELETE FROM devices WHERE used_at<=?", now - DEVICE_S)
        self._database.run("INSERT OR REPLACE INTO devices VALUES (?, ?, ?)", _hash(secret), person.user_id, now)
        return secret

    def _begin(self, person: Person, longest_s: float) -> Session:
        now, secret = self._now(), secrets.token_urlsafe(32)
        self._database.run("DELETE FROM sessions WHERE ends_at<=? OR used_at<=?", now, now - self._idle_s)
        self._database.run(
            "INSERT INTO sessions VALUES (?, ?, ?, ?, ?)", _hash(secret), person.user_id, now, now, now + longest_s
        )
        return Session(secret, person, now + longest_s)

    def _add_by_provider(self, issuer: str, subject: str, name: str, role: Role) -> None:
        """Never an account that is there already: whoever may choose a name elsewhere would choose it."""
        plain = "".join(letter if USER_NAME.fullmatch(f"a{letter}") else "-" for letter in name[:50]).strip(" -._")
        names = [plain or "user", *(f"{plain or 'user'} {number}" for number in range(2, 1000))]
        free = next((one for one in names if self._database.one("SELECT 1 FROM users WHERE name=?", one) is None), None)
        if free is None:
            raise LoginError(f"there are too many users with the name {plain}")
        self._database.run(
            "INSERT INTO users (name, role, issuer, subject, created_at) VALUES (?, ?, ?, ?, ?)",
            free,
            role,
            issuer,
            subject,
            self._now(),
        )

    def _known_names(self) -> str:
        return ", ".join(user.name for user in self.users()) or "none"


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _storable(name: str) -> str:
    return name[:200].encode("utf-8", "replace").decode()  # SQLite takes no half of a character


def _user(row: tuple[int, str, str, float, int]) -> User:
    user_id, name, role, created_at, is_by_provider = row
    return User(user_id, name, Role(role), created_at, bool(is_by_provider))
