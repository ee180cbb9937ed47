"""Twelve job files, three of each type: planned alike from both syntaxes, made, run, and gone without a trace."""

import http.client
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checked_yaml.mapping import Mapping
from local_cloud.aws import environment
from provisioning.job_files.command import main
from provisioning.job_files.limits import AWS, FARGATE, LAMBDA, TARGETS
from provisioning.job_files.read import JobFile, Reader
from tests.aggregate.image import Image
from tests.aggregate.lambda_runtime import running
from tests.provisioning.cloud import client
from tests.provisioning.door import Door
from tests.provisioning.job_files.files import ROOT, lay
from tests.provisioning.job_files.lake import lake_variables
from tests.provisioning.job_files.test_google_plans import OF_GOOGLE
from tests.provisioning.job_files.test_plans import OF_AWS
from tests.provisioning.job_files.workshop import Workshop, both, google_stub

pytestmark = pytest.mark.timeout(900)  # Terraform on a busy machine
FOLDER = Path(__file__).with_name("twelve")
JOBS = {path.stem: path for path in sorted((FOLDER / "jobs").glob("*.yaml"))}
FILES: dict[str, JobFile] = {name: Reader(FOLDER).read(path) for name, path in JOBS.items()}
IN_SHORT = ("function_event", "run_everything")  # the seed's example is the one on AWS, in test_plans.py
BILLED = {  # what bears tags of its own, by cloud
    "aws": ("tags",),
    "gcp": ("labels", "user_labels"),
}


def cloud(name: str) -> str:
    """The cloud of one of the twelve."""
    target = FILES[name].target
    assert target is not None
    return target.cloud


OF_CLOUD = {side: [name for name in JOBS if cloud(name) == side] for side in BILLED}


@pytest.fixture(scope="module")
def on_aws(tmp_path_factory: pytest.TempPathFactory, door: Door, provider: dict[str, str], mirror: Path) -> Workshop:
    """Terraform, led to the local AWS API by AWS's own provider."""
    return Workshop(tmp_path_factory.mktemp("aws"), {**environment(door.endpoint), **provider}, mirror)


@pytest.fixture(scope="module")
def on_google(tmp_path_factory: pytest.TempPathFactory, mirror: Path) -> Iterator[Workshop]:
    """Terraform, led to the stub."""
    with google_stub() as led:
        yield Workshop(tmp_path_factory.mktemp("google"), {**os.environ, **led}, mirror)


def test_there_are_three_of_each_type() -> None:
    """And as many names as files."""
    types = [one.target.type for one in FILES.values() if one.target]
    assert {name: types.count(name) for name in TARGETS} == dict.fromkeys(TARGETS, 3)
    assert len({one.name for one in FILES.values()}) == len(FILES) == 12


