"""The root module in its working copy: what goes into it, and what a person reads who asks for the impossible."""

import asyncio
import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from certs.authority import Authority
from demo.deploy import inventory, programs, terraform
from demo.deploy.errors import TerraformError
from demo.deploy.terraform import Terraform
from local_cloud.aws import Aws, environment

GOOD = {
    "environment": "dev",
    "iot_vpc_cidr": "10.20.0.0/16",
    "private_subnet_cidrs": ["10.20.0.0/24", "10.20.1.0/24"],
    "aws_region": "us-east-1",
    "number_of_gateways": 1,
}
Refusal = Callable[..., str]


def test_only_the_code_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's credentials, variables, backend and state stay where they are."""
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
    monkeypatch.setattr(terraform, "ROOT", tmp_path)
    work = tmp_path / "work"
    Terraform(work, GOOD, {}, tmp_path / "logs")
    copied = {str(path.relative_to(work)) for path in work.rglob("*") if path.is_file()}
    assert copied == {"main.tf", "modules/iot/main.tf", "terraform.tfvars.json"}
    assert json.loads((work / "terraform.tfvars.json").read_text()) == GOOD


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refusal]:
    """Plans GOOD with some variables changed against a local AWS API; gives what Terraform complains about.

    All plans share one provider, whose start would be most of what each costs.
    """
    folder = tmp_path_factory.mktemp("terraform")
    certs = Authority(folder / "certs")
    for thing in ("irrigation-gateway-1", "irrigation-compute"):
        certs.issue(thing)
    aws = Aws()
    with asyncio.Runner() as runner, contextlib.ExitStack() as once:
        where = programs.surroundings(environment(runner.run(aws.start())))
        module = Terraform(folder / "work", GOOD, where, folder / "logs")
        runner.run(module.init())
        provider = module.one_provider()
        runner.run(provider.__aenter__())
        once.callback(lambda: runner.run(provider.__aexit__(None, None, None)))
        with programs.variables(where):
            empty = inventory.take()

        def complaint(credentials: str | None = None, **changed: Any) -> str:
            variables = {**GOOD, "certs_dir": str(certs.folder), **changed}
            (module.folder / "terraform.tfvars.json").write_text(json.dumps(variables))
            with _file(module.folder / "credentials", credentials), programs.variables(where):
                with pytest.raises(TerraformError) as refusal:
                    runner.run(module.plan("refused"))
                assert inventory.take() == empty
            assert not list(module.folder.glob("*.tfstate"))
            return str(refusal.value)

        try:
            yield complaint
        finally:
            runner.run(aws.stop())


class _file:  # noqa: N801  # used like a function
    """A file that is there for a while, if it has content."""

    def __init__(self, path: Path, content: str | None) -> None:
        self._path, self._content = path, content

    def __enter__(self) -> None:
        if self._content is not None:
            self._path.write_text(self._content)

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "no subnets": ({"private_subnet_cidrs": []}, "private_subnet_cidrs: no subnets"),
    "certificates": ({"certs_dir": "/nowhere"}, "/nowhere"),
    "profile": ({"credentials": "[other]\naws_access_key_id = a\n"}, "default"),
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
def test_what_cannot_be_is_told_before_anything_is_made(plan: Refusal, changed: Mapping[str, Any], told: str) -> None:
    """One line names what is wrong; the API holds what it held before, and there is no state."""
    line = plan(**changed)
    assert line.startswith("terraform plan: ")
    assert told in line
    assert "\n" not in line


def test_a_module_that_is_no_terraform_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`init` too says what is wrong, and where the rest is."""
    (tmp_path / "terraform").mkdir()
    (tmp_path / "terraform" / "main.tf").write_text("resource {")
    monkeypatch.setattr(terraform, "ROOT", tmp_path)
    module = Terraform(tmp_path / "work", {}, os.environ, tmp_path / "logs")
    with pytest.raises(TerraformError, match=r"^terraform init: .*no closing brace.*terraform-init\.log\)$"):
        asyncio.run(module.init())


SMALL = """
variable "word" {}
data "terraform_remote_state" "none" {
  backend  = "local"
  defaults = {}
  config   = { path = "${path.module}/other.tfstate" }
}
resource "terraform_data" "each" {
  for_each = toset(["a.b", "c]"])
  input    = var.word
}
output "said" { value = var.word }
"""


def test_a_plan_tells_what_it_would_change_and_the_state_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New resources and outputs count, then nothing does, then what has another value; what is only read is no part."""
    (tmp_path / "terraform").mkdir()
    (tmp_path / "terraform" / "main.tf").write_text(SMALL)
    monkeypatch.setattr(terraform, "ROOT", tmp_path)
    module = Terraform(tmp_path / "work", {"word": "one"}, os.environ, tmp_path / "logs")
    (module.folder / "other.tfstate").write_text('{"version": 4}')
    things = ['terraform_data.each["a.b"]', 'terraform_data.each["c]"]']
    counts: list[int] = []

    async def live() -> None:
        await module.init()
        assert sorted(await module.plan("first")) == ["output.said", *things]
        await module.apply("first", counts.append)
        assert counts == [1, 2]
        assert await module.resources() == [(address, "terraform_data") for address in things]
        assert await module.plan("second") == []
        (module.folder / "terraform.tfvars.json").write_text('{"word": "two"}')
        assert sorted(await module.plan("third")) == ["output.said", *things]

    asyncio.run(live())
