"""The root module as a job: what of it is posted, and what a person reads who asks for the impossible."""

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from certs.authority import Authority
from demo.deploy import infrastructure, inventory, programs
from demo.deploy.errors import TerraformError
from demo.deploy.infrastructure import Infrastructure, Site
from local_cloud.aws import Aws, environment
from provisioning.processes import session_of
from tests.provisioning.conftest import short_folder

GOOD = {
    "environment": "dev",
    "iot_vpc_cidr": "10.20.0.0/16",
    "private_subnet_cidrs": ["10.20.0.0/24", "10.20.1.0/24"],
    "aws_region": "us-east-1",
    "number_of_gateways": 1,
}


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose name leaves room for a provider's socket."""
    with short_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Identities of one gateway and the compute service."""
    authority = Authority(tmp_path_factory.mktemp("certs"))
    for thing in ("irrigation-gateway-1", "irrigation-compute"):
        authority.issue(thing)
    return authority.folder


def test_only_the_code_is_copied(tmp_path: Path, certs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's credentials, variables, backend and state stay where they are; the identities come in."""
    code = tmp_path / "terraform"
    own = [
        "credentials",
        "terraform.tfvars",
        "image.auto.tfvars.json",
        "backend.tf",
        "x_override.tf",
        "terraform.tfstate",
    ]
    left = [".terraform/providers", ".terraform.lock.hcl", "tests/a.tftest.hcl", "first.tfplan", "a.tfstate"]
    for name in (*own, *left, "main.tf", "modules/iot/main.tf"):
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text("")
    monkeypatch.setattr(infrastructure, "ROOT", tmp_path)
    module = Infrastructure(tmp_path / "work", Site(certs, GOOD, {}), tmp_path / "logs")
    copied = {str(path.relative_to(module.code)) for path in module.code.rglob("*") if path.is_file()}
    identities = {f"certs/issued/{path.relative_to(certs)}" for path in certs.rglob("*") if path.is_file()}
    assert copied == {"main.tf", "modules/iot/main.tf", *identities}


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "no subnets": ({"private_subnet_cidrs": []}, "private_subnet_cidrs: no subnets"),
}
MORE_REFUSALS: dict[str, tuple[dict[str, Any], str]] = {  # told alike; tests/terraform has their messages
    "overlap": (
        {"private_subnet_cidrs": ["10.20.0.0/23", "10.20.1.0/24"]},
        "private_subnet_cidrs: blocks overlap",
    ),
    "region": ({"aws_region": "mars-north-1"}, "aws_region: want a region that AWS has"),
    "certificate": ({"number_of_gateways": 2}, "irrigation-gateway-2"),
    "peering": ({"compute_vpc_id": "vpc-0123456789abcdef0"}, "compute_vpc_id: half a peering"),
}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        *(pytest.param(*row, id=name) for name, row in REFUSALS.items()),
        *(pytest.param(*row, id=name, marks=pytest.mark.soak) for name, row in MORE_REFUSALS.items()),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_made(
    short_path: Path, certs: Path, changed: Mapping[str, Any], told: str
) -> None:
    """One line names what is wrong; the API holds what it held before, and there is no state and no process."""

    async def refused() -> str:
        aws = Aws()
        where = programs.surroundings(environment(await aws.start()))
        try:
            with programs.variables(where):
                empty = inventory.take()
                module = Infrastructure(short_path, Site(certs, {**GOOD, **changed}, where), short_path / "logs")
                with pytest.raises(TerraformError) as refusal:
                    async with module.served():
                        await module.plan()
                assert inventory.take() == empty
        finally:
            await aws.stop()
        assert list(short_path.rglob("terraform.tfstate")) == []
        phases = [path.parent for path in module.folder.glob("projects/*/jobs/*/*/job.pid")]
        assert [one for folder in phases for one in session_of(folder)] == []
        return str(refusal.value)

    line = asyncio.run(refused())
    assert line.startswith("terraform plan: ")
    assert told in line
    assert "\n" not in line


SMALL = """
variable "word" {}
variable "certs_dir" {}
resource "terraform_data" "each" {
  for_each = toset(["a.b", "c]"])
  input    = var.word
}
output "said" { value = var.word }
"""


def test_a_plan_tells_what_it_would_change_and_the_state_what_is_there(
    short_path: Path, certs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is applied is counted; then nothing would change, then what has another value; a destroy leaves nothing."""
    (short_path / "terraform").mkdir()
    (short_path / "terraform" / "main.tf").write_text(SMALL)
    monkeypatch.setattr(infrastructure, "ROOT", short_path)
    variables = {"word": "one"}
    module = Infrastructure(short_path / "w", Site(certs, variables, os.environ), short_path / "logs")
    things = ['terraform_data.each["a.b"]', 'terraform_data.each["c]"]']
    counts: list[int] = []

    async def live() -> None:
        async with module.served():
            await module.plan()
            await module.apply(counts.append)
            assert counts[-1] == 2
            assert module.resources() == [(address, "terraform_data") for address in things]
            assert module.outputs() == {"said": "one"}
            assert await module.changes() == []
            variables["word"] = "two"
            assert sorted(await module.changes()) == ["output.said", *things]
            await module.destroy(counts.append)
            assert module.resources() == []

    asyncio.run(live())
    assert '"type":"apply_complete"' in (short_path / "logs" / "terraform-destroy.log").read_text()
    assert json.loads((short_path / "logs" / "terraform-apply.log").read_text().splitlines()[0])["step"] == "apply"
