"""States in S3 with a lock file: after a kill nothing is unnamed, and no lock is taken from anybody who may live."""

import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local_cloud.aws import environment
from provisioning import cloud as our_cloud
from provisioning import states
from provisioning.cloud import Cloud
from provisioning.errors import FolderError
from provisioning.surroundings import setup_of
from tests.provisioning import cloud
from tests.provisioning.clients import Client, ended, in_process
from tests.provisioning.conftest import PROJECT, short_folder
from tests.provisioning.door import Door
from tests.provisioning.house import House, seldom
from tests.provisioning.roots import SMALL
from tests.waiting import until_true

BUCKET, PLACE = "farm-states", "s3://farm-states/states"
ALONE = "three"  # the project of the soak
THREE = """
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}
provider "aws" { region = "us-east-1" }
resource "aws_cloudwatch_log_group" "group" {
  count = 2
  name  = "/three/${count.index}"
}
resource "aws_ssm_parameter" "parameter" {
  name  = "/three/word"
  type  = "String"
  value = "v"
}
"""


@pytest.fixture(scope="module")
def s3(door: Door) -> Any:
    """A client, and the bucket of the states."""
    client = cloud.client("s3", door.endpoint)
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture(scope="module")
def house(door: Door, mirror: Path, s3: Any) -> Iterator[House]:
    """A service whose states are in that bucket."""
    with short_folder() as folder:
        house = House(folder / "d", environment(door.endpoint), {}, mirror, state=PLACE)
        house.start()
        try:
            yield house
        finally:
            door.release()
            house.close()


def keys(s3: Any) -> set[str]:
    """What is in the bucket."""
    return {row["Key"] for row in s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())}


def key(project: str) -> str:
    """Of the project's state."""
    return f"states/irrigation/{project}/terraform.tfstate"


def there(door: Door) -> set[str]:
    """What the AWS API lists, but for the bucket of the states."""
    return cloud.arns(door.endpoint) - {f"arn:aws:s3:::{BUCKET}"}


def kill(house: House, door: Door, s3: Any, project: str, job_id: str) -> None:
    """Kill the job's Terraform, which holds the lock, and see the job end."""
    assert f"{key(project)}.tflock" in keys(s3)
    [terraform] = [one for one in house.session(project, job_id) if one.name == "terraform"]
    os.kill(terraform.pid, signal.SIGKILL)
    door.release()
    job = house.end(job_id)
    assert (job["status"], "signal 9" in job["error"]) == ("failed", True), job
    assert f"{key(project)}.tflock" not in keys(s3)
    assert "of a Terraform that was killed was taken away" in job["result"]["logs"]


def test_a_terraform_killed_while_it_writes_leaves_no_lock(house: House, door: Door, s3: Any) -> None:
    """S3 had taken the state when it died: the job fails, the lock is taken away, a deploy finds all in the state."""
    door.hold_after(0)
    job_id = house.deploy(PROJECT, SMALL)
    until_true(lambda: door.held > 0, "a state whose answer is held")
    kill(house, door, s3, PROJECT, job_id)
    project = house.project(PROJECT)
    assert (project["deploymentStatus"], len(project["terraformState"]["resources"])) == ("failed", 2)
    again = house.end(house.deploy(PROJECT, SMALL))
    assert again["result"]["message"].startswith("No changes"), again
    assert house.project(PROJECT)["deploymentStatus"] == "deployed"


@pytest.mark.soak
def test_a_killed_terraform_leaves_nothing_unnamed(house: House, door: Door, s3: Any) -> None:
    """Its state was not yet in S3: all that was made is named, the lock is taken away, and a deploy brings all in."""
    door.hold_after(1)
    job_id = house.deploy(ALONE, THREE)
    until_true(lambda: door.held > 0 and door.created == 1, "creations whose answers are held")
    kill(house, door, s3, ALONE, job_id)
    project = house.project(ALONE)
    assert cloud.of_state(project["terraformState"]) | set(project["orphans"]) == there(door) != set()

    again = house.end(house.deploy(ALONE, THREE))
    assert again["status"] == "completed", again
    project = house.project(ALONE)
    assert (project["deploymentStatus"], project["orphans"]) == ("deployed", [])
    assert cloud.of_state(project["terraformState"]) == there(door)
    in_s3 = json.load(s3.get_object(Bucket=BUCKET, Key=key(ALONE))["Body"])
    assert cloud.of_state(in_s3) == there(door)


