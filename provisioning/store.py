"""What has to outlive a `kill -9`: projects, jobs, their events, keys and the audit, in one SQLite file (WAL).

Times are Unix seconds. A project has at most one job that is `processing`: an index of the file sees to that, not code.
"""

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from provisioning.errors import ConflictError, UnknownError
from web.database import Database

PENDING, PROCESSING, COMPLETED, FAILED = "pending", "processing", "completed", "failed"
# What a job is at: its `detail`.
QUEUED, SCREENING, PLANNING, AT_PLAN, CONFIRMED = "queued", "screening", "planning", "planned", "confirmed"
APPLYING, DESTROYING, CANCELLING, RECONCILING = "applying", "destroying", "cancelling", "reconciling"
RESTORING = "restoring"
CANCELLED, WORKER_LOST, STALE_PLAN, EXPIRED, FINISHED = "cancelled", "worker_lost", "stale_plan", "expired", "done"

SCHEMA = """
CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    farm TEXT NOT NULL,
    is_protected INTEGER NOT NULL DEFAULT 0,
    code_digest TEXT NOT NULL DEFAULT '', -- of what was stored last
    applied_job TEXT, -- the last one that began to change something
    deployed_job TEXT, -- the last deploy that was applied to its end
    outputs TEXT NOT NULL DEFAULT '{}', -- {"values": {name: value}, "sensitive": [name]}
    masks TEXT NOT NULL DEFAULT '{}', -- {type: [attribute that is sensitive]}
    created_at REAL NOT NULL,
    changed_at REAL NOT NULL
);
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL REFERENCES projects,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    detail TEXT NOT NULL,
    phase TEXT NOT NULL DEFAULT '', -- the attempt of a child that was recorded last
    log_bytes INTEGER NOT NULL DEFAULT 0, -- of its log, as far as it is in `events`
    fate TEXT NOT NULL DEFAULT '', -- the detail that it will end with, once it is reconciled
    progress INTEGER NOT NULL DEFAULT 0,
    working_on TEXT NOT NULL DEFAULT '', -- the address in work
    is_asking INTEGER NOT NULL DEFAULT 0, -- stops at `planned`
    message TEXT NOT NULL DEFAULT '',
    error TEXT,
    plan TEXT NOT NULL DEFAULT '{}', -- {"digest", "changes", "costs", "holds", "files"}
    report TEXT NOT NULL DEFAULT '{}', -- {"outputs", "sensitive", "orphans", "tainted"}
    by_key TEXT NOT NULL,
    max_monthly_usd REAL,
    cancelled_at REAL,
    created_at REAL NOT NULL,
    started_at REAL,
    planned_at REAL,
    ended_at REAL
);
CREATE UNIQUE INDEX one_writer ON jobs (project_id) WHERE status = 'processing';
CREATE INDEX jobs_of_projects ON jobs (project_id, seq);
CREATE INDEX jobs_by_status ON jobs (status, seq);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX events_of_jobs ON events (job_id, seq);
CREATE TABLE orphans (
    project_id TEXT NOT NULL,
    type TEXT NOT NULL,
    import_id TEXT NOT NULL,
    arn TEXT NOT NULL,
    job_id TEXT NOT NULL,
    PRIMARY KEY (project_id, type, import_id)
);
CREATE TABLE keys (
    name TEXT PRIMARY KEY,
    key_hash BLOB NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    farms TEXT NOT NULL,
    max_monthly_usd REAL,
    created_at REAL NOT NULL,
    revoked_at REAL
);
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    key TEXT NOT NULL,
    call TEXT NOT NULL,
    status INTEGER NOT NULL,
    project_id TEXT,
    job_id TEXT
);
CREATE TABLE repeats (
    key TEXT NOT NULL,
    word TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    status INTEGER NOT NULL,
    answer TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (key, word)
);
CREATE TABLE checks (
    project_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    digest TEXT NOT NULL,
    answer TEXT, -- NULL: at work
    at REAL NOT NULL,
    PRIMARY KEY (project_id, kind)
);
"""

