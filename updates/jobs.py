"""AWS IoT Jobs' device MQTT API, as its developer guide documents it, over our own store.

Served: StartNextPendingJobExecution (`jobs/start-next`), GetPendingJobExecutions (`jobs/get`), DescribeJobExecution
(`jobs/{jobId}/get`, `$next` for the next one), UpdateJobExecution (`jobs/{jobId}/update`), and `jobs/notify-next`.
Not served: `jobs/notify`, HTTPS, retries (so every executionNumber is 1).

What is documented, and relied on here ("Jobs device MQTT API", "Jobs notifications", "ErrorResponse" in "AWS IoT jobs
APIs"): IN_PROGRESS comes before QUEUED, then the order of creation. start-next changes QUEUED to IN_PROGRESS and takes
the request's statusDetails; what is IN_PROGRESS already stays as it is. Without a pending execution there is no
`execution` in the answer. versionNumber is 1 when queued and grows with each update; an expectedVersion that differs is
VersionMismatch, a change of a terminal status InvalidStateTransition, both with `executionState`. A description of a
terminal execution is TerminalStateReached. statusDetails are at most 10 pairs of texts, names of 1 to 128 of
[a-zA-Z0-9:_-], values of 1 to 1,024 characters. notify-next is sent when another execution has become the first, not
when that one's details change, and has no `execution` when none is left. Times are Unix seconds.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from updates.errors import RequestError
from updates.messages import ROOT, Reply, integer_of, read_request, reply, token_of
from updates.store import FAILED, IN_PROGRESS, QUEUED, REJECTED, SUCCEEDED, TERMINAL, Execution, Store

EXECUTION_NUMBER = 1
BY_THING = (IN_PROGRESS, FAILED, SUCCEEDED, REJECTED)  # the statuses that a thing may set
_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_MOST_DETAILS, _MOST_VALUE = 10, 1024
_MOST_STEP_MINUTES = 10_080

_Answer = dict[str, Any]
_Operation = Callable[["Jobs", str, str, Mapping[str, Any], int], _Answer]


class Jobs:
    """Answers what things ask, each for itself: a thing's name comes from its topic, which its policy ties to it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def handle(self, thing: str, words: Sequence[str], payload: bytes, now: int) -> Reply:
        """Answer a request on `jobs/{words}`; the answer is true when it is given: the store has it."""
        topic = f"{ROOT}/{thing}/jobs/{'/'.join(words)}"
        token = None
        try:
            operation, job_id = _operation(words)
            request = read_request(payload)
            token = token_of(request, "clientToken")
            with self._store.transaction():
                answer = operation(self, thing, job_id, request, now)
        except RequestError as error:
            refusal = {"code": error.code, "message": error.message, **error.more}
            return reply(f"{topic}/rejected", {**refusal, "clientToken": token, "timestamp": now})
        return reply(f"{topic}/accepted", {**answer, "clientToken": token, "timestamp": now})

    def notice(self, thing: str, now: int) -> Reply:
        """The notify-next that tells a thing what it has to do."""
        execution = self._store.next_of(thing)
        whole = execution and self._execution(execution)
        return reply(f"{ROOT}/{thing}/jobs/notify-next", {"timestamp": now, "execution": whole})

    def _start_next(self, thing: str, _job_id: str, request: Mapping[str, Any], now: int) -> _Answer:
        details, minutes = _details_of(request), _step_minutes(request)
        execution = self._store.next_of(thing)
        if execution is None:
            return {}
        if execution.status == QUEUED:
            execution.status, execution.started_at = IN_PROGRESS, now
            execution.details = execution.details if details is None else details
            self._advance(execution, minutes, now)
        elif minutes is not None:
            self._advance(execution, minutes, now)
        return {"execution": self._execution(execution)}

    def _get_pending(self, thing: str, _job_id: str, _request: Mapping[str, Any], _now: int) -> _Answer:
        pending = self._store.pending(thing)
        return {
            "inProgressJobs": [_summary(execution) for execution in pending if execution.status == IN_PROGRESS],
            "queuedJobs": [_summary(execution) for execution in pending if execution.status == QUEUED],
        }

    def _describe(self, thing: str, job_id: str, request: Mapping[str, Any], _now: int) -> _Answer:
        with_document = _flag(request, "includeJobDocument", default=True)
        if job_id == "$next":
            execution = self._store.next_of(thing)
            return {"execution": self._execution(execution, with_document)} if execution else {}
        execution = self._find(thing, job_id, request)
        if execution.status in TERMINAL:
            raise RequestError("TerminalStateReached", f"the job execution is {execution.status}")
        return {"execution": self._execution(execution, with_document)}

    def _update(self, thing: str, job_id: str, request: Mapping[str, Any], now: int) -> _Answer:
        execution = self._find(thing, job_id, request)
        status, details, minutes = request.get("status"), _details_of(request), _step_minutes(request)
        if status not in BY_THING:
            raise RequestError("InvalidRequest", f"status: want one of {', '.join(BY_THING)}")
        with_state = _flag(request, "includeJobExecutionState", default=False)
        with_document = _flag(request, "includeJobDocument", default=False)
        version = _version(request)
        if version is not None and version != execution.version_number:
            raise RequestError(
                *("VersionMismatch", f"the job execution has version {execution.version_number}, not {version}"),
                executionState=_state(execution),
            )
        if execution.status in TERMINAL:
            raise RequestError(
                *("InvalidStateTransition", f"the job execution is {execution.status}"),
                executionState=_state(execution),
            )
        execution.status = str(status)
        execution.started_at = execution.started_at or now
        execution.details = execution.details if details is None else details
        self._advance(execution, minutes, now)
        return {
            "executionState": _state(execution) if with_state else None,
            "jobDocument": self._document(job_id) if with_document else None,
        }

    def _find(self, thing: str, job_id: str, request: Mapping[str, Any]) -> Execution:
        execution = self._store.find(thing, job_id)
        if execution is None or integer_of(request, "executionNumber") not in (None, EXECUTION_NUMBER):
            raise RequestError("ResourceNotFound", "there is no such job execution")
        return execution

    def _advance(self, execution: Execution, minutes: int | None, now: int) -> None:
        execution.version_number += 1
        execution.updated_at = now
        if minutes is not None:
            execution.step_until = now + 60 * minutes if minutes > 0 else None
        self._store.write(execution)

    def _execution(self, execution: Execution, with_document: bool = True) -> _Answer:
        whole = {
            **_summary(execution),
            "thingName": execution.thing,
            "status": execution.status,
            "statusDetails": execution.details or None,
            "jobDocument": self._document(execution.job_id) if with_document else None,
        }
        return {name: value for name, value in whole.items() if value is not None}

    def _document(self, job_id: str) -> Any:
        return json.loads(self._store.job(job_id).document)