def test_every_field_of_the_readers_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a job file, an asset or a connector may say, by type: one of those that are planned says it."""
    mappings: list[Mapping] = []
    plain = Mapping.__init__

    def noted(mapping: Mapping, *words: Any) -> None:
        plain(mapping, *words)
        mappings.append(mapping)

    monkeypatch.setattr(Mapping, "__init__", noted)
    for path in JOBS.values():
        Reader(FOLDER).read(path)
    for name, document in {**OF_AWS, **OF_GOOGLE}.items():
        folder = tmp_path / name
        Reader(folder).read(lay(folder, document))
    fields: dict[Any, set[str]] = defaultdict(set)
    written: dict[Any, set[str]] = defaultdict(set)
    for one in mappings:
        place = one.mistakes.what, one.place, one.value("type") if one.place.endswith("runtime") else None
        written[place] |= set(one.nodes)
        fields[place] |= one._names | set(one.nodes) if one.place else one._names
    assert len(OF_AWS | OF_GOOGLE) >= 20
    assert len(fields) >= 15
    assert {place: names - written[place] for place, names in fields.items() if names - written[place]} == {}
    for place, names in written.items():  # what is not ours in an asset, is in none of the places that are
        assert place[0] != "job file" or names <= fields[place]


@pytest.mark.parametrize(
    "name", [*IN_SHORT, *(pytest.param(x, marks=pytest.mark.soak) for x in JOBS if x not in IN_SHORT)]
)
def test_it_is_planned_alike_from_both_syntaxes(name: str, request: pytest.FixtureRequest) -> None:
    """Formatted, valid, and of one plan; all that bears tags bears the same ones."""
    workshop = request.getfixturevalue("on_aws" if cloud(name) == AWS else "on_google")
    plan = both(workshop, name, JOBS[name], FOLDER)
    after = [one["change"]["after"] for one in plan["resource_changes"]]
    tags = [one[key] for one in after for key in BILLED[cloud(name)] if one.get(key)]
    assert len(tags) >= 2
    assert all(one == tags[0] for one in tags)


def make(workshop: Workshop, name: str, **variables: Any) -> Path:
    """Generate one of the twelve, and apply it; a second plan changes nothing. Gives its folder."""
    root = workshop.folder / f"made-{name}"
    assert main([str(JOBS[name]), "--root", str(FOLDER), "--output-dir", str(root)]) == 0
    workshop.prepare(root, **variables)
    workshop.terraform(root, "apply", "-auto-approve", "-input=false")
    second = workshop.terraform(root, "plan", "-input=false", "-no-color")
    changes = re.findall(r"^\s+[+~-] (\w+) +=", second, re.MULTILINE)
    assert "No changes" in second or changes == ["availability_zone_rebalancing"], second  # the API does not tell it
    return root


def unmake(workshop: Workshop, root: Path) -> None:
    """Destroy a root: its state is empty."""
    workshop.terraform(root, "destroy", "-auto-approve", "-input=false")
    assert json.loads((root / "terraform.tfstate").read_text())["resources"] == []


@pytest.mark.soak
@pytest.mark.parametrize("name", OF_CLOUD["gcp"])
def test_one_on_google_is_made_and_destroyed(name: str, on_google: Workshop) -> None:
    """Of shapes alone: a second plan changes nothing, and nothing is left."""
    unmake(on_google, make(on_google, name))


@pytest.mark.soak
@pytest.mark.parametrize("name", OF_CLOUD["aws"])
def test_one_on_aws_is_made_run_and_destroyed(name: str, on_aws: Workshop, door: Door, tmp_path: Path) -> None:
    """On the local cloud; what it runs, with the deployed variables, runs on this machine; then it is gone."""
    job = FILES[name]
    given = lake_variables(door.endpoint) | {"GREETING": "olá ${you}"}
    which = "function_environment" if job.target is LAMBDA else "container_environment"
    root = make(on_aws, name, **network(door.endpoint), **{which: given})
    try:
        if job.target is FARGATE:
            run_the_task(job, door.endpoint, given)
        else:
            run_the_function(job, door.endpoint, given, tmp_path)
    finally:
        unmake(on_aws, root)
    assert left(job.name, door.endpoint) == []


def network(endpoint: str) -> dict[str, Any]:
    """What a task needs of an account: a cluster, a subnet, a security group, and the role that some jobs name."""
    ecs, ec2, iam = (client(name, endpoint) for name in ("ecs", "ec2", "iam"))
    cluster = ecs.create_cluster(clusterName="farm")["cluster"]["clusterArn"]
    if not [row for row in iam.list_roles()["Roles"] if row["RoleName"] == "runner"]:
        iam.create_role(Path="/farm/", RoleName="runner", AssumeRolePolicyDocument="{}")
    (group, *_) = ec2.describe_security_groups()["SecurityGroups"]
    return {
        "ecs_cluster_arn": cluster,
        "subnet_ids": [ec2.describe_subnets()["Subnets"][0]["SubnetId"]],
        "security_group_ids": [group["GroupId"]],
    }


def run_the_task(job: JobFile, endpoint: str, given: dict[str, str]) -> None:
    """The container's command as a process, with what the task definition gives it."""
    ecs, iam = client("ecs", endpoint), client("iam", endpoint)
    definition = ecs.describe_task_definition(taskDefinition=job.name)["taskDefinition"]
    assert (
        iam.get_role(RoleName=definition["taskRoleArn"].rpartition("/")[2])["Role"]["Arn"] == definition["taskRoleArn"]
    )
    (container,) = definition["containerDefinitions"]
    assert container["command"] == job.runtime["command"]
    own = {row["name"]: row["value"] for row in container["environment"]}
    assert own == given
    variables = {**os.environ, **environment(endpoint), **own}
    words = [sys.executable, *container["command"][1:]]
    if job.runtime["kind"] == "service":
        assert answers(words, variables)
        (service,) = ecs.describe_services(cluster="farm", services=[job.name])["services"]
        assert (service["desiredCount"], service["propagateTags"]) == (1, "TASK_DEFINITION")
        return
    done = subprocess.run(words, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    if "lambda_functions.aggregate" in words:
        assert (report["objects_read"], report["samples_written"]) == (1, 1)
    else:
        assert report == [job.runtime["command"][3:], "olá ${you}"]


def answers(words: list[str], variables: dict[str, str]) -> bool:
    """Whether a service says on which port it is, and answers there; it is ended then."""
    with subprocess.Popen(
        words, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            port = re.search(r"port (\d+)", process.stdout.readline())
            assert port is not None
            connection = http.client.HTTPConnection("127.0.0.1", int(port[1]), timeout=60)
            connection.request("HEAD", "/")
            return connection.getresponse().status == 200
        finally:
            process.kill()


def run_the_function(job: JobFile, endpoint: str, given: dict[str, str], folder: Path) -> None:
    """The image's files and its entry point, as Lambda starts them, with what the function's configuration gives."""
    found = client("lambda", endpoint).get_function(FunctionName=job.name)
    configuration = found["Configuration"]
    role = configuration["Role"]
    assert client("iam", endpoint).get_role(RoleName=role.rpartition("/")[2])["Role"]["Arn"] == role
    assert (configuration["MemorySize"], configuration["Timeout"]) == (job.runtime["memory"], job.runtime["timeout"])
    own = configuration["Environment"]["Variables"]
    assert own == given
    image = Image(folder)
    if job.runtime["command"]:
        image.command[-1:] = job.runtime["command"]
    with running(image, {**environment(endpoint), **own}) as function:
        answer = function.invoke({})
    assert (answer.kind, answer.body["objects_read"]) == ("response", 1), answer


def left(name: str, endpoint: str) -> list[str]:
    """What an account still has of a job, by name; task definitions and services stay as inactive ones."""
    rows: dict[tuple[str, str, str], str] = {
        ("iam", "list_roles", "Roles"): "RoleName",
        ("logs", "describe_log_groups", "logGroups"): "logGroupName",
        ("lambda", "list_functions", "Functions"): "FunctionName",
        ("scheduler", "list_schedules", "Schedules"): "Name",
        ("cloudwatch", "describe_alarms", "MetricAlarms"): "AlarmName",
        ("events", "list_rules", "Rules"): "Name",
    }
    found = [
        str(row[key])
        for (service, call, many), key in rows.items()
        for row in getattr(client(service, endpoint), call)()[many]
    ]
    found += client("sqs", endpoint).list_queues().get("QueueUrls", [])
    found += client("ecs", endpoint).list_task_definitions(status="ACTIVE")["taskDefinitionArns"]
    services = client("ecs", endpoint).list_services(cluster="farm")["serviceArns"]
    rows_of_services = client("ecs", endpoint).describe_services(cluster="farm", services=services or ["none"])
    found += [row["serviceArn"] for row in rows_of_services["services"] if row["status"] != "INACTIVE"]
    return [one for one in found if name in one]
