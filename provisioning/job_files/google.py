"""Root modules for Google: a job of Cloud Run, or a function of the second generation, with what runs and watches it.

Labels are where the provider's schema has them: a scheduler's job and a service account have none.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from provisioning.job_files.limits import CLOUD_RUN, HTTP
from provisioning.job_files.parts import locals_of, output, terraform, variable
from provisioning.job_files.read import JobFile
from provisioning.job_files.tree import Expression, Keyword, TerraformBlock, block

PROVIDER = "8.7.0"
MOST_ACCOUNT = 30  # characters of a service account's name
_TAGS = Expression("local.common_tags")
_REGION = Expression("var.region")


def blocks(job: JobFile, tags: Mapping[str, str]) -> tuple[TerraformBlock, ...]:
    """The blocks of a job's root module."""
    make = _run_job if job.target is CLOUD_RUN else _function
    return (
        terraform("hashicorp/google", "google", PROVIDER),
        block("provider", "google", project=Expression("var.project_id"), region=_REGION),
        variable("project_id", "Project of everything.", "string"),
        variable("region", "Region of everything.", "string", str(job.runtime["region"])),
        variable("container_environment", "Environment variables; no secrets.", "map(string)", {}),
        variable("notification_channels", "Channels that hear of failed runs; empty: nobody does.", "list(string)", []),
        *(_source_variables(job) if job.target is not CLOUD_RUN else []),
        locals_of("common_tags", tags),
        *make(job),
    )


def _resource(job: JobFile, kind: str, suffix: str = "", **rest: Any) -> TerraformBlock:
    return block("resource", kind, f"{job.label}{suffix}", project=Expression("var.project_id"), **rest)


def account_id(name: str, suffix: str) -> str:
    """A service account's name: what is too long is cut, and ends in six hex of its hash."""
    whole = f"{name}-{suffix}"
    if len(whole) <= MOST_ACCOUNT:
        return whole
    mark = hashlib.sha256(whole.encode()).hexdigest()[:6]
    return f"{whole[: MOST_ACCOUNT - 7].rstrip('-')}-{mark}"


def _account(job: JobFile, what: str, text: str) -> TerraformBlock:
    name = account_id(job.name, what)
    return _resource(job, "google_service_account", f"_{what}", account_id=name, display_name=f"{job.name}: {text}")


def _runner(job: JobFile) -> Any:
    """Whom the job runs as."""
    return job.runtime["role"] or Expression(f"google_service_account.{job.label}_run.email")


def _own_account(job: JobFile) -> list[TerraformBlock]:
    return [] if job.runtime["role"] else [_account(job, "run", "runs as it")]


def _starter(job: JobFile) -> Expression:
    return Expression(f"google_service_account.{job.label}_start.email")


def _run_job(job: JobFile) -> list[TerraformBlock]:
    return [
        *_own_account(job),
        _job(job),
        *_job_schedule(job),
        _alert(
            job,
            f'resource.type = "cloud_run_job" AND resource.labels.job_name = "{job.name}" AND '
            'metric.type = "run.googleapis.com/job/completed_execution_count" AND metric.labels.result = "failed"',
        ),
        output("job_name", "Name of the job.", Expression(f"google_cloud_run_v2_job.{job.label}.name")),
        output("job_id", "Id of the job.", Expression(f"google_cloud_run_v2_job.{job.label}.id")),
        output(
            "run_command",
            "Runs it once by hand.",
            Expression(
                f'"gcloud run jobs execute ${{google_cloud_run_v2_job.{job.label}.name}} '
                '--region ${var.region} --project ${var.project_id}"'
            ),
        ),
    ]


def _job(job: JobFile) -> TerraformBlock:
    runtime = job.runtime
    limits = {"cpu": runtime["cpu"], "memory": quantity(runtime["memory"])}
    container = block(
        "containers",
        image=runtime["image_uri"],
        args=runtime["command"],
        blocks=[block("resources", limits=limits), _environment()],
    )
    task = block("template", service_account=_runner(job), timeout=f"{runtime['timeout']}s", blocks=[container])
    return _resource(
        job,
        "google_cloud_run_v2_job",
        name=job.name,
        location=_REGION,
        deletion_protection=False,
        labels=_TAGS,
        blocks=[block("template", labels=_TAGS, blocks=[task])],
    )


def _environment() -> TerraformBlock:
    content = block("content", name=Expression("env.key"), value=Expression("env.value"))
    return block("dynamic", "env", for_each=Expression("var.container_environment"), blocks=[content])


def quantity(text: str) -> str:
    """Memory as Google writes it: `256MB` is `256M`."""
    return text.removesuffix("B")


def _job_schedule(job: JobFile) -> list[TerraformBlock]:
    if not job.runtime["schedule"]:
        return []
    uri = f'"https://run.googleapis.com/v2/${{google_cloud_run_v2_job.{job.label}.id}}:run"'
    target = block(
        "http_target",
        http_method="POST",
        uri=Expression(uri),
        blocks=[block("oauth_token", service_account_email=_starter(job))],
    )
    may = _resource(
        job,
        "google_cloud_run_v2_job_iam_member",
        "_start",
        name=Expression(f"google_cloud_run_v2_job.{job.label}.name"),
        location=_REGION,
        role="roles/run.invoker",
        member=Expression(f"google_service_account.{job.label}_start.member"),
    )
    return [_account(job, "start", "starts it"), may, _scheduler(job, target, [may])]


