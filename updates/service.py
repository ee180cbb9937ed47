"""The service between a broker and the store: which request is whose, how much of it is taken, and what is told.

A board's requests cost only that board: each has a measure of its own, which a request uses up by its size and by what
its answer brings. Beyond it, jobs answer RequestThrottled once, streams not at all, and the board asks again later.
"""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from protocol import farms
from updates.errors import StoreError
from updates.jobs import Jobs
from updates.messages import ROOT, Reply, reply
from updates.rollout import Rollout
from updates.store import Store
from updates.streams import Streams

DATABASE, BUNDLES, LOCK = "updates.sqlite", "bundles", "updates.lock"
# What is subscribed to: every request, and of our own answers only those that share a level with one.
FILTERS = (
    *(f"{ROOT}/+/jobs/+", f"{ROOT}/+/jobs/+/+"),
    *(f"{ROOT}/+/streams/+/get/+", f"{ROOT}/+/streams/+/describe/+"),
)
MOST_PAYLOAD = 32 * 1024  # bytes; the longest bitmap takes 24 KB
BURST_BYTES, BYTES_A_SECOND = 512 * 1024, 64 * 1024
REQUEST_BYTES, JOB_BYTES = 512, 4096  # what a request costs besides its size; a job's waits for the disk
MOST_MEASURES = 10_000
AWAY_S, SEEN_EVERY_S = 120, 60  # beyond, service or broker was away, or the clock leapt; so often it is written down
_ANSWERS = ("accepted", "rejected")
_NOTICES = ("notify", "notify-next")


class Meter:
    """A measure of bytes for each thing: `BURST_BYTES` at once, then so many a second. Bounded in memory."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._levels: dict[str, tuple[float, float, bool]] = {}  # thing -> bytes left, when, whether it was told

    def has(self, thing: str) -> bool:
        """True if the thing has anything left."""
        return self._level(thing)[0] > 0

    def use(self, thing: str, count: int) -> None:
        """Take so many bytes; what is beyond the measure is owed."""
        level, at, _ = self._level(thing)
        self._levels[thing] = (level - count, at, False)

    def tell(self, thing: str) -> bool:
        """True for the first refusal since something was taken."""
        level, at, was_told = self._level(thing)
        self._levels[thing] = (level, at, True)
        return not was_told

    def _level(self, thing: str) -> tuple[float, float, bool]:
        now = self._seconds()
        if len(self._levels) >= MOST_MEASURES:  # more names than a farm has boards: those that are full again go
            levels = {name: row for name, row in self._levels.items() if self._left(row, now) < BURST_BYTES}
            self._levels = levels if len(levels) < MOST_MEASURES else {}
        row = self._levels.get(thing, (float(BURST_BYTES), now, False))
        return self._left(row, now), now, row[2]

    @staticmethod
    def _left(row: tuple[float, float, bool], now: float) -> float:
        return min(BURST_BYTES, row[0] + (now - row[1]) * BYTES_A_SECOND)


class Service:
    """All of it but the network. `now` gives Unix seconds, `seconds` any clock that never goes back.

    With `farm` it serves the things of that farm alone, else every one's. One service serves a folder: another one
    raises StoreError. Close it when done.
    """

    def __init__(
        self, folder: Path, now: Callable[[], int], seconds: Callable[[], float], farm: str | None = None
    ) -> None:
        self._now, self._farm = now, farm
        self.store = Store(folder / DATABASE)
        self._lock = _lock(folder / LOCK)
        self.meter = Meter(seconds)
        self._jobs = Jobs(self.store)
        self._streams = Streams(self.store, folder / BUNDLES)
        self._rollout = Rollout(self.store)
        self._next: dict[str, str] = {}  # the job that each thing was told last to be its next
        self._tick_at: int | None = None

    def close(self) -> None:
        """Let another service have the folder."""
        self.store.close()
        os.close(self._lock)

    def hear(self, topic: str, payload: bytes) -> list[Reply]:
        """Answer a message; one that is no request has no answer."""
        levels = topic.split("/")
        if len(levels) < 5 or "/".join(levels[:2]) != ROOT:
            return []
        thing, kind, words = levels[2], levels[3], levels[4:]
        if not self._serves(thing):
            return []
        if not (_is_of_jobs(words) if kind == "jobs" else kind == "streams"):
            return []
        if not self.meter.has(thing):
            return [self._throttled(topic)] if kind == "jobs" and self.meter.tell(thing) else []
        replies = self._answer(thing, kind, words, payload)
        cost = REQUEST_BYTES + (JOB_BYTES if kind == "jobs" else 0) + len(payload)
        self.meter.use(thing, cost + sum(len(one.payload) for one in replies))
        return replies

    def tick(self) -> list[Reply]:
        """What time has brought, and what another process has published or aborted: notices for boards."""
        now = self._now()
        with self.store.transaction():
            away_s = self._away_s(now)
            if abs(away_s) > AWAY_S:  # what boards had to report meanwhile still comes
                self.store.hold(away_s)
            self._rollout.tick(now)
        following = {thing: job for thing, job in self.store.following().items() if self._serves(thing)}
        news = [thing for thing in {**self._next, **following} if self._next.get(thing) != following.get(thing)]
        self._next = following
        return [self._jobs.notice(thing, now) for thing in news]

    def greet(self) -> list[Reply]:
        """After a connect: a notice for each board that has something to do, which it may hear for a second time."""
        self._next = {}
        return self.tick()

    def _serves(self, thing: str) -> bool:
        """Another farm's things have a service of their own at the same broker."""
        return self._farm is None or farms.may_have(self._farm, thing)

    def _away_s(self, now: int) -> int:
        """Seconds since the last tick, of this service or of the one before; less than 0 if the clock went back."""
        seen_at = self.store.seen_at()
        if seen_at is None or not 0 <= now - seen_at < SEEN_EVERY_S:
            self.store.see(now)
        before = seen_at if self._tick_at is None else self._tick_at
        self._tick_at = now
        return 0 if before is None else now - before

    def _answer(self, thing: str, kind: str, words: list[str], payload: bytes) -> list[Reply]:
        if len(payload) > MOST_PAYLOAD:
            payload = b""  # as good as no JSON
        if kind == "streams":
            return self._streams.handle(thing, words, payload)
        answer = self._jobs.handle(thing, words, payload, self._now())
        return [answer, *self._news_of(thing)]

    def _news_of(self, thing: str) -> list[Reply]:
        execution = self.store.next_of(thing)
        following = execution.job_id if execution else None
        if following == self._next.get(thing):
            return []
        if following is None:
            del self._next[thing]
        else:
            self._next[thing] = following
        return [self._jobs.notice(thing, self._now())]

    def _throttled(self, topic: str) -> Reply:
        refusal = {"code": "RequestThrottled", "message": "too many requests", "timestamp": self._now()}
        return reply(f"{topic}/rejected", refusal)


def _is_of_jobs(words: list[str]) -> bool:
    """Not one of our own answers, which come back."""
    return words[-1] not in _ANSWERS and words[0] not in _NOTICES


def _lock(path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(file)
        raise StoreError(f"{path.parent}: another service serves it; stop that one, or take another --data") from error
    return file
