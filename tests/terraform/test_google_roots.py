"""The roots under terraform/gcp/ in real Terraform, with the shapes of Google's provider: it is not Google."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.provisioning.job_files.workshop import google_stub
from tests.terraform.google import ENVIRONMENTS, FARM, FARMS, FOLDER, FUNCTION, IMAGE, Place, after, tree

DEV, PROD = ENVIRONMENTS
CHANNELS = ["projects/my-farms-prod/notificationChannels/1"]
# Dev has the house's names and a network, prod the seed's names.
GIVEN: dict[str, dict[str, Any]] = {
    DEV: {
        "create_vpc": True,
        "provisioning_url": "https://provisioning.example.com",
        "provisioning_key_secret": "provisioner-key",
        "workload_identity_user": "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/s",
    },
    PROD: {
        "name_prefix": "vmhub",
        "sync_job_pattern": "^vmhub-sync-([0-9a-z]+)$",
        "notification_channel_ids": CHANNELS,
    },
}


class Made(NamedTuple):
    """What was planned and made of each root, and where it lies."""

    place: Place
    plans: dict[str, Any]
    outputs: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with google_stub() as led:
        yield Place(tmp_path_factory.mktemp("google"), led)


@pytest.fixture(scope="module")
def made(place: Place) -> Made:
    """Both environments; from dev's outputs the function, and a farm of each naming profile, of which one is made."""
    plans, outputs = {}, {}
    for root in ENVIRONMENTS:
        plans[root] = place.plan(root, GIVEN[root])
        outputs[root] = place.apply(root)
    source = {"source_archive": "gs://code/provisioner.zip"}
    plans[FUNCTION] = place.plan(FUNCTION, outputs[DEV]["provisioner_variables"] | source)
    outputs[FUNCTION] = place.apply(FUNCTION)
    for profile, environment in (("vmhub", PROD), ("irrigation", DEV)):
        given = outputs[environment]["farm_variables"] | FARMS[profile] | {"image_uri": IMAGE}
        plans[profile] = place.plan(FARM, given)
    outputs[FARM] = place.apply(FARM)
    return Made(place, plans, outputs)


def test_all_of_it_is_made_and_destroyed(made: Made) -> None:
    """Each root was valid, planned, made, and planned to nothing more; now nothing is left of it."""
    for root in (FARM, FUNCTION, *ENVIRONMENTS):
        assert made.place.destroy(root) == []


def test_it_is_formatted(place: Place) -> None:
    """`terraform fmt` would change nothing, the values of environments among it."""
    assert place.terraform(".", "fmt", "-check", "-recursive", str(FOLDER)) == ""


# environments


@pytest.mark.parametrize(("output", "root"), [("provisioner_variables", FUNCTION), ("farm_variables", FARM)])
def test_what_an_environment_passes_on_is_taken(output: str, root: str, made: Made) -> None:
    """Each value is a variable of the next root; Terraform would only warn of one that is not."""
    declared = {one.labels[0] for one in tree(FOLDER / root).blocks if one.kind == "variable"}
    for environment in ENVIRONMENTS:
        assert set(made.outputs[environment][output]) <= declared


def test_prod_raises_an_alert(made: Made) -> None:
    """What prod's values switch on reaches the module, the metric that is counted, and those who hear of it."""
    (alert,) = after(made.plans[PROD], "google_monitoring_alert_policy")
    (threshold,), (of_function,) = (one["condition_threshold"] for one in alert["conditions"])
    (metric,) = after(made.plans[PROD], "google_logging_metric")
    assert f'"logging.googleapis.com/user/{metric["name"]}"' in threshold["filter"]
    function = made.outputs[PROD]["provisioner_variables"]["function_name"]
    assert f'service_name = "{function}"' in of_function["filter"]
    assert (threshold["comparison"], threshold["threshold_value"]) == ("COMPARISON_GT", 0)
    assert threshold["aggregations"][0]["alignment_period"] == "300s"
    assert alert["notification_channels"] == CHANNELS
    assert after(made.plans[DEV], "google_monitoring_alert_policy") == []


