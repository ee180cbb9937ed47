"""The configuration under terraform/ is one that Terraform accepts, and the wrapper leaves nothing in it."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from local_cloud.policy import render
from local_cloud.topic_rule import OWN_FIELDS, TOPIC_FILTER
from scripts import google_schema
from tests.terraform.provider import running

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "terraform"
FARM = FOLDER / "farm"  # the root of every farm but the default one
POLICIES = FOLDER / "modules" / "iot" / "policies"
MIRROR = Path("build", "terraform", "mirror")
LEFT_BY_PEOPLE = (
    "*.tfvars",
    "*.tfvars.json",
    "*_override.tf",
    "backend.tf",
    "credentials",
    ".*",
    "*.tfstate*",
    "*.tfplan",
)
SEED_VARIABLES = [
    "environment",
    "iot_vpc_cidr",
    "private_subnet_cidrs",
    "aws_region",
    "number_of_gateways",
    "compute_sg_id",
    "compute_private_rt_id",
    "compute_vpc_cidr_block",
    "compute_vpc_id",
]


def terraform(
    *arguments: str, folder: Path, root: Path = ROOT, typed: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    command = [str(root / "scripts" / "terraform"), f"-chdir={folder}", *arguments]
    own = {**os.environ, **variables}
    return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=600, env=own, check=False)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wrapper and the configuration in a checkout of their own: nobody else's runs are in it for a moment."""
    assert terraform("version", folder=ROOT).returncode == 0  # from now on it is known where the providers are
    root = tmp_path_factory.mktemp("checkout")
    for name in ("scripts", "build/terraform"):
        (root / name).mkdir(parents=True)
    shutil.copy2(ROOT / "scripts" / "terraform", root / "scripts")
    if (ROOT / MIRROR).exists():  # not if TF_MIRROR told it
        shutil.copy2(ROOT / MIRROR, root / MIRROR)
    shutil.copytree(FOLDER, root / "terraform", ignore=shutil.ignore_patterns(*LEFT_BY_PEOPLE))
    return root


@pytest.fixture(scope="module")
def initialised(checkout: Path) -> Path:
    done = terraform("init", "-backend=false", "-input=false", folder=checkout / "terraform", root=checkout)
    assert done.returncode == 0, done.stderr
    return checkout


