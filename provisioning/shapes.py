"""Bodies and answers, as the seed writes them: names in camelCase, times as 2024-01-01T00:00:00.000Z."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

PROJECT_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"
JOB_ID = r"^(deploy|destroy|restore)-\d+-[a-z0-9]{6}$"

ProjectId = Annotated[str, Field(pattern=PROJECT_ID)]
Status = Literal["pending", "processing", "completed", "failed"]
DeploymentStatus = Literal["not_deployed", "pending", "deployed", "failed", "destroyed"]


class Posted(BaseModel):
    """What comes in; a name that nobody knows is a mistake, and so is 1 for true."""

    model_config = ConfigDict(extra="forbid", strict=True)


class CodeBody(Posted):
    """A root module: `iacCode` is main.tf, or `archive` the base64 of a tar.gz whose top is the root."""

    iacCode: str | None = None
    archive: str | None = None
    variables: dict[str, Any] | None = None
    farm: str | None = None
    protect: bool | None = None


class DeployBody(CodeBody):
    """A deploy; without code, what was stored last."""

    projectId: ProjectId
    approve: bool = False
    wait: bool = False


class DestroyBody(Posted):
    """A destroy."""

    projectId: ProjectId
    wait: bool = False


class RestoreBody(Posted):
    """A restore of the snapshot with this number."""

    projectId: ProjectId
    snapshot: int = Field(ge=1, le=2**53)


class ConfirmBody(Posted):
    """Somebody's word for the plan with this digest."""

    digest: str


class Problem(BaseModel):
    """Every refusal."""

    model_config = ConfigDict(extra="allow")

    error: str


class Accepted(BaseModel):
    """A job was taken."""

    jobId: str = Field(pattern=JOB_ID)
    status: Literal["accepted"] = "accepted"
    message: str


class Result(BaseModel):
    """How a job ended."""

    message: str
    logs: str
    outputs: dict[str, Any]
    sensitive: list[str]
    orphans: list[str]
    tainted: list[str]
    losses: list[str]


class JobAnswer(BaseModel):
    """A job as it stands; `notice` is what it waits for; `error` is absent unless it failed."""

    jobId: str
    projectId: str
    status: Status
    detail: str
    progress: int = Field(ge=0, le=100)
    workingOn: str | None
    notice: str | None
    plan: dict[str, Any] | None
    result: Result | None
    error: str | None = None
    startTime: str
    endTime: str | None


class JobsAnswer(BaseModel):
    """A page of jobs, the newest first; `next` is what to send as `before` for the following one."""

    jobs: list[JobAnswer]
    next: int | None


class Infrastructure(BaseModel):
    """A project as it stands."""

    projectId: str
    deploymentStatus: DeploymentStatus
    detail: str | None
    deploymentJobId: str | None
    deploymentOutputs: dict[str, Any]
    sensitive: list[str]
    terraformState: dict[str, Any]
    orphans: list[str]
    drift: list[str]
    lastUpdated: str


class Stored(BaseModel):
    """Code was stored without a job."""

    projectId: str
    digest: str
    message: str


class Validation(BaseModel):
    """What a validation found."""

    projectId: str
    valid: bool
    errors: list[str]
    message: str


class CostsAnswer(BaseModel):
    """What it costs a month."""

    projectId: str
    estimated: bool
    costs: dict[str, Any]
    message: str


class OutputsAnswer(BaseModel):
    """Terraform's outputs; what is sensitive is null, and named."""

    projectId: str
    outputs: dict[str, Any]
    sensitive: list[str]
    message: str


class StateAnswer(BaseModel):
    """Terraform's state."""

    projectId: str
    state: dict[str, Any]
    message: str


class DriftAnswer(BaseModel):
    """What was changed by others."""

    projectId: str
    drifted: bool
    addresses: list[str]
    message: str


class SnapshotRow(BaseModel):
    """A copy of a state, after the job that it is named after; `resources`: how many are in it."""

    snapshot: int
    jobId: str
    at: str
    serial: int
    resources: int


class SnapshotsAnswer(BaseModel):
    """The copies of a state that are there, the newest first."""

    projectId: str
    snapshots: list[SnapshotRow]


class Health(BaseModel):
    """How the service is: `failing` with the sentence why, which stops no job."""

    status: Literal["ok", "failing"]
    backup: str | None
    backupAt: str | None
    error: str | None


class Patience(BaseModel):
    """An answer is being made: ask again in `retryAfter` seconds."""

    projectId: str
    status: Literal["accepted"] = "accepted"
    message: str
    retryAfter: int


def moment(at_s: float) -> str:
    """A time of the world as the seed writes it."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
