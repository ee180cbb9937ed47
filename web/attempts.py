"""How often somebody may try to log in, whoever it is: a few times a minute, and for one name at all a few an hour.

Every attempt is counted before it is judged, so that attempts at once are no more than attempts in turn; one that
succeeds is taken off the count again. A browser in which a user has logged in lately is counted by itself alone: who
fails with somebody's name all the time, from wherever, does not keep its owner out of their own browser. (OWASP calls
that a device cookie.) Known and unknown names are counted alike.
"""

import hashlib
import ipaddress
import math
from typing import NamedTuple

from web.database import Database
from web.errors import AttemptsError


class Limit(NamedTuple):
    """At most so many attempts in so many seconds, of those that the condition finds by name (?1) and address (?2)."""

    condition: str
    most: int
    window_s: float


MOST, WINDOW_S = 5, 60.0  # by one who guesses, in a minute
MOST_OF_A_NAME, LONG_WINDOW_S = 50, 3600.0  # by all strangers together, in an hour
DEVICE = "device "  # so begins a known browser where else an address stands
LIMITS = (
    Limit("address=?2", MOST, WINDOW_S),  # also one who tries many names
    Limit(f"name_hash=?1 AND address NOT LIKE '{DEVICE}%'", MOST_OF_A_NAME, LONG_WINDOW_S),
)
LIMITS_OF_A_DEVICE = (
    Limit("address=?2", MOST, WINDOW_S),
    Limit("address=?2", MOST_OF_A_NAME, LONG_WINDOW_S),
)


class Attempts:
    """The table of the last hour's attempts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, name: str, address: str, now: float, device_hash: bytes | None = None) -> int:
        """Count an attempt; gives its number. `device_hash`: of a browser that this very user has logged in with.

        Raises AttemptsError, and counts nothing, if there were too many.
        """
        name_hash, place = hash_of(name), network_of(address) if device_hash is None else DEVICE + device_hash.hex()
        with self._database.transaction():
            # A clock that was put back must not keep anybody out until it has caught up.
            self._database.run("DELETE FROM attempts WHERE at <= ? OR at > ?", now - LONG_WINDOW_S, now)
            for limit in LIMITS if device_hash is None else LIMITS_OF_A_DEVICE:
                self._check(limit, name_hash, place, now)
            row = self._database.run("INSERT INTO attempts VALUES (?, ?, ?)", now, name_hash, place)
            return int(row.lastrowid or 0)

    def forgive(self, attempt: int) -> None:
        """It was a good one."""
        self._database.run("DELETE FROM attempts WHERE rowid=?", attempt)

    def forget(self, name: str) -> None:
        """Nothing is kept of a name."""
        self._database.run("DELETE FROM attempts WHERE name_hash=?", hash_of(name))

    def _check(self, limit: Limit, name_hash: bytes, place: str, now: float) -> None:
        query = (
            f"SELECT at FROM attempts WHERE {limit.condition} AND at>?3"  # noqa: S608 - rows of the table above
            " ORDER BY at DESC LIMIT 1 OFFSET ?4"
        )
        oldest = self._database.one(query, name_hash, place, now - limit.window_s, limit.most - 1)
        if oldest is not None:
            raise AttemptsError(max(1, math.ceil(oldest[0] + limit.window_s - now)))


def hash_of(name: str) -> bytes:
    """What stands for a name: some people type their password there."""
    return hashlib.sha256(name.casefold().encode()).digest()


def network_of(address: str) -> str:
    """An address as it is counted: who has one of IPv6 has 2**64 of them."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
