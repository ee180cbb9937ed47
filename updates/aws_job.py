"""The same bundle on AWS itself: what `aws iot create-stream` and `create-job` are given, as files, and the commands.

Jobs there count things a minute, not stages, so that the first boards get a job of their own. AWS cancels a job by
itself when its share of failures is reached; a board that never answers counts there only once it has begun.
"""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from updates.bundle import Bundle


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a bundle goes in AWS: its files in a bucket that `role` may read, the boards by their ARNs."""

    bucket: str
    role: str
    first: Sequence[str]
    rest: Sequence[str]
    failures_percent: int
    minutes: int


def inputs(bundle: Bundle, job_id: str, target: Target) -> dict[str, dict[str, Any]]:
    """The input of each call, by the file that it is written to."""
    stream = {
        "streamId": job_id,
        "description": bundle.name[:2028] or job_id,
        "files": [
            {"fileId": number, "s3Location": {"bucket": target.bucket, "key": f"{job_id}/{number}"}}
            for number in range(1 + len(bundle.files))
        ],
        "roleArn": target.role,
    }
    both = {
        "targetSelection": "SNAPSHOT",
        "document": bundle.document(job_id),
        "timeoutConfig": {"inProgressTimeoutInMinutes": target.minutes},
    }
    first = {"jobId": f"{job_id}-first", "targets": list(target.first), **both, **_pace(target, least=1)}
    rest = {"jobId": job_id, "targets": list(target.rest), **both, **_pace(target, least=5)}
    return {"stream.json": stream, "first.json": first, "rest.json": rest}


def _pace(target: Target, least: int) -> dict[str, Any]:
    """How fast it goes, and when it ends: not before so many things have it."""
    return {
        "jobExecutionsRolloutConfig": {
            "exponentialRate": {
                "baseRatePerMinute": 1,
                "incrementFactor": 2,
                "rateIncreaseCriteria": {"numberOfSucceededThings": 5},
            },
            "maximumPerMinute": 50,
        },
        "abortConfig": {
            "criteriaList": [
                {
                    "failureType": "ALL",
                    "action": "CANCEL",
                    "thresholdPercentage": target.failures_percent,
                    "minNumberOfExecutedThings": least,
                }
            ]
        },
    }


def commands(bundle: Bundle, job_id: str, bucket: str, folder: Path) -> list[str]:
    """The lines that a person types, in their order."""
    sources = enumerate((bundle.manifest, *bundle.files))
    copies = [["aws", "s3", "cp", str(path), f"s3://{bucket}/{job_id}/{number}"] for number, path in sources]
    calls = [
        ["aws", "iot", call, "--cli-input-json", f"file://{folder / name}"]
        for call, name in (("create-stream", "stream.json"), ("create-job", "first.json"), ("create-job", "rest.json"))
    ]
    look = ["aws", "iot", "describe-job", "--job-id", f"{job_id}-first", "--query", "job.[status,jobProcessDetails]"]
    return [shlex.join(words) for words in (*copies, *calls[:2], look, calls[2])]


def write_inputs(folder: Path, content: dict[str, dict[str, Any]]) -> None:
    """Write the inputs into a folder. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, call in content.items():
        (folder / name).write_text(json.dumps(call, indent=1) + "\n", encoding="utf-8")
