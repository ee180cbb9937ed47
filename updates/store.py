"""What has to outlive a `kill -9`: jobs, and the execution of each job by each thing, in one SQLite file.

A job is one roll-out of one bundle, or the renewal of one board's identity. An execution has AWS IoT's statuses, and
one of ours before them, WAITING: its stage has not begun, so that for the thing it does not exist. Times are Unix
seconds.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from updates.errors import JobError, StoreError

WAITING = "WAITING"
QUEUED, IN_PROGRESS, SUCCEEDED = "QUEUED", "IN_PROGRESS", "SUCCEEDED"
FAILED, REJECTED, TIMED_OUT, CANCELED = "FAILED", "REJECTED", "TIMED_OUT", "CANCELED"
PENDING = (IN_PROGRESS, QUEUED)
FAILURES = (FAILED, REJECTED, TIMED_OUT)
TERMINAL = (SUCCEEDED, *FAILURES, CANCELED)

RUNNING, STOPPED, ABORTED, COMPLETED = "RUNNING", "STOPPED", "ABORTED", "COMPLETED"  # what a job is
RENEWAL = 0  # the version of a job that renews an identity: no firmware has it

_SCHEMA = """
CREATE TABLE IF NOT EXISTS job (
  id TEXT PRIMARY KEY, version INTEGER, document TEXT, state TEXT, reason TEXT, created_at INTEGER,
  stage INTEGER, stage_at INTEGER, limit_s INTEGER, away_s INTEGER, tolerances TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS execution (
  job_id TEXT REFERENCES job (id), thing TEXT, stage INTEGER, status TEXT, details TEXT, version_number INTEGER,
  queued_at INTEGER, started_at INTEGER, updated_at INTEGER, step_until INTEGER,
  PRIMARY KEY (job_id, thing)
) STRICT;
CREATE TABLE IF NOT EXISTS service (id INTEGER PRIMARY KEY CHECK (id = 1), seen_at INTEGER) STRICT;
CREATE INDEX IF NOT EXISTS execution_of_thing ON execution (thing, status);
CREATE INDEX IF NOT EXISTS execution_by_status ON execution (status, job_id);
"""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A roll-out: its bundle's version and document, where it stands, and what each of its stages tolerates.

    `stage` is -1 before the first; a stage lasts `limit_s` at most, and so does an execution; `tolerances[stage]`
    counts things. For `away_s` nobody could report; a stage's begin moves with it. A renewal has version RENEWAL.
    """

    id: str
    version: int
    document: str
    state: str = RUNNING
    reason: str = ""
    created_at: int
    stage: int = -1
    stage_at: int = 0
    limit_s: int
    away_s: int = 0
    tolerances: tuple[int, ...]

    @property
    def is_renewal(self) -> bool:
        """True if it gives a board a certificate, and no firmware."""
        return self.version == RENEWAL


@dataclass(kw_only=True)
class Execution:
    """A job's execution by a thing, as AWS IoT has it. `step_until` is the end of the thing's own timer, or None."""

    job_id: str
    thing: str
    stage: int
    status: str = WAITING
    details: dict[str, str]
    version_number: int = 1
    queued_at: int = 0
    started_at: int | None = None
    updated_at: int = 0
    step_until: int | None = None


_ADD_JOB = """
INSERT INTO job (id, version, document, state, reason, created_at, stage, stage_at, limit_s, away_s, tolerances)
VALUES (:id, :version, :document, :state, :reason, :created_at, :stage, :stage_at, :limit_s, :away_s, :tolerances)
"""
_WRITE_EXECUTION = """
INSERT INTO execution
  (job_id, thing, stage, status, details, version_number, queued_at, started_at, updated_at, step_until)
VALUES
  (:job_id, :thing, :stage, :status, :details, :version_number, :queued_at, :started_at, :updated_at, :step_until)
ON CONFLICT (job_id, thing) DO UPDATE SET
  status = excluded.status, details = excluded.details, version_number = excluded.version_number,
  queued_at = excluded.queued_at, started_at = excluded.started_at, updated_at = excluded.updated_at,
  step_until = excluded.step_until
"""
_OVERDUE = """
SELECT execution.* FROM execution JOIN job ON job.id = job_id
WHERE status = :status AND (started_at + limit_s + away_s <= :now OR step_until + away_s <= :now)
"""
_RENEWING = """
SELECT 1 FROM execution AS own JOIN execution AS other ON other.thing = own.thing JOIN job ON job.id = other.job_id
WHERE own.job_id = ? AND own.stage = ? AND own.status IN (?, ?) AND other.status = ? AND job.version = ? LIMIT 1
"""


class Store:
    """Raises StoreError where the file cannot be used. To be used by the thread that made it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=30)
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")  # what a board was told holds after a power cut
            self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file; nothing that was committed is lost."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; nested, it joins the outer one."""
        with self._translated():
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    # jobs

    def jobs(self) -> list[Job]:
        """Every job, the oldest first."""
        return [_job(row) for row in self._all("SELECT * FROM job ORDER BY rowid")]

    def job(self, job_id: str) -> Job:
        """One job. Raises JobError if there is none of that name."""
        for row in self._all("SELECT * FROM job WHERE id = ?", job_id):
            return _job(row)
        raise JobError(f"no job {job_id!r}; `status` lists them")

    def running(self) -> list[Job]:
        """The jobs whose stages go on."""
        return [_job(row) for row in self._all("SELECT * FROM job WHERE state = ? ORDER BY rowid", RUNNING)]

    def check_new(self, job_id: str, renews: str | None = None) -> None:
        """Raises JobError if the name of a job is taken, or another roll-out runs, or a renewal of the same thing."""
        if any(job.id == job_id for job in self.jobs()):
            raise JobError(f"there was a job {job_id!r} before; give this one another name with --job")
        for job in self.running():
            own = job.is_renewal and any(one.thing == renews for one in self.executions(job.id))
            if own or not (job.is_renewal or renews):
                raise JobError(f"{job.id} still runs; wait, or end it with: abort {job.id}")

    def add(self, job: Job, stages: Sequence[Sequence[str]]) -> None:
        """A new job with its things, stage by stage. Raises JobError as `check_new` does."""
        with self.transaction():
            self.check_new(job.id, stages[0][0] if job.is_renewal else None)
            self._connection.execute(_ADD_JOB, {**asdict(job), "tolerances": json.dumps(job.tolerances)})
            for number, things in enumerate(stages):
                for thing in things:
                    self.write(Execution(job_id=job.id, thing=thing, stage=number, details={}))

    def is_renewing(self, job: Job) -> bool:
        """True if a board that has still to answer in the job's stage is at work on a renewal."""
        return bool(self._all(_RENEWING, *(job.id, job.stage), *PENDING, IN_PROGRESS, RENEWAL))

    def begin_stage(self, job: Job, stage: int, now: int) -> None:
        """The things of a stage have the job in their queues from now on."""
        with self.transaction():
            self._run("UPDATE job SET stage = ?, stage_at = ? WHERE id = ?", stage, now, job.id)
            self._run(
                "UPDATE execution SET status = ?, queued_at = ?, updated_at = ? WHERE job_id = ? AND stage = ?",
                *(QUEUED, now, now, job.id, stage),
            )

    def end_job(self, job: Job, state: str, reason: str) -> None:
        """The job goes no further; its executions are left as they are."""
        self._run("UPDATE job SET state = ?, reason = ? WHERE id = ?", state, reason, job.id)

    def hold(self, away_s: int) -> None:
        """For so many seconds nobody was heard: no time that runs counts them."""
        self._run("UPDATE job SET away_s = away_s + ?, stage_at = stage_at + ?", away_s, away_s)

    def seen_at(self) -> int | None:
        """When a service was last at work here."""
        rows = self._all("SELECT seen_at FROM service")
        return rows[0]["seen_at"] if rows else None

    def see(self, now: int) -> None:
        """A service is at work."""
        self._run("INSERT OR REPLACE INTO service (id, seen_at) VALUES (1, ?)", now)

    # executions

    def executions(self, job_id: str) -> list[Execution]:
        """Every execution of a job, stage by stage."""
        return [_execution(row) for row in self._all("SELECT * FROM execution WHERE job_id = ? ORDER BY rowid", job_id)]

    def find(self, thing: str, job_id: str) -> Execution | None:
        """The execution of a job by a thing, if the thing may know of it."""
        query = "SELECT * FROM execution WHERE job_id = ? AND thing = ? AND status != ?"
        rows = self._all(query, job_id, thing, WAITING)
        return _execution(rows[0]) if rows else None

    def pending(self, thing: str) -> list[Execution]:
        """What a thing has to do: IN_PROGRESS before QUEUED, then in the order in which they were created."""
        query = "SELECT * FROM execution WHERE thing = ? AND status IN (?, ?) ORDER BY status, queued_at, rowid"
        return [_execution(row) for row in self._all(query, thing, *PENDING)]

    def next_of(self, thing: str) -> Execution | None:
        """The first of them."""
        pending = self.pending(thing)
        return pending[0] if pending else None

    def following(self) -> dict[str, str]:
        """The name of the first one's job, for each thing that has any."""
        query = "SELECT thing, job_id FROM execution WHERE status IN (?, ?) ORDER BY status, queued_at, rowid"
        return {row["thing"]: row["job_id"] for row in reversed(self._all(query, *PENDING))}

    def overdue(self, now: int) -> list[Execution]:
        """What is IN_PROGRESS for longer than its job allows, or than the thing itself said."""
        return [_execution(row) for row in self._all(_OVERDUE, status=IN_PROGRESS, now=now)]

    def counts(self, job_id: str, stage: int) -> dict[str, int]:
        """How many things of a stage have which status."""
        query = "SELECT status, count(*) AS things FROM execution WHERE job_id = ? AND stage = ? GROUP BY status"
        return {row["status"]: row["things"] for row in self._all(query, job_id, stage)}

    def write(self, execution: Execution) -> None:
        """Write an execution down, new or changed."""
        with self.transaction():
            row = {**asdict(execution), "details": json.dumps(execution.details)}
            self._connection.execute(_WRITE_EXECUTION, row)

    def _run(self, statement: str, *values: object) -> None:
        with self.transaction():
            self._connection.execute(statement, values)

    def _all(self, query: str, *values: object, **by_name: object) -> list[sqlite3.Row]:
        with self._translated():
            return self._connection.execute(query, by_name or values).fetchall()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{self.path}: {error}; check the path, the disk and its free space") from error


def _job(row: sqlite3.Row) -> Job:
    fields: dict[str, Any] = dict(row)
    return Job(**{**fields, "tolerances": tuple(json.loads(fields["tolerances"]))})


def _execution(row: sqlite3.Row) -> Execution:
    fields: dict[str, Any] = dict(row)
    return Execution(**{**fields, "details": json.loads(fields["details"])})
