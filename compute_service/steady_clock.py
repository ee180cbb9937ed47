"""A clock that a service can go by although somebody sets it: it never goes back, until it is sure to have been ahead.

A time server, a battery or a person may set a clock years ahead, or back, for a moment. Back is followed when the clock
has gone on from there for a while; until then time stands still. Ahead is followed as late, and until then time goes on
by itself: boards hold what is issued against the time of the last stop, so one from years ahead would keep them shut
for years.
"""

from collections.abc import Callable

SURE_AFTER_S = 60
LEAP_S = 300  # further ahead than clocks drift, or wait for a time server


class SteadyClock:
    """`source` gives Unix seconds; so does this.

    `elapsed` gives seconds that nobody can set; without it, as in field time, a clock that is ahead is believed.
    """

    def __init__(self, source: Callable[[], int], elapsed: Callable[[], float] | None = None) -> None:
        self._source, self._elapsed = source, elapsed
        self._latest = 0
        self._back_at: int | None = None  # what the clock showed when it was first seen to have gone back
        self._belief: tuple[int, float] | None = None  # the time that was believed last, and `elapsed` at that
        self._leapt_at: float | None = None  # `elapsed` when the clock was first seen to be far ahead

    def not_before(self, at: int) -> None:
        """It was that late already, in a life before."""
        self._latest = max(self._latest, at)

    def now(self) -> int:
        """The time, or where it stands still."""
        time_s = self._shown()
        if time_s >= self._latest:
            self._latest, self._back_at = time_s, None
        elif self._back_at is None or time_s < self._back_at:
            self._back_at = time_s
        return self._latest

    def stands_still(self) -> bool:
        """Has the clock gone back, without it being sure yet which of its times was wrong?"""
        self.now()
        return self._back_at is not None

    def went_back(self) -> int | None:
        """The time that it is after all, once, when it is sure that the clock was ahead; else None."""
        self.now()
        time_s = self._shown()
        if self._back_at is None or time_s - self._back_at < SURE_AFTER_S:
            return None
        self._latest, self._back_at = time_s, None
        if self._elapsed:
            self._belief = time_s, self._elapsed()
        return time_s

    def _shown(self) -> int:
        """What the clock shows; while a leap ahead is not sure, what it would show without it."""
        time_s = self._source()
        if self._elapsed is None:
            return time_s
        elapsed_s = self._elapsed()
        before_s, then_s = self._belief or (time_s, elapsed_s)
        expected_s = before_s + elapsed_s - then_s
        if time_s - expected_s > LEAP_S:
            self._leapt_at = elapsed_s if self._leapt_at is None else self._leapt_at
            if elapsed_s - self._leapt_at < SURE_AFTER_S:
                return int(expected_s)
        self._leapt_at = None
        if time_s - expected_s >= -LEAP_S:  # one that went back is still to be sure of
            self._belief = time_s, elapsed_s
        return time_s
