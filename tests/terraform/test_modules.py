"""The modules' own tests, run by Terraform with a mocked provider, and what an engineer reads when a value is wrong."""

import json
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certs.renewal import RenewingAuthority
from tests.terraform.provider import Provider, running

pytestmark = pytest.mark.timeout(900)  # Terraform on a busy machine
ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "terraform"
GATEWAYS = 50
NATIVE_TESTS_S = 60  # of CPU for the whole of them, by promise
PATIENCE_S = 600  # for one command beside whatever else this machine does
SOUND = {
    "environment": "dev",
    "iot_vpc_cidr": "10.0.0.0/16",
    "private_subnet_cidrs": ["10.0.128.0/24", "10.0.129.0/24"],
    "aws_region": "us-west-2",
    "number_of_gateways": 2,
}
# Wrong values and the message for them. One plan tells several mistakes, unless one hides the other.
MISTAKES = [
    (
        {"private_subnet_cidrs": [], "aws_region": "mars-north-1"},
        [
            "private_subnet_cidrs: no subnets; the load balancer and the IoT endpoint need one at least.",
            "aws_region: want a region that AWS has, as us-west-2",
        ],
    ),
    (
        {
            "private_subnet_cidrs": ["10.0.128.0/23", "10.0.129.0/24"],
            "compute_vpc_cidr_block": "10.0.64.0/18",
            "number_of_gateways": GATEWAYS + 2,
        },
        [
            "private_subnet_cidrs: blocks overlap; each subnet needs its own.",
            "compute_vpc_cidr_block: overlaps iot_vpc_cidr (10.0.0.0/16)",
            (
                "No certificate or no key in CERTS for: irrigation-gateway-51, irrigation-gateway-52. "
                "Issue them first: python -m certs issue --gateways 52"
            ),
        ],
    ),
    (
        {"compute_sg_id": "sg-0123456789abcdef0"},
        [
            (
                "compute_vpc_id: half a peering; give compute_sg_id, compute_private_rt_id, compute_vpc_cidr_block and "
                "compute_vpc_id, or none of them."
            ),
        ],
    ),
]


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Identities of 50 gateways and of the compute service; 48 is about to be renewed, 49 was, 50 is again.

    Of 51 there is the certificate alone: as in an archive whose private keys stayed at home.
    """
    authority = RenewingAuthority(tmp_path_factory.mktemp("certs"))
    gateways = [f"irrigation-gateway-{n}" for n in range(1, GATEWAYS + 1)]
    for thing in ["irrigation-compute", *gateways, "sitio1-compute", "sitio1-gateway-1", "sitio10-compute"]:
        authority.issue(thing)
    for thing in (f"irrigation-gateway-{n}" for n in (48, 49, 50)):
        authority.make_spares(thing)
        authority.hand_over(thing)
        following = authority.renew(thing)
        if thing != "irrigation-gateway-48":
            authority.settle(thing, following.serial)
    authority.renew("irrigation-gateway-50")
    authority.issue("irrigation-gateway-51")
    (authority.folder / "irrigation-gateway-51" / "private_key.pem").unlink()
    return authority.folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of terraform/, initialised, without whatever variables, state and credentials lie beside the code."""
    copy = tmp_path_factory.mktemp("work") / "terraform"
    private = shutil.ignore_patterns(
        "credentials", "*.tfvars", "*.tfvars.json", "*.tfstate*", "backend.tf", ".terraform*"
    )
    shutil.copytree(SOURCE, copy, ignore=private)
    done = terraform(copy, "init", "-backend=false", "-input=false")
    assert done.returncode == 0, done.stderr
    return copy


@pytest.fixture(scope="module")
def provider(folder: Path) -> Iterator[Provider]:
    """One provider for every command that needs no account: what it makes of an account is a test by itself."""
    with running(folder.parent / "data", without_account(folder)) as provider:
        yield provider


def without_account(folder: Path) -> dict[str, str]:
    """The environment of nobody, so that a plan ends at the provider at the latest."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_VAR_"))}
    return own | {
        "TF_DATA_DIR": str(folder.parent / "data"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def terraform(folder: Path, *arguments: str, typed: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it with a provider of its own and without an account, unless the variables say otherwise."""
    environment = without_account(folder) | variables
    command = [str(ROOT / "scripts" / "terraform"), f"-chdir={folder}", *arguments]
    return subprocess.run(
        command, input=typed, capture_output=True, text=True, timeout=PATIENCE_S, env=environment, check=False
    )


