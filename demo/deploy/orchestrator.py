"""The order of a deployment: applied, used, found unchanged, one thing shut out, destroyed, nothing left."""

import asyncio
import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from certs.authority import Authority
from demo.deploy import door, identities, inventory, programs
from demo.deploy.errors import DeployError
from demo.deploy.farm import Site, iot_core, irrigate
from demo.deploy.keys import files_with_keys, key_lines
from demo.deploy.terraform import Terraform
from local_cloud.aws import Aws, environment

COMPUTE = "irrigation-compute"
REGION = "us-east-1"
DEPLOYMENT = "dev"
# No image is built here: the function's code runs in this process, and moto only keeps the digest.
IMAGE_DIGEST = f"sha256:{hashlib.sha256(b'no image').hexdigest()}"
NETWORK = {"iot_vpc_cidr": "10.20.0.0/16", "private_subnet_cidrs": ["10.20.0.0/24", "10.20.1.0/24"]}
COMPUTE_CIDR = "10.99.0.0/16"

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What is deployed, and where: `work` is gone at the end, `out` stays."""

    gateways: int
    work: Path
    out: Path

    @property
    def things(self) -> list[str]:
        """Every thing that has an identity."""
        return [*(f"irrigation-gateway-{number}" for number in range(1, self.gateways + 1)), COMPUTE]

    @property
    def issued(self) -> Path:
        """The identities that Terraform registers, with the local CA and the gate's own."""
        return self.work / "issued"

    @property
    def logs(self) -> Path:
        """What the programs said."""
        return self.out / "logs"


async def play(plan: Plan, tell: Tell) -> dict[str, Any]:
    """Deploy, use and destroy; gives the facts of the summary, but for `seconds`. No process survives it.

    Raises LocalCloudError, and what the rooms raise that take part.
    """
    programs.require("bash", "terraform", "aws")
    authority = Authority(plan.issued)
    authority.issue_server(("localhost", "127.0.0.1"))
    for thing in plan.things:
        authority.issue(thing)
    aws = Aws()
    try:
        with programs.variables(programs.surroundings(environment(await aws.start()))):
            return await _deployment(plan, tell)
    finally:
        await aws.stop()


async def _deployment(plan: Plan, tell: Tell) -> dict[str, Any]:
    variables = {**_variables(plan), **await asyncio.to_thread(_compute_network)}
    before = await asyncio.to_thread(inventory.take)
    terraform = Terraform(plan.work / "terraform", variables, dict(os.environ), plan.logs)
    tell("terraform init and plan")
    await terraform.init()
    await terraform.plan("first")
    tell("terraform apply")
    await terraform.apply("first", lambda done: tell(f"terraform apply: {done} made"))
    resources = await terraform.resources()
    _keep(plan.logs / "made.json", sorted(await asyncio.to_thread(inventory.take) - before))
    tell("terraform plan, again")
    changes = await terraform.plan("second")
    facts = await _use(plan, await terraform.outputs(), terraform, tell)
    with_keys = _with_keys(plan, terraform)
    tell("terraform destroy")
    await terraform.destroy(lambda done: tell(f"terraform destroy: {done} gone"))
    left = sorted(await asyncio.to_thread(inventory.take) - before)
    return {
        "resources": len(resources),
        "resource_types": len({resource.type for resource in resources}),
        "plan_after_apply_changes": len(changes) + facts.pop("changes"),
        **facts,
        "leftovers": [f"{service} {call} {name}" for service, call, name in left],
        "private_keys_in_state": len(with_keys | _with_keys(plan, terraform)),
    }


async def _use(plan: Plan, outputs: dict[str, Any], terraform: Terraform, tell: Tell) -> dict[str, Any]:
    """Put what was deployed to work; gives that part of the summary, and how much a plan afterwards would change."""
    tell("credentials, by the printed commands and by certs fetch")
    printed, fetched = await _fetch(plan, outputs["credential_commands"])
    site = await asyncio.to_thread(_site, plan, outputs["function_name"], printed, fetched / COMPUTE)
    tell("a day on the farm")
    with programs.variables({**os.environ, **site.function}):
        harvest = await irrigate(site, lambda news: tell(f"a day on the farm: {news}"))
    tell("terraform plan, after the farm's day")
    changes = await terraform.plan("third")
    tell("one certificate is revoked")
    refusals: list[Any] = []
    async with iot_core(site, refusals.append, now=lambda: 0) as cloud:  # no field time passes
        refused = await door.revoking_shuts_out(cloud, *(printed / thing for thing in plan.things[:2]))
    return {
        "changes": len(changes),
        "commands_done": harvest.commands_done,
        "samples_in_lake": harvest.samples_in_lake,
        "samples_lost": harvest.samples_lost,
        "revoked_thing_refused": refused and any(event["thing"] == plan.things[0] for event in refusals),
    }


async def _fetch(plan: Plan, commands: dict[str, list[str]]) -> tuple[Path, Path]:
    how = identities.Fetching(dict(os.environ), DEPLOYMENT, plan.issued / "ca" / "certificate.pem", plan.logs)
    printed, fetched = plan.work / "printed", plan.work / "fetched"
    if set(commands) != set(plan.things):
        raise DeployError(f"credential_commands are of {', '.join(commands)}; want {', '.join(plan.things)}")
    await identities.by_commands(commands, printed, how)
    await identities.by_certs(plan.things, fetched, how)
    identities.compare(plan.things, printed, fetched)
    return printed, fetched


def _variables(plan: Plan) -> dict[str, Any]:
    return {
        **NETWORK,
        "environment": DEPLOYMENT,
        "aws_region": REGION,
        "number_of_gateways": plan.gateways,
        "certs_dir": str(plan.issued),
        "image_digest": IMAGE_DIGEST,
        "alarm_email": "farm@example.com",
    }


def _compute_network() -> dict[str, Any]:
    """What an operator has before: the VPC of the compute service, as variables of the root module."""
    ec2 = boto3.client("ec2")
    vpc = ec2.create_vpc(CidrBlock=COMPUTE_CIDR)["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="compute", Description="The compute service", VpcId=vpc)["GroupId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.close()
    ids = {"compute_vpc_id": vpc, "compute_sg_id": group, "compute_private_rt_id": table}
    return {**ids, "compute_vpc_cidr_block": COMPUTE_CIDR}


def _site(plan: Plan, function_name: str, gateways: Path, compute: Path) -> Site:
    """What the farm needs to know, from what was deployed."""
    function, schedule = boto3.client("lambda"), boto3.client("scheduler")
    variables = function.get_function_configuration(FunctionName=function_name)["Environment"]["Variables"]
    expression = schedule.get_schedule(Name=function_name)["ScheduleExpression"]
    function.close()
    schedule.close()
    rate = re.fullmatch(r"rate\((\d+) minutes?\)", expression)
    if rate is None:
        raise DeployError(f"the function's schedule is {expression!r}; want a rate in minutes")
    return Site(plan.gateways, gateways, compute, plan.issued, variables, 60 * int(rate[1]), plan.work)


def _with_keys(plan: Plan, terraform: Terraform) -> set[str]:
    """The files in Terraform's folder that hold a private key: states, backups, saved plans, and all else."""
    keys = key_lines(plan.issued.glob("*/private_key.pem"))
    return set(files_with_keys(terraform.folder, keys))


def _keep(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
