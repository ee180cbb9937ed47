"""What must hold after a job in which somebody was killed, or which was cancelled."""

import json
import sqlite3
from itertools import pairwise
from typing import Any

from tests.provisioning import cloud
from tests.provisioning.conftest import PROJECT
from tests.provisioning.door import Door
from tests.provisioning.house import House


def known(house: House, project: str = PROJECT) -> set[str]:
    """What the service says there is: in the state, or outside it."""
    document = house.project(project)
    return cloud.of_state(document["terraformState"]) | set(document["orphans"])


def check(house: House, door: Door, job: Any, *, was_service: bool = False) -> None:
    """What exists is known, the status is true, none ran twice; if only the service was killed all is well."""
    project = house.project(job["projectId"])
    exist = cloud.arns(door.endpoint)
    told = {arn for arn in known(house, job["projectId"]) if cloud.is_listed(arn)}
    assert told == exist, f"told and not there: {told - exist}; there and not told: {exist - told}; {job.get('error')}"
    assert job["status"] in {"completed", "failed"}
    assert job["status"] == "completed" or not was_service, f"{job['error']}; lost: {door.troubles}"
    assert project["deploymentStatus"] != "deployed" or (job["status"] == "completed" and exist)
    log = house.phase(job["projectId"], job["jobId"]) / "job.jsonl"
    if log.exists():
        steps = [line for line in log.read_text().splitlines() if line.startswith('{"type": "step"')]
        assert len(steps) == 1, "an apply that was run twice"
    check_writers(house)


def check_writers(house: House) -> None:
    """Never were two jobs of one project at work at once, and none is missing from the list."""
    with sqlite3.connect(f"file:{house.data / 'provisioning.db'}?mode=ro", uri=True) as file:
        query = "SELECT project_id, id, started_at, ended_at FROM jobs WHERE started_at NOTNULL ORDER BY 1, 3"
        rows = file.execute(query).fetchall()
    file.close()
    for (project, first, _, ended_at), (other, second, started_at, _) in pairwise(rows):
        assert project != other or (ended_at is not None and ended_at <= started_at), f"{first} and {second} at once"


def births(endpoint: str) -> dict[str, str]:
    """When each table, log group and bucket was made: what was replaced has another moment."""
    tables, logs, s3 = (cloud.client(name, endpoint) for name in ("dynamodb", "logs", "s3"))
    rows = [tables.describe_table(TableName=name)["Table"] for name in tables.list_tables()["TableNames"]]
    made = {row["TableArn"]: row["CreationDateTime"] for row in rows}
    made |= {row["arn"]: row["creationTime"] for row in logs.describe_log_groups()["logGroups"]}
    made |= {row["Name"]: row["CreationDate"] for row in s3.list_buckets()["Buckets"]}
    return json.loads(json.dumps(made, default=str))  # type: ignore[no-any-return]
