"""How much one gateway may say: a token bucket for each, so that a flood by one costs that one only.

The broker proves who publishes on a gateway's topics. AWS IoT Core has the same rate a connection; the local cloud and
others have none. What is beyond it is dropped here, and counted; the lake has its readings all the same.
"""

RATE_PER_S = 100
BURST = 3000  # a gateway that comes back after days of outage says all that it kept at once
# Of what one gateway causes so much is written down, in a log or a file: a disk that is full stops everybody.
NOTES_PER_S, NOTES_BURST = 1 / 60, 200
MOST_NAMES = 1000  # of which something is remembered; whoever is forgotten begins with a full bucket


class RateLimits:
    """Buckets of a rate and a burst, by name; times are Unix seconds that never go back."""

    def __init__(self, rate_per_s: float = RATE_PER_S, burst: int = BURST) -> None:
        self._rate_per_s, self._burst = rate_per_s, burst
        self._buckets: dict[str, tuple[float, int]] = {}  # tokens, and when they were counted; the latest name last

    def take(self, name: str, now: int) -> bool:
        """One message of that name: may it be taken in?"""
        tokens, counted_at = self._buckets.pop(name, (float(self._burst), now))
        tokens = min(tokens + self._rate_per_s * max(now - counted_at, 0), float(self._burst))
        may = tokens >= 1
        self._buckets[name] = (tokens - may, now)
        if len(self._buckets) > MOST_NAMES:
            del self._buckets[next(iter(self._buckets))]
        return may
