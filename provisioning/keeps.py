"""Types that keep data, and those that can be brought into a state again: two tables, each row with its reason or rule.

Of the second, `import_id` makes what `terraform import` wants from planned values, account and region; None where a
value is known only after the apply.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

# A deploy that would replace or destroy one of these waits for somebody's word.
KEEPS: Mapping[str, str] = {
    "aws_s3_bucket": "its objects and their versions",
    "aws_s3_object": "its bytes",
    "aws_dynamodb_table": "its items",
    "aws_secretsmanager_secret": "its value; the name stays taken for days",
    "aws_secretsmanager_secret_version": "its value",
    "aws_ssm_parameter": "its value and history",
    "aws_efs_file_system": "its files",
    "aws_ebs_volume": "its blocks",
    "aws_db_instance": "its databases",
    "aws_rds_cluster": "its databases",
    "aws_kinesis_stream": "records that nobody has read yet",
    "aws_sqs_queue": "messages that nobody has taken yet",
    "aws_cloudwatch_log_group": "its log",
    "aws_ecr_repository": "its images",
    "aws_glue_catalog_database": "the tables in it",
    "aws_kms_key": "everything that was encrypted with it",
    "aws_timestreamwrite_table": "its records",
    "aws_quicksight_data_set": "its imported rows",
    "google_storage_bucket": "its objects",
    "google_bigquery_dataset": "its tables",
    "google_bigquery_table": "its rows",
    "google_firestore_database": "its documents",
    "google_secret_manager_secret": "its versions",
    "google_sql_database_instance": "its databases",
}


class Owner(NamedTuple):
    """Where something would be made."""

    account: str
    region: str


Rule = Callable[[Mapping[str, Any], Owner], str | None]


def _value(name: str) -> Rule:
    return lambda values, _: values.get(name)


def _arn(service: str, kind: str, name: str = "name", separator: str = "/") -> Rule:
    def rule(values: Mapping[str, Any], owner: Owner) -> str | None:
        if not values.get(name):
            return None
        region = "" if service == "iam" else owner.region
        path = values.get("path") or "/" if service == "iam" else separator
        tail = str(values[name]).removeprefix("/") if path == "/" else values[name]
        return f"arn:aws:{service}:{region}:{owner.account}:{kind}{path}{tail}"

    return rule


def _queue_url(values: Mapping[str, Any], owner: Owner) -> str | None:
    return f"{owner.account}/{values['name']}" if values.get("name") else None


class Identity(NamedTuple):
    """How a type is named: its ARN from planned values, and the id to import it by."""

    arn: Rule
    import_id: Rule


def _plain(prefix: str, name: str) -> Rule:
    return lambda values, _: f"{prefix}{values[name]}" if values.get(name) else None


IDENTITIES: Mapping[str, Identity] = {
    "aws_iam_role": Identity(_arn("iam", "role"), _value("name")),
    "aws_iam_policy": Identity(_arn("iam", "policy"), _arn("iam", "policy")),
    "aws_iam_user": Identity(_arn("iam", "user"), _value("name")),
    "aws_dynamodb_table": Identity(_arn("dynamodb", "table"), _value("name")),
    "aws_s3_bucket": Identity(_plain("arn:aws:s3:::", "bucket"), _value("bucket")),
    "aws_cloudwatch_log_group": Identity(_arn("logs", "log-group", separator=":"), _value("name")),
    "aws_ssm_parameter": Identity(_arn("ssm", "parameter"), _value("name")),
    "aws_sns_topic": Identity(_arn("sns", "", separator=""), _arn("sns", "", separator="")),
    "aws_sqs_queue": Identity(_arn("sqs", "", separator=""), _queue_url),
    "aws_secretsmanager_secret": Identity(
        _arn("secretsmanager", "secret", separator=":"), lambda _values, _owner: None
    ),
}
# The tagging API knows nothing of IAM; a bucket gets its tags only after it was made, and may never have got them.
NAMED_ONLY = ("aws_iam_role", "aws_iam_policy", "aws_iam_user", "aws_s3_bucket")
