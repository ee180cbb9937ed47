"""What every kind of job is made of: children, each recorded before it starts, what they tell, and its end."""

import hashlib
import logging
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from provisioning import plans, states, store, surroundings
from provisioning.cage import caged
from provisioning.cloud import Cloud
from provisioning.code import ADOPT, digest, make_folder
from provisioning.errors import ProvisioningError
from provisioning.follow import Ending, Follower, Ladder, Message, start
from provisioning.reconcile import Inside
from provisioning.remedies import with_remedy
from provisioning.store import Job, Store
from provisioning.surroundings import PULLED, Place, Setup

log = logging.getLogger("provisioning")
PLAN_FILE = "job.tfplan"
PUSHED = "push.tfstate"
PATIENCE = "Terraform goes on calling, for half an hour or more: bring AWS back, or cancel the job"
AWS_TYPE = re.compile(r"(^|\.)aws_")
QUIET = {"version", "refresh_start", "refresh_complete", "provision_progress"}


class HaltedError(ProvisioningError):
    """The service stops; the child goes on, and the next service follows it."""


class Pulse:
    """Whether AWS answers, asked now and then: Terraform itself calls for many minutes without a word of it."""

    def __init__(self, cloud: Cloud, every_s: float, *, was_gone: bool) -> None:
        self._cloud = cloud
        self._every_s = every_s
        self._asked_at = time.monotonic()
        self._is_gone = was_gone

    def news(self) -> str | None:
        """What is to be said where that has changed: a complaint, or nothing any more."""
        if time.monotonic() - self._asked_at < self._every_s:
            return None
        complaint, was_gone = self._cloud.complaint(), self._is_gone
        self._asked_at, self._is_gone = time.monotonic(), bool(complaint)
        if self._is_gone == was_gone:
            return None
        return f"AWS cannot be asked: {complaint}; {PATIENCE}" if complaint else ""


