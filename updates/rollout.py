"""The roll-out of a job in stages: some boards first, then the rest, and no further where too many fail or say nothing.

A stage ends when every board of it has ended, or after its time. A board that failed, rejected or timed out counts
against the stage at once, one that has not ended when the time is over counts too. Up to the stage's tolerance the next
stage begins; beyond it the job is STOPPED, as AWS IoT cancels a job whose abort criteria are met: boards that had not
begun are CANCELED, those of later stages never hear of it, and a board IN_PROGRESS goes on to its end. A board that was
away keeps the job in its queue where the stage was good enough without it.

The renewal of an identity is a job of one board beside them. A stage does not end by its time while a board of it that
has still to answer is renewing: so a renewal that fails stops no roll-out.
"""

import re
from collections.abc import Mapping, Sequence

from updates.errors import FleetError, JobError
from updates.store import (
    ABORTED,
    CANCELED,
    COMPLETED,
    FAILURES,
    IN_PROGRESS,
    PENDING,
    QUEUED,
    RUNNING,
    STOPPED,
    SUCCEEDED,
    TIMED_OUT,
    Execution,
    Job,
    Store,
)

_SHARE = re.compile(r"(\d{1,5})(%?)")


def share_of(text: str, whole: int) -> int:
    """`5` or `10%` of so many things, rounded down. Raises FleetError."""
    match = _SHARE.fullmatch(text)
    if match is None or (match[2] and int(match[1]) > 100):
        raise FleetError(f"{text!r}: want a number of boards, as 5, or a share of them, as 10%")
    return whole * int(match[1]) // 100 if match[2] else int(match[1])


def stages_of(things: Sequence[str], first: Sequence[str], sizes: Sequence[str]) -> list[list[str]]:
    """The things in stages of these sizes, at least one in each, and the rest in a last one; `first` lead.

    Raises FleetError for a name that is not in the fleet, and for a fleet of none.
    """
    strangers = [thing for thing in first if thing not in things]
    if strangers or not things:
        raise FleetError(f"{strangers[0]} is not in the fleet" if strangers else "a fleet without boards")
    waiting = list(dict.fromkeys([*first, *sorted(things, key=_by_number)]))
    stages = []
    for size in sizes:
        count = max(1, share_of(size, len(things)))
        stages.append(waiting[:count])
        waiting = waiting[count:]
    return [stage for stage in (*stages, waiting) if stage]


def _by_number(name: str) -> list[tuple[int, str]]:
    """Sorts gateway-2 before gateway-10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]


class Rollout:
    """Moves each running job on, at each `tick`; what it decides is in the store, and boards hear of it from there."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def tick(self, now: int) -> None:
        """Time out what took too long, begin or end stages."""
        with self._store.transaction():
            for execution in self._store.overdue(now):
                _end(self._store, execution, TIMED_OUT, now)
            for job in self._store.running():
                self._move(job, now)

    def _move(self, job: Job, now: int) -> None:
        if job.stage < 0:
            self._store.begin_stage(job, 0, now)
            return
        counts = self._store.counts(job.id, job.stage)
        bad = sum(counts.get(status, 0) for status in FAILURES)
        silent = sum(counts.get(status, 0) for status in PENDING)
        is_over = now >= job.stage_at + job.limit_s and (job.is_renewal or not self._store.is_renewing(job))
        tolerance = job.tolerances[job.stage]
        if bad > tolerance or (is_over and bad + silent > tolerance):
            reason = f"stage {job.stage + 1}: {_words(counts)}; {tolerance} may fail or be silent"
            end_job(self._store, job, STOPPED, reason, now)
        elif silent and not is_over:
            pass
        elif job.stage + 1 < len(job.tolerances):
            self._store.begin_stage(job, job.stage + 1, now)
        else:
            self._store.end_job(job, COMPLETED, f"stage {job.stage + 1}: {_words(counts)}")


def end_job(store: Store, job: Job, state: str, reason: str, now: int, *, force: bool = False) -> None:  # noqa: PLR0913 - what ends, how, and why
    """End a job: no later stage begins, and boards that had not begun are let off; with `force`, those at work too."""
    with store.transaction():
        for execution in store.executions(job.id):
            if execution.status == QUEUED or (force and execution.status == IN_PROGRESS):
                _end(store, execution, CANCELED, now)
        store.end_job(job, state, reason)


def abort(store: Store, job_id: str, now: int, *, force: bool) -> Job:
    """End a running job on a person's word; the service that serves the store tells the boards. Raises JobError."""
    with store.transaction():
        job = store.job(job_id)
        if job.state != RUNNING and not force:
            raise JobError(f"{job_id} is {job.state} already; --force also ends what boards are at work on")
        state, reason = (ABORTED, "by hand") if job.state == RUNNING else (job.state, job.reason)
        end_job(store, job, state, reason, now, force=force)
        return store.job(job_id)


def _end(store: Store, execution: Execution, status: str, now: int) -> None:
    execution.status, execution.updated_at = status, now
    execution.version_number += 1
    store.write(execution)


def _words(counts: Mapping[str, int]) -> str:
    order = (SUCCEEDED, *FAILURES, *PENDING, CANCELED)
    return ", ".join(f"{counts[status]} {status}" for status in order if counts.get(status))
