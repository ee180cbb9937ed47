"""What EventBridge Scheduler does on AWS: invoke a function at a fixed rate, try again, keep what failed for good."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

TRIES = 2

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeadLetter:
    """An invocation that failed every time; `due` is its moment in Unix seconds."""

    due: int
    error: Exception


class Schedule:
    """Calls `invoke({"now": due})` every `every_s` seconds, first one period after `now` (both in Unix seconds).

    `results` holds what successful invocations returned, `dead_letters` those that failed every time.
    """

    def __init__(self, every_s: int, invoke: Callable[[dict[str, Any]], Any], now: int) -> None:
        if every_s <= 0:
            raise ValueError(f"every_s: want a positive number of seconds, got {every_s}")
        self._every_s = every_s
        self._invoke = invoke
        self._due = now + every_s
        self.results: list[Any] = []
        self.dead_letters: list[DeadLetter] = []

    def next_due(self) -> int:
        """The moment of the next invocation, in Unix seconds."""
        return self._due

    def run_due(self, now: int) -> None:
        """Invoke once for every period that has passed by `now`."""
        while self._due <= now:
            due, self._due = self._due, self._due + self._every_s
            self._run(due)

    def _run(self, due: int) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                self.results.append(self._invoke({"now": due}))
                return
            except Exception as error:  # whatever the function raises, the schedule goes on, as on AWS
                log.exception("invocation due at %d failed, attempt %d of %d", due, attempt, TRIES)
                failure = error
        self.dead_letters.append(DeadLetter(due, failure))
