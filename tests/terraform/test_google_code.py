"""The code under terraform/gcp/ as it is written: its shapes, what reaches what, and who may do what. No Google."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from provisioning.job_files.judge import judge, schema
from provisioning.job_files.secrets import why_secret
from provisioning.job_files.tree import TerraformBlock
from provisioning.screen import rules
from provisioning.screen.modules import literal
from provisioning.screen.syntax import read
from scripts import google_schema
from tests.terraform.google import (
    ENVIRONMENTS,
    FARM,
    FARMS,
    FOLDER,
    FUNCTION,
    IMAGE,
    MODULES,
    ROOTS,
    TOP,
    resources,
    tree,
    unused,
)

FOLDERS = (*ROOTS, *MODULES)
# What the seed's own code has for each environment.
SIZES: dict[str, dict[str, Any]] = {
    "dev": {
        "min_instances": 0,
        "max_instances": 10,
        "cpu": "1000m",
        "memory": "512Mi",
        "timeout_seconds": 600,
        "enable_monitoring": False,
    },
    "prod": {
        "min_instances": 1,
        "max_instances": 20,
        "cpu": "2000m",
        "memory": "1024Mi",
        "timeout_seconds": 900,
        "enable_monitoring": True,
    },
}
IN_THE_PROJECT = {
    "roles/datastore.user": "the function reads registrations, of one database",
    "roles/eventarc.eventReceiver": "an event has no other place where it is received",
    "roles/bigquery.jobUser": "a load is a job of the project; it shows nobody's data",
}


def names(folder: str, kind: str) -> dict[str, TerraformBlock]:
    return {one.labels[0]: one for one in tree(FOLDER / folder).blocks if one.kind == kind}


def values(environment: str) -> dict[str, Any]:
    """What terraform.tfvars says."""
    body = read((FOLDER / "environments" / environment / "terraform.tfvars").read_bytes())
    return {name: literal(expr) for name, expr in body.attributes.items()}


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_code_is_what_the_schema_has(folder: str) -> None:
    """Nothing unknown, nothing missing, nothing referred to that is declared nowhere."""
    assert resources(FOLDER / folder)
    assert judge(tree(FOLDER / folder)) == []


@pytest.mark.parametrize(
    ("text", "instead", "why"),
    [
        ("labels              = local.labels", "lables              = local.labels", "there is no argument lables"),
        ("google_storage_bucket.this.name\n  role", "google_storage_bucket.that.name\n  role", "is declared nowhere"),
        ("google_service_account.this.email", "google_service_account.this.mail", "has no mail"),
        ("var.retention_days", "var.days", "var.days is declared nowhere"),
    ],
)
def test_a_fault_in_the_code_is_named(text: str, instead: str, why: str, tmp_path: Path) -> None:
    """Otherwise the judge's silence would tell nothing."""
    shutil.copytree(FOLDER / FARM, tmp_path / "farm")
    main = tmp_path / "farm" / "main.tf"
    assert text in main.read_text()
    main.write_text(main.read_text().replace(text, instead))
    assert [fault for fault in judge(tree(tmp_path / "farm")) if why in fault] != []


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_variable_reaches_something(folder: str) -> None:
    """A value that somebody gives changes what is made, or told."""
    assert unused(FOLDER / folder) == []


def test_a_variable_that_reaches_nothing_is_found(tmp_path: Path) -> None:
    """The seed's own: an environment that watches, and does not say so to the module; its check is no use of it."""
    shutil.copytree(FOLDER / ENVIRONMENTS[1], tmp_path / "prod")
    main = tmp_path / "prod" / "main.tf"
    text = main.read_text()
    main.write_text(
        re.sub(r"^ +(enable_monitoring|sync_job_pattern|max_instances) += .*\n", "", text, flags=re.MULTILINE)
    )
    assert unused(tmp_path / "prod") == ["enable_monitoring", "max_instances", "sync_job_pattern"]


