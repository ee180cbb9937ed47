"""What the tests of provisioning share: the mirror of providers, an AWS API on this machine, one running provider."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local_cloud.aws import Aws, environment
from tests.provisioning.door import Door
from tests.provisioning.house import ROOT, House
from tests.provisioning.roots import TWELVE
from tests.terraform.provider import running

PROJECT = "twelve"
TAGS = {
    "TF_AWS_DEFAULT_TAGS_provisioning_farm": "irrigation",
    "TF_AWS_DEFAULT_TAGS_provisioning_project": PROJECT,
}


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of providers that this machine has."""
    subprocess.run([ROOT / "scripts" / "terraform", "version"], check=True, capture_output=True)
    return Path(os.environ.get("TF_MIRROR") or (ROOT / "build" / "terraform" / "mirror").read_text().strip())


@contextmanager
def aws_api() -> Iterator[str]:
    """The AWS API on this machine, while this lasts; gives its endpoint."""
    with asyncio.Runner() as runner:
        aws = Aws()
        try:
            yield runner.run(aws.start())
        finally:
            runner.run(aws.stop())


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose name leaves room for a provider's socket."""
    with tempfile.TemporaryDirectory(prefix="pv") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    """A door before an AWS API."""
    with aws_api() as endpoint:
        door = Door(endpoint)
        try:
            yield door
        finally:
            door.close()


@pytest.fixture(scope="module")
def provider(door: Door, mirror: Path) -> Iterator[dict[str, str]]:
    """One running provider for all: its start is most of what each command costs. Gives what leads Terraform to it."""
    with short_folder() as folder:
        (folder / "main.tf").write_text(TWELVE)
        variables = {**os.environ, "TF_DATA_DIR": str(folder / "data"), "TF_MIRROR": str(mirror)}
        command = [str(ROOT / "scripts" / "terraform"), f"-chdir={folder}", "init", "-input=false"]
        subprocess.run(command, env=variables, check=True, capture_output=True)
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with running(folder / "data", {**own, **environment(door.endpoint), **TAGS}) as provider:
            yield provider.variables


@pytest.fixture(scope="module")
def module_house(door: Door, provider: dict[str, str], mirror: Path) -> Iterator[House]:
    """One service before the door, for a whole file."""
    with short_folder() as folder:
        house = House(folder / "d", environment(door.endpoint), provider, mirror)
        house.start()
        try:
            yield house
        finally:
            house.close()


@pytest.fixture
def house(module_house: House, door: Door) -> Iterator[House]:
    """The service, with nothing in the cloud before and after."""
    yield module_house
    door.release()
    door.is_shut = door.knows_nobody = False
