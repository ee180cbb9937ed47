"""Every document of the seed: keys, types, codes, messages, and the form of ids and times; over Terraform itself."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from provisioning import plans
from provisioning.stream import JobEvents
from provisioning.surroundings import Setup
from tests.provisioning.clients import Client, ended, in_process
from tests.provisioning.house import seldom
from tests.provisioning.roots import SMALL
from tests.waiting import until_true

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
COMMANDS: set[str] = set()  # of every process that was seen while the first job ran
GIVEN = """
variable "word" { sensitive = true }
resource "terraform_data" "given" { input = var.word }
"""
DEPLOY_ID, DESTROY_ID = (re.compile(rf"{kind}-\d+-[a-z0-9]{{6}}") for kind in ("deploy", "destroy"))


@pytest.fixture(scope="module")
def client(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A service without keys, as `serve --open` is."""
    with in_process(mirror, is_open=True) as client:
        yield client


@pytest.fixture(scope="module")
def first(client: Client) -> Any:
    """A deploy from its post to its end: the answer, and the job."""
    body = {"projectId": "project-123", "iacCode": SMALL + GIVEN, "variables": {"word": "hidden-word-of-a-variable"}}
    answer = client.post("/api/deploy", json=body)
    assert answer.status_code == 202
    job_id = answer.json()["jobId"]

    def look() -> bool:
        for process in psutil.process_iter(["cmdline"]):
            COMMANDS.add(" ".join(process.info["cmdline"] or []))
        return client.get(f"/api/deploy/status/{job_id}").json()["endTime"] is not None

    until_true(look, f"the end of {job_id}")
    return answer.json(), ended(client, job_id)


def test_deploy(first: Any) -> None:
    """POST /api/deploy."""
    answer, _ = first
    assert list(answer) == ["jobId", "status", "message"]
    assert DEPLOY_ID.fullmatch(answer["jobId"])
    assert answer["status"] == "accepted"
    assert answer["message"] == "Infrastructure deployment started"


def test_status(first: Any) -> None:
    """GET /api/deploy/status/:jobId, of a job that is completed: no `error`."""
    answer, job = first
    assert {"jobId", "status", "progress", "result", "startTime", "endTime"} <= set(job)
    assert (job["jobId"], job["status"], job["progress"]) == (answer["jobId"], "completed", 100)
    assert "error" not in job
    assert job["result"]["message"] == "Infrastructure deployed successfully"
    assert isinstance(job["result"]["logs"], str)
    assert job["result"]["outputs"] == {"name": "x", "password": None}
    assert job["result"]["sensitive"] == ["password"]
    assert TIME.fullmatch(job["startTime"])
    assert TIME.fullmatch(job["endTime"])


def test_infrastructure(client: Client, first: Any) -> None:
    """GET /api/deploy/infrastructure/:projectId."""
    answer, _ = first
    shown = client.get("/api/deploy/infrastructure/project-123").json()
    assert shown["projectId"] == "project-123"
    assert shown["deploymentStatus"] == "deployed"
    assert shown["deploymentJobId"] == answer["jobId"]
    assert shown["deploymentOutputs"] == {"name": "x", "password": None}
    assert shown["terraformState"]["version"] == 4
    assert TIME.fullmatch(shown["lastUpdated"])


def test_validate(client: Client, first: Any) -> None:
    """GET /api/deploy/validate/:projectId: 202 until it is known, then the seed's document."""
    del first
    answer = patient(client, "/api/deploy/validate/project-123")
    assert answer == {
        "projectId": "project-123",
        "valid": True,
        "errors": [],
        "message": "Terraform configuration is valid",
    }


def test_costs(client: Client, first: Any) -> None:
    """GET /api/deploy/costs/:projectId: the seed's fields, and what is priced."""
    del first
    [answer, *others] = [
        patient(client, f"/api/deploy/costs/project-123{of}") for of in ("", "?of=state", "?of=plan", "?of=change")
    ]
    assert others[0] == answer
    assert [one["costs"]["resourceCounts"] for one in others] == [{"terraform_data": 3}, {"terraform_data": 3}, {}]
    assert list(answer) == ["projectId", "estimated", "costs", "message"]
    assert answer["estimated"] is True
    numbers = {"compute", "storage", "networking", "database", "total"}
    assert all(isinstance(answer["costs"][name], int | float) for name in numbers)
    assert isinstance(answer["costs"]["resourceCounts"], dict)
    assert (answer["costs"]["currency"], answer["costs"]["period"]) == ("USD", "monthly")
    assert answer["message"] == "Cost estimation completed"


