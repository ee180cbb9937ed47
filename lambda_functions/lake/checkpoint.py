"""Which raw objects were processed: all before a moment, and a list of those since.

Firehose names an object by the hour in which its first record arrived, and tries for up to 24 hours to write it. So
objects of one hour come in any order, and an hour is not closed before a day has passed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

OPEN_HOURS = 25
HOUR = re.compile(r"[0-9]{4}/[0-9]{2}/[0-9]{2}/[0-9]{2}")


@dataclass(frozen=True)
class Checkpoint:
    """Keys are without the source prefix. Every key up to `since` was processed, and of the later ones `processed`."""

    since: str = ""
    newest: str = ""
    processed: frozenset[str] = frozenset()

    def knows(self, key: str) -> bool:
        """True if the object was processed."""
        return key <= self.since or key in self.processed

    def after(self, keys: Iterable[str]) -> Self:
        """The checkpoint once `keys` are processed too; keys must come in order, oldest first."""
        processed = self.processed.union(keys)
        newest = max(processed, default=self.newest)
        since = max(self.since, max((_close(key) for key in processed), default=""))
        return type(self)(since, max(self.newest, newest), frozenset(key for key in processed if key > since))

    def to_dict(self) -> dict[str, Any]:
        """What is stored."""
        return {**vars(self), "processed": sorted(self.processed)}

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Self:
        """Read what is stored. Raises KeyError, TypeError."""
        return cls(str(row["since"]), str(row["newest"]), frozenset(map(str, row["processed"])))


def _close(key: str) -> str:
    """The hour before which nothing new can appear once `key` has; empty if the key does not begin with an hour."""
    hour = HOUR.match(key)
    if not hour:
        return ""
    try:
        arrival = datetime.strptime(hour[0], "%Y/%m/%d/%H").replace(tzinfo=UTC)
    except ValueError:
        return ""
    return (arrival - timedelta(hours=OPEN_HOURS)).strftime("%Y/%m/%d/%H")