def test_an_environment_gives_a_module_all_that_it_takes() -> None:
    """No variable of the base keeps its default because nobody passes it."""
    for folder in ENVIRONMENTS:
        assert set(names(folder, "module")["base"].arguments) - {"source"} == set(names(MODULES[0], "variable"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_says_what_it_takes_and_gives(folder: str) -> None:
    """Every variable has a type and a description, every output a description."""
    variables, outputs = names(folder, "variable"), names(folder, "output")
    assert variables
    assert outputs
    assert [name for name, one in variables.items() if not {"type", "description"} <= set(one.arguments)] == []
    assert [name for name, one in outputs.items() if not {"value", "description"} <= set(one.arguments)] == []


def test_the_files_are_the_seeds() -> None:
    """Its names, in its folders: main and variables of an environment, main, variables and outputs of a module."""
    for folder in ENVIRONMENTS:
        assert {"main.tf", "variables.tf", "terraform.tfvars", "backend.tf.example"} <= files(folder)
    for folder in (*MODULES, FUNCTION, FARM):
        assert {"main.tf", "variables.tf", "outputs.tf"} <= files(folder)


def files(folder: str) -> set[str]:
    return {path.name for path in (FOLDER / folder).iterdir()}


def test_the_provider_is_the_tables() -> None:
    """Exactly one version, as the schema was read from; modules need no newer one."""
    for folder in FOLDERS:
        (version,) = re.findall(r'^ +version = "([^"]+)"', (FOLDER / folder / "main.tf").read_text(), re.MULTILINE)
        assert version == (google_schema.PROVIDER if folder in ROOTS else f">= {google_schema.PROVIDER}")


# environments


def test_dev_and_prod_are_the_same_code() -> None:
    """What runs in prod was tried in dev: the defaults alone differ, and these are the seed's."""
    dev, prod = (FOLDER / folder for folder in ENVIRONMENTS)
    assert (dev / "main.tf").read_text() == (prod / "main.tf").read_text()
    defaults = [
        {name: one.arguments.get("default") for name, one in names(folder, "variable").items()}
        for folder in ENVIRONMENTS
    ]
    differing = {name for name in defaults[0].keys() | defaults[1].keys() if defaults[0][name] != defaults[1][name]}
    assert differing == {"environment", *SIZES["dev"]}
    for environment, given in zip(SIZES, defaults, strict=True):
        assert {name: given[name] for name in SIZES[environment]} == SIZES[environment]
        assert (given["region"], given["zone"]) == ("us-central1", "us-central1-a")
        assert (given["environment"], given["scheduler_timezone"]) == (environment, "America/Sao_Paulo")


@pytest.mark.parametrize("environment", SIZES)
def test_the_values_of_an_environment(environment: str) -> None:
    """The seed's sizes, and nothing that is no variable."""
    given = values(environment)
    assert given["environment"] == environment
    assert {name: given[name] for name in SIZES[environment]} == SIZES[environment]
    assert set(given) <= set(names(f"environments/{environment}", "variable"))


@pytest.mark.parametrize("environment", SIZES)
def test_no_secret_is_in_the_values(environment: str) -> None:
    """They are in git: neither a value nor a comment looks like one, and nothing is named as one."""
    text = (FOLDER / "environments" / environment / "terraform.tfvars").read_text()
    assert [line for line in text.splitlines() if why_secret(line)] == []
    assert [name for name in values(environment) if re.search("key|token|password|secret|credential", name)] == []


def test_the_environments_values_alone_are_in_git() -> None:
    """Other values, also beside them, and states stay out; so does a backend, which names somebody's bucket."""
    beside = "terraform/gcp/environments/dev"
    kept = [f"terraform/gcp/environments/{name}/terraform.tfvars" for name in SIZES]
    ignored = [
        "terraform/terraform.tfvars",
        f"{beside}/secret.auto.tfvars",
        f"{beside}/terraform.tfvars.json",
        f"{beside}/terraform.tfstate",
        f"terraform/gcp/{FARM}/terraform.tfvars",
        f"terraform/gcp/{FUNCTION}/terraform.tfvars",
    ]
    command = ["git", "check-ignore", "--no-index", *kept, *ignored]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ignored


@pytest.mark.parametrize("environment", SIZES)
def test_the_state_has_a_bucket_of_its_own(environment: str) -> None:
    """As the seed names it, one an environment."""
    text = (FOLDER / "environments" / environment / "backend.tf.example").read_text()
    assert f'bucket = "tf-state-{values(environment)["project_id"]}-{environment}"' in text
    assert f'prefix = "terraform/state/{environment}"' in text


def test_the_base_turns_on_what_the_rest_needs() -> None:
    """The seed's eight APIs and those that it forgot; none is turned off with the environment."""
    text = (FOLDER / MODULES[0] / "main.tf").read_text()
    apis = {
        *("cloudresourcemanager", "artifactregistry", "cloudbuild", "cloudscheduler", "bigquery", "storage"),
        *("firestore", "iam", "run", "cloudfunctions", "eventarc", "secretmanager", "logging", "monitoring"),
        "firebase",
    }
    assert apis <= set(re.findall(r'"(\w+)\.googleapis\.com"', text))
    (service,) = resources(FOLDER / MODULES[0], "google_project_service")
    assert service.arguments["disable_on_destroy"] is False


# who may do what


def test_no_role_over_all_farms() -> None:
    """In the project there are three roles, each with its reason, and one of our own that cannot read."""
    given = {
        str(role)
        for folder in FOLDERS
        for one in resources(FOLDER / folder, "google_project_iam_member")
        for role in [one.arguments["role"]]
    }
    passed = {
        role
        for folder in ENVIRONMENTS
        for one in names(folder, "module").values()
        for role in re.findall(r"roles/[\w.]+", str(one.arguments.get("project_roles", "")))
    }
    assert given - {"each.key", "google_project_iam_custom_role.token_keeper.name"} | passed == set(IN_THE_PROJECT)
    for folder in ENVIRONMENTS:
        (own,) = resources(FOLDER / folder, "google_project_iam_custom_role")
        assert own.arguments["permissions"] == ["secretmanager.secrets.create", "secretmanager.versions.add"]


def test_no_binding_replaces_others() -> None:
    """Members alone: a policy or a binding would take away what others have been given."""
    kinds = {one.labels[0] for folder in FOLDERS for one in resources(FOLDER / folder) if "_iam_" in one.labels[0]}
    assert {kind for kind in kinds if not kind.endswith("_iam_member")} == {"google_project_iam_custom_role"}


OWN = {
    "google_storage_bucket_iam_member": ("bucket", "google_storage_bucket.this.name"),
    "google_bigquery_dataset_iam_member": ("dataset_id", "google_bigquery_dataset.this.dataset_id"),
    "google_cloud_run_v2_job_iam_member": ("name", "google_cloud_run_v2_job.sync.name"),
    "google_secret_manager_secret_iam_member": ("secret_id", "each.key"),
}


def test_a_farms_account_is_bound_to_what_is_the_farms() -> None:
    """Bucket, dataset, job and secrets of its own; to load is the one right in the project."""
    members = [one for one in resources(FOLDER / FARM) if one.labels[0].endswith("_iam_member")]
    assert {one.labels[0] for one in members} == {*OWN, "google_project_iam_member"}
    for one in members:
        if one.labels[0] in OWN:
            argument, place = OWN[one.labels[0]]
            assert one.arguments[argument] == place
        else:
            assert one.arguments["role"] == "roles/bigquery.jobUser"
        assert one.arguments["member"] in {"google_service_account.this.member", "each.value.member"}


def test_a_farm_makes_up_no_name() -> None:
    """Each is a variable as it is: names are the naming profile's."""
    named = {"account_id", "name", "dataset_id"}
    made = [one for one in resources(FOLDER / FARM) if not one.labels[0].endswith("_iam_member")]
    assert {str(value) for one in made for name, value in one.arguments.items() if name in named} == {
        *("var.account_id", "var.bucket_name", "var.dataset_id", "var.job_name", "var.schedule_name")
    }


def test_labels_are_on_all_that_takes_them() -> None:
    """By the schema: environment and farm are on every bill and in every list."""
    for folder in (*MODULES, FUNCTION, FARM):
        for one in resources(FOLDER / folder):
            has = set(schema()[one.labels[0]]["arguments"]) & {"labels", "user_labels"}
            assert {name for name, value in one.arguments.items() if value == "local.labels"} == has


# provisioning


@pytest.mark.parametrize(
    ("folder", "given"),
    [
        (FARM, {"project_id": "my-farms-dev", "environment": "dev", "image_uri": IMAGE, **FARMS["vmhub"]}),
        (FUNCTION, {"environment": "dev", "source_archive": "gs://code/provisioner.zip"}),
        (FUNCTION, {"environment": "dev", "source_archive": "provisioner.zip", "source_bucket": "code"}),
    ],
)
def test_provisioning_takes_a_root(folder: str, given: dict[str, Any], tmp_path: Path) -> None:
    """The screen has nothing against it as it lies here."""
    shutil.copytree(FOLDER / folder, tmp_path / "root")
    (tmp_path / "root" / "provisioner.zip").write_bytes(b"PK")
    assert rules.judge(tmp_path / "root", given) == []


def test_a_function_whose_source_lies_elsewhere_is_refused(tmp_path: Path) -> None:
    """A zip of the service's own machine would be uploaded."""
    shutil.copytree(FOLDER / FUNCTION, tmp_path / "root")
    given = {"environment": "dev", "source_archive": "../../keys.zip", "source_bucket": "code"}
    assert {each.file for each in rules.judge(tmp_path / "root", given)} == {"main.tf"}


@pytest.mark.parametrize("folder", ENVIRONMENTS)
def test_provisioning_takes_an_environment_with_its_modules_in_it(folder: str, tmp_path: Path) -> None:
    """As the screen's remedy says; where its modules lie beside it they are no part of the root."""
    root = tmp_path / "root"
    shutil.copytree(FOLDER / folder, root)
    assert all("leads out of the root" in each.why for each in rules.judge(root, {}))
    shutil.copytree(FOLDER / "modules", root / "modules")
    main = root / "main.tf"
    main.write_text(main.read_text().replace('"../../modules/', '"./modules/'))
    assert rules.judge(root, {}) == []
