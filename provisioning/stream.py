"""A job's events as a stream that misses nothing, and ends with the job."""

import json
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from provisioning import store
from provisioning.guard import still_may
from provisioning.service import Service
from provisioning.shapes import moment
from provisioning.store import Job, Store
from web.events import Event, Hub, place_of

FARTHEST = 2**53  # numbers are shared with other jobs: none is too far


class JobEvents:
    """The events of one job, by the numbers of the file."""

    def __init__(self, store_: Store, job_id: str) -> None:
        self._store = store_
        self._job_id = job_id

    def after(self, seq: int, limit: int) -> Sequence[Event]:
        """The next events after a number, the oldest first."""
        query = "SELECT seq, at, kind, data FROM events WHERE job_id = ? AND seq > ? ORDER BY seq LIMIT ?"
        rows = self._store.database.all(query, self._job_id, seq, limit)
        return [
            Event(number, kind, json.dumps({"at": moment(at), **json.loads(data)})) for number, at, kind, data in rows
        ]

    def newest(self) -> int:
        """The number of the newest one."""
        row = self._store.database.one("SELECT max(seq) FROM events WHERE job_id = ?", self._job_id)
        return int(row[0] or 0) if row else 0


def follow(request: Request, service: Service, job: Job) -> Response:
    """The answer: from the job's begin, or after `Last-Event-ID`, to its end, or until the key is revoked.

    Who has seen the end gets 204, by which a browser knows not to come again.
    """
    events = JobEvents(service.store, job.id)
    if job.has_ended and (place_of(request) or 0) >= events.newest():
        return Response(status_code=204)
    hub = Hub(events, farthest=FARTHEST, is_last=is_end)
    return hub.response(request, lambda: still_may(service, request), begin=0)


def is_end(event: Event) -> bool:
    """True for the event with which a job has ended."""
    return json.loads(event.data).get("status") in {store.COMPLETED, store.FAILED}
