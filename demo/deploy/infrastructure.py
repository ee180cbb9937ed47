"""The root module under terraform/, deployed and destroyed by jobs of provisioning, served within this process.

It is posted from a copy: nothing of a run, and no state, gets into the checkout. Children of jobs outlive a service;
here they end with it.
"""

import asyncio
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from demo.deploy import provider
from demo.deploy.errors import TerraformError
from demo.deploy.programs import run
from provisioning import states, store
from provisioning.code import pack
from provisioning.errors import ProvisioningError
from provisioning.keys import ANYBODY
from provisioning.processes import send, session_of
from provisioning.service import Service
from provisioning.shapes import DeployBody, DestroyBody
from provisioning.store import Job
from provisioning.surroundings import DEFAULT_FARM, setup_of

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "scripts" / "terraform"
MIRROR = ROOT / "build" / "terraform" / "mirror"  # where PROGRAM has written down which one it found
# What a person may have beside the code, and what Terraform leaves there.
NOT_COPIED = (
    "*.tfvars",
    "*.tfvars.json",
    "*_override.tf",
    "backend.tf",
    "credentials",
    "tests",
    ".terraform*",
    "*.tfstate*",
    "*.tfplan",
)
CERTS = "certs/issued"  # where the identities lie in the code: what is posted reads nothing beside it
PROJECT = "local"
PARALLEL = "-parallelism=20"
TAGS = {
    "TF_AWS_DEFAULT_TAGS_provisioning_farm": DEFAULT_FARM,
    "TF_AWS_DEFAULT_TAGS_provisioning_project": PROJECT,
}
AFTER_APPLY = {"refresh", "mend", "taint"}  # what follows an apply that failed; the error is the apply's
TICK_S = 0.3

Tell = Callable[[int], None]


class Resource(NamedTuple):
    """One resource of the state."""

    address: str
    type: str


class Site(NamedTuple):
    """What is posted, with which variables, and from where."""

    certs: Path
    variables: Mapping[str, Any]
    environment: Mapping[str, str]