def _scheduler(job: JobFile, target: TerraformBlock, after: list[TerraformBlock]) -> TerraformBlock:
    return _resource(
        job,
        "google_cloud_scheduler_job",
        name=job.name,
        region=_REGION,
        schedule=" ".join(str(job.runtime["schedule"]).split()),
        time_zone=job.runtime["timezone"],
        depends_on=[Keyword(".".join(one.labels)) for one in after] or None,
        blocks=[target, block("retry_config", retry_count=3)],
    )


def _alert(job: JobFile, condition: str) -> TerraformBlock:
    threshold = block(
        "condition_threshold",
        filter=condition,
        comparison="COMPARISON_GT",
        threshold_value=0,
        duration="0s",
        blocks=[block("aggregations", alignment_period="300s", per_series_aligner="ALIGN_DELTA")],
    )
    return _resource(
        job,
        "google_monitoring_alert_policy",
        "_failed",
        count=Expression("length(var.notification_channels) == 0 ? 0 : 1"),
        display_name=f"{job.name} failed",
        combiner="OR",
        notification_channels=Expression("var.notification_channels"),
        user_labels=_TAGS,
        blocks=[block("conditions", display_name="failed runs", blocks=[threshold])],
    )


def _source_variables(job: JobFile) -> list[TerraformBlock]:
    variables = []
    if not job.runtime["source"]:
        variables += [
            variable("source_bucket", "Bucket of the archive with the function's source.", "string"),
            variable("source_object", "Name of that archive in the bucket.", "string"),
        ]
    if not job.runtime["entry_point"]:
        variables.append(variable("entry_point", "Function in the source that is called.", "string"))
    return variables


def _function(job: JobFile) -> list[TerraformBlock]:
    is_event = job.runtime["trigger"] != HTTP
    return [
        *_own_account(job),
        *_starts(job),
        *([_topic(job)] if is_event else []),
        _function_itself(job),
        *_function_schedule(job),
        _alert(
            job,
            f'resource.type = "cloud_function" AND resource.labels.function_name = "{job.name}" AND '
            'metric.type = "cloudfunctions.googleapis.com/function/execution_count" AND metric.labels.status != "ok"',
        ),
        output(
            "function_name", "Name of the function.", Expression(f"google_cloudfunctions2_function.{job.label}.name")
        ),
        output("function_id", "Id of the function.", Expression(f"google_cloudfunctions2_function.{job.label}.id")),
        output("run_command", "Runs it once by hand.", _publish(job) if is_event else _call(job)),
    ]


def _publish(job: JobFile) -> Expression:
    topic = f"google_pubsub_topic.{job.label}.name"
    return Expression(f'"gcloud pubsub topics publish ${{{topic}}} --message run --project ${{var.project_id}}"')


def _call(job: JobFile) -> Expression:
    name = f"google_cloudfunctions2_function.{job.label}.name"
    return Expression(
        f'"gcloud functions call ${{{name}}} --gen2 --region ${{var.region}} --project ${{var.project_id}}"'
    )


def _starts(job: JobFile) -> list[TerraformBlock]:
    """Whom the trigger calls the function as; the service of that function's name lets it in."""
    if job.runtime["trigger"] == HTTP and not job.runtime["schedule"]:
        return []
    may = _resource(
        job,
        "google_cloud_run_v2_service_iam_member",
        "_start",
        name=Expression(f"google_cloudfunctions2_function.{job.label}.name"),
        location=_REGION,
        role="roles/run.invoker",
        member=Expression(f"google_service_account.{job.label}_start.member"),
    )
    return [_account(job, "start", "starts it"), may]


def _topic(job: JobFile) -> TerraformBlock:
    return _resource(job, "google_pubsub_topic", name=job.name, labels=_TAGS)


def _function_itself(job: JobFile) -> TerraformBlock:
    runtime = job.runtime
    bucket, _, name = (runtime["source"] or "").removeprefix("gs://").partition("/")
    archive = block(
        "storage_source",
        bucket=bucket or Expression("var.source_bucket"),
        object=name or Expression("var.source_object"),
    )
    build = block(
        "build_config",
        runtime=runtime["runtime"],
        entry_point=runtime["entry_point"] or Expression("var.entry_point"),
        blocks=[block("source", blocks=[archive])],
    )
    service = block(
        "service_config",
        available_memory=quantity(runtime["memory"]),
        timeout_seconds=runtime["timeout"],
        service_account_email=_runner(job),
        environment_variables=Expression("var.container_environment"),
    )
    return _resource(
        job,
        "google_cloudfunctions2_function",
        name=job.name,
        location=_REGION,
        labels=_TAGS,
        blocks=[build, service, None if runtime["trigger"] == HTTP else _event(job)],
    )


def _event(job: JobFile) -> TerraformBlock:
    return block(
        "event_trigger",
        trigger_region=_REGION,
        event_type="google.cloud.pubsub.topic.v1.messagePublished",
        pubsub_topic=Expression(f"google_pubsub_topic.{job.label}.id"),
        retry_policy="RETRY_POLICY_DO_NOT_RETRY",
        service_account_email=_starter(job),
    )


def _function_schedule(job: JobFile) -> list[TerraformBlock]:
    if not job.runtime["schedule"]:
        return []
    if job.runtime["trigger"] != HTTP:
        topic = Expression(f"google_pubsub_topic.{job.label}.id")
        return [_scheduler(job, block("pubsub_target", topic_name=topic, data=Expression('base64encode("run")')), [])]
    url = Expression(f"google_cloudfunctions2_function.{job.label}.url")
    token = block("oidc_token", service_account_email=_starter(job), audience=url)
    return [_scheduler(job, block("http_target", http_method="POST", uri=url, blocks=[token]), [])]
