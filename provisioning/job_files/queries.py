"""Questions to the clouds about a job's costs and resources, with the very keys and values that were written. Pure.

The seed's own questions are corrected where they would find nothing: docs/job-files.md has each.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from provisioning.job_files.clouds import CloudTag
from provisioning.job_files.errors import JobFileError
from provisioning.job_files.limits import AWS, CLOUD_FUNCTION, CLOUD_RUN, FARGATE, HTTP, SERVICE
from provisioning.job_files.read import JobFile

BILLING_TABLE = "my-project.billing.gcp_billing_export_v1_0123AB_4567CD_89EF01"
_TABLE = re.compile(r"[A-Za-z0-9_.-]+")
_COST = "finops_cost_center"
_ASSET = "asset_name"
_OF_COSTS = ("finops_cost_center", "finops_business_tags", "finops_project", "finops_environment", "tenant_id", _ASSET)


def queries(job: JobFile, tags: Sequence[CloudTag], billing_table: str = BILLING_TABLE) -> Iterator[tuple[str, str]]:
    """Titles and commands, or SQL, for a job with a target."""
    assert job.target is not None
    names = {one.tag.key: (one.key, one.value) for one in tags}
    if job.target.cloud == AWS:
        yield from _of_aws(job, names)
    else:
        yield from _of_google(job, names, billing_table)


def _of_aws(job: JobFile, names: Mapping[str, tuple[str, str]]) -> Iterator[tuple[str, str]]:
    keys = [names[key][0] for key in _OF_COSTS if key in names]
    rows = " ".join(f"TagKey={key},Status=Active" for key in keys)
    yield (
        "Once an account, a day before the first question: costs are told by these tags from then on",
        f"aws ce update-cost-allocation-tags-status --cost-allocation-tags-status {rows}",
    )
    yield "Costs of the last 30 days", _cost_explorer(*names.get(_COST, names[_ASSET]))
    for key in (_ASSET, _COST):
        if key in names:
            name, value = names[key]
            pair = shlex.quote(f"Key={name},Values={value}")
            yield f"Resources by {name}", f"aws resourcegroupstaggingapi get-resources --tag-filters {pair}"
    yield "Run it once by hand", _run_on_aws(job)


def cost_filter(key: str, value: str) -> dict[str, object]:
    """Cost Explorer's filter for one tag."""
    return {"Tags": {"Key": key, "Values": [value], "MatchOptions": ["EQUALS"]}}


def _cost_explorer(key: str, value: str) -> str:
    return (
        "aws ce get-cost-and-usage --granularity MONTHLY --metrics UnblendedCost "
        "--time-period Start=$(date -d '30 days ago' +%F),End=$(date +%F) "
        f"--filter {shlex.quote(json.dumps(cost_filter(key, value)))}"
    )


def _run_on_aws(job: JobFile) -> str:
    region = f"--region {job.runtime['region']}"
    if job.target is not FARGATE:
        return f"aws lambda invoke --function-name {job.name} {region} /dev/stdout"
    if job.runtime["kind"] == SERVICE:
        return f"aws ecs update-service --cluster $CLUSTER --service {job.name} --force-new-deployment {region}"
    network = "awsvpcConfiguration={subnets=[$SUBNET],securityGroups=[$SECURITY_GROUP],assignPublicIp=DISABLED}"
    return (
        f"aws ecs run-task --cluster $CLUSTER --task-definition {job.name} --launch-type FARGATE "
        f'--propagate-tags TASK_DEFINITION {region} --network-configuration "{network}"'
    )


def _of_google(job: JobFile, names: Mapping[str, tuple[str, str]], billing_table: str) -> Iterator[tuple[str, str]]:
    yield "Costs of the last 30 days, in BigQuery", billing_sql(*names.get(_COST, names[_ASSET]), billing_table)
    kind = "run.googleapis.com/Job" if job.target is CLOUD_RUN else "cloudfunctions.googleapis.com/Function"
    for key in (_ASSET, _COST):
        if key in names:
            name, value = names[key]
            what = f"--asset-types={kind} --query=labels.{name}={value}"
            yield f"Resources by {name}", f"gcloud asset search-all-resources --scope=projects/$PROJECT_ID {what}"
    name, value = names[_ASSET]
    what = "functions" if job.target is CLOUD_FUNCTION else "run jobs"
    yield f"What runs, by {name}", f"gcloud {what} list --project=$PROJECT_ID --filter=labels.{name}={value}"
    yield "Run it once by hand", _run_on_google(job)


def billing_sql(key: str, value: str, table: str) -> str:
    """BigQuery's SQL over the billing export, in which labels are a list of keys and values."""
    if not _TABLE.fullmatch(table):
        raise JobFileError([f"--billing-table {table!r}: want project.dataset.table"])
    label = f"(SELECT value FROM UNNEST(labels) WHERE key = '{key}')"
    lines = (  # of a label's letters, digits, hyphens and underscores alone
        f"SELECT {label} AS {key.replace('-', '_')}, SUM(cost) AS total_cost",
        f"FROM `{table}`",
        "WHERE DATE(usage_start_time) >= DATE_SUB(CURRENT_DATE(), INTERVAL 30 DAY)",
        f"  AND {label} = '{value}'",
        "GROUP BY 1",
    )
    return "\n".join(lines)


def _run_on_google(job: JobFile) -> str:
    where = f"--region {job.runtime['region']} --project $PROJECT_ID"
    if job.target is CLOUD_RUN:
        return f"gcloud run jobs execute {job.name} {where}"
    if job.runtime["trigger"] == HTTP:
        return f"gcloud functions call {job.name} --gen2 {where}"
    return f"gcloud pubsub topics publish {job.name} --message run --project $PROJECT_ID"
