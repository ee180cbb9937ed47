"""Snapshots of a state: listed, and put back with the serial raised, while no job of the project runs or waits."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioning import states, store
from provisioning.__main__ import main
from tests.provisioning.clients import Client, ended, in_process
from tests.provisioning.roots import SMALL


@pytest.fixture(scope="module")
def client(mirror: Path) -> Iterator[Client]:
    """A service without keys."""
    with in_process(mirror, is_open=True) as client:
        yield client


def deploy(client: Client, project: str, code: str, **more: Any) -> str:
    """Post it; gives the job's id."""
    answer = client.post("/api/deploy", json={"projectId": project, "iacCode": code, **more})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["jobId"])


def state_file(client: Client, project: str) -> dict[str, Any]:
    """The state, as Terraform keeps it."""
    return states.read(client.service.setup.place(project).state)


def test_a_snapshot_is_put_back_above_what_is_there(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    """A person lists them, puts the one before the mistake back, and the next plan finds everything as it was."""
    ended(client, deploy(client, "p", SMALL))
    first = state_file(client, "p")
    ended(client, deploy(client, "p", 'output "nothing" { value = 1 }'))
    after = state_file(client, "p")
    assert after["resources"] == []
    to = ["--url", str(client.base_url)]
    assert main(["restore", "p", *to]) == 0
    newest, oldest = capsys.readouterr().out.splitlines()
    assert ("0 resources" in newest, "2 resources" in oldest) == (True, True)
    assert main(["restore", "p", oldest.split()[0], *to]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "No drift"
    restored = state_file(client, "p")
    assert restored["serial"] > max(first["serial"], after["serial"])
    assert (restored["resources"], restored["lineage"]) == (first["resources"], first["lineage"])
    shown = client.get("/api/deploy/infrastructure/p").json()
    assert shown["deploymentOutputs"]["name"] == "x"
    assert len(shown["terraformState"]["resources"]) == 2
    again = ended(client, deploy(client, "p", SMALL))
    assert again["result"]["message"].startswith("No changes"), again
    assert list(client.service.setup.data.rglob("push.tfstate")) == []


def test_beside_a_job_nothing_is_put_back(client: Client) -> None:
    """Neither while one is at its plan nor while one waits; and a number that is none names those that are there."""
    ended(client, deploy(client, "busy", SMALL))
    [row] = client.get("/api/deploy/snapshots/busy").json()["snapshots"]
    unknown = client.post("/api/deploy/restore", json={"projectId": "busy", "snapshot": 10**9})
    assert unknown.status_code == 404
    assert f"there are: {row['snapshot']}" in unknown.json()["error"]
    job_id = deploy(client, "busy", SMALL.replace('"x"', '"y"'), approve=True)
    before = state_file(client, "busy")
    answer = client.post("/api/deploy/restore", json={"projectId": "busy", "snapshot": row["snapshot"]})
    assert (answer.status_code, answer.json()["jobId"]) == (409, job_id)
    client.post(f"/api/deploy/cancel/{job_id}")
    assert state_file(client, "busy") == before


def test_a_state_of_something_else_is_left_alone(client: Client) -> None:
    """What none of the snapshots has come from is nobody's to overwrite."""
    ended(client, deploy(client, "other", SMALL))
    [row] = client.get("/api/deploy/snapshots/other").json()["snapshots"]
    place = client.service.setup.place("other")
    foreign = {**state_file(client, "other"), "lineage": "another"}
    place.state.write_text(json.dumps(foreign))
    answer = client.post("/api/deploy/restore", json={"projectId": "other", "snapshot": row["snapshot"]})
    job = ended(client, answer.json()["jobId"])
    assert (job["status"], job["detail"]) == ("failed", "refused")
    assert "no snapshot of this project has its lineage" in job["error"]
    assert state_file(client, "other") == foreign


def test_a_restore_whose_process_was_lost_says_so(client: Client) -> None:
    """A service that finds one at work of which nobody lives ends it; it is not written a second time."""
    ended(client, deploy(client, "lost", SMALL))
    before = state_file(client, "lost")
    [row] = client.get("/api/deploy/snapshots/lost").json()["snapshots"]
    service = client.service
    wanted = store.Wanted(id=service.store.new_id("restore"), project_id="lost", kind="restore", by_key="k")
    with service.store.transaction():
        job = service.store.add_job(wanted)
        service.store.begin(job.id)
        service.store.change_job(job.id, plan={"snapshot": row["snapshot"]}, phase="push", detail=store.RESTORING)
    service.setup.place("lost").job(job.id).joinpath("push").mkdir(parents=True)
    service.engine._begin(service.store.job(job.id), has_slot=False)
    told = ended(client, job.id)
    assert told["detail"] == "worker_lost"
    assert "restore again" in told["error"]
    assert state_file(client, "lost") == before
