"""A farm's own root module, beside the default farm's deployment, on the AWS API of the local cloud."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from certs.authority import Authority
from certs.fetch import Account
from demo.deploy import inventory, programs
from local_cloud.aws import Aws, environment
from protocol import farms
from tests.terraform.provider import running

pytestmark = [pytest.mark.timeout(3000), pytest.mark.soak]  # Terraform on a busy machine, half a minute of a core each
ROOT = Path(__file__).parents[2]
PATIENCE_S = 900
ONE, OTHER = "sitio1", "sitio10"
IMAGE = "sha256:" + 64 * "0"
PRIVATE = ("*.tfvars", "*.tfvars.json", "*_override.tf", "backend.tf", "credentials", ".terraform*", "*.tfstate*")


class Root:
    """A root module in a copy of terraform/, with a state of its own."""

    def __init__(self, folder: Path, where: dict[str, str], **variables: Any) -> None:
        self.folder = folder
        self._where = {**where, "TF_DATA_DIR": str(folder / ".data")}
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in variables.items()}
        self._options = ("-parallelism=20", *(f"-var={name}={text}" for name, text in texts.items()))

    def run(self, verb: str, *options: str, code: int = 0) -> list[dict[str, Any]]:
        """A command's JSON messages."""
        command = [
            str(ROOT / "scripts" / "terraform"),
            f"-chdir={self.folder}",
            verb,
            "-json",
            "-input=false",
            *options,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, env=self._where, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    @contextmanager
    def working(self) -> Iterator[None]:
        """While this lasts, modules and provider are there, and one process of it serves every command."""
        self.run("init")
        with running(Path(self._where["TF_DATA_DIR"]), self._where) as provider:
            before, self._where = self._where, self._where | provider.variables
            yield
        self._where = before

    def apply(self) -> None:
        self.run("apply", "-auto-approve", *self._options)

    def destroy(self) -> None:
        self.run("destroy", "-auto-approve", *self._options)

    def plan(self) -> dict[str, str]:
        """Address -> what an apply would do, moves among it."""
        changes = [each["change"] for each in self.run("plan", *self._options) if each["type"] == "planned_change"]
        return {change["resource"]["addr"]: change["action"] for change in changes}

    def refusal(self) -> str:
        """What a plan that is refused says."""
        told = self.run("plan", *self._options, code=1)
        return "\n".join(" ".join(each["diagnostic"]["detail"].split()) for each in told if "diagnostic" in each)


def copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("tests", *PRIVATE))
    return target


@contextmanager
def account() -> Iterator[dict[str, str]]:
    """An empty account in this process's environment; gives the environment of its programs."""
    aws = Aws()
    with asyncio.Runner() as runner:
        try:
            where = programs.surroundings(environment(runner.run(aws.start())))
            with programs.variables(where):
                yield where
        finally:
            runner.run(aws.stop())


@pytest.fixture
def where() -> Iterator[dict[str, str]]:
    """The environment of an empty account."""
    with account() as variables:
        yield variables


@pytest.fixture
def issued(tmp_path: Path) -> Path:
    """Identities of three farms: one gateway and the compute service each."""
    authority = Authority(tmp_path / "issued")
    for farm in (farms.DEFAULT, ONE, OTHER):
        authority.issue(farms.gateway(farm, 1))
        authority.issue(farms.compute(farm))
    return authority.folder


def farm_root(folder: Path, where: dict[str, str], issued: Path, farm: str) -> Root:
    """The farm's root in a copy of its own, as two farms have two states."""
    given = {"farm": farm, "environment": "dev", "aws_region": "us-east-1", "number_of_gateways": 1}
    place = copied(ROOT / "terraform", folder / farm) / "farm"
    return Root(place, where, **given, certs_dir=str(issued), image_digest=IMAGE)


def shared() -> None:
    """What a farm's root reads of the default farm's deployment."""
    ec2, balancing, images = boto3.client("ec2"), boto3.client("elbv2"), boto3.client("ecr")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    balancing.create_load_balancer(Name="irrigation-dev-mqtt", Subnets=[subnet], Type="network", Scheme="internal")
    images.create_repository(repositoryName="irrigation-dev-aggregate")


def names_of(made: set[Any]) -> list[str]:
    return sorted(name for _, _, name in made)


