"""How things in the cloud are found again: four tables by type, which between them have every type of our own roots.

IDENTITIES: named by an ARN that the plan tells. NUMBERED: by a number that AWS gives, so looked for by what the plan
tells of them. MADE_AGAIN: whose creation does no harm where they exist. HAND_WORK: that nobody can bring into a state.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from glob import escape
from typing import Any, NamedTuple


class Owner(NamedTuple):
    """Where something would be made."""

    account: str
    region: str


class Identity(NamedTuple):
    """How a type is named: the pattern of its ARN and the id to import it by, with names of values in braces."""

    arn: str
    import_id: str = "{name}"


IOT, GLUE = "arn:aws:iot:{region}:{account}:", "arn:aws:glue:{region}:{account}:"
BALANCING = "arn:aws:elasticloadbalancing:{region}:{account}:"

# Where AWS appends a hash of its own there is a wildcard, and the id is the ARN that was found.
IDENTITIES: Mapping[str, Identity] = {
    "aws_athena_workgroup": Identity("arn:aws:athena:{region}:{account}:workgroup/{name}"),
    "aws_cloudwatch_event_rule": Identity("arn:aws:events:{region}:{account}:rule/{name}"),
    "aws_cloudwatch_log_group": Identity("arn:aws:logs:{region}:{account}:log-group:{name}"),
    "aws_cloudwatch_log_stream": Identity(
        "arn:aws:logs:{region}:{account}:log-group:{log_group_name}:log-stream:{name}", "{log_group_name}:{name}"
    ),
    "aws_cloudwatch_metric_alarm": Identity("arn:aws:cloudwatch:{region}:{account}:alarm:{alarm_name}", "{alarm_name}"),
    "aws_dynamodb_table": Identity("arn:aws:dynamodb:{region}:{account}:table/{name}"),
    "aws_ecr_repository": Identity("arn:aws:ecr:{region}:{account}:repository/{name}"),
    "aws_ecs_task_definition": Identity("arn:aws:ecs:{region}:{account}:task-definition/{family}:*", "{arn}"),
    "aws_glue_catalog_database": Identity(GLUE + "database/{name}", "{account}:{name}"),
    "aws_glue_catalog_table": Identity(GLUE + "table/{database_name}/{name}", "{account}:{database_name}:{name}"),
    "aws_glue_crawler": Identity(GLUE + "crawler/{name}"),
    "aws_iam_policy": Identity("arn:aws:iam::{account}:policy{path}{name}", "{arn}"),
    "aws_iam_role": Identity("arn:aws:iam::{account}:role{path}{name}"),
    "aws_iam_user": Identity("arn:aws:iam::{account}:user{path}{name}"),
    "aws_iot_certificate": Identity(IOT + "cert/{fingerprint}", ""),
    "aws_iot_policy": Identity(IOT + "policy/{name}"),
    "aws_iot_thing_group": Identity(IOT + "thinggroup/{name}"),
    "aws_iot_thing_type": Identity(IOT + "thingtype/{name}"),
    "aws_iot_topic_rule": Identity(IOT + "rule/{name}"),
    "aws_kinesis_firehose_delivery_stream": Identity(
        "arn:aws:firehose:{region}:{account}:deliverystream/{name}", "{arn}"
    ),
    "aws_lambda_function": Identity("arn:aws:lambda:{region}:{account}:function:{function_name}", "{function_name}"),
    "aws_lb": Identity(BALANCING + "loadbalancer/???/{name}/*", "{arn}"),
    "aws_lb_target_group": Identity(BALANCING + "targetgroup/{name}/*", "{arn}"),
    "aws_s3_bucket": Identity("arn:aws:s3:::{bucket}", "{bucket}"),
    "aws_scheduler_schedule": Identity(
        "arn:aws:scheduler:{region}:{account}:schedule/{group_name}/{name}", "{group_name}/{name}"
    ),
    "aws_secretsmanager_secret": Identity("arn:aws:secretsmanager:{region}:{account}:secret:{name}-??????", "{arn}"),
    "aws_sns_topic": Identity("arn:aws:sns:{region}:{account}:{name}", "{arn}"),
    "aws_sqs_queue": Identity("arn:aws:sqs:{region}:{account}:{name}", "{url}"),
    "aws_ssm_parameter": Identity("arn:aws:ssm:{region}:{account}:parameter/{name_below}"),
}

# Each with the values that tell one from another, of which an id of something else may be unknown until that is there.
NUMBERED: Mapping[str, tuple[str, ...]] = {
    "aws_cloudwatch_event_target": ("rule", "arn"),
    "aws_default_security_group": ("tag_name", "vpc_id"),
    "aws_internet_gateway": ("tag_name", "vpc_id"),
    "aws_lb_listener": ("load_balancer_arn", "port"),
    "aws_route": ("route_table_id", "destination_cidr_block", "gateway_id", "vpc_peering_connection_id"),
    "aws_route53_record": ("zone_id", "name", "type"),
    "aws_route53_zone": ("name", "comment", "zone_vpc"),
    "aws_route_table": ("tag_name", "vpc_id"),
    "aws_route_table_association": ("route_table_id", "subnet_id"),
    "aws_security_group": ("tag_name", "vpc_id", "name"),
    "aws_subnet": ("tag_name", "vpc_id", "cidr_block"),
    "aws_vpc": ("tag_name", "cidr_block"),
    "aws_vpc_endpoint": ("tag_name", "vpc_id", "service_name"),
    "aws_vpc_peering_connection": ("tag_name", "vpc_id", "peer_vpc_id"),
    "aws_vpc_security_group_egress_rule": ("security_group_id", "cidr_ipv4", "ip_protocol", "from_port", "to_port"),
    "aws_vpc_security_group_ingress_rule": ("security_group_id", "cidr_ipv4", "ip_protocol", "from_port", "to_port"),
}

MEMBER = "setIamPolicy takes a member that is there"
MADE_AGAIN: Mapping[str, str] = {
    "aws_cloudwatch_log_metric_filter": "PutMetricFilter writes over it",
    "aws_ecr_lifecycle_policy": "PutLifecyclePolicy writes over it",
    "aws_ecr_repository_policy": "SetRepositoryPolicy writes over it",
    "aws_iam_role_policy": "PutRolePolicy writes over it",
    "aws_iot_logging_options": "SetV2LoggingOptions writes over it",
    "aws_iot_policy_attachment": "AttachPolicy takes what is attached",
    "aws_iot_thing": "CreateThing takes one that is the same",
    "aws_iot_thing_group_membership": "AddThingToThingGroup takes what is a member",
    "aws_iot_thing_principal_attachment": "AttachThingPrincipal takes what is attached",
    "aws_lambda_function_event_invoke_config": "PutFunctionEventInvokeConfig writes over it",
    "aws_lb_target_group_attachment": "RegisterTargets takes what is registered",
    "aws_s3_bucket_lifecycle_configuration": "its Put writes over it",
    "aws_s3_bucket_ownership_controls": "its Put writes over it",
    "aws_s3_bucket_policy": "its Put writes over it",
    "aws_s3_bucket_public_access_block": "its Put writes over it",
    "aws_s3_bucket_server_side_encryption_configuration": "its Put writes over it",
    "aws_s3_bucket_versioning": "its Put writes over it",
    "aws_secretsmanager_secret_version": "PutSecretValue makes the next version",
    "aws_sns_topic_policy": "SetTopicAttributes writes over it",
    "aws_sns_topic_subscription": "Subscribe gives the ARN of what is subscribed",
    "google_bigquery_dataset_iam_member": MEMBER,
    "google_cloud_run_v2_job_iam_member": MEMBER,
    "google_cloud_run_v2_service_iam_member": MEMBER,
    "google_project_iam_member": MEMBER,
    "google_project_service": "services.enable takes one that is on",
    "google_secret_manager_secret_iam_member": MEMBER,
    "google_service_account_iam_member": MEMBER,
    "google_storage_bucket_iam_member": MEMBER,
    "terraform_data": "it is in the state alone",
}

ASK_GOOGLE = "the service asks AWS alone: remove it by hand, or write an import block"
HAND_WORK: Mapping[str, str] = dict.fromkeys(
    (
        "google_artifact_registry_repository",
        "google_bigquery_dataset",
        "google_cloud_run_v2_job",
        "google_cloud_scheduler_job",
        "google_cloudfunctions2_function",
        "google_compute_network",
        "google_compute_subnetwork",
        "google_logging_metric",
        "google_logging_project_bucket_config",
        "google_logging_project_sink",
        "google_monitoring_alert_policy",
        "google_project_iam_custom_role",
        "google_service_account",
        "google_storage_bucket",
        "google_storage_bucket_object",
    ),
    ASK_GOOGLE,
)

PLAIN = frozenset(re.findall(r"{(\w+)}", "".join(map("".join, IDENTITIES.values())))) | {
    name for names in NUMBERED.values() for name in names
}
DEFAULTS = {"aws_scheduler_schedule": {"group_name": "default"}}


def telling(type_: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Of planned values those that an identity is made of, and what follows from them."""
    facts = DEFAULTS.get(type_, {}) | {name: values[name] for name in PLAIN if values.get(name) not in (None, "")}
    if type_.startswith("aws_iam_"):
        facts.setdefault("path", "/")
    if "name" in facts:
        facts["name_below"] = str(facts["name"]).removeprefix("/")
    if name := (values.get("tags_all") or {}).get("Name"):
        facts["tag_name"] = name
    if type_ == "aws_route53_zone" and len(values.get("vpc") or []) == 1:
        facts["zone_vpc"] = values["vpc"][0].get("vpc_id") or ""
    if type_ == "aws_iot_certificate" and (fingerprint := _fingerprint(values.get("certificate_pem"))):
        facts["fingerprint"] = fingerprint
    return {name: value for name, value in facts.items() if value != ""}


