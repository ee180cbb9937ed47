"""What is generated is what Terraform takes: valid, formatted, and planned alike from both syntaxes."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local_cloud.aws import environment
from provisioning.job_files.command import main
from tests.provisioning.cloud import client
from tests.provisioning.door import Door
from tests.provisioning.job_files.files import EXAMPLES, ROOT, job, lay

pytestmark = pytest.mark.timeout(900)  # Terraform on a busy machine
MAY_READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/*"}
VARIABLES = {
    "ecs_cluster_arn": "arn:aws:ecs:us-east-1:123456789012:cluster/farm",
    "subnet_ids": ["subnet-12345"],
    "security_group_ids": ["sg-12345"],
    "alarm_topic_arn": "arn:aws:sns:us-east-1:123456789012:alarms",
    "task_policy_json": json.dumps({"Version": "2012-10-17", "Statement": [MAY_READ]}),
}


RAW = (
    b'{"v": 1, "gateway_id": "g1", "sensor_id": "g1.soil", "zone_id": "z", "boot_id": "b", "samples": [{"seq": 1, '
    b'"measured_at": 1717200000, "clock": "synced", "vwc": 0.2}], "client_id": "g1", "received_at": 1717200001}\n'
)


class Workshop:
    """Terraform in folders below one, against an AWS API on this machine."""

    def __init__(self, folder: Path, variables: Mapping[str, str], mirror: Path) -> None:
        self.folder = folder
        self._variables = {**os.environ, **variables, "TF_MIRROR": str(mirror)}

    def terraform(self, root: Path, *words: str) -> str:
        """Run a command in a root; gives what it said."""
        command = [str(ROOT / "scripts" / "terraform"), f"-chdir={root}", *words]
        variables = {**self._variables, "TF_DATA_DIR": str(root / ".data")}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def prepare(self, root: Path) -> None:
        """Give a root its variables, and initialise it."""
        declared = (root / next(path.name for path in root.glob("*.tf*"))).read_text()
        given = {name: value for name, value in VARIABLES.items() if f'"{name}"' in declared}
        (root / "terraform.tfvars.json").write_text(json.dumps(given))
        self.terraform(root, "init", "-input=false")

    def plan(self, root: Path) -> Any:
        """What a root would make: its resources and outputs."""
        self.prepare(root)
        assert json.loads(self.terraform(root, "validate", "-json"))["diagnostics"] == []
        self.terraform(root, "plan", "-input=false", "-out=plan")
        document = json.loads(self.terraform(root, "show", "-json", "plan"))
        return {name: document[name] for name in ("resource_changes", "output_changes")}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, door: Door, provider: dict[str, str], mirror: Path) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("roots"), {**environment(door.endpoint), **provider}, mirror)


def both(workshop: Workshop, name: str, path: Path, root: Path) -> Any:
    """Generate a job in both syntaxes, and plan both; gives the one plan."""
    plans = []
    for form in ("hcl", "json"):
        folder = workshop.folder / f"{name}-{form}"
        assert main([str(path), "--root", str(root), "--output-dir", str(folder), "--format", form]) == 0
        workshop.terraform(folder, "fmt", "-check")
        plans.append(workshop.plan(folder))
    assert plans[0] == plans[1]
    return plans[0]


def planned(plan: Any, kind: str) -> list[Any]:
    """What resources of a type will be."""
    return [one["change"]["after"] for one in plan["resource_changes"] if one["type"] == kind]


def test_the_seeds_example_is_planned(workshop: Workshop) -> None:
    """The seed's own job file: a task definition with its tags, planned alike from HCL and JSON."""
    plan = both(workshop, "seed", EXAMPLES / "jobs" / "acme" / "hubspot_contacts.yaml", EXAMPLES)
    (definition,) = planned(plan, "aws_ecs_task_definition")
    assert (definition["cpu"], definition["memory"]) == ("1024", "2048")
    assert definition["tags"]["finops_cost_center"] == "ENG-001"
    assert all(
        one["change"]["after"].get("tags", definition["tags"]) == definition["tags"] for one in plan["resource_changes"]
    )


