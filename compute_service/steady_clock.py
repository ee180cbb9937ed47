"""A clock that a service can go by although somebody sets it: it never goes back, until it is sure to have been ahead.

A time server, a battery or a person may set a clock years ahead, or back, for a moment. Ahead is followed at once. Back
is followed when the clock has gone on from there for a while; until then time stands still.
"""

from collections.abc import Callable

SURE_AFTER_S = 60


class SteadyClock:
    """`source` gives Unix seconds; so does this."""

    def __init__(self, source: Callable[[], int]) -> None:
        self._source = source
        self._latest = 0
        self._back_at: int | None = None  # what the clock showed when it was first seen to have gone back

    def not_before(self, at: int) -> None:
        """It was that late already, in a life before."""
        self._latest = max(self._latest, at)

    def now(self) -> int:
        """The time, or where it stands still."""
        time_s = self._source()
        if time_s >= self._latest:
            self._latest, self._back_at = time_s, None
        elif self._back_at is None or time_s < self._back_at:
            self._back_at = time_s
        return self._latest

    def went_back(self) -> int | None:
        """The time that it is after all, once, when it is sure that the clock was ahead; else None."""
        self.now()
        time_s = self._source()
        if self._back_at is None or time_s - self._back_at < SURE_AFTER_S:
            return None
        self._latest, self._back_at = time_s, None
        return time_s