@pytest.mark.parametrize(
    ("root", "job", "farm"),
    [
        (DEV, "irrigation-sync-sitio1-dev", "sitio1"),
        (DEV, "irrigation-sync-12345678000195-dev", "12345678000195"),
        (DEV, "irrigation-sync-12abc34501de35-dev", "12abc34501de35"),
        (DEV, "irrigation-sync-sitio1-prod", None),
        (DEV, "vmhub-sync-12345678000199", None),
        (PROD, "vmhub-sync-12345678000199", "12345678000199"),
        (PROD, "vmhub-sync-12abc34501de35", "12abc34501de35"),
        (PROD, "vmhub-sync-schedule-12345678000199", None),
    ],
)
def test_a_failure_names_its_farm(root: str, job: str, farm: str | None, made: Made) -> None:
    """The metric's pattern finds a farm id and both forms of a CNPJ in names of both profiles, and no other job."""
    (metric,) = after(made.plans[root], "google_logging_metric")
    taken = re.fullmatch(r'REGEXP_EXTRACT\(resource\.labels\.job_name, "(.+)"\)', metric["label_extractors"]["farm"])
    assert taken is not None
    found = re.search(taken[1], job)
    assert (found and found[1]) == farm
    assert f'resource.labels.job_name =~ "{taken[1]}"' in metric["filter"]
    (sink,) = after(made.plans[root], "google_logging_project_sink")
    assert f'resource.labels.job_name =~ "{taken[1]}"' in sink["filter"]


def test_what_a_metric_is_told_by(made: Made) -> None:
    """Environment and farm; the first is a label that each farm's job has."""
    (metric,) = after(made.plans[PROD], "google_logging_metric")
    declared = {one["key"] for one in metric["metric_descriptor"][0]["labels"]}
    assert declared == set(metric["label_extractors"]) == {"environment", "farm"}
    assert metric["label_extractors"]["environment"] == "EXTRACT(labels.environment)"
    (job,) = after(made.plans["vmhub"], "google_cloud_run_v2_job")
    assert job["template"][0]["labels"]["environment"] == "prod"


@pytest.mark.parametrize(("root", "prefix", "environment"), [(DEV, "irrigation", "dev"), (PROD, "vmhub", "prod")])
def test_names_of_the_base(root: str, prefix: str, environment: str, made: Made) -> None:
    """The seed's, with the profile's prefix; logs are kept for 30 days."""
    (registry,) = after(made.plans[root], "google_artifact_registry_repository")
    assert (registry["repository_id"], registry["format"]) == (f"{prefix}-sync-{environment}", "DOCKER")
    (logs,) = after(made.plans[root], "google_logging_project_bucket_config")
    assert (logs["bucket_id"], logs["retention_days"]) == (f"{environment}_logs", 30)
    (metric,) = after(made.plans[root], "google_logging_metric")
    assert metric["name"] == f"{prefix}_sync_job_failures_{environment}"


def test_the_network_is_made_if_it_is_asked_for(made: Made) -> None:
    """With its API, and the farms' jobs in it; without, nothing of it."""
    for root, profile, count in ((DEV, "irrigation", 1), (PROD, "vmhub", 0)):
        assert len(after(made.plans[root], "google_compute_network")) == count
        services = {one["service"] for one in after(made.plans[root], "google_project_service")}
        assert ("compute.googleapis.com" in services) is bool(count)
        (job,) = after(made.plans[profile], "google_cloud_run_v2_job")
        assert len(job["template"][0]["template"][0]["vpc_access"]) == count
    assert made.outputs[PROD]["vpc"] == {"id": None, "name": None}


def test_the_account_can_be_used_without_a_key(made: Made) -> None:
    """By whom the environment names, and by nobody where it names nobody."""
    (user,) = after(made.plans[DEV], "google_service_account_iam_member")
    assert (user["role"], user["member"]) == (
        "roles/iam.workloadIdentityUser",
        GIVEN[DEV]["workload_identity_user"],
    )
    assert after(made.plans[PROD], "google_service_account_iam_member") == []