def test_outputs(client: Client, first: Any) -> None:
    """GET /api/deploy/outputs/:projectId."""
    del first
    answer = client.get("/api/deploy/outputs/project-123").json()
    assert answer["projectId"] == "project-123"
    assert answer["outputs"] == {"name": "x", "password": None}
    assert answer["message"] == "Terraform outputs retrieved successfully"


def test_state(client: Client, first: Any) -> None:
    """GET /api/deploy/state/:projectId, without what is sensitive."""
    del first
    answer = client.get("/api/deploy/state/project-123").json()
    assert {"version", "terraform_version", "serial", "lineage", "outputs", "resources"} <= set(answer["state"])
    assert answer["state"]["version"] == 4
    assert answer["message"] == "Terraform state retrieved successfully"
    assert "hidden-word" not in json.dumps(answer)


def test_nothing_sensitive_is_told_anywhere(client: Client, first: Any) -> None:
    """Nor in the job, its log, its events, the service's file and logs, and the machine's list of processes."""
    answer, job = first
    assert "hidden-word" not in json.dumps(job)
    assert "hidden-word" not in client.get("/api/deploy/infrastructure/project-123").text
    assert "hidden-word" not in json.dumps(client.get("/api/deploy/jobs").json())
    assert answer["jobId"] in client.get("/api/deploy/jobs").text
    assert "hidden-word" not in client.get(f"/api/deploy/events/{answer['jobId']}").text
    data = client.service.setup.data
    files = [*data.glob("provisioning.db*"), *data.glob("logs/*")]
    assert [file.name for file in files if b"hidden-word" in file.read_bytes()] == []
    assert any("provisioning/child.py" in command for command in COMMANDS), "no child was seen"
    assert [command for command in COMMANDS if "hidden-word" in command] == []
    holders = [file for file in data.rglob("*") if file.is_file() and b"hidden-word" in file.read_bytes()]
    assert {oct(file.stat().st_mode & 0o777) for file in holders} == {"0o600"}


def test_destroy(client: Client, first: Any) -> None:
    """POST /api/deploy/destroy; after it there is nothing, and a second one says so."""
    del first
    answer = client.post("/api/deploy/destroy", json={"projectId": "project-123"})
    assert answer.status_code == 202
    assert DESTROY_ID.fullmatch(answer.json()["jobId"])
    assert answer.json()["message"] == "Infrastructure destruction started"
    assert ended(client, answer.json()["jobId"])["result"]["message"] == "Infrastructure destroyed successfully"
    assert client.get("/api/deploy/infrastructure/project-123").json()["deploymentStatus"] == "destroyed"
    again = client.post("/api/deploy/destroy", json={"projectId": "project-123"}).json()
    assert ended(client, again["jobId"])["result"]["message"] == "No infrastructure found to destroy"


def test_code_without_a_job(client: Client) -> None:
    """PUT stores it: validate judges what was stored last, and nothing is deployed."""
    put = client.put("/api/deploy/projects/stored", json={"iacCode": 'resource "terraform_data" "a" {'})
    assert put.status_code == 200
    answer = patient(client, "/api/deploy/validate/stored")
    assert answer["valid"] is False
    assert answer["message"] == "Terraform configuration is invalid"
    assert answer["errors"]
    assert client.get("/api/deploy/infrastructure/stored").json()["deploymentStatus"] == "not_deployed"
    assert client.get("/api/deploy/validate/nobody").status_code == 404


def test_events_from_the_begin_and_from_a_number(client: Client, first: Any) -> None:
    """The stream of a job begins with its begin, and after `Last-Event-ID` with what comes next."""

    answer, _ = first
    source = JobEvents(client.service.store, answer["jobId"])
    events = source.after(0, 1000)
    assert events[0].kind == "queued"
    assert events[-1].kind == "done"
    assert [one.seq for one in events] == sorted({one.seq for one in events})
    assert list(source.after(events[3].seq, 1000)) == list(events[4:])
    progress = [data["progress"] for one in events if "progress" in (data := json.loads(one.data))]
    assert progress == sorted(progress)
    assert progress.count(100) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "/api/deploy", {"projectId": "a b", "iacCode": "x"}, 422),
        ("POST", "/api/deploy", {"projectId": "a", "iacCode": ""}, 422),
        ("POST", "/api/deploy", {"projectId": "a"}, 422),
        ("POST", "/api/deploy", {"iacCode": "x"}, 422),
        ("POST", "/api/deploy", {"projectId": "a", "iacCode": "x" * 2**20 + "x"}, 413),
        ("POST", "/api/deploy", {"projectId": "a", "iacCode": "x" * 5_000_000}, 413),
        ("POST", "/api/deploy", {"projectId": "a", "archive": "x"}, 422),
        ("POST", "/api/deploy/destroy", {"projectId": "unknown"}, 404),
        ("GET", "/api/deploy/status/deploy-1-abcdef", None, 404),
        ("GET", "/api/deploy/status/none", None, 422),
        ("GET", "/api/deploy/infrastructure/unknown", None, 404),
        ("GET", "/api/deploy/costs/unknown", None, 404),
        ("GET", "/api/nothing", None, 404),
        ("PATCH", "/api/deploy", None, 405),
        ("POST", "/api/iac", {"prompt": "a web application"}, 404),
    ],
)
def test_every_refusal_is_an_error_with_a_sentence(
    client: Client, method: str, path: str, body: Any, code: int
) -> None:
    """`{error}` and nothing that a program could not read; nothing is begun."""
    answer = client.request(method, path, json=body)
    assert answer.status_code == code, answer.text
    assert list(answer.json()) == ["error"]
    if path == "/api/iac":
        assert "python -m provisioning generate" in answer.json()["error"]
    assert client.get("/api/deploy/infrastructure/a").status_code == 404