def test_it_is_valid(initialised: Path) -> None:
    """`terraform validate` has nothing to say."""
    with running(initialised / "build" / "terraform" / "data", os.environ) as provider:
        folder = initialised / "terraform"
        done = terraform("validate", "-no-color", folder=folder, root=initialised, **provider.variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Success!" in done.stdout


def test_it_is_formatted(checkout: Path) -> None:
    """`terraform fmt` would change nothing."""
    done = terraform("fmt", "-check", "-recursive", folder=checkout / "terraform", root=checkout)
    assert (done.returncode, done.stdout) == (0, "")


def test_nothing_is_left_in_the_folder(initialised: Path) -> None:
    """Neither a lock file, nor providers, nor state, after a first and after a second `init`."""
    folder = initialised / "terraform"
    assert terraform("init", "-backend=false", "-input=false", folder=folder, root=initialised).returncode == 0
    assert (initialised / "build" / "terraform" / "terraform.lock.hcl").exists()
    assert [path.name for path in folder.rglob(".*")] == []
    assert [path for pattern in ("*.tfstate*", "*.tfplan") for path in folder.rglob(pattern)] == []


@pytest.mark.parametrize("name", ["gateway", "gateway-updates", "compute", "compute-shared"])
def test_terraform_and_the_local_cloud_render_the_same_policy(name: str) -> None:
    """`templatefile` and `local_cloud.policy.render` agree to the letter, for the default farm and for another."""
    template = POLICIES / f"{name}.json.tftpl"
    place = 'region = "eu-west-1", account = "123456789012"'
    farm_values = (f'{place}, root = "irrigation", old = true', f'{place}, root = "irrigation/sitio1", old = false')
    asked = ", ".join(f'jsondecode(templatefile("{template}", {{{values}}}))' for values in farm_values)
    done = terraform("console", folder=POLICIES, typed=f"jsonencode([{asked}])")
    assert done.returncode == 0, done.stderr
    ours = [render(template, "eu-west-1", "123456789012", farm) for farm in ("irrigation", "sitio1")]
    assert json.loads(json.loads(done.stdout)) == ours


def blocks(kind: str, path: Path) -> dict[str, str]:
    """Blocks of one kind in a file, by name."""
    return dict(re.findall(rf'^{kind} "(\w+)" \{{\n(.*?)^\}}', path.read_text(), re.MULTILINE | re.DOTALL))


MODULES = sorted(path.parent for path in (FOLDER / "modules").rglob("versions.tf"))


@pytest.mark.parametrize("module", [FOLDER, FARM, *MODULES], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_says_what_it_takes_and_gives(module: Path) -> None:
    """Every variable has a type and a description, every output a description; the versions are stated."""
    variables, outputs = blocks("variable", module / "variables.tf"), blocks("output", module / "outputs.tf")
    assert variables
    assert outputs
    assert [name for name, body in variables.items() if not re.search(r"^  description +=", body, re.MULTILINE)] == []
    assert [name for name, body in variables.items() if not re.search(r"^  type +=", body, re.MULTILINE)] == []
    assert [name for name, body in outputs.items() if not re.search(r"^  description +=", body, re.MULTILINE)] == []
    assert "required_version" in (module / "versions.tf").read_text()


def test_the_provider_is_pinned() -> None:
    """Exactly one version of the AWS provider, as everybody's; modules need no newer one. So Google's."""
    versions = {path: re.findall(r'version = "([^"]+)"', path.read_text()) for path in FOLDER.rglob("versions.tf")}
    assert {versions.pop(root / "versions.tf")[-1] for root in (FOLDER, FARM)} == {"5.100.0"}
    google = versions.pop(FOLDER / "modules" / "gcp" / "dativo-job" / "versions.tf")
    assert google[-1] == f">= {google_schema.PROVIDER}"
    assert {version for found in versions.values() for version in found[-1:]} == {">= 5.100.0"}


def test_the_variables_are_those_an_engineer_knows() -> None:
    """The nine known ones come first, the peering's four may be left out, and every further one has a default."""
    variables = blocks("variable", FOLDER / "variables.tf")
    required = [name for name, body in variables.items() if not re.search(r"^  default +=", body, re.MULTILINE)]
    assert list(variables)[:9] == SEED_VARIABLES
    assert required == SEED_VARIABLES[:5]


def test_the_example_sets_what_is_required() -> None:
    """terraform.tfvars.example works as it is, and what it only mentions exists."""
    text = (FOLDER / "terraform.tfvars.example").read_text()
    set_there = re.findall(r"^(\w+) +=", text, re.MULTILINE)
    mentioned = re.findall(r"^# (\w+) +=", text, re.MULTILINE)
    assert set_there == SEED_VARIABLES[:5]
    assert set(mentioned) <= set(blocks("variable", FOLDER / "variables.tf"))


def test_the_topic_rule_is_the_local_clouds() -> None:
    """The rule takes the same topics, and adds the same fields: who published, and when, in seconds."""
    rule = (FOLDER / "modules" / "iot" / "rule.tf").read_text()
    facts = dict(re.findall(r'^  (\w+) += "(.*)"$', rule, re.MULTILINE))
    assert facts["readings"] == f"${{local.root}}/{TOPIC_FILTER}"
    assert facts["who_when"] == "clientid() AS client_id, floor(timestamp() / 1000) AS received_at"  # IoT: milliseconds
    assert re.findall(r" AS (\w+)", facts["who_when"]) == list(OWN_FIELDS)
    assert re.findall(r"isUndefined\((\w+)\)", facts["unforged"]) == list(OWN_FIELDS)
