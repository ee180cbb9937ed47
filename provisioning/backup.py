"""Copies of what cannot be made again, in a bucket: every snapshot of a state, and the service's database.

S3 encrypts them (SSE-KMS, by the account's own key for S3); names of projects and times are in clear, as parts of keys.
A backup that fails is told, made again after a minute, and stops nothing.
"""

import logging
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from provisioning import states, store
from provisioning.cloud import client_of
from provisioning.code import write_file
from provisioning.errors import BackupError
from provisioning.remote import LOCAL, Bucket, place_of
from provisioning.store import Project, Store
from provisioning.surroundings import Setup
from web.errors import WebError

log = logging.getLogger("provisioning")
DATABASE = "provisioning.db"
WAIT_S = 1.0
RETRY_AFTER = 60  # waits, after a failure
ENCRYPTED = {"ServerSideEncryption": "aws:kms"}
LOST = "the job was at work when its service was backed up; what became of it the cloud knows"


class Backups:
    """A thread that copies after each job; `error` is why the last time failed, empty if it did not."""

    def __init__(self, setup: Setup, store_: Store, halt: threading.Event) -> None:
        self._setup = setup
        self._store = store_
        self._halt = halt
        self._news = threading.Event()
        self._news.set()  # what an earlier service could not copy
        self._place = None if setup.backup is None else place_of(setup.backup, "--backup")
        self._thread = threading.Thread(target=self._run, name="backup", daemon=True)
        self.error = ""
        self.made_at: float | None = None

    def start(self) -> None:
        """Begin, if there is a place for them."""
        if self._place is not None:
            self._thread.start()

    def close(self) -> None:
        """Wait for its end, which `halt` has told it."""
        with suppress(RuntimeError):  # it never started
            self._thread.join(30)

    def wake(self) -> None:
        """Something has changed."""
        self._news.set()

    def _run(self) -> None:
        waited = 0
        while not self._halt.wait(WAIT_S):
            waited += 1
            if self._news.is_set() or (self.error and waited >= RETRY_AFTER):
                self._news.clear()
                waited = 0
                self._try()

    def _try(self) -> None:
        assert self._place is not None
        try:
            self._copy(self._place)
        except (BotoCoreError, ClientError, OSError, sqlite3.Error, WebError) as error:
            self.error = f"no backup could be made at {self._place.url}: {error}"
            log.error("%s", self.error)
        else:
            self.error, self.made_at = "", self._store.now()

    def _copy(self, place: Bucket) -> None:
        """What is new of the snapshots, then the database, which speaks of them."""
        s3 = client_of(self._setup.aws, "s3", self._setup.region)
        for project in self._store.projects():
            there = set(_keys(s3, place, "snapshots", project.id))
            for path in states.numbered(self._setup.place(project.id)):
                key = place.key("snapshots", project.id, path.name)
                if key not in there:
                    s3.put_object(Bucket=place.bucket, Key=key, Body=path.read_bytes(), **ENCRYPTED)
        with tempfile.TemporaryDirectory(dir=self._setup.data) as folder:
            copy = Path(folder) / DATABASE
            with (
                closing(sqlite3.connect(self._store.database.path)) as source,
                closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
            s3.put_object(Bucket=place.bucket, Key=place.key(DATABASE), Body=copy.read_bytes(), **ENCRYPTED)


def recover(setup: Setup, word: str, now: Callable[[], float]) -> list[Project]:
    """Make a service's folder anew from its backup; gives the projects. Raises BackupError, FolderError.

    The newest snapshot becomes the state of a project whose states are in its folder.
    """
    place = place_of(word, "--backup")
    file = setup.data / DATABASE
    if file.exists():
        raise BackupError(f"{file}: is there already; give a new folder with --data")
    s3 = client_of(setup.aws, "s3", setup.region)
    try:
        write_file(file, s3.get_object(Bucket=place.bucket, Key=place.key(DATABASE))["Body"].read())
        for key in _keys(s3, place, "snapshots"):
            project_id, name = key.split("/")[-2:]
            body = s3.get_object(Bucket=place.bucket, Key=key)["Body"].read()
            write_file(setup.place(project_id).snapshots / name, body)
    except (BotoCoreError, ClientError) as error:
        file.unlink(missing_ok=True)
        raise BackupError(f"{place.url}: cannot be read: {error}") from error
    with closing(Store(file, now)) as store_:
        return _taken_up(setup, store_)


def _taken_up(setup: Setup, store_: Store) -> list[Project]:
    """End the jobs whose children were elsewhere, and give each project its state; code was not copied."""
    for job in store_.of_status(store.PENDING, store.PROCESSING):
        end = {"status": store.FAILED, "detail": store.WORKER_LOST, "ended_at": store_.now(), "error": LOST}
        store_.change_job(job.id, **end)
    for project in store_.projects():
        store_.change_project(project.id, code_digest="")
        place = setup.place(project.id)
        if project.state_at == LOCAL and (copies := states.numbered(place)):
            write_file(place.state, copies[-1].read_bytes())
    return store_.projects()


def _keys(s3: Any, place: Bucket, *parts: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=f"{place.key(*parts)}/"):
        yield from (row["Key"] for row in page.get("Contents", ()))