def pattern(type_: str, facts: Mapping[str, Any], owner: Owner) -> str | None:
    """Of the ARN of what `telling` tells; None where a value is known only after the apply."""
    return _filled(IDENTITIES[type_].arn, {name: escape(str(value)) for name, value in facts.items()}, owner)


def exact(type_: str, facts: Mapping[str, Any], owner: Owner) -> str | None:
    """The ARN itself, of a type whose pattern has no wildcard."""
    return _filled(IDENTITIES[type_].arn, facts, owner)


def import_id(type_: str, facts: Mapping[str, Any], owner: Owner, arn: str) -> str | None:
    """What `terraform import` wants; None if Terraform cannot import it, or a value is missing."""
    return _filled(IDENTITIES[type_].import_id, {**facts, "arn": arn}, owner) or None


def is_named(arn: str, mask: str | None) -> bool:
    """True if the ARN is of this pattern."""
    return mask is not None and fnmatchcase(arn, mask)


def _filled(template: str, values: Mapping[str, Any], owner: Owner) -> str | None:
    try:
        return template.format_map({**values, **owner._asdict()})
    except KeyError:
        return None


def _fingerprint(pem: Any) -> str | None:
    """The id that IoT Core gives a certificate: SHA-256 of its DER."""
    match = re.search(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", str(pem or ""), re.DOTALL)
    try:
        return hashlib.sha256(base64.b64decode("".join(match[1].split()))).hexdigest() if match else None
    except ValueError:
        return None