def test_rights_in_the_project_are_conditional_where_they_can_be(made: Made) -> None:
    """The function's, to registrations of one database."""
    given = {one.get("role"): one["condition"] for one in after(made.plans[DEV], "google_project_iam_member")}
    [condition] = given["roles/datastore.user"]
    assert condition["expression"] == 'resource.name == "projects/my-farms-dev/databases/(default)"'
    assert given["roles/eventarc.eventReceiver"] == []


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    (DEV, {"environment": "staging"}, "environment: want dev or prod"),
    (DEV, {"provisioning_url": "http://provisioning.example.com"}, "want https://"),
    (DEV, {"sync_job_pattern": "^vmhub-sync-[0-9]+$"}, "a pattern with one group"),
    (FUNCTION, {"source_archive": "provisioner.zip"}, "a zip wants one"),
    (FARM, {"bucket_name": "Irrigation Data"}, "bucket_name: want"),
]


@pytest.mark.parametrize(("root", "wrong", "why"), REFUSED, ids=[why for _, _, why in REFUSED])
def test_a_wrong_value_is_refused(root: str, wrong: dict[str, Any], why: str, made: Made) -> None:
    """In one sentence, before anything is made."""
    words = [f"-var={name}={value}" for name, value in wrong.items()]
    said = made.place.terraform(root, "plan", "-input=false", "-no-color", *words, fails=True)
    assert why in re.sub(r"[\s│]+", " ", said)


RULING = """
module "account" {{
  source        = "../modules/service-account"
  project_id    = "my-farms-dev"
  environment   = "dev"
  name_prefix   = "irrigation"
  purpose       = "x"
  account_id    = "one-account"
  display_name  = "x"
  project_roles = {{ "{role}" = null }}
}}
"""


@pytest.mark.parametrize("role", ["roles/run.admin", "roles/iam.serviceAccountTokenCreator"])
def test_an_account_that_rules_over_all_farms_is_refused(role: str, place: Place) -> None:
    """The seed's own account had both in the whole project."""
    root = f"ruling-{role.rpartition('.')[2].lower()}"
    (place.folder / root).mkdir()
    (place.folder / root / "main.tf").write_text(RULING.format(role=role))
    place.terraform(root, "init", "-input=false")
    said = place.terraform(root, "plan", "-input=false", "-no-color", fails=True)
    assert "rules over all farms" in re.sub(r"[\s│]+", " ", said)


# the function


def test_the_function_hears_of_registrations_that_are_made(made: Made) -> None:
    """Of no other write: it writes into the same documents, and would start itself for ever."""
    (function,) = after(made.plans[FUNCTION], "google_cloudfunctions2_function")
    (trigger,) = function["event_trigger"]
    filters = {one["attribute"]: (one["operator"], one["value"]) for one in trigger["event_filters"]}
    assert trigger["event_type"] == "google.cloud.firestore.document.v1.created"
    assert filters == {
        "database": (None, "(default)"),
        "document": ("match-path-pattern", "users/{userId}/tokens/{cnpj}"),
    }
    (may,) = after(made.plans[FUNCTION], "google_cloud_run_v2_service_iam_member")
    assert (may["name"], may["role"]) == (function["name"], "roles/run.invoker")


def test_the_function_gets_the_environments_values(made: Made) -> None:
    """Instances, the address of provisioning, and the key by its secret's name."""
    (function,) = after(made.plans[FUNCTION], "google_cloudfunctions2_function")
    (service,) = function["service_config"]
    assert (service["min_instance_count"], service["max_instance_count"]) == (0, 10)
    assert service["environment_variables"]["TERRAFORM_RUNNER_URL"] == GIVEN[DEV]["provisioning_url"]
    assert [(one["key"], one["secret"]) for one in service["secret_environment_variables"]] == [
        ("PROVISIONING_KEY", "provisioner-key")
    ]
    readable = [one["secret_id"] for one in after(made.plans[DEV], "google_secret_manager_secret_iam_member")]
    assert readable == ["provisioner-key"]
    of_prod = made.outputs[PROD]["provisioner_variables"]
    assert (of_prod["min_instances"], of_prod["max_instances"]) == (1, 20)