def test_one_word_one_job(client: Client) -> None:
    """An `Idempotency-Key` sent six times at once is one job and one answer; with another body it is a mistake."""
    word = {"Idempotency-Key": "once"}
    body = {"projectId": "once", "iacCode": SMALL}
    with ThreadPoolExecutor(6) as pool:
        one, *others = pool.map(lambda _: client.post("/api/deploy", json=body, headers=word), range(6))
    assert one.status_code == 202
    assert {(other.status_code, other.content) for other in others} == {(202, one.content)}
    rows = client.service.store.database.all("SELECT call FROM audit WHERE job_id = ?", one.json()["jobId"])
    assert rows == [("POST /api/deploy",)] * 6
    assert client.post("/api/deploy", json={**body, "wait": True}, headers=word).status_code == 422
    assert len(client.get("/api/deploy/jobs?projectId=once").json()["jobs"]) == 1
    assert ended(client, one.json()["jobId"])["status"] == "completed"


def test_one_writer_and_a_queue(client: Client) -> None:
    """A second job of a project is refused with the first one's id; with `wait: true` it stands behind it."""
    body = {"projectId": "queue", "iacCode": SMALL}
    first = client.post("/api/deploy", json=body).json()["jobId"]
    refusal = client.post("/api/deploy", json=body)
    assert refusal.status_code == 409
    assert refusal.json()["jobId"] == first
    second = client.post("/api/deploy/destroy", json={"projectId": "queue", "wait": True}).json()["jobId"]
    assert client.get(f"/api/deploy/status/{second}").json()["status"] == "pending"
    assert client.get("/api/deploy/infrastructure/queue").json()["deploymentStatus"] == "pending"
    assert ended(client, first)["status"] == "completed"
    assert ended(client, second)["result"]["message"] == "Infrastructure destroyed successfully"


def test_code_without_a_resource_is_deployed_too(client: Client) -> None:
    """It has outputs, and no infrastructure: Terraform's plan of it names no resource at all."""
    body = {"projectId": "bare", "iacCode": 'output "a" { value = 1 }'}
    job = ended(client, client.post("/api/deploy", json=body).json()["jobId"])
    assert (job["status"], job["result"]["outputs"]) == ("completed", {"a": 1}), job
    assert patient(client, "/api/deploy/costs/bare?of=change")["costs"]["total"] == 0
    assert client.get("/api/deploy/infrastructure/bare").json()["deploymentStatus"] == "not_deployed"


def test_plan_and_approve(client: Client) -> None:
    """`approve` stops at the plan; the digest lets exactly it be applied, and no file of it stays."""
    body = {"projectId": "asked", "iacCode": SMALL, "approve": True}
    job_id = client.post("/api/deploy", json=body).json()["jobId"]
    job = until(client, job_id, lambda job: job["detail"] == "planned")
    assert (job["status"], job["result"], job["endTime"]) == ("processing", None, None)
    assert [one["address"] for one in job["plan"]["changes"]] == ["terraform_data.one", "terraform_data.two"]
    assert client.post("/api/deploy", json={**body, "approve": False}).status_code == 409
    answer = client.post(f"/api/deploy/confirm/{job_id}", json={"digest": job["plan"]["digest"]})
    assert answer.status_code == 202
    assert ended(client, job_id)["status"] == "completed"
    assert client.post(f"/api/deploy/confirm/{job_id}", json={"digest": job["plan"]["digest"]}).status_code == 409


