"""A service or a Terraform that is killed in the middle of an apply, and jobs that are cancelled there."""

import os
import signal

import pytest

from tests.provisioning import cloud
from tests.provisioning.conftest import PROJECT
from tests.provisioning.door import Door
from tests.provisioning.house import House
from tests.provisioning.roots import TWELVE
from tests.waiting import until_true

ALL = 12


def begin(house: House, door: Door, answers: int) -> str:
    """A deploy of the twelve, of which so many were told to Terraform; the others are made and their answers held."""
    door.hold_after(answers)
    job_id = house.deploy(PROJECT, TWELVE)
    until_true(lambda: door.held > 0 and door.created == answers, "creations whose answers are held")
    return job_id


def check_whole(house: House, door: Door) -> None:
    """State and named orphans are what the API lists; the next deploy ends with an empty plan."""
    project = house.project(PROJECT)
    known = cloud.of_state(project["terraformState"]) | set(project["orphans"])
    assert known == cloud.arns(door.endpoint)
    again = house.end(house.deploy(PROJECT, TWELVE))
    assert again["status"] == "completed", again["error"]
    project = house.project(PROJECT)
    assert (project["deploymentStatus"], project["orphans"]) == ("deployed", [])
    assert len(cloud.of_state(project["terraformState"])) == ALL
    empty = house.end(house.deploy(PROJECT, TWELVE))
    assert empty["result"]["message"].startswith("No changes")


def check_gone(house: House, door: Door) -> None:
    """A destroy leaves nothing."""
    assert house.end(house.destroy(PROJECT))["status"] == "completed"
    assert cloud.arns(door.endpoint) == set()
    assert house.project(PROJECT)["deploymentStatus"] == "destroyed"


def test_a_service_that_is_killed_loses_nothing(house: House, door: Door) -> None:
    """The next service follows the same child to its end: one apply, every resource, and the job says so."""
    job_id = begin(house, door, 3)
    before = [one.pid for one in house.session(PROJECT, job_id)]
    house.kill()
    assert [one.pid for one in house.session(PROJECT, job_id)] == before  # the child goes on
    house.start()
    assert house.job(job_id)["status"] == "processing"
    assert house.call("POST", "/api/deploy/destroy", {"projectId": PROJECT})[0] == 409
    door.release()
    job = house.end(job_id)
    assert (job["status"], job["progress"]) == ("completed", 100), job["error"]
    assert len(cloud.arns(door.endpoint)) == ALL
    lines = job["result"]["logs"].splitlines()
    assert lines.count("terraform apply") == 1
    assert sum("Creation complete" in line for line in lines) == ALL
    check_gone(house, door)


def test_a_terraform_that_is_killed_leaves_named_orphans(house: House, door: Door) -> None:
    """The job fails, names what is in the cloud and in no state, and the next deploy brings it in."""
    job_id = begin(house, door, 4)
    [terraform] = [one for one in house.session(PROJECT, job_id) if one.name == "terraform"]
    os.kill(terraform.pid, signal.SIGKILL)
    door.release()
    job = house.end(job_id)
    assert job["status"] == "failed"
    assert "signal 9" in job["error"]
    assert job["result"]["orphans"]
    assert house.project(PROJECT)["deploymentStatus"] == "failed"
    check_whole(house, door)
    check_gone(house, door)
