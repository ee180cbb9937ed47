"""A job's events over HTTP: cut and resumed none is missing or twice, and the stream ends with the job."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.store import AT_PLAN, COMPLETED, FINISHED, PROCESSING, Store, Wanted
from tests.provisioning.clients import Client, in_process
from tests.waiting import LAST_RESORT_S, until_true

Row = tuple[int, str]


@pytest.fixture(scope="module")
def client(mirror: Path) -> Iterator[Client]:
    """A service without keys and without Terraform: what happens with its jobs is told by the test."""
    with in_process(mirror, is_open=True, terraform="no-such-terraform") as client:
        yield client


def begin(client: Client, job_id: str) -> Store:
    """A job that waits at its plan, where no engine touches it."""
    store = client.service.store
    with store.transaction():
        store.add_project("p", "irrigation")
        store.add_job(Wanted(id=job_id, project_id="p", kind="deploy", by_key="open", is_waiting=True))
        store.change_job(job_id, status=PROCESSING, detail=AT_PLAN, planned_at=store.now())
    return store


def end(store: Store, job_id: str) -> None:
    """Its last event."""
    store.change_job(job_id, status=COMPLETED, detail=FINISHED, progress=100, ended_at=store.now())


def rows(client: Client, job_id: str, after: int | None = None) -> Iterator[Row]:
    """Number and kind of every event, until the stream ends; one that only pings on is a fault."""
    limit = time.monotonic() + LAST_RESORT_S
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with client.stream("GET", f"/api/deploy/events/{job_id}", headers=headers) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        number, kind = 0, ""
        for line in response.iter_lines():
            assert time.monotonic() < limit, f"the stream of {job_id} never ends"
            name, _, value = line.partition(": ")
            if name == "id":
                number = int(value)
            elif name == "event":
                kind = value
            elif not line and number:
                yield number, kind
                number, kind = 0, ""


def test_cut_after_each_event_nothing_is_missing_or_twice(client: Client) -> None:
    """Of a job that has ended long ago; who has seen its end gets 204, so that a browser does not come again."""
    store = begin(client, "deploy-1-aaaaaa")
    for number in range(20):
        store.tell("deploy-1-aaaaaa", "log", {"line": f"line {number}"})
    end(store, "deploy-1-aaaaaa")
    whole = list(rows(client, "deploy-1-aaaaaa"))
    assert [kind for _, kind in whole] == ["queued", "planned", *["log"] * 20, "done"]
    for index, (number, _) in enumerate(whole[:-1]):
        assert list(rows(client, "deploy-1-aaaaaa", number)) == whole[index + 1 :]
    answer = client.get("/api/deploy/events/deploy-1-aaaaaa", headers={"Last-Event-ID": str(whole[-1][0])})
    assert (answer.status_code, answer.content) == (204, b"")


def test_two_who_listen_hear_the_same_to_the_end(client: Client) -> None:
    """While it happens, beside the events of another job; one of them is cut in the middle, and goes on."""
    store = begin(client, "deploy-2-bbbbbb")
    heard: dict[str, list[Row]] = {"steady": [], "cut": []}

    def listen(name: str, most: int) -> None:
        after = heard[name][-1][0] if heard[name] else None
        stream = rows(client, "deploy-2-bbbbbb", after)
        for row in stream:
            heard[name].append(row)
            if len(heard[name]) == most:
                break
        stream.close()  # type: ignore[attr-defined] # a generator: its end is the end of the connection

    def start(name: str, most: int) -> threading.Thread:
        thread = threading.Thread(target=listen, args=(name, most))
        thread.start()
        return thread

    steady, cut = start("steady", 99), start("cut", 4)
    for number in range(10):
        store.tell("deploy-2-bbbbbb", "log", {"line": f"line {number}"})
        store.tell("deploy-1-aaaaaa", "log", {"line": "another's"})
    cut.join()
    again = start("cut", 99)
    until_true(lambda: len(heard["cut"]) == len(heard["steady"]) == 12, "everything so far")
    end(store, "deploy-2-bbbbbb")
    steady.join()
    again.join()
    assert heard["steady"] == heard["cut"]
    assert [kind for _, kind in heard["cut"]] == ["queued", "planned", *["log"] * 10, "done"]