def test_a_plan_whose_files_changed_is_stale(client: Client) -> None:
    """A saved plan holds no copy of what it reads: the digest of every file is checked before the apply."""
    body = {"projectId": "stale", "iacCode": SMALL, "approve": True}
    job_id = client.post("/api/deploy", json=body).json()["jobId"]
    job = until(client, job_id, lambda job: job["detail"] == "planned")
    setup: Setup = client.service.setup
    (setup.place("stale").root(job_id) / "more.txt").write_text("x")
    client.post(f"/api/deploy/confirm/{job_id}", json={"digest": job["plan"]["digest"]})
    assert ended(client, job_id)["detail"] == "stale_plan"
    assert client.get("/api/deploy/infrastructure/stale").json()["deploymentStatus"] == "not_deployed"


def test_what_keeps_data_is_not_replaced_without_a_word(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deploy waits and names it; its digest lets it go on, another digest does not."""
    monkeypatch.setattr(plans, "KEEPS", {"terraform_data": "its word"})
    code = 'resource "terraform_data" "one" { triggers_replace = "%s" }'
    body = {"projectId": "kept", "iacCode": code % "a"}
    assert ended(client, client.post("/api/deploy", json=body).json()["jobId"])["status"] == "completed"
    job_id = client.post("/api/deploy", json={**body, "iacCode": code % "b"}).json()["jobId"]
    job = until(client, job_id, lambda job: job["detail"] == "planned")
    assert "terraform_data.one (its word)" in job["plan"]["holds"][0]
    assert client.post(f"/api/deploy/confirm/{job_id}", json={"digest": "another"}).status_code == 409
    assert client.post(f"/api/deploy/confirm/{job_id}", json={"digest": job["plan"]["digest"]}).status_code == 202
    assert ended(client, job_id)["status"] == "completed"


def test_a_protected_project_is_destroyed_on_a_second_word(client: Client) -> None:
    """`protect: true` lets its destroy wait; cancelled there, nothing has changed."""
    body = {"projectId": "guarded", "iacCode": SMALL, "protect": True}
    assert ended(client, client.post("/api/deploy", json=body).json()["jobId"])["status"] == "completed"
    job_id = client.post("/api/deploy/destroy", json={"projectId": "guarded"}).json()["jobId"]
    until(client, job_id, lambda job: job["detail"] == "planned")
    assert client.post(f"/api/deploy/cancel/{job_id}").status_code == 202
    assert ended(client, job_id)["detail"] == "cancelled"
    assert client.get("/api/deploy/infrastructure/guarded").json()["deploymentStatus"] == "deployed"
    assert client.post(f"/api/deploy/cancel/{job_id}").status_code == 409


def test_code_that_cannot_be_planned_changes_nothing(client: Client) -> None:
    """The job fails with Terraform's own sentence and its place, and the project stays as it was."""
    body = {"projectId": "broken", "iacCode": SMALL}
    assert ended(client, client.post("/api/deploy", json=body).json()["jobId"])["status"] == "completed"
    broken = {**body, "iacCode": 'resource "terraform_data" "a" { inputs = 1 }'}
    job = ended(client, client.post("/api/deploy", json=broken).json()["jobId"])
    assert job["status"] == "failed"
    assert job["error"].startswith("main.tf:1: Unsupported argument")
    assert client.get("/api/deploy/infrastructure/broken").json()["deploymentStatus"] == "deployed"


def test_without_terraform_it_says_so(mirror: Path) -> None:
    """503 with the remedy, and no job."""
    with in_process(mirror, is_open=True, terraform="no-such-terraform") as client:
        answer = client.post("/api/deploy", json={"projectId": "a", "iacCode": SMALL})
        assert answer.status_code == 503
        assert "is not installed here" in answer.json()["error"]
        assert client.get("/api/deploy/jobs").json()["jobs"] == []


def test_the_documents_of_the_routes_are_there(client: Client) -> None:
    """OpenAPI, with every route and the form of every refusal."""
    document = client.get("/openapi.json").json()
    assert "/api/deploy/status/{jobId}" in document["paths"]
    codes = document["paths"]["/api/deploy"]["post"]["responses"]
    assert codes["409"]["content"]["application/json"]["schema"]["$ref"].endswith("/Problem")


def patient(client: Client, path: str) -> Any:
    """The answer, once it is there."""

    first = client.get(path)
    if first.status_code == 202:
        assert {"projectId", "status", "message", "retryAfter"} == set(first.json())
        assert first.headers["Retry-After"]
        until_true(lambda: seldom(client.get(path).status_code != 202), path)
    return client.get(path).json()


def until(client: Client, job_id: str, is_there: Callable[[Any], bool]) -> Any:
    """The job, once it is so."""

    until_true(lambda: seldom(is_there(client.get(f"/api/deploy/status/{job_id}").json())), job_id)
    return client.get(f"/api/deploy/status/{job_id}").json()