DAILY = {"schedule": "30 2 * * 1-5", "timezone": "America/Toronto"}
NASTY = 'echo "${HOME}" %{x} \\ \n $${y} \u20ac'
# Every field of the two types, and every form of what may be left out.
OF_AWS: dict[str, Any] = {
    "fargate-plain": job(),
    "fargate-full": job(
        cpu=2048,
        memory=8192,
        timeout=3600,
        region="eu-west-1",
        command=["sh", "-c", NASTY],
        **DAILY,
        naming="seed",
        metadata={
            "terraform_workspace": "prod",
            "cost_center": "A-1",
            "environment": "production",
            "tags": {"x:y": "z"},
        },
        finops={"cost_center": "A-2", "business_tags": ["a", "b"], "project": "p", "environment": "prod"},
        governance_overrides={"owner": "a@b.c", "domain": "d", "data_product": "e", "retention_days": 30},
        classification_overrides=["PII", "SENSITIVE"],
    ),
    "fargate-role": job(role="arn:aws:iam::123456789012:role/batch", **DAILY),
    "fargate-service": job(kind="service", cpu=256, memory=512),
    "fargate-service-role": job(kind="service", role="arn:aws:iam::123456789012:role/batch"),
    "fargate-smallest": job(cpu=256, memory=512),
    "fargate-largest": job(cpu=16384, memory=122880),
    "fargate-tag": job(image_uri="dativo/dativo-ingest:latest"),
    "lambda-plain": job("aws_lambda"),
    "lambda-full": job("aws_lambda", memory=10240, timeout=900, command=["a.handler"], region="us-west-2", **DAILY),
    "lambda-role": job("aws_lambda", role="arn:aws:iam::123456789012:role/batch", **DAILY),
    "lambda-smallest": job("aws_lambda", memory=128, timeout=1, naming="seed"),
}


@pytest.mark.soak
@pytest.mark.parametrize("name", OF_AWS)
def test_every_field_is_planned(name: str, workshop: Workshop, tmp_path: Path) -> None:
    """Valid, formatted, and planned alike from HCL and JSON; every tag is on every resource that takes one."""
    plan = both(workshop, name, lay(tmp_path, OF_AWS[name]), tmp_path)
    found = [one["change"]["after"].get("tags") for one in plan["resource_changes"]]
    tags = [one for one in found if one is not None]
    assert len(tags) >= 2
    assert all(one == tags[0] for one in tags)
    if name == "fargate-full":
        (definition,) = planned(plan, "aws_ecs_task_definition")
        assert definition["family"] == "sitio-soil-samples"
        (schedule,) = planned(plan, "aws_scheduler_schedule")
        assert schedule["schedule_expression"] == "cron(30 2 ? * 2,3,4,5,6 *)"


@pytest.mark.soak
def test_the_aggregate_is_applied_run_and_destroyed(workshop: Workshop, door: Door, tmp_path: Path) -> None:
    """On the local cloud, the task's own command, as a process, fills the lake; then nothing of it is left."""
    root = workshop.folder / "aggregate"
    words = ["--root", str(ROOT), "--output-dir", str(root)]
    assert main([str(ROOT / "jobs" / "irrigation" / "aggregate.yaml"), *words]) == 0
    workshop.prepare(root)
    workshop.terraform(root, "apply", "-auto-approve", "-input=false")
    assert "No changes" in workshop.terraform(root, "plan", "-input=false", "-no-color")
    ecs, tagging = client("ecs", door.endpoint), client("resourcegroupstaggingapi", door.endpoint)
    name = "irrigation-samples-prod"
    definition = ecs.describe_task_definition(taskDefinition=name, include=["TAGS"])
    assert {"key": "governance_owner", "value": "irrigation@example.com"} in definition["tags"]
    (container,) = definition["taskDefinition"]["containerDefinitions"]
    (target,) = [client("scheduler", door.endpoint).get_schedule(Name=name)["Target"]]
    assert target["EcsParameters"]["PropagateTags"] == "TASK_DEFINITION"
    assert tagging.get_resources(TagFilters=[{"Key": "asset_name", "Values": ["samples"]}])["ResourceTagMappingList"]
    report = run_task(container["command"], door.endpoint)
    assert (report["samples_written"], report["objects_read"]) == (1, 1)
    assert run_task(container["command"], door.endpoint)["objects_read"] == 0
    workshop.terraform(root, "destroy", "-auto-approve", "-input=false")
    assert json.loads((root / "terraform.tfstate").read_text())["resources"] == []
    assert tagging.get_resources(TagFilters=[{"Key": "asset_name"}])["ResourceTagMappingList"] == []
    assert not [row for row in client("iam", door.endpoint).list_roles()["Roles"] if name in row["RoleName"]]


def run_task(command: list[str], endpoint: str) -> Any:
    """What a task would run, on this machine: its command as a process, with its environment."""
    s3, glue = client("s3", endpoint), client("glue", endpoint)
    if not s3.list_buckets()["Buckets"]:
        s3.create_bucket(Bucket="lake")
        s3.put_object(Bucket="lake", Key="raw/2024/06/01/00/one.gz", Body=gzip.compress(RAW))
        glue.create_database(DatabaseInput={"Name": "lake"})
    own = {"SOURCE_BUCKET": "lake", "SOURCE_PREFIX": "raw/", "DEST_BUCKET": "lake", "DEST_PREFIX": "lake/"}
    variables = {**os.environ, **environment(endpoint), **own, "GLUE_DATABASE": "lake"}
    words = [sys.executable, *command[1:]] if command[0] == "python" else command
    done = subprocess.run(words, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