class Task:
    """One job, in a thread of its own; `run` goes on with it."""

    def __init__(self, setup: Setup, store_: Store, job_id: str, halt: threading.Event) -> None:
        self._setup = setup
        self._store = store_
        self._id = job_id
        self._halt = halt
        self._process: Any = None
        self._messages: list[Message] = []
        self._place: Place = setup.place(self.job.project_id)
        self._root = self._place.root(job_id)

    @property
    def job(self) -> Job:
        """The job as it stands."""
        return self._store.job(self._id)

    def run(self) -> None:
        """Go on with the job until it ends, holds, or the service stops (HaltedError)."""
        raise NotImplementedError

    def _prepare(self) -> None:
        farm = self._store.project(self.job.project_id).farm
        backend = surroundings.backend_of(self._setup, self._place, farm)
        surroundings.prepare(self._setup, self._place, self._root, backend)

    def _pull_steps(self) -> list[dict[str, Any]]:
        """What brings a state that is not in the project's folder there, for us to read."""
        return [] if self._setup.remote is None else [surroundings.pull(self._setup, self._root)]

    def _spawn(self, phase: str, detail: str, steps: list[dict[str, Any]]) -> None:
        self._record(phase, detail)
        self._launch(phase, steps)

    def _record(self, phase: str, detail: str) -> None:
        """Write the attempt down, before there is one."""
        make_folder(self._folder(phase))
        self._store.change_job(self._id, phase=phase, detail=detail, log_bytes=0, message="")

    def _launch(self, phase: str, steps: list[dict[str, Any]]) -> None:
        self._messages = []
        folder = self._folder(phase)
        project = self._store.project(self.job.project_id)
        variables = surroundings.environment(self._setup, project.farm, project.id, folder, self._cloud().variables())
        self._process = start(folder, caged(self._setup, self._place, steps), variables)
        log.info("%s: %s begins, process %d", self._id, phase, self._process.pid)

    def _follow(self, *, can_be_cancelled: bool = True) -> Ending:
        """Follow the phase that was recorded last. Raises HaltedError."""
        job = self.job
        folder, progress = self._folder(), plans.Progress(job.plan.get("lines", {}) if job.phase == "apply" else {})
        self._messages = []

        def hear(messages: list[tuple[int, Message]]) -> None:
            self._messages += [message for _, message in messages]
            for _, message in messages:
                progress.hear(message)
            self._write_down(messages, progress)

        is_at_aws = job.phase == "apply" and any(AWS_TYPE.search(address) for address in job.plan.get("lines", {}))
        pulse = Pulse(self._cloud(), self._setup.pulse_s, was_gone=bool(job.message))

        def wants_end() -> bool:
            if is_at_aws and (news := pulse.news()) is not None:
                self._store.change_job(self._id, message=news)
            return can_be_cancelled and self._store.is_cancelled(self._id)

        ladder = Ladder(folder, self._setup.patience_s)
        ending = Follower(folder, self._process, ladder).run(hear, wants_end, self._halt)
        if ending is None:
            raise HaltedError("the service stops")
        self._process = None
        log.info("%s: %s ended with %s", self._id, job.phase, ending.code)
        if self._setup.remote is not None:
            self._take_state(folder, ending)
        return ending

    def _take_state(self, folder: Path, ending: Ending) -> None:
        """Keep what was pulled; where a Terraform was lost, so may its lock have been."""
        if ending.codes.get("pull") == 0:
            states.take(folder / PULLED, self._place)
        steps = folder / "steps.json"
        if (ending.code is None or ending.code < 0) and steps.exists():
            try:
                line = self._cloud().free_lock(since=steps.stat().st_mtime)
            except ProvisioningError as error:
                line = str(error)
            if line:
                log.warning("%s: %s", self._id, line)
                self._store.tell(self._id, "log", {"line": line, "progress": self.job.progress})

    def _write_down(self, messages: list[tuple[int, Message]], progress: plans.Progress) -> None:
        """Each message once, whoever followed before."""
        bytes_before = self.job.log_bytes
        with self._store.transaction():
            for end, message in messages:
                line = _line(message)
                if end > bytes_before and line:
                    self._store.tell(self._id, "log", {"line": line, "progress": progress.percent})
            self._store.change_job(
                self._id, log_bytes=messages[-1][0], progress=progress.percent, working_on=progress.working_on
            )

    # ends

    def _fail_early(self, ending: Ending) -> None:
        """Nothing was changed: there was no apply; but imports before a destroy write the state."""
        self._mended()
        if self.job.cancelled_at:
            self._end(store.FAILED, store.CANCELLED, error="cancelled before anything was changed")
        elif ending.code is None:
            self._end(store.FAILED, store.WORKER_LOST, error="worker_lost: its process was lost; nothing changed")
        else:
            self._end(store.FAILED, "refused", error=self._complaint(ending))

    def _complete(self, message: str) -> None:
        job = self.job
        state = states.snapshot(self._place, job.seq)
        inside, addresses = Inside(state), {address for address, _, _ in states.instances(state)}
        if job.kind == "destroy":
            addresses = {row["address"] for row in job.plan.get("names", [])}
        orphans = self._store.orphans(job.project_id)
        orphans = [one for one in orphans if not inside(one.arn) and one.address not in addresses]
        outputs = states.outputs(state)
        loses = job.plan.get("loses", {}) if job.kind == "destroy" else {}
        report = {"orphans": [one.arn for one in orphans], "tainted": [], "losses": sorted(loses)}
        with self._store.transaction():
            self._store.put_orphans(job.project_id, orphans)
            values: dict[str, Any] = {"outputs": outputs, "state_at": self._setup.state}
            if job.kind != "restore":
                values["applied_job"] = job.id
            if job.kind == "deploy":
                values["deployed_job"] = job.id
            self._store.change_project(job.project_id, **values)
            self._end(store.COMPLETED, store.FINISHED, message=message, report={**report, **outputs}, progress=100)

    def _end(self, status: str, detail: str, **values: Any) -> None:
        """The end, in one transaction; then what may not stay goes."""
        now = self._store.now()
        self._store.change_job(self._id, status=status, detail=detail, ended_at=now, working_on="", **values)
        log.info("%s: %s (%s) %s", self._id, status, detail, values.get("error") or "")
        clear(self._store, self._place, self._id)

    # small ones

    def _mended(self) -> list[str]:
        """Mend a state file of ours; gives what was done."""
        return list(filter(None, [states.mend(self._place, self._root)])) if self._setup.remote is None else []

    def _folder(self, phase: str | None = None) -> Path:
        return self._place.job(self._id) / (phase or self.job.phase)

    def _cloud(self) -> Cloud:
        project = self._store.project(self.job.project_id)
        return Cloud(self._setup, project.farm, project.id)

    def _digest(self) -> str:
        plan = (self._folder() / PLAN_FILE).read_bytes()
        return hashlib.sha256(digest(self._root).encode() + plan).hexdigest()

    def _complaint(self, ending: Ending) -> str:
        lines = list(plans.complaints(self._messages))
        if lines:
            return with_remedy("; ".join(lines[:5]))
        if ending.code == 127:
            return "terraform could not be started; is it still installed?"
        if ending.code is not None and ending.code < 0:
            return f"terraform was ended by signal {-ending.code}"
        texts = [str(one["@message"]) for one in self._messages if one.get("type") == "text" and one.get("@message")]
        return with_remedy(" ".join(texts[-3:])) or f"terraform ended with {ending.code}"


def clear(store_: Store, place: Place, job_id: str) -> None:
    """After a job's end: plans hold secrets in clear, and only the root that was applied last is needed again."""
    folder = place.job(job_id)
    secret = (path for name in (PLAN_FILE, "plan.json", PULLED, PUSHED) for path in folder.rglob(name))
    for path in (*secret, folder / "root" / ADOPT):
        path.unlink(missing_ok=True)
    shutil.rmtree(folder / "data", ignore_errors=True)
    project = store_.project(place.folder.name)
    for root in place.folder.glob("jobs/*/root"):
        other = root.parent.name
        if other != project.applied_job and store_.job(other).has_ended:
            shutil.rmtree(root, ignore_errors=True)


def _line(message: Message) -> str:
    if message.get("type") in QUIET:
        return ""
    if message.get("type") == "step":
        return f"terraform {message['step']}"
    diagnostic = message.get("diagnostic")
    return plans.sentence(diagnostic) if diagnostic else str(message.get("@message", ""))
