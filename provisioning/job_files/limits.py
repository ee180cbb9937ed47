"""What each target takes: tables of fields with their limits, as the clouds state them. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from checked_yaml import checks
from checked_yaml.checks import Check
from provisioning.job_files import cron
from provisioning.job_files.regions import AWS_REGIONS, GOOGLE_REGIONS

AWS, GOOGLE = "aws", "gcp"
JOB, SERVICE = "job", "service"
EVENT, HTTP = "event", "http"

MIB = 1024 * 1024
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._:/-]*(?:@sha256:[0-9a-f]{64})?")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_ECR = re.compile(r"[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/[a-z0-9._/-]+@sha256:[0-9a-f]{64}")
_ROLE = re.compile(r"arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+")
_ACCOUNT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z0-9.-]+\.iam\.gserviceaccount\.com")
_SOURCE = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]/\S+")
_QUANTITY = re.compile(r"([0-9]+)(Mi|Gi|M|G|MB|GB)")
_FACTORS = {"Mi": MIB, "Gi": 1024 * MIB, "M": 10**6, "G": 10**9, "MB": 10**6, "GB": 10**9}

FARGATE_MIB: dict[int, tuple[int, ...]] = {  # by CPU units, of which 1024 are a processor
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
}
CLOUD_RUN_GIB: dict[str, tuple[float, float]] = {  # least and most memory of a job, by processors
    "1": (0.5, 4),
    "2": (0.5, 8),
    "4": (2, 16),
    "6": (4, 24),
    "8": (4, 32),
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of `runtime`: its check, and what it is where nobody wrote it."""

    check: Check
    default: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One type of `runtime`: its cloud, its word on the command line, its fields, and what holds between them."""

    type: str
    cloud: str
    resource_type: str
    fields: Mapping[str, Field]
    names: int  # characters of a name at most
    together: Callable[[Mapping[str, Any]], tuple[str, str] | None] = field(default=lambda _values: None)


def words(value: Any) -> str | None:
    """A check for a command: a list of texts."""
    is_good = isinstance(value, list) and value and all(isinstance(word, str) and "\0" not in word for word in value)
    return None if is_good else "want a list of texts, as [python, -m, lambda_functions.aggregate]"


def matching(pattern: re.Pattern[str], want: str) -> Check:
    """A check for a text of a form; `want` says which, with an example."""
    return lambda value: None if isinstance(value, str) and pattern.fullmatch(value) else f"want {want}"


def memory_bytes(text: str) -> int:
    """Bytes of a quantity as `2Gi` or `256MB`."""
    match = _QUANTITY.fullmatch(text)
    assert match is not None
    return int(match[1]) * _FACTORS[match[2]]


def is_pinned(image: str) -> bool:
    """Whether an image is named by its digest."""
    return bool(_DIGEST.search(image))


def _quantity(least: int, most: int, limits: str) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
            return "want a quantity in quotes, as '512Mi' or '2Gi'"
        return None if least <= memory_bytes(value) <= most else f"want {limits}"

    return check


def _whole(least: int, most: int, unit: str) -> Check:
    def check(value: Any) -> str | None:
        is_good = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return None if is_good else f"want whole {unit} from {least} to {most}, without quotes"

    return check


def _region(regions: tuple[str, ...], whose: str) -> Check:
    def check(value: Any) -> str | None:
        if isinstance(value, str) and value in regions:
            return None
        return f"is no region of {whose}{checks.did_you_mean(str(value), regions)}; want one as {regions[-1]}"

    return check


def _fargate_cpu(value: Any) -> str | None:
    is_good = type(value) is int and value in FARGATE_MIB
    return None if is_good else f"want one of {', '.join(map(str, FARGATE_MIB))}, without quotes"


def _run_cpu(value: Any) -> str | None:
    is_good = isinstance(value, str) and value in CLOUD_RUN_GIB
    return None if is_good else f"want one of {', '.join(map(repr, CLOUD_RUN_GIB))}, in quotes"


def _lambda_place(values: Mapping[str, Any]) -> tuple[str, str] | None:
    region = values["image_uri"].split(".")[3]
    if region == values["region"]:
        return None
    return "image_uri", f"is in {region}; Lambda takes images of its own region, {values['region']}"


def _fargate_pair(values: Mapping[str, Any]) -> tuple[str, str] | None:
    sizes = FARGATE_MIB[values["cpu"]]
    if values["memory"] in sizes:
        return None
    some = ", ".join(map(str, sizes[:3])) + (f", ... {sizes[-1]}" if len(sizes) > 3 else "")
    return "memory", f"Fargate takes {some} MiB with cpu {values['cpu']}"


def _run_pair(values: Mapping[str, Any]) -> tuple[str, str] | None:
    least, most = CLOUD_RUN_GIB[values["cpu"]]
    if least * 1024 * MIB <= memory_bytes(values["memory"]) <= most * 1024 * MIB:
        return None
    return "memory", f"Cloud Run takes {least:g}Gi to {most:g}Gi with cpu {values['cpu']}"


def _function_time(values: Mapping[str, Any]) -> tuple[str, str] | None:
    if values["trigger"] == HTTP or values["timeout"] <= 540:
        return None
    return "timeout", "a function that events start has 540 s at most; with trigger: http it has 3600"


_IMAGE_CHECK = matching(_IMAGE, "an image, as registry/name:tag or registry/name@sha256:...")
_AWS_ROLE = matching(_ROLE, "the ARN of a role that exists, as arn:aws:iam::123456789012:role/NAME; or leave it out")
_GOOGLE_ROLE = matching(_ACCOUNT, "a service account's address, as runner@my-project.iam.gserviceaccount.com")
_AWS_PLACE = Field(_region(AWS_REGIONS, "AWS"), "us-east-1")
_GOOGLE_PLACE = Field(_region(GOOGLE_REGIONS, "Google"), "us-central1")
REGIONS = {AWS: _AWS_PLACE, GOOGLE: _GOOGLE_PLACE}
_TIMES = {"schedule": Field(cron.schedule), "timezone": Field(checks.timezone, "UTC")}
_RUNTIMES = re.compile(r"(?:python3(?:9|1[0-4])|nodejs(?:18|20|22|24)|go1(?:19|2[0-6])|java(?:11|17|21|25)|ruby3[2-4])")

FARGATE = Target(
    type="aws_ecs_fargate",
    cloud=AWS,
    resource_type="ecs_fargate",
    fields={
        "cpu": Field(_fargate_cpu, 1024),
        "memory": Field(_whole(512, 122880, "MiB"), 2048),
        "image_uri": Field(_IMAGE_CHECK, ...),
        "timeout": Field(_whole(1, 86400, "seconds")),
        "region": _AWS_PLACE,
        "command": Field(words),
        "kind": Field(checks.one_of((JOB, SERVICE)), JOB),
        "role": Field(_AWS_ROLE),
        **_TIMES,
    },
    names=54,  # a role's name has 64, with its suffix
    together=_fargate_pair,
)
LAMBDA = Target(
    type="aws_lambda",
    cloud=AWS,
    resource_type="lambda",
    fields={
        "memory": Field(_whole(128, 10240, "MB"), 2048),
        "image_uri": Field(
            matching(
                _ECR, "an address in ECR with a digest, as 123456789012.dkr.ecr.us-east-1.amazonaws.com/n@sha256:..."
            ),
            ...,
        ),
        "timeout": Field(_whole(1, 900, "seconds"), 900),
        "region": _AWS_PLACE,
        "command": Field(words),
        "role": Field(_AWS_ROLE),
        **_TIMES,
    },
    names=54,
    together=_lambda_place,
)
CLOUD_RUN = Target(
    type="gcp_cloud_run",
    cloud=GOOGLE,
    resource_type="cloud_run",
    fields={
        "cpu": Field(_run_cpu, "1"),
        "memory": Field(_quantity(512 * MIB, 32 * 1024 * MIB, "512Mi to 32Gi"), "2Gi"),
        "image_uri": Field(_IMAGE_CHECK, ...),
        "timeout": Field(_whole(1, 86400, "seconds"), 3600),
        "region": _GOOGLE_PLACE,
        "command": Field(words),
        "role": Field(_GOOGLE_ROLE),
        **_TIMES,
    },
    names=49,
    together=_run_pair,
)
CLOUD_FUNCTION = Target(
    type="gcp_cloud_function",
    cloud=GOOGLE,
    resource_type="cloud_function",
    fields={
        "runtime": Field(matching(_RUNTIMES, "a runtime of Google, as python311"), "python311"),
        "memory": Field(_quantity(128 * 10**6, 32 * 1024 * MIB, "128MB to 32Gi"), "256MB"),
        "timeout": Field(_whole(1, 3600, "seconds"), 540),
        "region": _GOOGLE_PLACE,
        "trigger": Field(checks.one_of((EVENT, HTTP)), EVENT),
        "source": Field(matching(_SOURCE, "an archive in a bucket, as gs://BUCKET/OBJECT.zip")),
        "entry_point": Field(matching(re.compile(r"[A-Za-z_][A-Za-z0-9_.]*"), "a function's name, as main")),
        "role": Field(_GOOGLE_ROLE),
        **_TIMES,
    },
    names=62,
    together=_function_time,
)
TARGETS = {target.type: target for target in (FARGATE, LAMBDA, CLOUD_RUN, CLOUD_FUNCTION)}
CLOUDS = (AWS, GOOGLE)
RESOURCE_TYPES = {target.resource_type: target for target in TARGETS.values()}
