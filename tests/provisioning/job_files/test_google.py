"""Google's targets: what is generated is what the provider's schema has, and a judge that names every fault at once."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioning.job_files.command import main
from provisioning.job_files.generate import root, tags_of
from provisioning.job_files.google import PROVIDER, account_id
from provisioning.job_files.judge import SCHEMA, judge, schema
from provisioning.job_files.read import Reader
from provisioning.job_files.tree import Expression, Keyword, Root, TerraformBlock, block
from scripts import google_schema
from tests.provisioning.job_files.files import EXAMPLES, job, lay

DAILY = {"schedule": "0 2 * * *", "timezone": "America/Sao_Paulo"}
JOBS: dict[str, Any] = {
    "run": job("gcp_cloud_run", **DAILY, command=["python", "-m", "x"]),
    "run by hand": job("gcp_cloud_run", role="runner@my-project.iam.gserviceaccount.com"),
    "function": job("gcp_cloud_function", **DAILY),
    "function by http": job("gcp_cloud_function", **DAILY, trigger="http", timeout=3600),
    "function by hand": job("gcp_cloud_function", source=None, entry_point=None),
}


def tree(folder: Path, document: Any) -> Root:
    made = Reader(folder).read(lay(folder, document))
    return root(made, tags_of(made))


def blocks(made: Root, kind: str) -> list[TerraformBlock]:
    return [one for one in made.blocks if one.kind == "resource" and one.labels[0] == kind]


@pytest.mark.parametrize("name", JOBS)
def test_a_root_is_what_the_schema_has(name: str, tmp_path: Path) -> None:
    """Nothing unknown, nothing missing; labels are on all that has them, and on nothing else."""
    made = tree(tmp_path, JOBS[name])
    assert judge(made) == []
    for one in made.blocks:
        if one.kind == "resource":
            has = set(schema()[one.labels[0]]["arguments"]) & {"labels", "user_labels"}
            assert {key for key, value in one.arguments.items() if value == "local.common_tags"} == has


def test_the_seed_on_google(tmp_path: Path) -> None:
    """`hubspot_contacts_gcp.yaml`: a job of Cloud Run with the values of the seed's own call, and its labels."""
    path = EXAMPLES / "jobs" / "acme" / "hubspot_contacts_gcp.yaml"
    words = ["--root", str(EXAMPLES), "--output-dir", str(tmp_path), "--cloud", "gcp", "--resource-type", "cloud_run"]
    assert main([str(path), *words]) == 0
    text = re.sub(" += ", " = ", (tmp_path / "acme-hubspot-contacts.tf").read_text())
    for line in (
        'governance_owner = "data-team-acme-com"',
        'finops_business_tags = "sales-crm"',
        'asset_name = "hubspot_contacts"',  # the seed's call has a hyphen here, and its own query none
        'timeout = "3600s"',
        'memory = "2Gi"',
    ):
        assert line in text


def test_memory_and_times_as_google_writes_them(tmp_path: Path) -> None:
    """`256MB` is `256M`; a time zone and five fields are taken as they are."""
    made = tree(tmp_path, JOBS["function"])
    (function,) = blocks(made, "google_cloudfunctions2_function")
    config = next(one for one in function.blocks if one.kind == "service_config")
    assert (config.arguments["available_memory"], config.arguments["timeout_seconds"]) == ("256M", 540)
    (scheduler,) = blocks(made, "google_cloud_scheduler_job")
    assert (scheduler.arguments["schedule"], scheduler.arguments["time_zone"]) == ("0 2 * * *", "America/Sao_Paulo")


def test_what_a_file_leaves_open_is_a_variable(tmp_path: Path) -> None:
    """Source and entry point of a function."""
    names = {one.labels[0] for one in tree(tmp_path, JOBS["function by hand"]).blocks if one.kind == "variable"}
    assert names > {"source_bucket", "source_object", "entry_point"}
    names = {one.labels[0] for one in tree(tmp_path, JOBS["function"]).blocks if one.kind == "variable"}
    assert names.isdisjoint({"source_bucket", "source_object", "entry_point"})


