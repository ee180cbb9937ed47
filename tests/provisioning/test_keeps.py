"""What keeps data is not destroyed by the way: a protected project waits for a word, a bucket with versions stays."""

import os
import re
import subprocess
from typing import Any

import pytest

from local_cloud.aws import environment
from provisioning import plans
from tests.provisioning import cloud
from tests.provisioning.door import Door
from tests.provisioning.house import House, seldom
from tests.waiting import until_true

PROJECT, BUCKET = "kept", "kept-readings"
CODE = """
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}
provider "aws" { region = "us-east-1" }
resource "aws_s3_bucket" "readings" { bucket = "kept-readings" }
"""


def at_plan(house: House, job_id: str) -> Any:
    """The job, once it waits to be confirmed."""
    until_true(lambda: seldom(house.job(job_id)["detail"] == "planned"), "the plan")
    return house.job(job_id)


def confirmed(house: House, job: Any) -> Any:
    """The job, confirmed and ended."""
    assert house.call("POST", f"/api/deploy/confirm/{job['jobId']}", {"digest": job["plan"]["digest"]})[0] == 202
    return house.end(job["jobId"])


@pytest.mark.soak
def test_a_protected_bucket_with_versions_is_kept_twice(house: House, door: Door) -> None:
    """Its destroy waits for a word; then AWS refuses it, and the job names the bucket and a command that works."""
    assert house.end(house.deploy(PROJECT, CODE, protect=True))["status"] == "completed"
    s3 = cloud.client("s3", door.endpoint)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        s3.put_object(Bucket=BUCKET, Key="reading", Body=body)
    s3.delete_object(Bucket=BUCKET, Key="reading")

    waiting = at_plan(house, house.destroy(PROJECT))
    [hold] = waiting["plan"]["holds"]
    assert "the project is protected: aws_s3_bucket.readings (its objects and their versions)" in hold
    failed = confirmed(house, waiting)
    assert failed["status"] == "failed"
    assert f"bucket {BUCKET} still holds objects or versions" in failed["error"]
    assert f"arn:aws:s3:::{BUCKET}" in cloud.arns(door.endpoint)

    found = re.search(r'aws s3api delete-objects .*\)"', failed["error"])
    assert found
    subprocess.run(["bash", "-c", found[0]], env={**os.environ, **environment(door.endpoint)}, check=True)
    assert "Versions" not in s3.list_object_versions(Bucket=BUCKET)
    gone = confirmed(house, at_plan(house, house.destroy(PROJECT)))
    assert gone["status"] == "completed", gone
    assert cloud.arns(door.endpoint) == set()


def test_a_full_bucket_is_named_with_the_command_that_empties_it() -> None:
    """AWS's words alone do not say how; the soak runs the very command."""
    summary = "deleting S3 Bucket (a-b): operation error S3: DeleteBucket, api error BucketNotEmpty: it is not empty"
    [told] = plans.complaints([{"diagnostic": {"severity": "error", "summary": summary, "detail": ""}}])
    assert told == f"{summary}; bucket a-b still holds objects or versions: purge it, again until it finds none: " + (
        plans.purge("a-b")
    )


@pytest.mark.parametrize("summary", ["deleting S3 Bucket (a-b): operation error: NoSuchBucket", "BucketNotEmpty"])
def test_other_refusals_have_no_purge(summary: str) -> None:
    """Only a bucket that is full is to be emptied."""
    message = {"diagnostic": {"severity": "error", "summary": summary, "detail": ""}}
    assert list(plans.complaints([message])) == [summary]
