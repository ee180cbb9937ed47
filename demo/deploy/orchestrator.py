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
from demo.deploy.farm import DeployedSite, iot_core, irrigate
from demo.deploy.infrastructure import Infrastructure, Site
from demo.deploy.keys import files_with_keys, key_lines
from demo.job import COMPUTE
from local_cloud.aws import Aws, environment

REGION = "us-east-1"
DEPLOYMENT = "dev"
# No image is built here: the function's code runs in this process, and moto only keeps the digest.
IMAGE_DIGEST = f"sha256:{hashlib.sha256(b'no image').hexdigest()}"
NETWORK = {"iot_vpc_cidr": "10.20.0.0/16", "private_subnet_cidrs": ["10.20.0.0/24", "10.20.1.0/24"]}
COMPUTE_CIDR = "10.99.0.0/16"

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Deployment:
    """What is deployed, and where: `work` is gone at the end, `out` stays."""

    gateways: int
    work: Path
    out: Path

    @property
    def things(self) -> list[str]:
        """Every thing that has an identity."""
        return [*(f"irrigation-gateway-{number}" for number in range(1, self.gateways + 1)), COMPUTE]

    @property
    def certs(self) -> Path:
        """The identities that Terraform registers, with the local CA and the gate's own."""
        return self.work / "issued"

    @property
    def logs(self) -> Path:
        """What the programs said."""
        return self.out / "logs"


async def run_deployment(deployment: Deployment, tell: Tell) -> dict[str, Any]:
    """Deploy, use and destroy; gives the facts of the summary, but for `seconds`. No process survives it.

    Raises DeployError, and what the rooms raise that take part.
    """
    programs.require("bash", "terraform", "aws")
    authority = Authority(deployment.certs)
    authority.issue_server(("localhost", "127.0.0.1"))
    for thing in deployment.things:
        authority.issue(thing)
    aws = Aws()
    try:
        with programs.variables(programs.surroundings(environment(await aws.start()))):
            return await _applied(deployment, tell)
    finally:
        await aws.stop()


async def _applied(deployment: Deployment, tell: Tell) -> dict[str, Any]:
    variables = {**_variables(deployment), **await asyncio.to_thread(_compute_network)}
    before = await asyncio.to_thread(inventory.take)
    site = Site(deployment.certs, variables, dict(os.environ))
    infrastructure = Infrastructure(deployment.work, site, deployment.logs)
    tell("terraform init and plan")
    async with infrastructure.served():
        return await _lived(deployment, infrastructure, before, tell)


async def _lived(
    deployment: Deployment, infrastructure: Infrastructure, before: inventory.Inventory, tell: Tell
) -> dict[str, Any]:
    """From the first plan to the end of everything."""
    await infrastructure.plan()
    with_keys = _with_keys(deployment, infrastructure)  # a plan is there only until it is applied
    tell("terraform apply")
    await infrastructure.apply(lambda count: tell(f"terraform apply: {count} made"))
    resources = infrastructure.resources()
    _keep(deployment.logs / "made.json", sorted(await asyncio.to_thread(inventory.take) - before))
    tell("terraform plan, again")
    changes = await infrastructure.changes()
    facts = await _use(deployment, infrastructure, tell)
    with_keys |= _with_keys(deployment, infrastructure)
    tell("terraform destroy")
    await infrastructure.destroy(lambda count: tell(f"terraform destroy: {count} gone"))
    leftovers = sorted(await asyncio.to_thread(inventory.take) - before)
    return {
        "resources": len(resources),
        "resource_types": len({resource.type for resource in resources}),
        "plan_after_apply_changes": len(changes) + facts.pop("changes"),
        **facts,
        "leftovers": [f"{service} {call} {name}" for service, call, name in leftovers],
        "private_keys_in_state": len(with_keys | _with_keys(deployment, infrastructure)),
    }


async def _use(deployment: Deployment, infrastructure: Infrastructure, tell: Tell) -> dict[str, Any]:
    """Put what was deployed to work; gives that part of the summary, and how much a plan afterwards would change."""
    outputs = infrastructure.outputs()
    tell("credentials, by the printed commands and by certs fetch")
    by_aws, by_certs = await _fetch(deployment, outputs["credential_commands"])
    site = await asyncio.to_thread(_site, deployment, outputs["function_name"], by_aws, by_certs / COMPUTE)
    tell("a day on the farm")
    with programs.variables({**os.environ, **site.function}):
        harvest = await irrigate(site, lambda news: tell(f"a day on the farm: {news}"))
    tell("terraform plan, after the farm's day")
    changes = await infrastructure.changes()
    tell("one certificate is revoked")
    refusals: list[Any] = []
    async with iot_core(site, refusals.append, now=lambda: 0) as cloud:  # no field time passes
        is_shut_out = await door.revoking_shuts_out(cloud, *(by_aws / thing for thing in deployment.things[:2]))
    return {
        "changes": len(changes),
        "commands_done": harvest.commands_done,
        "samples_in_lake": harvest.samples_in_lake,
        "samples_lost": harvest.samples_lost,
        "revoked_thing_refused": is_shut_out and any(event["thing"] == deployment.things[0] for event in refusals),
    }


async def _fetch(deployment: Deployment, commands: dict[str, list[str]]) -> tuple[Path, Path]:
    how = identities.Fetching(
        dict(os.environ), DEPLOYMENT, deployment.certs / "ca" / "certificate.pem", deployment.logs
    )
    by_aws, by_certs = deployment.work / "printed", deployment.work / "fetched"
    if set(commands) != set(deployment.things):
        raise DeployError(f"credential_commands are of {', '.join(commands)}; want {', '.join(deployment.things)}")
    await identities.by_commands(commands, by_aws, how)
    await identities.by_certs(deployment.things, by_certs, how)
    identities.compare(deployment.things, by_aws, by_certs)
    return by_aws, by_certs


def _variables(deployment: Deployment) -> dict[str, Any]:
    return {
        **NETWORK,
        "environment": DEPLOYMENT,
        "aws_region": REGION,
        "number_of_gateways": deployment.gateways,
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


def _site(deployment: Deployment, function_name: str, gateways: Path, compute: Path) -> DeployedSite:
    """What the farm needs to know, from what was deployed."""
    function, schedule = boto3.client("lambda"), boto3.client("scheduler")
    variables = function.get_function_configuration(FunctionName=function_name)["Environment"]["Variables"]
    expression = schedule.get_schedule(Name=function_name)["ScheduleExpression"]
    function.close()
    schedule.close()
    rate = re.fullmatch(r"rate\((\d+) minutes?\)", expression)
    if rate is None:
        raise DeployError(f"the function's schedule is {expression!r}; want a rate in minutes")
    return DeployedSite(
        gateways=deployment.gateways,
        identities=gateways,
        compute=compute,
        gate=deployment.certs,
        function=variables,
        period_s=60 * int(rate[1]),
        work=deployment.work,
    )


def _with_keys(deployment: Deployment, infrastructure: Infrastructure) -> set[str]:
    """The files in the jobs' folder that hold a private key, but for those posted: states, backups, plans, and all."""
    keys = key_lines(deployment.certs.glob("*/private_key.pem"))
    return {name for name in files_with_keys(infrastructure.folder, keys) if not name.endswith("/private_key.pem")}


def _keep(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
