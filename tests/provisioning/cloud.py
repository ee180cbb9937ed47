"""What the AWS API lists of the twelve, by names of Terraform's types."""

import re
from typing import Any

import boto3

from local_cloud.aws import environment

LISTED = re.compile(
    r"arn:aws:(iam::\d*:(role|policy)/|dynamodb:[^:]*:\d*:table/[^/]*$|logs:[^:]*:\d*:log-group:[^:]*$|s3:::[^/]*$"
    r"|ssm:[^:]*:\d*:parameter/)"
)


def client(service: str, endpoint: str) -> Any:
    """A client of the local API."""
    own = environment(endpoint)
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=own["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=own["AWS_SECRET_ACCESS_KEY"],
    )


def arns(endpoint: str) -> set[str]:
    """Every one of our twelve that exists."""
    iam, tables, logs = client("iam", endpoint), client("dynamodb", endpoint), client("logs", endpoint)
    s3, ssm = client("s3", endpoint), client("ssm", endpoint)
    found = {row["Arn"] for row in iam.list_roles()["Roles"]}
    found |= {row["Arn"] for row in iam.list_policies(Scope="Local")["Policies"]}
    found |= {tables.describe_table(TableName=name)["Table"]["TableArn"] for name in tables.list_tables()["TableNames"]}
    found |= {row["arn"].removesuffix(":*") for row in logs.describe_log_groups()["logGroups"]}
    found |= {f"arn:aws:s3:::{row['Name']}" for row in s3.list_buckets()["Buckets"]}
    found |= {
        f"arn:aws:ssm:us-east-1:123456789012:parameter{row['Name']}" for row in ssm.describe_parameters()["Parameters"]
    }
    return found


def of_state(state: dict[str, Any]) -> set[str]:
    """Every ARN in a state."""
    managed = [row for row in state["resources"] if row["mode"] == "managed"]
    rows = {one["attributes"].get("arn") or "" for row in managed for one in row["instances"]}
    return {row.removesuffix(":*") for row in rows} - {""}


def is_listed(arn: str) -> bool:
    """True for an ARN of a type that `arns` lists."""
    return LISTED.match(arn) is not None