def test_the_source_is_an_object_or_a_zip(made: Made) -> None:
    """A zip is uploaded by a name that its content makes, so that a change of it is one of the function."""
    (function,) = after(made.plans[FUNCTION], "google_cloudfunctions2_function")
    [stored] = function["build_config"][0]["source"][0]["storage_source"]
    assert (stored["bucket"], stored["object"]) == ("code", "provisioner.zip")
    assert after(made.plans[FUNCTION], "google_storage_bucket_object") == []
    (made.place.folder / FUNCTION / "own.zip").write_bytes(b"PK")
    words = ["-var=source_archive=own.zip", "-var=source_bucket=sources", "-out=own.tfplan"]
    made.place.terraform(FUNCTION, "plan", "-input=false", *words)
    plan = json.loads(made.place.terraform(FUNCTION, "show", "-json", "own.tfplan"))
    (uploaded,) = after(plan, "google_storage_bucket_object")
    (function,) = after(plan, "google_cloudfunctions2_function")
    [stored] = function["build_config"][0]["source"][0]["storage_source"]
    assert (stored["bucket"], stored["object"]) == ("sources", uploaded["name"])
    assert re.fullmatch(r"irrigation-provisioner-dev-[0-9a-f]{32}\.zip", uploaded["name"])


# a farm


def test_a_farm_as_the_seed_has_it(made: Made) -> None:
    """Four things with its names, and the seed's defaults."""
    plan = made.plans["vmhub"]
    (bucket,) = after(plan, "google_storage_bucket")
    (dataset,) = after(plan, "google_bigquery_dataset")
    (job,) = after(plan, "google_cloud_run_v2_job")
    (schedule,) = after(plan, "google_cloud_scheduler_job")
    names = (bucket["name"], dataset["dataset_id"], job["name"], schedule["name"])
    assert names == tuple(FARMS["vmhub"][name] for name in ("bucket_name", "dataset_id", "job_name", "schedule_name"))
    assert (bucket["location"], bucket["uniform_bucket_level_access"]) == ("US-CENTRAL1", True)
    assert bucket["lifecycle_rule"][0]["condition"][0]["age"] == 30
    assert bucket["soft_delete_policy"][0]["retention_duration_seconds"] == 7 * 86400
    assert bucket["labels"] == {"environment": "prod", "farm": "12abc34501de35", "cnpj": "12abc34501de35"}
    assert (schedule["schedule"], schedule["time_zone"]) == ("0 5 * * *", "America/Sao_Paulo")
    (retries,) = schedule["retry_config"]
    assert (retries["retry_count"], retries["max_retry_duration"]) == (3, "30s")


@pytest.mark.parametrize(
    ("profile", "cpu", "memory", "timeout"),
    [("irrigation", "1000m", "512Mi", "600s"), ("vmhub", "2000m", "1024Mi", "900s")],
)
def test_a_sync_has_its_environments_size(profile: str, cpu: str, memory: str, timeout: str, made: Made) -> None:
    """What the values of dev and prod say reaches the farm's job."""
    (job,) = after(made.plans[profile], "google_cloud_run_v2_job")
    (task,) = job["template"][0]["template"]
    assert task["containers"][0]["resources"][0]["limits"] == {"cpu": cpu, "memory": memory}
    assert (task["timeout"], task["max_retries"]) == (timeout, 3)


@pytest.mark.parametrize("profile", FARMS)
def test_a_sync_knows_its_own_bucket(profile: str, made: Made) -> None:
    """And dataset; a farm without a CNPJ has none in its environment."""
    (job,) = after(made.plans[profile], "google_cloud_run_v2_job")
    (container,) = job["template"][0]["template"][0]["containers"]
    known = {one["name"]: one["value"] for one in container["env"]}
    assert known["GCS_BUCKET_NAME"] == FARMS[profile]["bucket_name"]
    assert known["BIGQUERY_DATASET"] == FARMS[profile]["dataset_id"]
    assert known.get("CNPJ") == FARMS[profile].get("cnpj")
    assert known.get("USER_ID") == FARMS[profile].get("user_id")
    assert {"ENVIRONMENT", "GCP_PROJECT_ID", "FARM"} <= set(known)


def test_two_farms_share_nothing(made: Made) -> None:
    """Each binding of one is on a thing that is in its own plan; no name is in both."""
    seen: list[set[str]] = []
    for profile in FARMS:
        plan, own = made.plans[profile], set(FARMS[profile].values())
        for kind, argument in (
            ("google_storage_bucket_iam_member", "bucket"),
            ("google_bigquery_dataset_iam_member", "dataset_id"),
            ("google_cloud_run_v2_job_iam_member", "name"),
        ):
            assert [one[argument] for one in after(plan, kind) if one[argument] not in own] == []
            assert after(plan, kind)
        seen.append(own)
    assert seen[0] & seen[1] == set()
