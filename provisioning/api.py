"""The routes, word for word with the seed's; they translate, and decide nothing."""

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import JSONResponse, Response

from provisioning import checks
from provisioning.answers import infrastructure, job_answer, shown_state
from provisioning.bodies import JsonRoute
from provisioning.code import Code
from provisioning.errors import InputError, UnknownError
from provisioning.guard import key_of
from provisioning.judges import judge_costs
from provisioning.keys import Key, Scope
from provisioning.service import Service
from provisioning.shapes import (
    JOB_ID,
    PROJECT_ID,
    Accepted,
    CodeBody,
    ConfirmBody,
    CostsAnswer,
    DeployBody,
    DestroyBody,
    DriftAnswer,
    Health,
    Infrastructure,
    JobAnswer,
    JobsAnswer,
    OutputsAnswer,
    Patience,
    Problem,
    RestoreBody,
    SnapshotRow,
    SnapshotsAnswer,
    StateAnswer,
    Stored,
    Validation,
    moment,
)
from provisioning.states import newest
from provisioning.stream import follow
from web.errors import RequestError

ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem} for code in (400, 401, 403, 404, 405, 409, 413, 415, 421, 422, 429, 500, 502, 503)
}
WAITING: dict[int | str, dict[str, Any]] = {202: {"model": Patience}}
STARTED = {
    "deploy": "Infrastructure deployment started",
    "destroy": "Infrastructure destruction started",
    "restore": "Restoring of a snapshot started",
}
LARGEST = 2**53
EVENT = {"type": "object", "properties": {name: {"type": "string"} for name in ("id", "event", "data")}}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": EVENT}}},
    204: {"description": "The end of the job has been seen: there is no more"},
}

router = APIRouter(prefix="/api/deploy", responses=ERRORS, route_class=JsonRoute)


async def service_of(request: Request) -> Service:
    """The service behind the routes."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(service_of)]
KeyDep = Annotated[Key, Depends(key_of)]
ProjectPath = Annotated[str, Path(alias="projectId", pattern=PROJECT_ID)]
JobPath = Annotated[str, Path(alias="jobId", pattern=JOB_ID)]
Word = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]


@router.post("", status_code=202, response_model=Accepted)
def deploy(request: Request, service: ServiceDep, key: KeyDep, body: DeployBody, word: Word = None) -> Response:
    """Deploy a project's code: a job, that outlives whoever asked."""
    with service.received(key, body) as job_id:
        return _once(request, service, key, body, word, lambda: _accepted(service.deploy(key, body, job_id)))


@router.post("/destroy", status_code=202, response_model=Accepted)
def destroy(request: Request, service: ServiceDep, key: KeyDep, body: DestroyBody, word: Word = None) -> Response:
    """Destroy what a project has: it is itself the consent, unless the project is protected."""
    return _once(request, service, key, body, word, lambda: _accepted(service.destroy(key, body)))


@router.post("/restore", status_code=202, response_model=Accepted)
def restore(request: Request, service: ServiceDep, key: KeyDep, body: RestoreBody, word: Word = None) -> Response:
    """Put a snapshot of a project's state back; the cloud stays as it is, and is looked at for drift afterwards."""
    return _once(request, service, key, body, word, lambda: _accepted(service.restore(key, body)))


@router.post("/cancel/{jobId}", status_code=202, response_model=JobAnswer)
def cancel(request: Request, service: ServiceDep, key: KeyDep, job_id: JobPath, word: Word = None) -> Response:
    """Ask a job to end."""
    return _once(request, service, key, None, word, lambda: _job(service, service.cancel(key, job_id)))


@router.post("/confirm/{jobId}", status_code=202, response_model=JobAnswer)
def confirm(  # noqa: PLR0913, PLR0917 - what FastAPI hands in
    request: Request, service: ServiceDep, key: KeyDep, job_id: JobPath, body: ConfirmBody, word: Word = None
) -> Response:
    """Let exactly the plan with this digest be applied."""
    return _once(request, service, key, body, word, lambda: _job(service, service.confirm(key, job_id, body.digest)))


@router.get("/status/{jobId}", response_model_exclude_unset=False)
def status(service: ServiceDep, key: KeyDep, job_id: JobPath) -> JobAnswer:
    """A job as it stands."""
    return _plain(job_answer(service, service.job(key, job_id)))