class Infrastructure:
    """The module as a project of a service in `work`. Every method raises TerraformError."""

    def __init__(self, work: Path, site: Site, logs: Path) -> None:
        self.folder = work / "p"
        self.code = work / "code"
        self._site = site
        self._logs = logs
        self._more = {"TF_CLI_ARGS_plan": PARALLEL, "TF_CLI_ARGS_apply": PARALLEL}
        self._log_bytes: dict[Path, int] = {}
        self._service: Service | None = None
        self._plan_job: Job | None = None
        shutil.copytree(ROOT / "terraform", self.code, ignore=shutil.ignore_patterns(*NOT_COPIED))
        shutil.copytree(site.certs, self.code / CERTS)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """While this lasts, jobs are taken, and all of them use one running provider; no process survives it."""
        log = self._logs / "terraform-version.log"
        if await run(str(PROGRAM), "version", folder=self.code, environment=self._site.environment, log=log):
            raise TerraformError(f"terraform version: cannot be run (see {log})")
        mirror = self._site.environment.get("TF_MIRROR") or MIRROR.read_text().strip()
        environment = {**self._site.environment, **({"TF_MIRROR": mirror} if mirror else {})}
        try:
            setup = setup_of(self.folder, environment, is_open=True, more=self._more)
            self._service = Service(setup, time.time)
        except ProvisioningError as error:
            raise TerraformError(str(error)) from error
        async with AsyncExitStack() as stack:
            stack.callback(self._end)
            if mirror:
                await stack.enter_async_context(self._one_provider(Path(mirror)))
            self._service.start()
            yield

    @asynccontextmanager
    async def _one_provider(self, mirror: Path) -> AsyncIterator[None]:
        own = {**self._site.environment, **TAGS, "TMPDIR": str(self.folder.parent)}  # where its socket is
        async with provider.running(mirror, own, self._logs / "provider.log") as where:
            self._more.update(where)
            yield

    async def plan(self) -> None:
        """Post it, and have it planned: `apply` will do exactly that."""
        job = await self._deployed(lambda _count: None)
        if job.detail != store.AT_PLAN:
            raise TerraformError(f"terraform plan: {job.message}")
        self._plan_job = job

    async def apply(self, tell: Tell) -> None:
        """Have what was planned applied; `tell` hears how many resources are done."""
        assert self._plan_job is not None
        self._serving.confirm(ANYBODY, self._plan_job.id, self._plan_job.plan["digest"])
        await self._followed(self._plan_job.id, tell)

    async def changes(self) -> list[str]:
        """Addresses of what a deploy would change now, outputs included; it is not made."""
        job = await self._deployed(lambda _count: None)
        if job.has_ended:
            return []
        self._serving.cancel(ANYBODY, job.id)
        return [one["address"] for one in job.plan["changes"]] + [f"output.{name}" for name in job.plan["outputs"]]

    async def destroy(self, tell: Tell) -> None:
        """Have everything destroyed; `tell` hears how many resources are gone."""
        job = self._serving.destroy(ANYBODY, DestroyBody(projectId=PROJECT))
        await self._followed(job.id, tell)

    def outputs(self) -> dict[str, Any]:
        """The outputs, by name."""
        return {name: row["value"] for name, row in self._state()["outputs"].items()}

    def resources(self) -> list[Resource]:
        """The managed resources of the state."""
        return [Resource(address, type_) for address, type_, _ in states.instances(self._state())]

    @property
    def _serving(self) -> Service:
        assert self._service is not None
        return self._service

    def _state(self) -> dict[str, Any]:
        return states.newest(self._serving.setup.place(PROJECT))

    async def _deployed(self, tell: Tell) -> Job:
        """A deploy that has ended, or waits at its plan."""
        archive, variables = await asyncio.to_thread(pack, self.code), {**self._site.variables, "certs_dir": CERTS}
        body = DeployBody(projectId=PROJECT, archive=archive, variables=variables, approve=True)
        job = await asyncio.to_thread(self._given, body)
        return await self._followed(job.id, tell)

    def _given(self, body: DeployBody) -> Job:
        with self._serving.received(ANYBODY, body) as job_id:
            return self._serving.deploy(ANYBODY, body, job_id)

    async def _followed(self, job_id: str, tell: Tell) -> Job:
        while True:
            job = self._serving.store.job(job_id)
            self._hear(job, tell)
            if job.status == store.FAILED:
                verb = _verb(job, "apply" if job.phase in AFTER_APPLY else job.phase or "plan")
                raise TerraformError(f"terraform {verb}: {job.error} (see {self._logs})")
            if job.has_ended or job.detail == store.AT_PLAN:
                return job
            await asyncio.sleep(TICK_S)

    def _hear(self, job: Job, tell: Tell) -> None:
        """Keep what the job's children have said since, as `terraform-VERB.log`."""
        for path in self._serving.setup.place(PROJECT).job(job.id).glob("*/job.jsonl"):
            with path.open("rb") as file:
                file.seek(self._log_bytes.get(path, 0))
                fresh = file.read()
            self._log_bytes[path] = self._log_bytes.get(path, 0) + len(fresh)
            with (self._logs / f"terraform-{_verb(job, path.parent.name)}.log").open("ab") as log:
                log.write(fresh)
            if b'"type":"apply_complete"' in fresh:
                tell(path.read_bytes().count(b'"type":"apply_complete"'))

    def _end(self) -> None:
        self._serving.close()
        folders = [path for path in self.folder.glob("projects/*/*/*/*") if path.is_dir()]
        while living := [one for folder in folders for one in session_of(folder)]:
            send(living, signal.SIGKILL)
            time.sleep(TICK_S)


def _verb(job: Job, phase: str) -> str:
    return "destroy" if (job.kind, phase) == ("destroy", "apply") else phase
