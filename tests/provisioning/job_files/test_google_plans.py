"""Roots for Google in real Terraform, with a stub that has the shapes of Google's provider: it is not Google."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioning.job_files.command import main
from tests.provisioning.job_files.files import EXAMPLES, GOOGLE_IMAGE, ROOT, job, lay
from tests.provisioning.job_files.workshop import VARIABLES, Workshop, both, contents, google_stub, planned

DAILY = {"schedule": "30 2 * * MON-FRI", "timezone": "America/Sao_Paulo"}
ACCOUNT = "runner@my-project.iam.gserviceaccount.com"
# Every field of the two types, and every form of what may be left out.
OF_GOOGLE: dict[str, Any] = {
    "run-plain": job("gcp_cloud_run"),
    "run-full": job(
        "gcp_cloud_run",
        cpu="4",
        memory="8Gi",
        timeout=86400,
        region="southamerica-east1",
        command=["sh", "-c", 'echo "${HOME}" %{x} \\ \n'],
        **DAILY,
        key_style="hyphen",
        metadata={"terraform_workspace": "prod", "cost_center": "A-1", "tags": {"x": "Y"}, "labels": {"team": "soil"}},
    ),
    "run-account": job("gcp_cloud_run", role=ACCOUNT, **DAILY, naming="seed"),
    "run-smallest": job("gcp_cloud_run", memory="512Mi", timeout=1),
    "function-plain": job("gcp_cloud_function"),
    "function-scheduled": job("gcp_cloud_function", **DAILY, memory="1Gi"),
    "function-http": job("gcp_cloud_function", trigger="http", timeout=3600, **DAILY, runtime="python312"),
    "function-http-by-hand": job("gcp_cloud_function", trigger="http"),
    "function-open": job("gcp_cloud_function", source=None, entry_point=None),
    "function-account": job("gcp_cloud_function", role=ACCOUNT, **DAILY, key_style="hyphen"),
}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, mirror: Path) -> Iterator[Workshop]:
    """Terraform, led to the stub."""
    with google_stub() as led:
        yield Workshop(tmp_path_factory.mktemp("roots"), {**os.environ, **led}, mirror)


@pytest.mark.soak
@pytest.mark.parametrize("name", OF_GOOGLE)
def test_every_field_is_planned(name: str, workshop: Workshop, tmp_path: Path) -> None:
    """Valid, formatted, and planned alike from HCL and JSON; labels are on all that takes them."""
    plan = both(workshop, name, lay(tmp_path, OF_GOOGLE[name]), tmp_path)
    after = [one["change"]["after"] for one in plan["resource_changes"]]
    labels = [one[key] for one in after for key in ("labels", "user_labels") if one.get(key)]
    assert len(labels) >= 2
    assert all(one == labels[0] for one in labels)
    if name == "run-full":
        (made,) = planned(plan, "google_cloud_run_v2_job")
        (container,) = made["template"][0]["template"][0]["containers"]
        assert container["args"][-1] == OF_GOOGLE[name]["infrastructure"]["runtime"]["command"][-1]
        assert labels[0]["team"] == "soil"
        assert labels[0]["finops-cost-center"] == "a-1"


MODULE = """
provider "google" {{
  project = "my-project"
  region  = "us-central1"
}}
module "job" {{
  source                = "{module}"
  job_name              = "soil-samples"
  tenant_id             = "sitio"
  image_uri             = "{image}"
  region                = "us-central1"
  project_id            = "my-project"
  schedule_cron         = "30 2 * * MON-FRI"
  timezone              = "America/Sao_Paulo"
  command               = ["python", "-m", "x"]
  notification_channels = {channels}
  labels                = {tags}
}}
"""


def test_the_module_makes_what_a_generated_root_makes(workshop: Workshop, tmp_path: Path) -> None:
    """The same job by hand and by file: each resource alike, but for its address."""
    folder = workshop.folder / "of-file"
    document = job("gcp_cloud_run", **DAILY, naming="seed", command=["python", "-m", "x"])
    words = ["--root", str(tmp_path), "--output-dir", str(folder), "--format", "json"]
    assert main([str(lay(tmp_path, document)), *words]) == 0
    tags = json.loads((folder / "sitio-soil-samples.tf.json").read_text())["locals"]["common_tags"]
    module, channels = ROOT / "terraform/modules/gcp/dativo-job", json.dumps(VARIABLES["notification_channels"])
    by_hand = workshop.folder / "by-hand"
    by_hand.mkdir()
    (by_hand / "main.tf").write_text(
        MODULE.format(module=module, image=GOOGLE_IMAGE, channels=channels, tags=json.dumps(tags))
    )
    plans = [workshop.plan(folder), workshop.plan(by_hand)]
    assert contents(plans[0]) == contents(plans[1]) != []


def test_the_modules_own_tests_pass(workshop: Workshop, tmp_path: Path) -> None:
    """Terraform's own, beside the module; those of AWS's are run with the other modules' of terraform/."""
    root = tmp_path / "module"
    shutil.copytree(ROOT / "terraform/modules/gcp/dativo-job", root, ignore=shutil.ignore_patterns(".*"))
    workshop.terraform(root, "init", "-input=false", "-test-directory=tests")
    assert "2 passed, 0 failed" in workshop.terraform(root, "test", "-no-color")
    schedule = root / "schedule.tf"
    schedule.write_text(schedule.read_text().replace("roles/run.invoker", "roles/run.admin"))
    with pytest.raises(AssertionError, match="as an account that may do that"):
        workshop.terraform(root, "test", "-no-color")