@router.get("/jobs")
def jobs(
    service: ServiceDep,
    key: KeyDep,
    project_id: Annotated[str | None, Query(alias="projectId", pattern=PROJECT_ID)] = None,
    before: Annotated[int, Query(ge=1, le=LARGEST)] = LARGEST,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> JobsAnswer:
    """A page of jobs, the newest first, without their logs."""
    rows = service.jobs(key, project_id, before, limit)
    answers = [job_answer(service, row).model_dump(exclude={"result"}) for row in rows]
    following = rows[-1].seq if len(rows) == limit else None
    body = {"jobs": [_without_error({**one, "result": None}) for one in answers], "next": following}
    return JSONResponse(body)  # type: ignore[return-value]


@router.get("/events/{jobId}", response_class=Response, responses=STREAM)
def events(request: Request, service: ServiceDep, key: KeyDep, job_id: JobPath) -> Response:
    """What happens with a job, from its begin or after `Last-Event-ID` to its end (server-sent events)."""
    return follow(request, service, service.job(key, job_id))


@router.put("/projects/{projectId}")
def put(service: ServiceDep, key: KeyDep, project_id: ProjectPath, body: CodeBody) -> Stored:
    """Store code without a job."""
    code = Code(text=body.iacCode, archive=body.archive, variables=body.variables)
    project = service.put(key, project_id, code, body.farm, body.protect)
    return Stored(projectId=project.id, digest=project.code_digest, message="Terraform configuration stored")


@router.get("/infrastructure/{projectId}")
def show(service: ServiceDep, key: KeyDep, project_id: ProjectPath) -> Infrastructure:
    """A project as it stands."""
    return infrastructure(service, key, service.project(key, project_id))


@router.get("/validate/{projectId}", response_model=Validation, responses=WAITING)
def validate(service: ServiceDep, key: KeyDep, project_id: ProjectPath) -> Any:
    """Whether the code that was stored last is valid."""
    project = service.stored(key, project_id, Scope.READ)
    answer = service.checks.ask(checks.VALIDATE, project)
    if answer is None:
        return _later(project.id, "Terraform configuration is being validated")
    errors = answer.get("errors") or ([answer["error"]] if "error" in answer else [])
    word = "invalid" if errors else "valid"
    return Validation(
        projectId=project.id, valid=not errors, errors=errors, message=f"Terraform configuration is {word}"
    )


@router.get("/costs/{projectId}", response_model=CostsAnswer, responses=WAITING)
def costs(
    service: ServiceDep,
    key: KeyDep,
    project_id: ProjectPath,
    of: Annotated[str | None, Query(pattern="^(state|plan|change)$")] = None,
) -> Any:
    """What a project costs a month: of its state after a deploy, else of the plan of its code."""
    project = service.project(key, project_id)
    of = of or ("state" if project.deployed_job else "plan")
    if of == "state":
        state = newest(service.setup.place(project.id))
        return _costs(project.id, judge_costs(state, "state", service.setup.region))
    answer = service.checks.ask(checks.PLAN, service.stored(key, project_id, Scope.READ))
    if answer is None:
        return _later(project.id, "Costs are being estimated")
    if answer.get("error") or answer.get("errors"):
        raise InputError(f"no plan can be made of the code: {answer.get('error') or '; '.join(answer['errors'])}")
    return _costs(project.id, answer[of])


@router.get("/outputs/{projectId}")
def outputs(service: ServiceDep, key: KeyDep, project_id: ProjectPath) -> OutputsAnswer:
    """Terraform's outputs after the last job."""
    project = service.project(key, project_id)
    return OutputsAnswer(
        projectId=project.id,
        outputs=project.outputs.get("values", {}),
        sensitive=project.outputs.get("sensitive", []),
        message="Terraform outputs retrieved successfully",
    )


@router.get("/state/{projectId}")
def state(service: ServiceDep, key: KeyDep, project_id: ProjectPath) -> StateAnswer:
    """Terraform's state after the last job; what is sensitive only for keys with `state-sensitive`."""
    may_see_all = Scope.STATE_SENSITIVE in key.scopes
    project = service.project(key, project_id, Scope.STATE_SENSITIVE if may_see_all else Scope.STATE)
    document = shown_state(service, key, project)
    return StateAnswer(projectId=project.id, state=document, message="Terraform state retrieved successfully")


@router.get("/health")
def health(service: ServiceDep, key: KeyDep) -> Health:
    """Whether what the service does beside its jobs goes well."""
    key.need(Scope.READ)
    backups = service.backups
    return Health(
        status="failing" if backups.error else "ok",
        backup=service.setup.backup,
        backupAt=None if backups.made_at is None else moment(backups.made_at),
        error=backups.error or None,
    )


@router.get("/snapshots/{projectId}")
def snapshots(service: ServiceDep, key: KeyDep, project_id: ProjectPath) -> SnapshotsAnswer:
    """The copies of a project's state that can be put back."""
    rows = [
        SnapshotRow(
            snapshot=row["snapshot"],
            jobId=row["job"].id,
            at=moment(row["job"].ended_at or row["job"].created_at),
            serial=row["serial"],
            resources=row["resources"],
        )
        for row in service.snapshots(key, project_id)
    ]
    return SnapshotsAnswer(projectId=project_id, snapshots=rows)


@router.get("/drift/{projectId}", response_model=DriftAnswer, responses=WAITING)
def drift(service: ServiceDep, key: KeyDep, project_id: ProjectPath) -> Any:
    """What others have changed in the cloud."""
    project = service.stored(key, project_id, Scope.READ)
    answer = service.checks.ask(checks.DRIFT, project)
    if answer is None:
        return _later(project.id, "The cloud is being compared with the state")
    if answer.get("error") or answer.get("errors"):
        raise InputError(f"drift cannot be looked for: {answer.get('error') or '; '.join(answer['errors'])}")
    addresses = answer["addresses"]
    message = f"{len(addresses)} resources were changed by others" if addresses else "No drift"
    return DriftAnswer(projectId=project.id, drifted=bool(addresses), addresses=addresses, message=message)


generator = APIRouter(responses=ERRORS)


@generator.post("/api/iac", status_code=404, response_model=Problem)
def no_generator() -> None:
    """Code from a prompt is not made here."""
    raise UnknownError(
        "code is not made from a prompt here: write main.tf yourself, or write a job file, from which"
        " python -m provisioning generate makes it"
    )


def _accepted(job: Any) -> tuple[int, dict[str, Any]]:
    return 202, Accepted(jobId=job.id, message=STARTED[job.kind]).model_dump()


def _job(service: Service, job: Any) -> tuple[int, dict[str, Any]]:
    return 202, _without_error(job_answer(service, job).model_dump())


def _without_error(answer: dict[str, Any]) -> dict[str, Any]:
    """A job that did not fail has no `error`."""
    return {name: value for name, value in answer.items() if name != "error" or value is not None}


def _plain(answer: JobAnswer) -> JobAnswer:
    return JSONResponse(_without_error(answer.model_dump()))  # type: ignore[return-value]


def _later(project_id: str, message: str) -> Response:
    body = Patience(projectId=project_id, message=message, retryAfter=checks.RETRY_AFTER_S)
    return JSONResponse(body.model_dump(), 202, {"Retry-After": str(checks.RETRY_AFTER_S)})


def _costs(project_id: str, estimate: dict[str, Any]) -> CostsAnswer:
    message = "Cost estimation completed"
    return CostsAnswer(projectId=project_id, estimated=True, costs=estimate, message=message)


def _once(  # noqa: PLR0913, PLR0917 - a call, as it came
    request: Request, service: Service, key: Key, body: Any, word: str | None, work: Callable[[], Any]
) -> Response:
    """Under an `Idempotency-Key` that the key has used, the answer of then; else the work's, and an audit row."""
    call = f"{request.method} {request.url.path}"
    text = f"{call} {'' if body is None else body.model_dump_json()}"
    body_hash = hashlib.sha256(text.encode()).digest()
    with service.store.transaction():
        query = "SELECT body_hash, status, answer FROM repeats WHERE key = ? AND word = ?"
        row = service.store.database.one(query, key.name, word) if word else None
        if row is not None:
            if row[0] != body_hash:
                raise RequestError(422, "this Idempotency-Key was used for another request; choose another")
            request.state.job_id = json.loads(row[2])["jobId"]
            return JSONResponse(json.loads(row[2]), row[1])
        code, answer = work()
        if word:
            values = (key.name, word, body_hash, code, json.dumps(answer), service.store.now())
            service.store.database.run("INSERT INTO repeats VALUES (?, ?, ?, ?, ?, ?)", *values)
        request.state.job_id = answer["jobId"]
    return JSONResponse(answer, code)