def test_a_farm_is_deployed_beside_others_and_goes_alone(where: dict[str, str], issued: Path, tmp_path: Path) -> None:
    """All it makes is called after it; a second plan is empty; its key is fetched; its end takes nothing else along."""
    shared()
    empty = inventory.take()
    root = farm_root(tmp_path, where, issued, ONE)
    with root.working():
        root.apply()
        made = inventory.take() - empty
        assert root.plan() == {}
        iot = boto3.client("iot")
        things = [each["thingName"] for each in iot.list_things()["things"]]
        policies = sorted(each["policyName"] for each in iot.list_policies()["policies"])
        rules = [each["ruleName"] for each in iot.list_topic_rules()["rules"]]
        sql = iot.get_topic_rule(ruleName=f"{ONE}_dev_readings")["rule"]["sql"]
        Account("dev", farm=ONE).fetch(f"{ONE}-gateway-1", tmp_path / "fetched")
        root.destroy()
        left = inventory.take() - empty
    assert sorted(things) == [f"{ONE}-compute", f"{ONE}-gateway-1"]
    assert policies == [f"{ONE}-{role}" for role in ("compute", "compute-shared", "gateway", "gateway-updates")]
    assert sorted(rules) == [f"{ONE}_dev_forged", f"{ONE}_dev_readings"]
    assert "FROM 'irrigation/sitio1/sensors/+/data'" in sql
    assert len(made) > 20
    assert [name for name in names_of(made) if "irrigation" in name] == []
    assert names_of(left) == []


SAVED = "31dc7f3"  # the commit whose deployments are to be kept
# What today's root plans over such a deployment, by the reason.
BECAUSE = {
    "status, errors and diagnostics have a topic for each gateway": {
        'module.iot.aws_iot_policy.this["compute"]': "update",
        'module.iot.aws_iot_policy.this["gateway"]': "update",
    },
    "shared subscriptions, and jobs and streams, have policies of their own": {
        'module.iot.aws_iot_policy.this["compute-shared"]': "create",
        'module.iot.aws_iot_policy.this["gateway-updates"]': "create",
        'module.iot.aws_iot_policy_attachment.this["irrigation-compute/shared"]': "create",
        'module.iot.aws_iot_policy_attachment.this["irrigation-gateway-1/updates"]': "create",
    },
    "other farms have none of these for themselves": {
        "module.compute.aws_ecr_lifecycle_policy.this[0]": "move",
        "module.compute.aws_ecr_repository.this[0]": "move",
        "module.iot.aws_iot_logging_options.this[0]": "move",
    },
    "other farms' functions run the same image": {
        "module.compute.aws_ecr_repository_policy.this[0]": "update",
    },
}


def test_the_default_farm_stays_as_it_was(where: dict[str, str], issued: Path, tmp_path: Path) -> None:
    """A deployment of before there were farms is planned to what is listed; a farm beside it changes nothing."""
    (tmp_path / "before").mkdir()
    archive = subprocess.run(["git", "-C", ROOT, "archive", SAVED, "terraform"], capture_output=True, check=False)
    assert archive.returncode == 0, f"{SAVED} is not in this clone; fetch its whole history"
    subprocess.run(["tar", "-x", "-C", tmp_path / "before"], input=archive.stdout, check=True)
    given = {"environment": "dev", "aws_region": "us-east-1", "number_of_gateways": 1, "iot_vpc_cidr": "10.0.0.0/16"}
    given |= {"private_subnet_cidrs": ["10.0.128.0/24", "10.0.129.0/24"], "certs_dir": str(issued)}
    before = Root(tmp_path / "before" / "terraform", where, **given, image_digest=IMAGE)
    with before.working():
        before.apply()
    today = Root(copied(ROOT / "terraform", tmp_path / "today"), where, **given, image_digest=IMAGE)
    shutil.copy(before.folder / "terraform.tfstate", today.folder)
    with today.working():
        assert today.plan() == {address: what for rows in BECAUSE.values() for address, what in rows.items()}
        today.apply()
        assert today.plan() == {}
        beside = farm_root(tmp_path, where, issued, ONE)
        with beside.working():
            beside.apply()
            assert beside.plan() == {}
            assert today.plan() == {}
            beside.destroy()
        assert today.plan() == {}


def test_a_farm_is_not_planned_over_another_s_state(where: dict[str, str], issued: Path, tmp_path: Path) -> None:
    """In a workspace of another name nothing is planned: it would be another farm's end. Nor the default farm."""
    shared()
    root = farm_root(tmp_path, where, issued, ONE)
    with root.working():
        root._where["TF_WORKSPACE"] = OTHER
        assert f"this is the workspace {OTHER}, whose state is another farm's" in root.refusal()
    wrong = farm_root(tmp_path / "wrong", where, issued, farms.DEFAULT)
    with wrong.working():
        assert "irrigation is the default farm" in wrong.refusal()
