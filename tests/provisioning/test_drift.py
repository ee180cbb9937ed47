"""What others change in the cloud is found at times of cron, shown until the next deploy, and holds up no job."""

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local_cloud.aws import environment
from provisioning import states
from provisioning.drift import due_after
from provisioning.errors import ScheduleError
from tests.provisioning import cloud
from tests.provisioning.clients import Client, ended, in_process
from tests.provisioning.conftest import PROJECT
from tests.provisioning.door import Door
from tests.provisioning.house import seldom
from tests.provisioning.roots import SMALL
from tests.waiting import until_true

GROUP = """
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}
provider "aws" { region = "us-east-1" }
resource "aws_cloudwatch_log_group" "group" {
  name              = "/drift"
  retention_in_days = 7
}
"""
DAY_S = 86_400.0
BLOCKS = """#!/bin/sh
case "$*" in
*-refresh-only*) trap 'exit 1' INT; touch {marker}; while :; do sleep 0.05; done ;;
esac
exec {terraform} "$@"
"""


def deploy(client: Client, code: str) -> Any:
    """The job, ended."""
    body = {"projectId": PROJECT, "iacCode": code}
    job = ended(client, client.post("/api/deploy", json=body).json()["jobId"])
    assert job["status"] == "completed", job
    return job


def shown(client: Client) -> Any:
    """The project."""
    return client.get(f"/api/deploy/infrastructure/{PROJECT}").json()


def at(client: Client) -> float:
    """When the project was last looked at."""
    look = client.service.store.drift(PROJECT)
    assert look is not None
    return look.at


def test_a_missed_look_is_made_up_for_once_and_what_it_finds_is_shown_until_a_deploy(mirror: Path) -> None:
    """Three days later it is one look; what it found belongs to a state, and not to the code that was stored last."""
    clock = [0.0]
    with in_process(mirror, is_open=True, now=lambda: time.time() + clock[0], drift="0 5 * * *") as client:
        store, place = client.service.store, client.service.setup.place(PROJECT)
        deploy(client, SMALL)
        assert store.drift(PROJECT) is None
        before = place.state.read_bytes()
        clock[0] += 3 * DAY_S
        until_true(lambda: seldom(store.drift(PROJECT) is not None), "the look of three days")
        looked_at = at(client)
        client.service.rounds.look()
        assert (at(client), client.service.checks.is_making("drift")) == (looked_at, False)
        assert (shown(client)["detail"], shown(client)["drift"]) == (None, [])
        assert place.state.read_bytes() == before
        store.put_drift(PROJECT, states.numbered(place)[-1].stem, ["terraform_data.one"])
        client.put(f"/api/deploy/projects/{PROJECT}", json={"iacCode": GROUP})
        assert (shown(client)["deploymentStatus"], shown(client)["detail"]) == ("deployed", "drifted")
        assert shown(client)["drift"] == ["terraform_data.one"]
        deploy(client, SMALL)
        assert (shown(client)["detail"], shown(client)["drift"]) == (None, [])


@pytest.mark.soak
def test_drift_is_found_at_its_time_and_gone_with_a_deploy(mirror: Path, door: Door, provider: dict[str, str]) -> None:
    """What somebody changes by hand is named, nothing is written for it, and a deploy that sets it right ends it."""
    clock = [0.0]
    options: dict[str, Any] = {"aws": environment(door.endpoint), "more": provider, "drift": "0 5 * * *"}
    with in_process(mirror, is_open=True, now=lambda: time.time() + clock[0], **options) as client:
        store = client.service.store
        deploy(client, GROUP)
        assert store.drift(PROJECT) is None
        clock[0] += DAY_S
        until_true(lambda: seldom(store.drift(PROJECT) is not None), "the look of the day")
        assert (shown(client)["detail"], shown(client)["drift"]) == (None, [])
        logs = cloud.client("logs", door.endpoint)
        logs.put_retention_policy(logGroupName="/drift", retentionInDays=30)
        before = client.service.setup.place(PROJECT).state.read_bytes()
        looked_at = at(client)
        clock[0] += 3 * DAY_S
        until_true(lambda: seldom(at(client) > looked_at), "one look for three days")
        address = "aws_cloudwatch_log_group.group"
        assert (shown(client)["deploymentStatus"], shown(client)["detail"]) == ("deployed", "drifted")
        assert shown(client)["drift"] == [address]
        answer = client.get(f"/api/deploy/drift/{PROJECT}").json()
        assert (answer["drifted"], answer["addresses"]) == (True, [address])
        assert client.service.setup.place(PROJECT).state.read_bytes() == before
        client.put(f"/api/deploy/projects/{PROJECT}", json={"iacCode": SMALL})
        assert shown(client)["detail"] == "drifted"
        deploy(client, GROUP)
        assert (shown(client)["detail"], shown(client)["drift"]) == (None, [])
        [group] = logs.describe_log_groups(logGroupNamePrefix="/drift")["logGroups"]
        assert group["retentionInDays"] == 7


def test_a_look_gives_way_to_a_job(mirror: Path, tmp_path: Path) -> None:
    """With one child at a time and a look that would take for ever, a deploy still begins and ends."""
    marker, program = tmp_path / "looking", tmp_path / "terraform"
    program.write_text(BLOCKS.format(marker=marker, terraform=shutil.which("terraform")))
    program.chmod(0o755)
    with in_process(mirror, is_open=True, children=1, terraform=str(program)) as client:
        deploy(client, SMALL)
        assert client.get(f"/api/deploy/drift/{PROJECT}").status_code == 202
        until_true(marker.exists, "the look")
        deploy(client, SMALL.replace('"x"', '"y"'))
        assert client.service.store.drift(PROJECT) is None


def test_times_of_cron() -> None:
    """In UTC, the first one after a moment; a line that has none is told."""
    noon = datetime(2026, 11, 28, 12, 0, tzinfo=UTC).timestamp()
    assert due_after("0 5 * * *", noon) == noon + 17 * 3600
    assert due_after("0 12 * * *", noon) == noon + DAY_S
    for line in ("every day", "0 5 31 2 *", ""):
        with pytest.raises(ScheduleError, match="write five fields"):
            due_after(line, noon)
