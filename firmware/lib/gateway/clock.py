"""The system clock, on CPython and on MicroPython, whose time of day may start in 2000 and whose ticks wrap."""

import asyncio
import time

from gateway.errors import StorageError
from gateway.store import TwoSlots
from protocol.messages import EARLIEST, LATEST

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from gateway.interfaces import Store

DRIFT_S = 300  # further behind the floor than a board's own clock may have run ahead
INSISTS_S = 24 * 3600  # after so long of one earlier time it is the floor that must be wrong

_EPOCH = 946684800 if time.gmtime(0)[0] == 2000 else 0
_TRUSTED_FROM = 1735689600  # 2025-01-01: a board that nobody told the time says less


class SystemClock:
    """Real time. On MicroPython ask for `ticks_ms` at least once in 6 days, else a wrap is missed."""

    def __init__(self) -> None:
        self._last = _ticks()
        self._total = 0

    def now(self) -> int:
        return int(time.time()) + _EPOCH

    def ticks_ms(self) -> int:
        last = _ticks()
        self._total += _diff(last, self._last)
        self._last = last
        return self._total

    def trusted(self) -> bool:
        return self.now() >= _TRUSTED_FROM

    async def sleep_ms(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)


class TimeFloor:
    """The least that the time can be, kept over a power cut: a server that tells less is not believed.

    Unless nobody tells anything else for a day: a floor may be wrong, and must not lock a board for ever. It rises with
    the broker's certificate, which has its own dates, on a connection that was made with the time as it is.
    """

    def __init__(self, store: "Store") -> None:
        self._slots = TwoSlots(store, "time")
        self.least: int = self._slots.load() or 0
        self._doubt: tuple[int, int] | None = None  # ticks at the first of the earlier times, and that time
        self._shaken = False  # the time was put far off while a connection was there

    def believes(self, told: int, ticks_ms: int) -> bool:
        """Can it be so late (Unix s) as a server tells?"""
        if told != wire_time(told):
            return False
        if told >= self.least - DRIFT_S:
            self._doubt = None
            return True
        if self._doubt is None or abs(told - self._doubt[1] - (ticks_ms - self._doubt[0]) // 1000) > DRIFT_S:
            self._doubt = (ticks_ms, told)
        if ticks_ms - self._doubt[0] < INSISTS_S * 1000:
            return False
        self.least, self._doubt = told, None
        return True

    def moved(self, online: bool) -> None:
        """The clock was put far forward or back: a connection from before proves nothing of it."""
        self._shaken = online

    def rise(self, now: int, online: bool) -> bool:
        """With a connection that proves the time it is the new floor; True if so, and then `save` is of use."""
        self._shaken = self._shaken and online
        if online and not self._shaken:
            self.least = now
            return True
        return False

    def save(self) -> None:
        """Keep it for after the next power cut."""
        try:
            self._slots.save(self.least)
        except StorageError:
            pass  # the gateway reports a full flash; a floor that is a day older is as good


async def within(seconds: float, job: "Coroutine[Any, Any, Any]") -> "Any":
    """The result of `job`; raises `asyncio.TimeoutError` if it takes longer, and never loses a cancellation."""
    if hasattr(asyncio, "timeout"):  # CPython, whose `wait_for` loses one that comes with the result, before 3.12
        async with asyncio.timeout(seconds):
            return await job
    return await asyncio.wait_for(job, seconds)


def wire_time(now: int) -> int:
    """The nearest time that a message may carry: a board that never learnt the time still has to report."""
    return min(max(now, EARLIEST), LATEST - 1)


if hasattr(time, "ticks_ms"):
    _ticks = time.ticks_ms  # pyright: ignore[reportAssignmentType]  # a number of its own type, in the stubs
    _diff = time.ticks_diff  # type: ignore[attr-defined]  # MicroPython's, which knows where the ticks wrap
else:

    def _ticks() -> int:
        return time.monotonic_ns() // 1_000_000  # pyright: ignore[reportAttributeAccessIssue]  # CPython's

    def _diff(later: int, earlier: int) -> int:
        return later - earlier
