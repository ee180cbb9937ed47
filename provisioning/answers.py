"""What the store knows, in the seed's shapes."""

from typing import Any

from provisioning import states, store
from provisioning.keys import Key, Scope
from provisioning.service import Service, deployment
from provisioning.shapes import Infrastructure, JobAnswer, Result, moment
from provisioning.store import Job, Project

MOST_LOG_LINES = 200


def job_answer(service: Service, job: Job) -> JobAnswer:
    """A job as it stands."""
    plan = job.plan
    document: dict[str, Any] = {name: plan[name] for name in ("digest", "changes", "outputs", "costs") if name in plan}
    return JobAnswer(
        jobId=job.id,
        projectId=job.project_id,
        status=job.status,  # type: ignore[arg-type] # the file holds the four words
        detail=job.detail,
        progress=job.progress,
        workingOn=job.working_on or None,
        notice=None if job.has_ended else job.message or None,
        plan={**document, "holds": plan.get("holds", [])} if document else None,
        result=_result(service, job) if job.has_ended else None,
        error=job.error if job.has_ended else None,  # what an apply complained of is told with its end
        startTime=moment(job.created_at),
        endTime=None if job.ended_at is None else moment(job.ended_at),
    )


def _result(service: Service, job: Job) -> Result:
    report = job.report
    return Result(
        message=job.message or ("Infrastructure deployment failed" if job.status == store.FAILED else ""),
        logs="\n".join(service.store.messages(job.id, MOST_LOG_LINES)),
        outputs=report.get("values", {}),
        sensitive=report.get("sensitive", []),
        orphans=report.get("orphans", []),
        tainted=report.get("tainted", []),
        losses=report.get("losses", []),
    )


def infrastructure(service: Service, key: Key, project: Project) -> Infrastructure:
    """A project as it stands; the state without values, unless the key may see it."""
    status, detail = deployment(service, project)
    newest = service.store.newest(project.id)
    outputs = project.outputs or {}
    return Infrastructure(
        projectId=project.id,
        deploymentStatus=status,  # type: ignore[arg-type] # one of the five words
        detail=detail,
        deploymentJobId=newest.id if newest else None,
        deploymentOutputs=outputs.get("values", {}),
        sensitive=outputs.get("sensitive", []),
        terraformState=shown_state(service, key, project),
        orphans=[one.arn for one in service.store.orphans(project.id)],
        drift=service.checks.last_drift(project) if detail == "drifted" else [],
        lastUpdated=moment(max(project.changed_at, (newest and newest.ended_at) or 0.0)),
    )


def shown_state(service: Service, key: Key, project: Project) -> dict[str, Any]:
    """The last snapshot of the state: whole, masked, or without values, by what the key may."""
    state = states.newest(service.setup.place(project.id))
    if Scope.STATE_SENSITIVE in key.scopes:
        return state
    if key.may(Scope.STATE):
        return states.masked(state, project.masks)
    names = ("mode", "type", "name", "module", "provider")
    rows = [{name: row[name] for name in names if name in row} for row in state["resources"]]
    return {**state, "outputs": {}, "resources": rows, "check_results": None}
