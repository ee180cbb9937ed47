"""What can be asked of the service, each with who asks: the rules between the routes and the engine."""

import fcntl
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from provisioning import states, store
from provisioning.backup import DATABASE, Backups
from provisioning.cage import ABSENT
from provisioning.checks import DRIFT, Checks
from provisioning.code import Code, digest
from provisioning.drift import Rounds
from provisioning.engine import Engine, end_planned
from provisioning.errors import (
    ConflictError,
    FolderError,
    ForbiddenError,
    InputError,
    MissingTerraformError,
    UnknownError,
)
from provisioning.keys import Key, Keys, Pace, Scope
from provisioning.store import Job, Project, Store, Wanted
from provisioning.surroundings import Place, Setup, write_cli

log = logging.getLogger("provisioning")


class Service:
    """One process over one folder; `close` leaves the children alone. Raises FolderError, FileError, ScheduleError."""

    def __init__(self, setup: Setup, now: Callable[[], float]) -> None:
        self.setup = setup
        self._lock = _lock(setup.data)
        write_cli(setup)
        self.store = Store(setup.data / DATABASE, now)
        self.keys = Keys(self.store)
        _check_roles(setup, self.keys)
        _check_state(setup, self.store)
        self.pace = Pace(setup.calls_a_minute, time.monotonic)
        self.engine = Engine(setup, self.store, self._ended)
        self.checks = Checks(setup, self.store, self.engine)
        self.backups = Backups(setup, self.store, self.engine.halt)
        self.rounds = Rounds(setup, self.store, self.checks, self.engine.halt)

    def start(self) -> None:
        """Take up what an earlier service left; before the first request."""
        if self.setup.cage is None:
            log.warning(ABSENT)
        _sweep(self.setup.data)
        self.checks.start()
        self.engine.start()
        self.rounds.start()
        self.backups.start()

    def close(self) -> None:
        """Stop following, and let go of the folder."""
        self.checks.close()
        self.engine.close()
        self.rounds.close()
        self.backups.close()
        self.store.close()
        os.close(self._lock)

    def _ended(self, job: Job) -> None:
        """There is something to copy; and what a restored state has not, the cloud may have: look."""
        self.backups.wake()
        if job.kind == "restore" and job.status == store.COMPLETED:
            with suppress(MissingTerraformError):
                self.checks.ask(DRIFT, self.store.project(job.project_id))

    # projects

    def project(self, key: Key, project_id: str, scope: Scope = Scope.READ) -> Project:
        """A project that this key may know of. Raises UnknownError, ForbiddenError."""
        try:
            project = self.store.project(project_id)
        except UnknownError:
            project = None
        if project is None or not key.sees(project):
            raise UnknownError(f"there is no project {project_id[:80]!r}")
        key.need(scope)
        return project

    def put(self, key: Key, project_id: str, code: Code, farm: str | None, is_protected: bool | None) -> Project:
        """Store code without a job. Raises InputError, TooLargeError, ForbiddenError."""
        key.need(Scope.PLAN)
        self._check_owner(key, project_id, farm, is_protected)
        place = self.setup.place(project_id)
        fresh = place.folder / f"code.{os.getpid()}.{time.monotonic_ns()}"
        try:
            code.write(fresh)
            with self.store.transaction():
                self._own(key, project_id, farm)
                self._keep_code(project_id, fresh, is_protected)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        return self.store.project(project_id)

    def stored(self, key: Key, project_id: str, scope: Scope) -> Project:
        """A project that has code. Raises UnknownError."""
        project = self.project(key, project_id, scope)
        if not project.code_digest:
            raise UnknownError(f"project {project_id} has no code yet; deploy it, or PUT it to /api/deploy/projects")
        return project

    # jobs

    @contextmanager
    def received(self, key: Key, body: Any) -> Iterator[str]:
        """The code of a job that `deploy` makes meanwhile, on the disk; gives its id. Without a job the code goes.

        No call waits for it. Raises ConflictError, InputError, TooLargeError, ForbiddenError, MissingTerraformError.
        """
        key.need(Scope.PLAN if body.approve else Scope.APPLY)
        self._check_owner(key, body.projectId, body.farm, body.protect)
        self._check_state_at(body.projectId)
        self.setup.program()
        job_id = self.store.new_id("deploy")
        place = self.setup.place(body.projectId)
        root, fresh = place.root(job_id), _fresh(place, job_id)
        try:
            _code(body).write(root)
            shutil.copytree(root, fresh)
            yield job_id
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
            if not self.store.has_job(job_id):
                shutil.rmtree(root.parent, ignore_errors=True)

    def deploy(self, key: Key, body: Any, job_id: str) -> Job:
        """A new job of code that was received. Raises ConflictError, ForbiddenError."""
        with self.store.transaction():
            self._own(key, body.projectId, body.farm)
            job = self.store.add_job(self._wanted(key, job_id, body, is_asking=body.approve))
            self._keep_code(body.projectId, _fresh(self.setup.place(body.projectId), job_id), body.protect)
        self.engine.wake()
        return job

    def destroy(self, key: Key, body: Any) -> Job:
        """A new job. Raises UnknownError, ConflictError, ForbiddenError, MissingTerraformError."""
        project = self.project(key, body.projectId, Scope.DESTROY)
        self.setup.program()
        self._check_state_at(project.id)
        self._check_code(project)
        job = self.store.add_job(self._wanted(key, self.store.new_id("destroy"), body))
        self.engine.wake()
        log.info("%s: %s asks for the end of %s", job.id, key.name, project.id)
        return job

    def restore(self, key: Key, body: Any) -> Job:
        """A new job. Raises UnknownError, ConflictError, ForbiddenError, MissingTerraformError."""
        project = self.project(key, body.projectId, Scope.APPLY)
        self.setup.program()
        place = self.setup.place(project.id)
        if not states.of_number(place, body.snapshot).exists():
            known = ", ".join(str(int(path.stem)) for path in states.numbered(place)) or "none"
            raise UnknownError(f"project {project.id} has no snapshot {body.snapshot}; there are: {known}")
        with self.store.transaction():
            job = self.store.add_job(self._wanted(key, self.store.new_id("restore"), body))
            self.store.change_job(job.id, plan={"snapshot": body.snapshot})
        self.engine.wake()
        log.info("%s: %s asks for snapshot %d of %s", job.id, key.name, body.snapshot, project.id)
        return job

    def snapshots(self, key: Key, project_id: str) -> list[dict[str, Any]]:
        """The copies of a project's state, the newest first: each after which job, with how much in it."""
        project = self.project(key, project_id)
        return [self._snapshot(path) for path in reversed(states.numbered(self.setup.place(project.id)))]

    def _snapshot(self, path: Path) -> dict[str, Any]:
        state, number = states.read(path), int(path.stem)
        [job] = self.store.numbered(number)
        count = len(list(states.instances(state)))
        return {"snapshot": number, "job": job, "serial": state["serial"], "resources": count}

    def job(self, key: Key, job_id: str, scope: Scope = Scope.READ) -> Job:
        """A job that this key may know of. Raises UnknownError, ForbiddenError."""
        try:
            job = self.store.job(job_id)
            self.project(key, job.project_id, scope)
        except UnknownError as error:
            raise UnknownError(f"there is no job {job_id[:80]!r}") from error
        return job

    def jobs(self, key: Key, project_id: str | None, before: int, limit: int) -> list[Job]:
        """A page of jobs, the newest first."""
        key.need(Scope.READ)
        if project_id is not None:
            return self.store.jobs((self.project(key, project_id).id,), before, limit)
        visible = tuple(project.id for project in self.store.projects() if key.sees(project))
        return self.store.jobs(visible, before, limit)

    def cancel(self, key: Key, job_id: str) -> Job:
        """Ask a job to end. Raises ConflictError if it has."""
        before = self.job(key, job_id)
        key.need(Scope.DESTROY if before.kind == "destroy" else Scope.APPLY)
        with self.store.transaction():
            job = self.store.job(job_id)
            if job.has_ended:
                raise ConflictError(f"{job.id} has ended: {job.status}", jobId=job.id)
            if job.status == store.PENDING or job.detail == store.AT_PLAN:
                end_planned(self.setup, self.store, job, store.CANCELLED, "cancelled before anything was changed")
            elif job.detail != store.RECONCILING and not job.cancelled_at:
                self.store.change_job(job.id, detail=store.CANCELLING, cancelled_at=self.store.now())
        self.engine.wake()
        return self.store.job(job_id)

    def confirm(self, key: Key, job_id: str, word: str) -> Job:
        """Let the plan with this digest be applied. Raises ConflictError, ForbiddenError."""
        before = self.job(key, job_id)
        key.need(Scope.DESTROY if before.kind == "destroy" else Scope.APPLY)
        with self.store.transaction():
            job = self.store.job(job_id)
            if job.detail != store.AT_PLAN:
                raise ConflictError(f"{job.id} is not at a plan that waits; it is {job.detail}", jobId=job.id)
            if word != job.plan["digest"]:
                raise ConflictError(f"{job.id} has another plan, of digest {job.plan['digest']}", jobId=job.id)
            total = (job.plan["costs"] or {}).get("total")
            if key.max_monthly_usd is not None and (total is None or total > key.max_monthly_usd):
                raise ForbiddenError(f"the plan's costs, {total} USD a month, are above key {key.name}'s limit")
            self.store.change_job(job.id, detail=store.CONFIRMED, message="")
        self.engine.wake()
        return self.store.job(job_id)

    def _wanted(self, key: Key, job_id: str, body: Any, *, is_asking: bool = False) -> Wanted:
        return Wanted(
            id=job_id,
            project_id=body.projectId,
            kind=job_id.partition("-")[0],
            by_key=key.name,
            is_asking=is_asking,
            is_waiting=getattr(body, "wait", False),
            max_monthly_usd=key.max_monthly_usd,
        )

    def _check_owner(self, key: Key, project_id: str, farm: str | None, is_protected: bool | None = None) -> None:
        """A project belongs to the farm of the key that first posted it. Raises ForbiddenError, InputError.

        Only who may destroy it takes its protection away.
        """
        try:
            project = self.store.project(project_id)
        except UnknownError:
            self._check_identity(key.farm(farm))
            return
        if project.is_protected and is_protected is False and key.sees(project):
            key.need(Scope.DESTROY)
        if not key.sees(project) or farm not in {None, project.farm}:
            raise ForbiddenError(f"{project_id} is no project of yours; choose another projectId")

    def _check_identity(self, farm: str) -> None:
        """A key that came after the start may bring a second farm without a role. Raises ForbiddenError."""
        alone = {project.farm for project in self.store.projects()} - set(self.setup.roles)
        if not self.setup.is_open and farm not in self.setup.roles and alone - {farm}:
            raise ForbiddenError(
                f"farm {farm} has no role of its own here, and would share one identity at AWS with another farm;"
                f" start the service with --role {farm}=ARN"
            )

    def _check_state_at(self, project_id: str) -> None:
        """A state that is elsewhere is moved first. Raises ConflictError."""
        copies = states.numbered(self.setup.place(project_id))
        if copies and (at := self.store.project(project_id).state_at) != self.setup.state:
            raise ConflictError(
                f"the state of {project_id} is kept at {at}, and this service keeps states at {self.setup.state};"
                f" move it there: python -m provisioning restore {project_id} {int(copies[-1].stem)}"
            )

    def _check_code(self, project: Project) -> None:
        """After a recovery there is a state, and no code to destroy it by. Raises ConflictError."""
        place = self.setup.place(project.id)
        has_code = place.code.exists() or place.root(project.applied_job or "none").exists()
        if not has_code and any(states.instances(states.newest(place))):
            raise ConflictError(
                f"the code of {project.id} is not here; PUT it to /api/deploy/projects/{project.id} first"
            )

    def _own(self, key: Key, project_id: str, farm: str | None) -> None:
        """Make the project, if there is none; inside a transaction."""
        self._check_owner(key, project_id, farm)
        if farm is not None or len(key.farms) == 1:
            self.store.add_project(project_id, key.farm(farm))

    def _keep_code(self, project_id: str, fresh: Path, is_protected: bool | None) -> None:
        """What was stored last is what validate and costs judge."""
        place = self.setup.place(project_id)
        old = fresh.with_name(f"{fresh.name}.old")
        with self.store.transaction():
            if place.code.exists():
                place.code.rename(old)
            fresh.rename(place.code)
            values: dict[str, Any] = {"code_digest": digest(place.code)}
            if is_protected is not None:
                values["is_protected"] = is_protected
            self.store.change_project(project_id, **values)
        shutil.rmtree(old, ignore_errors=True)


