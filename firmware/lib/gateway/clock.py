"""The system clock, on CPython and on MicroPython, whose time of day may start in 2000 and whose ticks wrap."""

import asyncio
import time

from protocol.messages import EARLIEST, LATEST

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

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
