"""A board's identity is renewed in AWS: applied before, beside and after, to the AWS API of the local cloud."""

import asyncio
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import boto3
import pytest

from certs.fetch import ON_BOARD
from certs.renewal import RenewingAuthority
from demo.deploy import programs
from local_cloud.aws import Aws, environment
from tests.terraform.provider import running

pytestmark = pytest.mark.timeout(900)  # Terraform on a busy machine
ROOT = Path(__file__).parents[2]
PATIENCE_S = 600
BOARD, OTHER, COMPUTE = "irrigation-gateway-1", "irrigation-gateway-2", "irrigation-compute"
POLICIES = ["irrigation-gateway", "irrigation-gateway-updates"]
WRAPPER = """
provider "aws" { region = "us-east-1" }

variable "certs_dir" { type = string }

module "iot" {
  source = "./iot"

  name                 = "irrigation-dev"
  environment          = "dev"
  gateway_ids          = ["irrigation-gateway-1", "irrigation-gateway-2"]
  certs_dir            = var.certs_dir
  recovery_window_days = 0
  firehose_name        = "raw"
  firehose_arn         = "arn:aws:firehose:us-east-1:123456789012:deliverystream/raw"
  error_bucket_name    = "lake"
  error_bucket_arn     = "arn:aws:s3:::lake"
}

output "iot" { value = module.iot }
"""


class Deployment:
    """The module of the identities alone, and what the account has of it."""

    def __init__(self, folder: Path, certs: RenewingAuthority, where: dict[str, str]) -> None:
        self.folder, self.certs = folder, certs
        self.environment = {**where, "TF_DATA_DIR": str(folder.parent / "data")}
        shutil.copytree(ROOT / "terraform" / "modules" / "iot", folder / "iot")
        (folder / "main.tf").write_text(WRAPPER)
        self.options = ("-input=false", "-parallelism=20", f"-var=certs_dir={certs.folder}")
        self.iot, self.secrets = boto3.client("iot"), boto3.client("secretsmanager")

    def run(self, verb: str, *options: str) -> list[Any]:
        """A command's JSON messages."""
        command = [str(ROOT / "scripts" / "terraform"), f"-chdir={self.folder}", verb, "-json", *options]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, env=self.environment, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def apply(self, board_has: str = "") -> list[tuple[str, str]]:
        """Apply; gives what was done to certificates, in its order.

        The certificate that the board has, by its id, is ACTIVE, attached and with its policies all the while.
        """
        with self.watching(board_has) if board_has else nullcontext():
            messages = self.run("apply", "-auto-approve", *self.options)
        done = [each["hook"] for each in messages if each["type"] == "apply_complete"]
        return [
            (hook["action"], hook["resource"]["resource_key"])
            for hook in done
            if hook["resource"]["resource_type"] == "aws_iot_certificate"
        ]

    @contextmanager
    def watching(self, certificate_id: str) -> Iterator[None]:
        """Look again and again, from before what happens within until after it."""
        end, looks = threading.Event(), list[Any]()

        def look() -> None:
            while not end.is_set():
                looks.append(self.attached(BOARD).get(certificate_id))
                end.wait(0.05)
            looks.append(self.attached(BOARD).get(certificate_id))

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()
        assert looks.count(POLICIES) == len(looks) >= 2, f"a board without its certificate: {looks}"

    def plan(self) -> list[str]:
        """What an apply would do."""
        messages = self.run("plan", *self.options)
        return [each["change"]["action"] for each in messages if each["type"] == "planned_change"]

    def attached(self, thing: str) -> dict[str, list[str]]:
        """The policies of each ACTIVE certificate that the thing has, by id."""
        found = {}
        for arn in self.iot.list_thing_principals(thingName=thing)["principals"]:
            with suppress(self.iot.exceptions.ResourceNotFoundException):  # it went in this moment
                entry = self.iot.describe_certificate(certificateId=arn.split("/")[1])["certificateDescription"]
                policies = self.iot.list_attached_policies(target=arn)["policies"]
                if entry["status"] == "ACTIVE":
                    found[entry["certificateId"]] = sorted(policy["policyName"] for policy in policies)
        return found

    def all_certificates(self) -> list[str]:
        """Every certificate that the account has, whatever its status."""
        return [each["certificateId"] for each in self.iot.list_certificates()["certificates"]]

    def secret(self) -> str:
        """What Secrets Manager has for the board."""
        return str(self.secrets.get_secret_value(SecretId=f"irrigation/dev/{BOARD}/private-key")["SecretString"])


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """Two gateways with spares, nothing applied yet."""
    certs = RenewingAuthority(tmp_path / "issued")
    for thing in (BOARD, OTHER, COMPUTE):
        certs.issue(thing)
    aws = Aws()
    with asyncio.Runner() as runner:
        try:
            where = programs.surroundings(environment(runner.run(aws.start())))
            with programs.variables(where):
                made = Deployment(tmp_path / "work", certs, where)
                made.run("init", "-input=false")
                with running(tmp_path / "data", where) as provider:
                    made.environment |= provider.variables
                    yield made
                made.iot.close()
                made.secrets.close()
        finally:
            runner.run(aws.stop())


def ids(certs: RenewingAuthority) -> dict[str, str]:
    return {identity.name: identity.certificate_id for identity in certs.identities()}


def test_a_board_is_never_without_a_certificate_and_ends_with_one(deployment: Deployment) -> None:
    """First, next, settled, twice, and a rotation: what the board connects with is ACTIVE at every moment.

    The next certificate is made once and never touched again; settling only takes the old one away.
    """
    certs = deployment.certs
    old, before = ids(certs)[BOARD], BOARD
    certs.make_spares(BOARD)
    certs.hand_over(BOARD)
    assert sorted(deployment.apply()) == [("create", name) for name in (COMPUTE, BOARD, OTHER)]
    assert deployment.attached(BOARD) == {old: POLICIES}
    for _ in range(2):
        following = certs.renew(BOARD)
        [(action, address)] = deployment.apply(old)
        assert action == "create" and address.startswith(f"{BOARD}/")
        assert deployment.attached(BOARD) == {old: POLICIES, following.certificate_id: POLICIES}
        certs.settle(BOARD, following.serial)
        assert deployment.apply(following.certificate_id) == [("delete", before)]
        assert deployment.attached(BOARD) == {following.certificate_id: POLICIES}
        assert sorted(deployment.all_certificates()) == sorted(ids(certs)[name] for name in (BOARD, OTHER, COMPUTE))
        old, before = following.certificate_id, address
    assert deployment.plan() == []
    assert deployment.secret() == ON_BOARD
    certs.rotate(BOARD)
    assert deployment.apply() == [("create", BOARD), ("delete", before)]
    assert deployment.attached(BOARD) == {ids(certs)[BOARD]: POLICIES}
    assert deployment.secret() == (certs.folder / BOARD / "private_key.pem").read_text()
