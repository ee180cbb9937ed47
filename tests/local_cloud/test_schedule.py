"""The schedule invokes on time, tries again, and keeps what failed."""

import logging
from typing import Any

import pytest

from local_cloud.schedule import Schedule


class Function:
    """Remembers its events and fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.events: list[dict[str, Any]] = []
        self._failures = failures

    def __call__(self, event: dict[str, Any]) -> int:
        self.events.append(event)
        if len(self.events) <= self._failures:
            raise RuntimeError(f"failure {len(self.events)}")
        return len(self.events)


def test_it_invokes_once_a_period() -> None:
    """Each period brings one invocation with its own moment, also when several passed at once."""
    function = Function()
    schedule = Schedule(900, function, 1000)
    assert schedule.next_due() == 1900
    schedule.run_due(1899)
    assert function.events == []
    schedule.run_due(1900)
    schedule.run_due(1900)
    schedule.run_due(3750)
    assert function.events == [{"now": 1900}, {"now": 2800}, {"now": 3700}]
    assert schedule.next_due() == 4600
    assert schedule.results == [1, 2, 3]


def test_a_failure_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """One failure costs a second try and a loud line, nothing else."""
    function = Function(failures=1)
    schedule = Schedule(900, function, 0)
    schedule.run_due(900)
    assert function.events == [{"now": 900}] * 2
    assert (schedule.results, schedule.dead_letters) == ([2], [])
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (
        logging.ERROR,
        "invocation due at 900 failed, attempt 1 of 2",
    )


def test_what_fails_for_good_becomes_a_dead_letter() -> None:
    """After the second failure the invocation is kept with its error, and the next one is on time."""
    function = Function(failures=2)
    schedule = Schedule(900, function, 0)
    schedule.run_due(1800)
    [letter] = schedule.dead_letters
    assert (letter.due, str(letter.error)) == (900, "failure 2")
    assert function.events == [{"now": 900}] * 2 + [{"now": 1800}]
    assert schedule.results == [3]


def test_a_period_is_positive() -> None:
    """A schedule of no length would invoke for ever."""
    with pytest.raises(ValueError, match="every_s"):
        Schedule(0, Function(), 0)