def test_hyphens_where_a_job_asks_for_them(tmp_path: Path) -> None:
    """Keys as the seed's text about labels has them."""
    (tags,) = [one for one in tree(tmp_path, job("gcp_cloud_run", key_style="hyphen")).blocks if one.kind == "locals"]
    assert "finops-cost-center" in tags.arguments["common_tags"]
    assert not any("_" in key for key in tags.arguments["common_tags"])


@pytest.mark.parametrize("name", ["sitio-soil-samples-dev", "a" * 62, "acme-" + "x" * 21 + "-y-dev"])
def test_accounts_have_names_that_google_takes(name: str) -> None:
    """6 to 30 characters; what is cut stays apart from what is cut alike."""
    assert re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", account_id(name, "run"))
    assert account_id(name, "run") != account_id(name, "start")
    assert account_id("a" * 62, "run") != account_id("a" * 61, "run")


def without(name: str) -> Callable[[TerraformBlock], TerraformBlock]:
    return lambda one: replace(one, arguments={key: value for key, value in one.arguments.items() if key != name})


def having(**more: Any) -> Callable[[TerraformBlock], TerraformBlock]:
    return lambda one: replace(one, arguments={**one.arguments, **more})


FAULTS: list[tuple[str, Callable[[TerraformBlock], TerraformBlock], str]] = [
    ("google_cloud_run_v2_job", without("location"), "location is missing"),
    ("google_cloud_run_v2_job", having(lables={}), "there is no argument lables"),
    ("google_cloud_run_v2_job", having(labels="x"), "labels wants a map"),
    ("google_cloud_run_v2_job", having(deletion_protection="no"), "deletion_protection wants a bool"),
    ("google_cloud_run_v2_job", lambda one: replace(one, blocks=()), "template is missing"),
    (
        "google_cloud_run_v2_job",
        lambda one: replace(one, blocks=one.blocks * 2),
        "template stands 2 times, once at most",
    ),
    ("google_cloud_run_v2_job", lambda one: replace(one, blocks=(*one.blocks, block("x"))), "there is no block x"),
    ("google_cloud_scheduler_job", having(labels={}), "there is no argument labels"),
    ("google_cloud_scheduler_job", having(region=Expression("var.nowhere")), "var.nowhere is declared nowhere"),
    ("google_cloud_scheduler_job", having(depends_on=[Keyword("google_pubsub_topic.x")]), "google_pubsub_topic.x is"),
    (
        "google_cloud_run_v2_job_iam_member",
        having(member=Expression("google_service_account.soil_samples_start.mail")),
        "has no mail",
    ),
    ("google_service_account", lambda one: replace(one, labels=("google_acount", "x")), "has no such type here"),
]


@pytest.mark.parametrize(("kind", "plant", "why"), FAULTS, ids=[why for _, _, why in FAULTS])
def test_a_planted_fault(
    kind: str, plant: Callable[[TerraformBlock], TerraformBlock], why: str, tmp_path: Path
) -> None:
    """It is named, with its place."""
    made = tree(tmp_path, JOBS["run"])
    planted = tuple(plant(one) if one.labels[:1] == (kind,) else one for one in made.blocks)
    assert any(why in fault for fault in judge(replace(made, blocks=planted)))


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    """The job and the scheduler that refers to it, which Terraform would tell one after the other."""
    made = tree(tmp_path, JOBS["run"])
    plant = {kind: having(nonsense=1) for kind in ("google_cloud_run_v2_job", "google_cloud_scheduler_job")}
    planted = tuple(plant.get(one.labels[0] if one.labels else "", having())(one) for one in made.blocks)
    assert len(judge(replace(made, blocks=planted))) == 2


def test_the_table_is_the_pinned_wheels() -> None:
    """Its types are the script's, its provider is the one that roots ask for, and its notice names the licence."""
    document = json.loads(SCHEMA.read_text())
    assert tuple(document["resources"]) == google_schema.TYPES
    assert document["provider"] == google_schema.PROVIDER == PROVIDER
    assert document["//"] == google_schema.NOTICE
    assert google_schema.text(document["resources"]) == SCHEMA.read_text()


@pytest.mark.soak
def test_the_wheel_has_not_moved(tmp_path: Path) -> None:
    """The registry's wheel of the pinned version still makes the same table."""
    wheel = google_schema.fetch(tmp_path)
    assert google_schema.text(google_schema.table(wheel)) == SCHEMA.read_text()