@pytest.mark.soak
def test_the_seeds_own_call_is_planned(workshop: Workshop, tmp_path: Path) -> None:
    """`terraform/examples/gcp` as it is written."""
    root = tmp_path / "terraform" / "examples" / "gcp"
    shutil.copytree(ROOT / "terraform" / "modules", tmp_path / "terraform" / "modules")
    shutil.copytree(EXAMPLES / "gcp", root, ignore=shutil.ignore_patterns(".*"))
    (made,) = planned(workshop.plan(root), "google_cloud_run_v2_job")
    assert made["labels"]["governance_owner"] == "data-team-acme-com"


@pytest.mark.soak
def test_the_seed_on_google_is_made_and_destroyed(workshop: Workshop) -> None:
    """A second plan changes nothing, and nothing is left; of shapes alone."""
    root = workshop.folder / "seed"
    words = ["--root", str(EXAMPLES), "--output-dir", str(root)]
    assert main([str(EXAMPLES / "jobs" / "acme" / "hubspot_contacts_gcp.yaml"), *words]) == 0
    workshop.prepare(root)
    workshop.terraform(root, "apply", "-auto-approve", "-input=false")
    assert "No changes" in workshop.terraform(root, "plan", "-input=false", "-no-color")
    workshop.terraform(root, "destroy", "-auto-approve", "-input=false")
    assert json.loads((root / "terraform.tfstate").read_text())["resources"] == []


@pytest.mark.parametrize(
    ("what", "instead", "why"),
    [
        ("location            = var.region", "", '"location" is required'),
        ("deletion_protection = false", 'deletion_protection = "no"', "a bool is required"),
        ("labels              = local", "lables              = local", 'Did you mean "labels"?'),
    ],
)
def test_the_stub_refuses_what_has_no_such_shape(
    what: str, instead: str, why: str, workshop: Workshop, tmp_path: Path
) -> None:
    """Otherwise a plan would tell nothing."""
    root = tmp_path / "out"
    assert main([str(lay(tmp_path, job("gcp_cloud_run"))), "--root", str(tmp_path), "--output-dir", str(root)]) == 0
    file = root / "sitio-soil-samples.tf"
    assert what in file.read_text()
    file.write_text(file.read_text().replace(what, instead))
    workshop.prepare(root)
    with pytest.raises(AssertionError, match="Error") as found:
        workshop.terraform(root, "validate", "-no-color")
    assert why in str(found.value)