def deployment(service: Service, project: Project) -> tuple[str, str | None]:
    """What a project is: the seed's five words, and a word more; from the state and the last jobs alone."""
    current = service.store.current(project.id)
    if current is not None:
        return "pending", "destroying" if current.kind == "destroy" else None
    last = service.store.job(project.applied_job) if project.applied_job else None
    ending = (last.kind, last.status) if last else ("", "")
    if any(states.instances(states.newest(service.setup.place(project.id)))):
        if ending == ("deploy", store.COMPLETED):
            return "deployed", "drifted" if service.checks.last_drift(project) else None
        return "failed", "partially_deployed"
    if service.store.orphans(project.id):
        return "failed", "partially_deployed"
    return ("destroyed" if ending == ("destroy", store.COMPLETED) else "not_deployed"), None


def _fresh(place: Place, job_id: str) -> Path:
    """The copy of a job's code that is to be the project's."""
    return place.folder / f"code.{job_id}"


def _code(body: Any) -> Code:
    if body.iacCode is None and body.archive is None:
        raise InputError("send iacCode, the text of main.tf, or archive, a tar.gz in base64")
    return Code(text=body.iacCode, archive=body.archive, variables=body.variables)


def _lock(data: Path) -> int:
    """Held while the service lives, whatever ends it."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        (data / "logs").mkdir(exist_ok=True, mode=0o700)
        descriptor = os.open(data / "service.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FolderError(f"{data}: {error.strerror}; choose another folder with --data") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise FolderError(f"{data}: another service has this folder; end it, or choose another with --data") from error
    return descriptor


def _check_roles(setup: Setup, keys: Keys) -> None:
    farms = {farm for _, _, names, is_revoked in keys.all() if not is_revoked for farm in names.split(",")}
    missing = sorted(farms - set(setup.roles))
    if len(farms) > 1 and missing and not setup.is_open:
        raise FolderError(
            f"its keys are of {len(farms)} farms, and {', '.join(missing)} would share one identity at AWS;"
            " give each its own with --role FARM=ARN"
        )


def _check_state(setup: Setup, store_: Store) -> None:
    """A job is brought to its end with the states where they were when it began. Raises FolderError."""
    before = store_.mark("state")
    open_jobs = store_.of_status(store.PENDING, store.PROCESSING)
    if before not in {None, setup.state} and open_jobs:
        raise FolderError(f"{open_jobs[0].id} has not ended; until it has, start with --state {before}")
    store_.put_mark("state", setup.state)


def _sweep(data: Path) -> None:
    """Folders of code that a kill left half written."""
    for path in (*data.glob("projects/*/code.*"),):
        shutil.rmtree(path, ignore_errors=True)
