"""After a loss what stands in the state is read again, though much of the root is missing, or one cannot be read."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from local_cloud.aws import environment
from provisioning import refresh, states
from tests.provisioning.clients import Client, ended, in_process
from tests.provisioning.door import Door

# What `of` says is wrong as long as `first` is not there, and `late` was never begun.
HALF = """
variable "given" {
  type    = string
  default = null
}
resource "terraform_data" "first" { count = 1 }
locals { of = coalesce(var.given, one(terraform_data.first[*].id)) }
resource "terraform_data" "late" { input = local.of }
resource "terraform_data" "whole" {
  for_each = toset(["$${a}", "b"])
}
resource "terraform_data" "ill" {}
resource "terraform_data" "of_ill" { input = terraform_data.ill.id }
output "late" { value = terraform_data.late.id }
"""
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
  {terraform} state rm 'terraform_data.first[0]' terraform_data.late > {folder}/lost
  exit 1 ;;
esac
exec {terraform} "$@"
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    """A Terraform whose applies end so."""
    path = tmp_path / "terraform"
    path.write_text(LOSES.format(folder=tmp_path, terraform=shutil.which("terraform"), ill=json.dumps(ILL)))
    path.chmod(0o755)
    return str(path)


def drift(client: Client) -> Any:
    """The answer, once there is one."""
    while (answer := client.get("/api/deploy/drift/half")).status_code == 202:  # noqa: ASYNC110 - no coroutine
        pass
    return answer.json()


def test_what_stands_is_read_again_and_what_cannot_be_is_named(
    mirror: Path, tmp_path: Path, door: Door, program: str
) -> None:
    """Whatever the root says of what is missing; another look leaves out the one, and what was made of it."""
    with in_process(mirror, is_open=True, terraform=program, aws=environment(door.endpoint)) as client:
        body = {"projectId": "half", "iacCode": HALF}
        job = ended(client, client.post("/api/deploy", json=body).json()["jobId"])
        assert job["error"].endswith("; could not be read again: terraform_data.ill, terraform_data.of_ill"), job
        first, second = ((tmp_path / "refreshes").read_text()).splitlines()
        assert [line.count(refresh.TARGET) for line in (first, second)] == [4, 2]
        assert 'terraform_data.whole["$${a}"]' in second
        state = states.read(client.service.setup.place("half").state)
        assert refresh.addresses(state) == refresh.wanted(folder(client, job, "refresh"))
        assert drift(client)["addresses"] == []


def folder(client: Client, job: Any, phase: str) -> Path:
    """Of a child."""
    return client.service.setup.place("half").job(job["jobId"]) / phase


def test_what_was_made_of_what_fails_is_not_asked_for(tmp_path: Path) -> None:
    """Terraform would read that again with it, and fail: all instances that name it, in whatever module."""
    instances = [{"index_key": 0}, {"index_key": 1}]
    of_it = [{"index_key": "k[0]", "dependencies": ["module.a.data.aws_x.x", "module.a.aws_y.y"]}]
    state = {
        "resources": [
            {"mode": "managed", "module": 'module.a["b"]', "type": "aws_y", "name": "y", "instances": instances},
            {"mode": "managed", "type": "aws_z", "name": "z", "instances": of_it},
        ]
    }

    def unread(address: str, severity: str = "error") -> set[str]:
        return refresh.unread(state, [{"type": "log"}, {"diagnostic": {"severity": severity, "address": address}}])

    assert unread('module.a["b"].data.aws_x.x["c"]') == {'aws_z.z["k[0]"]'}
    assert unread('module.a["b"].aws_y.y[1]') == {'module.a["b"].aws_y.y[1]', 'aws_z.z["k[0]"]'}
    assert unread('aws_z.z["k[0]"]') == {'aws_z.z["k[0]"]'}
    assert unread('aws_z.z["k[0]"]', "warning") == unread("") == set()
    assert refresh.wanted(tmp_path) == set()
