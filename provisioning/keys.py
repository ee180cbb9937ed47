"""Keys of programs and people: what each may, for which farms, and how often. Only their SHA-256 is kept."""

import hashlib
import math
import re
import secrets
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock

from provisioning.errors import ForbiddenError, InputError, KeyNameError, UnknownError
from provisioning.store import Project, Store
from provisioning.surroundings import DEFAULT_FARM
from web.errors import RequestError

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
FARM = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
OPEN = "open"
MINUTE_S = 60.0


class Scope(StrEnum):
    """What a key may; `admin` is all of them but `state-sensitive`, which is said by itself."""

    PLAN = "plan"
    APPLY = "apply"
    DESTROY = "destroy"
    READ = "read"
    STATE = "state"
    STATE_SENSITIVE = "state-sensitive"
    ADMIN = "admin"


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key without its secret."""

    name: str
    scopes: frozenset[str]
    farms: tuple[str, ...]
    max_monthly_usd: float | None = None

    def may(self, scope: Scope) -> bool:
        """True if it may this."""
        return scope in self.scopes or (Scope.ADMIN in self.scopes and scope != Scope.STATE_SENSITIVE)

    def need(self, scope: Scope) -> None:
        """Raise ForbiddenError unless it may this."""
        if not self.may(scope):
            raise ForbiddenError(f"this needs the scope {scope}; key {self.name} has {', '.join(sorted(self.scopes))}")

    def sees(self, project: Project) -> bool:
        """True for a project of one of its farms."""
        return project.farm in self.farms

    def farm(self, wish: str | None) -> str:
        """For which farm a new project is. Raises InputError or ForbiddenError."""
        if wish is None:
            if len(self.farms) > 1:
                raise InputError(f"key {self.name} is of several farms; say farm: one of {', '.join(self.farms)}")
            return self.farms[0]
        if wish not in self.farms:
            raise ForbiddenError(f"key {self.name} is of no farm {wish[:80]!r}")
        return wish


ANYBODY = Key(name=OPEN, scopes=frozenset({Scope.ADMIN}), farms=(DEFAULT_FARM,))


class Keys:
    """The keys of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, name: str, scopes: Iterable[str], farms: Iterable[str], max_monthly_usd: float | None = None) -> str:
        """A new key; its secret is given this once. Raises KeyNameError."""
        scopes, farms = sorted(set(scopes)), list(dict.fromkeys(farms))
        unknown = [scope for scope in scopes if scope not in set(Scope)]
        if not NAME.fullmatch(name) or name == OPEN:
            raise KeyNameError(f"{name[:80]!r} is no name of a key: 1 to 63 of a-z 0-9 . _ -, and not {OPEN!r}")
        if unknown or not scopes:
            raise KeyNameError(f"unknown scopes {', '.join(unknown) or '(none given)'}; known are {', '.join(Scope)}")
        if not farms or not all(FARM.fullmatch(farm) for farm in farms):
            raise KeyNameError("name its farms: each 1 to 63 of a-z 0-9 -")
        if max_monthly_usd is not None and not 0 <= max_monthly_usd < math.inf:
            raise KeyNameError(f"{max_monthly_usd} is no sum of USD a month; give 0 or more")
        secret = secrets.token_urlsafe(32)
        row = (name, _hash(secret), ",".join(scopes), ",".join(farms), max_monthly_usd, self._store.now())
        statement = "INSERT INTO keys (name, key_hash, scopes, farms, max_monthly_usd, created_at) VALUES (?,?,?,?,?,?)"
        try:
            self._store.database.run(statement, *row)
        except sqlite3.IntegrityError as error:
            raise KeyNameError(f"there is or was a key {name!r}; choose another name") from error
        return secret

    def revoke(self, name: str) -> None:
        """From now on it opens nothing. Raises UnknownError."""
        statement = "UPDATE keys SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL"
        if not self._store.database.run(statement, self._store.now(), name).rowcount:
            raise UnknownError(f"there is no valid key {name[:80]!r}")

    def of_secret(self, secret: str) -> Key | None:
        """Whose it is, or None."""
        query = "SELECT name, scopes, farms, max_monthly_usd FROM keys WHERE key_hash = ? AND revoked_at IS NULL"
        row = self._store.database.one(query, _hash(secret))
        if row is None:
            return None
        name, scopes, farms, most = row
        return Key(name=name, scopes=frozenset(scopes.split(",")), farms=tuple(farms.split(",")), max_monthly_usd=most)

    def all(self) -> list[tuple[str, str, str, bool]]:
        """Name, scopes, farms of every key, and whether it was revoked."""
        query = "SELECT name, scopes, farms, revoked_at IS NOT NULL FROM keys ORDER BY name"
        return [
            (name, scopes, farms, bool(revoked)) for name, scopes, farms, revoked in self._store.database.all(query)
        ]


class Pace:
    """How many calls a minute a key has; those before a restart are forgotten."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._calls: dict[str, deque[float]] = {}
        self._lock = Lock()

    def take(self, name: str) -> None:
        """One call more. Raises RequestError 429."""
        now = self._clock()
        with self._lock:
            calls = self._calls.setdefault(name, deque())
            while calls and now - calls[0] >= MINUTE_S:
                calls.popleft()
            if len(calls) >= self._most:
                wait_s = int(MINUTE_S - (now - calls[0])) + 1
                sentence = f"key {name} has {self._most} calls a minute; try again in {wait_s} s"
                raise RequestError(429, sentence, {"Retry-After": str(wait_s)})
            calls.append(now)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
