"""Two hundred kills, of whom and when by chance: no job is lost or run twice, and what exists is known."""

import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from certs.authority import Authority
from demo.deploy.infrastructure import NOT_COPIED
from demo.deploy.orchestrator import IMAGE_DIGEST, NETWORK
from demo.job import COMPUTE
from local_cloud.aws import environment
from provisioning.code import pack
from tests.provisioning import cloud
from tests.provisioning.conftest import PROJECT, aws_api, short_folder
from tests.provisioning.door import Door
from tests.provisioning.house import ROOT, House, patiently, seldom
from tests.provisioning.judge import check
from tests.provisioning.roots import TWELVE

KILLS = int(os.environ.get("PROVISIONING_KILLS", "200"))
SEED = int(os.environ.get("PROVISIONING_SEED", "4"))
VICTIMS = ("service", "wrapper", "terraform", "provider", "all")
TWELVE_CALLS = {"deploy": 70, "destroy": 60}
PRODUCT_KILLS = int(os.environ.get("PROVISIONING_PRODUCT_KILLS", "10"))
PRODUCT_CALLS = {"deploy": 500, "destroy": 400}
THINGS = ("irrigation-gateway-1", "irrigation-gateway-2", COMPUTE)


@dataclass(frozen=True)
class Subject:
    """What is deployed and destroyed; `body` is what is posted, `calls` about how many an apply makes."""

    project: str
    body: Mapping[str, Any]
    calls: Mapping[str, int]

    def deploy(self, house: House) -> str:
        """Post it; gives the job's id."""
        status, answer = house.call("POST", "/api/deploy", {"projectId": self.project, **self.body})
        assert status == 202, answer
        return str(answer["jobId"])


class Round:
    """One job, and a kill in it."""

    def __init__(self, house: House, door: Door, dice: random.Random, subject: Subject) -> None:
        self.house = house
        self.door = door
        self.project = subject.project
        code, project = house.call("GET", f"/api/deploy/infrastructure/{subject.project}")
        self.kind = "destroy" if code == 200 and project["deploymentStatus"] == "deployed" else "deploy"
        self.victim = dice.choice(VICTIMS)
        self.after = dice.randrange(subject.calls[self.kind])
        self.job_id = subject.deploy(house) if self.kind == "deploy" else house.destroy(subject.project)

    def kill(self) -> bool:
        """Kill the victim once its apply has made so many calls; False if the job ended before."""
        folder = self.house.phase(self.project, self.job_id)
        patiently(lambda: (folder / "job.pid").exists() or seldom(self.has_ended()), "the apply")
        if not folder.exists():
            return False
        begin = self.door.calls
        patiently(
            lambda: self.door.calls >= begin + self.after or (folder / "job.rc").exists(), "the moment of the kill"
        )
        session = self.house.session(self.project, self.job_id)
        names = {"wrapper": "python", "terraform": "terraform", "provider": "terraform-provi"}
        victims = [one for one in session if self.victim == "all" or one.name.startswith(names.get(self.victim, "-"))]
        victims = [one for one in victims if self.victim != "terraform" or one.name == "terraform"]
        if self.victim in {"service", "all"}:
            self.house.kill()
        for one in victims:
            try:
                os.kill(one.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self.victim in {"service", "all"}:
            self.house.start()
        return bool(session)

    def has_ended(self) -> bool:
        """True for a job that is through."""
        return bool(self.house.job(self.job_id)["endTime"])


def run(house: House, door: Door, subject: Subject, kills: int) -> None:
    """Kill, judge, deploy again, and find no change."""
    dice, counts = random.Random(SEED), Counter[str]()
    for number in range(kills):
        one = Round(house, door, dice, subject)
        was_in_time = one.kill()
        job = house.end(one.job_id)
        check(house, door, job, was_service=one.victim == "service")
        orphans = len(house.project(subject.project)["orphans"])
        counts.update([one.victim, job["detail"], f"{one.kind}, in time: {was_in_time}"])
        counts["orphans"] += orphans
        print(number, one.kind, one.victim, one.after, job["detail"], orphans, flush=True)  # noqa: T201
        if one.kind == "deploy":
            again = house.end(subject.deploy(house))
            assert again["status"] == "completed", told(again)
            assert house.project(subject.project)["orphans"] == []
            empty = house.end(subject.deploy(house)) if number % 5 == 0 else None
            assert empty is None or empty["result"]["message"].startswith("No changes"), told(empty)
    print(dict(counts))  # noqa: T201


def told(job: Any) -> str:
    """A job in a line: how it ended, and every address and output that it changed."""
    plan = job["plan"] or {}
    changed = [f"{one['address']} {'/'.join(one['actions'])}" for one in plan.get("changes", [])]
    return f"{job.get('error') or job['result']['message']}; changed: {changed + plan.get('outputs', [])}"


@contextmanager
def killable(mirror: Path) -> Iterator[tuple[House, Door]]:
    """A service whose children have a provider each, before a door."""
    with short_folder() as folder, aws_api() as endpoint:
        door = Door(endpoint)
        house = House(folder / "d", environment(door.endpoint), {}, mirror)
        house.start()
        try:
            yield house, door
        finally:
            house.close()
            door.close()


@pytest.mark.soak
@pytest.mark.timeout(24 * 3600)
def test_whoever_is_killed_and_whenever(mirror: Path) -> None:
    """After each, state and named orphans are what the API lists; the next deploy ends with all, and no change."""
    with killable(mirror) as (house, door):
        run(house, door, Subject(PROJECT, {"iacCode": TWELVE}, TWELVE_CALLS), KILLS)


@pytest.mark.soak
@pytest.mark.timeout(24 * 3600)
def test_kills_over_the_products_own_root(mirror: Path, tmp_path: Path) -> None:
    """As a farmer posts it: an archive with its certificates, whose private keys stay at home."""
    with killable(mirror) as (house, door):
        body = {"archive": archive(tmp_path / "terraform"), "variables": variables(door.endpoint)}
        run(house, door, Subject("farm", body, PRODUCT_CALLS), PRODUCT_KILLS)


def archive(root: Path) -> str:
    """The product's root with the certificates of its things in it."""
    shutil.copytree(ROOT / "terraform", root, ignore=shutil.ignore_patterns(*NOT_COPIED))
    authority = Authority(root.parent / "issued")
    for thing in THINGS:
        folder = root / "certs" / "issued" / thing
        folder.mkdir(parents=True)
        shutil.copy(authority.issue(thing) / "certificate.pem", folder)
    return pack(root)


def variables(endpoint: str) -> dict[str, Any]:
    """What an operator sets, with a VPC that is there before."""
    ec2 = cloud.client("ec2", endpoint)
    vpc = ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="compute", Description="compute", VpcId=vpc)["GroupId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    return {
        "environment": "dev",
        "aws_region": "us-east-1",
        "alarm_email": "farm@example.com",
        "number_of_gateways": len(THINGS) - 1,
        "certs_dir": "certs/issued",
        "keys_in_secrets_manager": False,
        "image_digest": IMAGE_DIGEST,
        **NETWORK,
        "compute_vpc_id": vpc,
        "compute_sg_id": group,
        "compute_private_rt_id": table,
        "compute_vpc_cidr_block": "10.99.0.0/16",
    }