def test_somebody_elses_lock_is_waited_for_by_nobody_and_forced_by_nobody(house: House, door: Door, s3: Any) -> None:
    """The job fails with the holder's name, and the lock stays; without it the destroy goes through."""
    lock = {"ID": "5d3f1f1c-0000-4000-8000-000000000000", "Who": "eva@laptop", "Created": "2026-01-01T00:00:00Z"}
    more = {"Operation": "OperationTypeApply", "Info": "", "Version": "1.11.4", "Path": f"{BUCKET}/{key(PROJECT)}"}
    s3.put_object(Bucket=BUCKET, Key=f"{key(PROJECT)}.tflock", Body=json.dumps({**lock, **more}).encode())
    job = house.end(house.destroy(PROJECT))
    assert job["status"] == "failed"
    assert "eva@laptop" in job["error"]
    assert f"{key(PROJECT)}.tflock" in keys(s3)
    s3.delete_object(Bucket=BUCKET, Key=f"{key(PROJECT)}.tflock")
    job = house.end(house.destroy(PROJECT))
    assert job["status"] == "completed", job
    assert house.project(PROJECT)["deploymentStatus"] == "destroyed"
    assert house.end(house.destroy(PROJECT))["result"]["message"] == "No infrastructure found to destroy"


@pytest.mark.parametrize(
    ("holder", "is_taken"), [(("ours", -5.0), True), (("ours", 60.0), False), (("eva@laptop", -5.0), False)]
)
def test_whose_lock_is_taken_away(
    door: Door, s3: Any, tmp_path: Path, holder: tuple[str, float], is_taken: bool
) -> None:
    """Only one of this machine and user that is no older than the Terraform that died."""
    who, age_s = holder
    died_at = time.time()
    created = datetime.fromtimestamp(died_at - age_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.123456789Z")
    name = our_cloud._who() if who == "ours" else who
    key = "states/f/p/terraform.tfstate.tflock"
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps({"ID": "i", "Who": name, "Created": created}).encode())
    place = Cloud(setup_of(tmp_path, environment(door.endpoint), state=PLACE), "f", "p")
    line = place.free_lock(died_at)
    assert (key in keys(s3)) is not is_taken
    assert ("taken away" in line, "force-unlock" in line) == (is_taken, not is_taken)
    s3.delete_object(Bucket=BUCKET, Key=key)
    assert place.free_lock(died_at) == ""


def test_a_project_moves_into_s3_by_a_restore(mirror: Path, door: Door, s3: Any) -> None:
    """A service with another place for states refuses it with the command that moves it, and then goes on with it."""
    aws = environment(door.endpoint)
    with short_folder() as folder:
        with in_process(mirror, folder, is_open=True, aws=aws) as client:
            deployed(client)
            before = states.read(client.service.setup.place("p").state)
        with in_process(mirror, folder, is_open=True, aws=aws, state=PLACE) as client:
            refusal = client.post("/api/deploy", json={"projectId": "p", "iacCode": SMALL})
            assert refusal.status_code == 409
            assert client.post("/api/deploy/destroy", json={"projectId": "p"}).status_code == 409
            *_, project, number = refusal.json()["error"].split()
            body = {"projectId": project, "snapshot": int(number)}
            job = ended(client, client.post("/api/deploy/restore", json=body).json()["jobId"])
            assert job["status"] == "completed", job
            in_s3 = json.load(s3.get_object(Bucket=BUCKET, Key="states/irrigation/p/terraform.tfstate")["Body"])
            assert in_s3["resources"] == before["resources"] != []
            assert deployed(client)["result"]["message"].startswith("No changes")
            body = {"projectId": "p", "iacCode": SMALL.replace('"x"', '"y"'), "approve": True}
            job_id = client.post("/api/deploy", json=body).json()["jobId"]
            path = f"/api/deploy/status/{job_id}"
            until_true(lambda: seldom(client.get(path).json()["detail"] == "planned"), "the plan")
        with pytest.raises(FolderError, match=f"{job_id} has not ended; until it has, start with --state {PLACE}"):
            client.service.__class__(setup_of(folder / "d", {}), time.time)


def deployed(client: Client) -> Any:
    """The job of one deploy, ended."""
    job = ended(client, client.post("/api/deploy", json={"projectId": "p", "iacCode": SMALL}).json()["jobId"])
    assert job["status"] == "completed", job
    return job


@pytest.mark.parametrize("word", ["s3://", "s3://UPPER/x", "gs://bucket", "farm-states"])
def test_a_place_that_is_none_is_told(tmp_path: Path, word: str) -> None:
    """With how to write it."""
    with pytest.raises(FolderError, match="write s3://BUCKET/PREFIX"):
        setup_of(tmp_path, {}, state=word)