STATES = """
ALTER TABLE projects ADD COLUMN state_at TEXT NOT NULL DEFAULT 'local';
CREATE TABLE drifts (
    project_id TEXT PRIMARY KEY,
    word TEXT NOT NULL, -- which state it is of
    addresses TEXT NOT NULL,
    at REAL NOT NULL
);
CREATE TABLE marks (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
ADDRESSES = """
ALTER TABLE orphans RENAME TO earlier_orphans;
CREATE TABLE orphans (
    project_id TEXT NOT NULL,
    type TEXT NOT NULL,
    import_id TEXT NOT NULL,
    arn TEXT NOT NULL,
    job_id TEXT NOT NULL,
    address TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (project_id, arn)
);
INSERT OR REPLACE INTO orphans SELECT project_id, type, import_id, arn, job_id, '' FROM earlier_orphans;
DROP TABLE earlier_orphans;
"""
STEPS = (SCHEMA, STATES, ADDRESSES)  # each leads from a version to the next


@dataclass(frozen=True, kw_only=True)
class Project:
    """What a farm has had deployed; `masks` names the attributes of a type that may not be shown.

    `state_at`: where its state is, "local" or a place in S3.
    """

    id: str
    farm: str
    is_protected: bool
    code_digest: str
    applied_job: str | None
    deployed_job: str | None
    outputs: dict[str, Any]
    masks: dict[str, Any]
    created_at: float
    changed_at: float
    state_at: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """One deploy, destroy or restore; `phase` is the child recorded last, `log_bytes` of whose log are in the events.

    `fate` is the detail that it will end with once it is reconciled; `is_asking` lets it stop at its plan.
    """

    seq: int
    id: str
    project_id: str
    kind: str
    status: str
    detail: str
    phase: str
    log_bytes: int
    fate: str
    progress: int
    working_on: str
    is_asking: bool
    message: str
    error: str | None
    plan: dict[str, Any]
    report: dict[str, Any]
    by_key: str
    max_monthly_usd: float | None
    cancelled_at: float | None
    created_at: float
    started_at: float | None
    planned_at: float | None
    ended_at: float | None

    @property
    def has_ended(self) -> bool:
        """True for one that goes no further."""
        return self.status in {COMPLETED, FAILED}


@dataclass(frozen=True, kw_only=True)
class Orphan:
    """What exists in the cloud, carries the project's tags or a planned name, and is in no state.

    `address` where a plan has it, else empty; without an import id Terraform cannot bring it in.
    """

    project_id: str
    type: str
    import_id: str
    arn: str
    job_id: str
    address: str = ""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What a look at the cloud found: `addresses` that others had changed since the state that `word` names."""

    word: str
    addresses: list[str]
    at: float


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A job as it is asked for; `id` is of `new_id`."""

    id: str
    project_id: str
    kind: str
    by_key: str
    is_asking: bool = False
    is_waiting: bool = False
    max_monthly_usd: float | None = None


PROJECT_COLUMNS = ", ".join(field.name for field in fields(Project))
JOB_COLUMNS = ", ".join(field.name for field in fields(Job))
DOCUMENTS = {"outputs", "masks", "plan", "report"}


class Store:
    """Safe in many threads. Raises web.errors.FileError where the file cannot be used."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self.now = now
        self.database = Database(path, STEPS)

    def close(self) -> None:
        """Close the file; nothing that was committed is lost."""
        self.database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; nested, it joins the outer one."""
        with self.database.transaction():
            yield

    # projects

    def project(self, project_id: str) -> Project:
        """One project. Raises UnknownError."""
        row = self.database.one(f"SELECT {PROJECT_COLUMNS} FROM projects WHERE id = ?", project_id)
        if row is None:
            raise UnknownError(f"there is no project {project_id[:80]!r}")
        return Project(**_record(Project, row))

    def projects(self) -> list[Project]:
        """All of them, by name."""
        rows = self.database.all(f"SELECT {PROJECT_COLUMNS} FROM projects ORDER BY id")
        return [Project(**_record(Project, row)) for row in rows]

    def add_project(self, project_id: str, farm: str) -> None:
        """A farm's new project; one that is there stays as it is."""
        now = self.now()
        statement = "INSERT OR IGNORE INTO projects (id, farm, created_at, changed_at) VALUES (?, ?, ?, ?)"
        self.database.run(statement, project_id, farm, now, now)

    def change_project(self, project_id: str, **values: Any) -> None:
        """Give columns of a project other values."""
        self._change("projects", project_id, {**values, "changed_at": self.now()})

    # jobs

    def job(self, job_id: str) -> Job:
        """One job. Raises UnknownError."""
        for job in self._jobs("WHERE id = ?", job_id):
            return job
        raise UnknownError(f"there is no job {job_id[:80]!r}")

    def is_cancelled(self, job_id: str) -> bool:
        """True once somebody asked it to end; asked for ten times a second, so without its plan."""
        return self.database.one("SELECT 1 FROM jobs WHERE id = ? AND cancelled_at NOTNULL", job_id) is not None

    def has_job(self, job_id: str) -> bool:
        """True if it was added."""
        return self.database.one("SELECT 1 FROM jobs WHERE id = ?", job_id) is not None

    def jobs(self, project_ids: tuple[str, ...], before: int, limit: int) -> list[Job]:
        """A page of the jobs of these projects, the newest first, from below a number on."""
        marks = ", ".join("?" * len(project_ids))
        return self._jobs(
            f"WHERE project_id IN ({marks}) AND seq < ? ORDER BY seq DESC LIMIT ?", *project_ids, before, limit
        )

    def numbered(self, seq: int) -> list[Job]:
        """The job of a number."""
        return self._jobs("WHERE seq = ?", seq)

    def of_status(self, *statuses: str) -> list[Job]:
        """Every job with one of these, the oldest first."""
        marks = ", ".join("?" * len(statuses))
        return self._jobs(f"WHERE status IN ({marks}) ORDER BY seq", *statuses)

    def current(self, project_id: str) -> Job | None:
        """The job of a project that is at work, or else waits first."""
        where = "WHERE project_id = ? AND status IN ('pending', 'processing') ORDER BY status DESC, seq LIMIT 1"
        return next(iter(self._jobs(where, project_id)), None)

    def newest(self, project_id: str) -> Job | None:
        """The job of a project that was asked for last."""
        return next(iter(self._jobs("WHERE project_id = ? ORDER BY seq DESC LIMIT 1", project_id)), None)

    def new_id(self, kind: str) -> str:
        """A name for a job that nobody has."""
        suffix = "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(6))
        return f"{kind}-{int(self.now() * 1000)}-{suffix}"

    def add_job(self, order: Wanted) -> Job:
        """A new job. Raises ConflictError with the one that is in the way, unless this one waits."""
        with self.transaction():
            current = self.current(order.project_id)
            if current is not None and not order.is_waiting:
                raise ConflictError(
                    f"{current.id} is at work on {order.project_id}; wait for it, cancel it, or send wait: true",
                    jobId=current.id,
                )
            self.database.run(
                "INSERT INTO jobs"
                " (id, project_id, kind, status, detail, is_asking, by_key, max_monthly_usd, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                *(order.id, order.project_id, order.kind, PENDING, QUEUED, order.is_asking, order.by_key),
                *(order.max_monthly_usd, self.now()),
            )
            self.tell(order.id, QUEUED, {"status": PENDING})
            return self.job(order.id)

    def begin(self, job_id: str) -> bool:
        """Make a pending job the one at work; False if another one of the project is, or it no longer waits."""
        try:
            statement = "UPDATE jobs SET status = ?, detail = ?, started_at = ? WHERE id = ? AND status = ?"
            return bool(self.database.run(statement, PROCESSING, SCREENING, self.now(), job_id, PENDING).rowcount)
        except sqlite3.IntegrityError:  # the index `one_writer`
            return False

    def change_job(self, job_id: str, **values: Any) -> None:
        """Give columns of a job other values; a new `detail` is an event, and progress never falls."""
        if "progress" in values:
            values["progress"] = max(values["progress"], self.job(job_id).progress)
        with self.transaction():
            self._change("jobs", job_id, values)
            if "detail" in values:
                job = self.job(job_id)
                self.tell(job_id, job.detail, {"status": job.status, "progress": job.progress})

    # events

    def tell(self, job_id: str, kind: str, data: dict[str, Any]) -> None:
        """Write an event of a job down."""
        statement = "INSERT INTO events (job_id, at, kind, data) VALUES (?, ?, ?, ?)"
        self.database.run(statement, job_id, self.now(), kind, json.dumps(data))

    def messages(self, job_id: str, most: int) -> list[str]:
        """The last lines of a job's log, the oldest first."""
        query = "SELECT data FROM events WHERE job_id = ? AND kind = 'log' ORDER BY seq DESC LIMIT ?"
        return [json.loads(data)["line"] for [data] in reversed(self.database.all(query, job_id, most))]

    # drift

    def drift(self, project_id: str) -> Drift | None:
        """The last look at a project."""
        row = self.database.one("SELECT word, addresses, at FROM drifts WHERE project_id = ?", project_id)
        return None if row is None else Drift(word=row[0], addresses=json.loads(row[1]), at=row[2])

    def put_drift(self, project_id: str, word: str, addresses: list[str] | None) -> None:
        """Somebody has just looked; None: and could not see."""
        last = self.drift(project_id) or Drift(word="", addresses=[], at=0.0)
        if addresses is not None:
            last = Drift(word=word, addresses=addresses, at=0.0)
        statement = "INSERT OR REPLACE INTO drifts VALUES (?, ?, ?, ?)"
        self.database.run(statement, project_id, last.word, json.dumps(last.addresses), self.now())

    # marks

    def mark(self, name: str) -> str | None:
        """What was noted under a name."""
        row = self.database.one("SELECT value FROM marks WHERE name = ?", name)
        return None if row is None else str(row[0])

    def put_mark(self, name: str, value: str) -> None:
        """Note it."""
        self.database.run("INSERT OR REPLACE INTO marks VALUES (?, ?)", name, value)

    # orphans

    def orphans(self, project_id: str) -> list[Orphan]:
        """What is known to exist outside a project's state."""
        names = [field.name for field in fields(Orphan)]
        query = f"SELECT {', '.join(names)} FROM orphans WHERE project_id = ? ORDER BY arn"
        return [Orphan(**dict(zip(names, row, strict=True))) for row in self.database.all(query, project_id)]

    def put_orphans(self, project_id: str, orphans: list[Orphan]) -> None:
        """From now on these are a project's orphans, and no others."""
        with self.transaction():
            self.database.run("DELETE FROM orphans WHERE project_id = ?", project_id)
            for one in orphans:
                statement = "INSERT OR REPLACE INTO orphans VALUES (?, ?, ?, ?, ?, ?)"
                values = (one.project_id, one.type, one.import_id, one.arn, one.job_id, one.address)
                self.database.run(statement, *values)

    def _jobs(self, where: str, *values: object) -> list[Job]:
        rows = self.database.all(f"SELECT {JOB_COLUMNS} FROM jobs {where}", *values)
        return [Job(**_record(Job, row)) for row in rows]

    def _change(self, table: str, key: str, values: dict[str, Any]) -> None:
        pairs = ", ".join(f"{name} = ?" for name in values)
        columns = [json.dumps(value) if name in DOCUMENTS else value for name, value in values.items()]
        self.database.run(f"UPDATE {table} SET {pairs} WHERE id = ?", *columns, key)


def _record(kind: Any, row: tuple[Any, ...]) -> dict[str, Any]:
    names = [field.name for field in fields(kind)]
    values = dict(zip(names, row, strict=True))
    for name, value in values.items():
        if name in DOCUMENTS:
            values[name] = json.loads(value)
        elif name.startswith("is_"):
            values[name] = bool(value)
    return values