def cpu_s() -> float:
    """Seconds of CPU that this process's ended children took, and theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def values(certs: Path, **changed: Any) -> list[str]:
    given = {**SOUND, "certs_dir": str(certs), **changed}
    return [f"-var={name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in given.items()]


def events(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def test_every_native_test_passes(folder: Path, certs: Path, provider: Provider) -> None:
    """`terraform test` runs every `run` block of every file, in a minute of CPU, and none fails or is left out."""
    written = sum(
        len(re.findall(r'^run "', path.read_text(), re.MULTILINE)) for path in SOURCE.glob("tests/*.tftest.hcl")
    )
    before_s = cpu_s() + provider.cpu_s()
    done = terraform(folder, "test", "-json", f"-var=certs_dir={certs}", **provider.variables)
    told = events(done.stdout)
    trouble = "\n".join(f"{e['@message']} {e['diagnostic'].get('detail', '')}" for e in told if "diagnostic" in e)
    assert done.returncode == 0, trouble or done.stderr
    (summary,) = [event["test_summary"] for event in told if "test_summary" in event]
    assert (summary["passed"], summary["failed"], summary["errored"], summary["skipped"]) == (written, 0, 0, 0), trouble
    assert written >= 40
    assert cpu_s() + provider.cpu_s() - before_s < NATIVE_TESTS_S


def test_every_variable_of_the_root_is_refused_something() -> None:
    """Each root variable, but for plain switches, has a native test in which it refuses a value."""
    variables = re.findall(
        r'^variable "(\w+)" \{(.*?)^\}', (SOURCE / "variables.tf").read_text(), re.MULTILINE | re.DOTALL
    )
    switches = {name for name, body in variables if re.search(r"type\s+= bool", body)}
    tested = "".join(
        re.findall(r"expect_failures = \[.*?\]", (SOURCE / "tests/root_variables.tftest.hcl").read_text(), re.DOTALL)
    )
    assert switches == {"keys_in_secrets_manager", "force_destroy"}
    assert {name for name, _ in variables} - switches == set(re.findall(r"var\.(\w+)", tested))


@pytest.mark.parametrize(("wrong", "messages"), MISTAKES, ids=["form", "overlap", "peering"])
def test_a_mistake_is_told_before_anything_is_planned(
    folder: Path, certs: Path, provider: Provider, wrong: dict[str, Any], messages: list[str]
) -> None:
    """The plan fails with the name of the variable and what it wants, and plans no resource."""
    asked = values(certs, **wrong)
    done = terraform(folder, "plan", "-json", "-input=false", "-lock=false", *asked, **provider.variables)
    told = events(done.stdout)
    details = "\n".join(" ".join(event["diagnostic"]["detail"].split()) for event in told if "diagnostic" in event)
    assert done.returncode == 1
    for message in messages:
        assert message.replace("CERTS", str(certs)) in details
    assert [event for event in told if event["type"] == "planned_change"] == []


def test_a_region_that_only_looks_like_one_is_told_by_the_provider(folder: Path, certs: Path) -> None:
    """The form is right, but AWS has no such region: the plan says so, before it asks AWS anything."""
    account = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    asked = values(certs, aws_region="us-north-7")
    done = terraform(folder, "plan", "-no-color", "-input=false", "-lock=false", *asked, **account)
    assert done.returncode == 1
    assert "invalid AWS Region: us-north-7" in done.stderr


def test_a_credentials_file_without_its_profile_is_told(folder: Path, certs: Path, provider: Provider) -> None:
    """The message names the file, the profile and the remedy."""
    credentials = folder / "credentials"
    credentials.write_text("[other]\naws_access_key_id = x\naws_secret_access_key = x\n")
    try:
        options = ("-no-color", "-input=false", "-lock=false", *values(certs))
        done = terraform(folder, "plan", *options, **provider.variables)
    finally:
        credentials.unlink()
    assert done.returncode == 1
    assert "The file credentials beside this code has no profile [default]" in " ".join(done.stderr.split())


@pytest.mark.parametrize("count", [1_100, pytest.param(10_000, marks=pytest.mark.soak)])
def test_thousands_of_gateways_are_numbered_through(folder: Path, certs: Path, provider: Provider, count: int) -> None:
    """The list of gateways outgrows what Terraform's `range` gives, which is 1,024."""
    asked = f'join(",", [length(local.gateway_ids), local.gateway_ids[0], local.gateway_ids[{count - 1}]])\n'
    options = values(certs, number_of_gateways=count)
    done = terraform(folder, "console", *options, typed=asked, **provider.variables)
    assert f'"{count},irrigation-gateway-1,irrigation-gateway-{count}"' in done.stdout, done.stderr
