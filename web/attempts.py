"""How often somebody may try to log in: a few times a minute for one name and from one address, whoever it is.

Every attempt is counted before it is judged, so that attempts at once are no more than attempts in turn; one that
succeeds is taken off the count again. Who knows a name can keep its owner out by failing all the time: sessions that
are open go on meanwhile.
"""

import hashlib
import ipaddress
import math

from web.database import Database
from web.errors import AttemptsError

MOST = 5
WINDOW_S = 60.0


class Attempts:
    """The table of the last minute's attempts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, name: str, address: str, now: float) -> int:
        """Count an attempt; gives its number. Raises AttemptsError, and counts nothing, if there were too many."""
        name_hash, network = hash_of(name), network_of(address)
        with self._database.transaction():
            # A clock that was put back must not keep anybody out until it has caught up.
            self._database.run("DELETE FROM attempts WHERE at <= ? OR at > ?", now - WINDOW_S, now)
            for column, value in (("name_hash", name_hash), ("address", network)):
                times = self._database.all(
                    f"SELECT at FROM attempts WHERE {column}=? ORDER BY at DESC LIMIT ?",  # noqa: S608 - two columns
                    value,
                    MOST,
                )
                if len(times) == MOST:
                    raise AttemptsError(max(1, math.ceil(times[-1][0] + WINDOW_S - now)))
            row = self._database.run("INSERT INTO attempts VALUES (?, ?, ?)", now, name_hash, network)
            return int(row.lastrowid or 0)

    def forgive(self, attempt: int) -> None:
        """It was a good one."""
        self._database.run("DELETE FROM attempts WHERE rowid=?", attempt)

    def forget(self, name: str) -> None:
        """Nothing is kept of a name."""
        self._database.run("DELETE FROM attempts WHERE name_hash=?", hash_of(name))


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