_OF_THING: dict[str, _Operation] = {"start-next": Jobs._start_next, "get": Jobs._get_pending}
_OF_JOB: dict[str, _Operation] = {"get": Jobs._describe, "update": Jobs._update}


def _operation(words: Sequence[str]) -> tuple[_Operation, str]:
    """What is to be done, and for which job."""
    if len(words) == 1 and words[0] in _OF_THING:
        return _OF_THING[words[0]], ""
    if len(words) == 2 and words[1] in _OF_JOB:
        return _OF_JOB[words[1]], words[0]
    raise RequestError("InvalidTopic", "the topic maps to no API")


def _summary(execution: Execution) -> _Answer:
    summary = {
        "jobId": execution.job_id,
        "queuedAt": execution.queued_at,
        "startedAt": execution.started_at,
        "lastUpdatedAt": execution.updated_at,
        "versionNumber": execution.version_number,
        "executionNumber": EXECUTION_NUMBER,
    }
    return {name: value for name, value in summary.items() if value is not None}


def _state(execution: Execution) -> _Answer:
    return {
        "status": execution.status,
        "statusDetails": execution.details,
        "versionNumber": execution.version_number,
    }


def _details_of(request: Mapping[str, Any]) -> dict[str, str] | None:
    details = request.get("statusDetails")
    if details is None:
        return None
    if not isinstance(details, dict) or len(details) > _MOST_DETAILS:
        raise RequestError("InvalidRequest", f"statusDetails: want at most {_MOST_DETAILS} pairs of name and text")
    for name, value in details.items():
        if not _NAME.fullmatch(name):
            raise RequestError("InvalidRequest", "statusDetails: a name is 1 to 128 of a-z, A-Z, 0-9, :, _ and -")
        if not isinstance(value, str) or not 1 <= len(value) <= _MOST_VALUE or not value.isprintable():
            raise RequestError("InvalidRequest", f"statusDetails: {name}: want a text of 1 to {_MOST_VALUE} characters")
    return details


def _step_minutes(request: Mapping[str, Any]) -> int | None:
    """Minutes until the thing's own timer ends, or -1 to end it now."""
    minutes = integer_of(request, "stepTimeoutInMinutes")
    if minutes is not None and minutes != -1 and not 1 <= minutes <= _MOST_STEP_MINUTES:
        raise RequestError("InvalidRequest", f"stepTimeoutInMinutes: want 1 to {_MOST_STEP_MINUTES}")
    return minutes


def _version(request: Mapping[str, Any]) -> int | None:
    """The guide writes it as a text in one place and as a number in another: both count."""
    version = request.get("expectedVersion")
    if isinstance(version, str) and version.isascii() and version.isdigit() and len(version) < 16:
        return int(version)
    return integer_of(request, "expectedVersion")


def _flag(request: Mapping[str, Any], name: str, *, default: bool) -> bool:
    flag = request.get(name)
    if flag is None:
        return default
    if not isinstance(flag, bool):
        raise RequestError("InvalidRequest", f"{name}: want true or false")
    return flag
