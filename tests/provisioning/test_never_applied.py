"""What never came to an apply: a plan that nobody confirms, and code that stands in for what was applied."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.code import write_file
from provisioning.engine import DAY_S
from provisioning.states import EMPTY
from provisioning.store import AT_PLAN, PROCESSING, Wanted
from provisioning.task import PLAN_FILE
from tests.provisioning.clients import Client, ended, in_process
from tests.waiting import until_true

JOB = "deploy-1-unsure"
RUNS = 'data "external" "x" {\n  program = ["id"]\n}\n'
ONE = {"mode": "managed", "type": "terraform_data", "name": "a", "instances": [{"attributes": {"id": "1"}}]}


class Clock:
    """Seconds of Unix time, which stand still."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """The service's own."""
    return Clock()


@pytest.fixture
def client(mirror: Path, clock: Clock) -> Iterator[Client]:
    """A service without keys."""
    with in_process(mirror, now=clock, is_open=True) as client:
        yield client


def planned(client: Client) -> Path:
    """A job that waits at its plan; gives the plan's file."""
    store = client.service.store
    with store.transaction():
        store.add_project("p", "irrigation")
        store.add_job(Wanted(id=JOB, project_id="p", kind="deploy", by_key="open"))
        file = client.service.setup.place("p").job(JOB) / "plan" / PLAN_FILE
        write_file(file, b"secrets in clear")
        store.change_job(JOB, status=PROCESSING, detail=AT_PLAN, planned_at=store.now(), plan={"digest": "d"})
    return file


def test_a_plan_waits_for_a_day(client: Client, clock: Clock) -> None:
    """Then it expires: its file goes, nobody can confirm it, and the project is free."""
    file = planned(client)
    clock.now_s += DAY_S
    client.service.engine._expire()
    assert client.get(f"/api/deploy/status/{JOB}").json()["detail"] == "planned"
    assert file.exists()
    clock.now_s += 1
    client.service.engine.wake()
    until_true(lambda: client.get(f"/api/deploy/status/{JOB}").json()["status"] == "failed", "its end")
    job = client.get(f"/api/deploy/status/{JOB}").json()
    assert (job["detail"], job["error"]) == ("expired", "the plan was not confirmed within a day")
    assert not file.exists()
    assert client.post(f"/api/deploy/confirm/{JOB}", json={"digest": "d"}).status_code == 409
    assert client.service.store.current("p") is None


def test_a_plan_that_is_cancelled_is_gone(client: Client) -> None:
    """At once; what was planned is in no file."""
    file = planned(client)
    assert client.post(f"/api/deploy/confirm/{JOB}", json={"digest": "another"}).status_code == 409
    job = client.post(f"/api/deploy/cancel/{JOB}").json()
    assert (job["status"], job["detail"]) == ("failed", "cancelled")
    assert not file.exists()
    assert client.post(f"/api/deploy/confirm/{JOB}", json={"digest": "d"}).status_code == 409
    assert client.get("/api/deploy/infrastructure/p").json()["deploymentStatus"] == "not_deployed"


def test_a_job_at_work_tells_no_error(client: Client) -> None:
    """What went wrong is known before the end, while the cloud is looked at: it is told with the end."""
    planned(client)
    client.service.store.change_job(JOB, error="an apply that failed")
    [listed] = client.get("/api/deploy/jobs?projectId=p").json()["jobs"]
    for job in (client.get(f"/api/deploy/status/{JOB}").json(), listed):
        assert (job["status"], job["result"], job["endTime"], "error" in job) == ("processing", None, None, False)


def test_code_that_was_never_applied_is_judged_before_a_destroy(client: Client) -> None:
    """As after a recovery, when somebody posts it anew: a word for a destroy runs no program."""
    assert client.put("/api/deploy/projects/p", json={"iacCode": RUNS}).status_code == 200
    place = client.service.setup.place("p")
    write_file(place.state, json.dumps({**EMPTY, "serial": 1, "resources": [ONE]}).encode())
    job = ended(client, client.post("/api/deploy/destroy", json={"projectId": "p"}).json()["jobId"])
    assert (job["status"], job["detail"]) == ("failed", "refused")
    assert "main.tf:1: external runs a program" in job["error"]
    assert not list(place.job(job["jobId"]).glob("*/job.jsonl"))
