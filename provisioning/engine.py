"""The engine: which job runs next, how many children at once, and what is taken up again after a start."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from provisioning import store
from provisioning.processes import session_of
from provisioning.remedies import with_remedy
from provisioning.restore import Restore
from provisioning.store import Job, Store
from provisioning.surroundings import Setup
from provisioning.task import HaltedError, Task, clear
from provisioning.work import Work

log = logging.getLogger("provisioning")
DAY_S = 86_400.0
LOOK_S = 1.0  # between two looks at what waits, if nobody says that there is something
PATIENCE_S = 10.0
TASKS: dict[str, type[Task]] = {"deploy": Work, "destroy": Work, "restore": Restore}


class Engine:
    """Threads that follow children. `start` takes up what an earlier service left."""

    def __init__(self, setup: Setup, store_: Store, then: Callable[[Job], None]) -> None:
        """`then` hears of each job that has ended, in the job's own thread."""
        self.slots = threading.Semaphore(setup.children)
        self.halt = threading.Event()
        self.is_short = False  # a job could begin, were there a slot
        self._setup = setup
        self._store = store_
        self._then = then
        self._news = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._dispatcher = threading.Thread(target=self._dispatch, name="jobs", daemon=True)

    def start(self) -> None:
        """Follow the children that live, settle those that ended, and go on with what waits."""
        for job in self._store.of_status(store.PROCESSING):
            if job.detail != store.AT_PLAN:
                log.info("%s: taken up again at %s", job.id, job.detail)
                # It is at work already, whatever the number of children at once.
                self._begin(job, has_slot=self.slots.acquire(blocking=False))
        self._dispatcher.start()

    def wake(self) -> None:
        """There is something to do."""
        self._news.set()

    def close(self) -> None:
        """Stop following; children go on."""
        self.halt.set()
        self._news.set()
        for thread in (self._dispatcher, *self._threads.values()):
            with suppress(RuntimeError):  # one that never started
                thread.join(PATIENCE_S)

    def _dispatch(self) -> None:
        while not self.halt.is_set():
            try:
                self._expire()
                self._begin_some()
            except Exception:  # whatever it is, the next look may find it gone
                log.exception("the jobs cannot be looked at")
            self._news.wait(LOOK_S)
            self._news.clear()

    def _begin_some(self) -> None:
        self.is_short = False
        waiting: set[str] = set()  # projects: behind the first that waits, none is tried
        for job in self._store.of_status(store.PENDING, store.PROCESSING):
            if job.status == store.PENDING:
                if job.project_id in waiting:
                    continue
                waiting.add(job.project_id)
            if job.id in self._threads or not _is_to_do(self._store.job(job.id)):  # it may have ended since
                continue
            current = self._store.current(job.project_id)
            if current is not None and current.id != job.id:
                continue  # it stands behind another one of its project
            self.is_short = not self.slots.acquire(blocking=False)
            if self.is_short:
                return
            if job.status == store.PENDING and not self._store.begin(job.id):
                self.slots.release()
                continue
            self._begin(job, has_slot=True)

    def _begin(self, job: Job, *, has_slot: bool) -> None:
        thread = threading.Thread(target=self._run, args=(job.id, has_slot), name=job.id, daemon=True)
        self._threads[job.id] = thread
        thread.start()

    def _run(self, job_id: str, has_slot: bool) -> None:
        try:
            TASKS[self._store.job(job_id).kind](self._setup, self._store, job_id, self.halt).run()
            job = self._store.job(job_id)
            if job.has_ended:
                self._then(job)
        except HaltedError:
            pass
        except Exception as error:  # a thread that ends without a word would leave its job at work for ever
            log.exception("%s: cannot be gone on with", job_id)
            if not self._has_given_up(job_id, error):  # it is taken up again
                self.halt.wait(PATIENCE_S)
        finally:
            self._threads.pop(job_id, None)
            if has_slot:
                self.slots.release()
            self._news.set()

    def _has_given_up(self, job_id: str, error: Exception) -> bool:
        """True unless its child lives, or the disk is full."""
        try:
            return self._give_up(job_id, error)
        except Exception:  # whatever it is, it may be gone the next time
            log.exception("%s: its end cannot be written down", job_id)
            return False

    def _give_up(self, job_id: str, error: Exception) -> bool:
        job = self._store.job(job_id)
        place = self._setup.place(job.project_id)
        if any(session_of(folder) for folder in place.job(job_id).iterdir()):
            return False
        values: dict[str, Any] = {"status": store.FAILED, "detail": job.fate or "failed", "ended_at": self._store.now()}
        self._store.change_job(job_id, **values, error="; ".join(filter(None, [job.error, with_remedy(str(error))])))
        clear(self._store, place, job_id)
        return True

    def _expire(self) -> None:
        for job in self._store.of_status(store.PROCESSING):
            if job.detail == store.AT_PLAN and self._store.now() - (job.planned_at or 0.0) > DAY_S:
                end_planned(self._setup, self._store, job, store.EXPIRED, "the plan was not confirmed within a day")


def _is_to_do(job: Job) -> bool:
    return not job.has_ended and job.detail != store.AT_PLAN


def end_planned(setup: Setup, store_: Store, job: Job, detail: str, error: str) -> None:
    """End a job that waits at its plan, or in the queue; its plan goes."""
    store_.change_job(job.id, status=store.FAILED, detail=detail, error=error, ended_at=store_.now())
    clear(store_, setup.place(job.project_id), job.id)
