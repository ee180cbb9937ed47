"""How much is used a month: defaults for what no plan says, and the YAML file in which people say it better.

aws_lambda_function: {requests: 500000, duration_ms: 120}     # every function
module.lake.aws_s3_bucket.this: {storage_gb: 250}             # one bucket, by its address
"""

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import checked_yaml.mapping
from checked_yaml.checks import did_you_mean, number
from provisioning.costs.errors import CostsError
from provisioning.costs.resources import Resource

BEDROCK = "bedrock"  # tokens are no resource of a plan
MOST = 1e12
GUIDE = "docs/costs.md"


class Amount(NamedTuple):
    """What is assumed a month if nobody says it, and what it counts."""

    default: str
    what: str


_HOURS = Amount("730", "hours it runs")
DEFAULTS: dict[str, dict[str, Amount]] = {
    "aws_api_gateway_rest_api": {"requests": Amount("100000", "calls")},
    "aws_apigatewayv2_api": {"requests": Amount("100000", "calls of at most 512 KB")},
    "aws_cloudwatch_log_group": {"ingested_gb": Amount("0.1", "GB written to it")},
    "aws_db_instance": {"hours": _HOURS},
    "aws_dynamodb_table": {
        "writes": Amount("100000", "write units, where it pays by request"),
        "reads": Amount("100000", "read units, where it pays by request"),
        "storage_gb": Amount("1", "GB it holds"),
    },
    "aws_ecr_repository": {"storage_gb": Amount("0.3", "GB of images")},
    "aws_ecs_task_definition": {"task_hours": Amount("0", "hours of tasks that no service keeps running")},
    "aws_glue_crawler": {"runs": Amount("4.345", "runs of ten minutes and 2 DPU, if it has a schedule")},
    "aws_instance": {"hours": _HOURS},
    "aws_iot_thing": {
        "minutes": Amount("43800", "minutes it is connected"),
        "messages": Amount("12197", "messages, each counted as docs/deploy.md does"),
    },
    "aws_iot_topic_rule": {"runs": Amount("2920", "messages it takes, each with one action")},
    "aws_kinesis_firehose_delivery_stream": {"records": Amount("2920", "records of at most 5 KB")},
    "aws_lambda_function": {
        "requests": Amount("100000", "calls"),
        "duration_ms": Amount("200", "milliseconds of a call"),
    },
    "aws_nat_gateway": {"data_gb": Amount("10", "GB through it")},
    "aws_s3_bucket": {
        "storage_gb": Amount("10", "GB it holds"),
        "writes": Amount("10000", "PUT and LIST"),
        "reads": Amount("10000", "GET"),
    },
    "aws_scheduler_schedule": {"starts": Amount("730", "starts, where its expression is no rate")},
    "aws_sfn_state_machine": {"transitions": Amount("10000", "state transitions")},
    "aws_sns_topic": {"messages": Amount("1000", "messages published")},
    "aws_sns_topic_subscription": {"deliveries": Amount("1000", "messages delivered")},
    "aws_sqs_queue": {"requests": Amount("10000", "requests")},
    "aws_vpc_endpoint": {
        "data_gb": Amount("1", "GB through it"),
        "zones": Amount("2", "zones, where the plan does not know its subnets"),
    },
    BEDROCK: {
        "input_tokens": Amount("0", "tokens that Nova Lite reads"),
        "output_tokens": Amount("0", "tokens that it writes"),
    },
}


class Usage:
    """Amounts by resource: what was said of it, of its type, or what is assumed. Notes what it had to assume."""

    def __init__(self, amounts: Mapping[str, Mapping[str, Any]]) -> None:
        self._amounts = amounts
        self.assumptions: set[str] = set()

    def of(self, kind: str, address: str, name: str) -> Decimal:
        """One amount a month."""
        for place in (address, kind):
            if name in self._amounts.get(place, {}):
                return Decimal(str(self._amounts[place][name]))
        amount = DEFAULTS[kind][name]
        if amount.default != "0":
            self.assumptions.add(f"{kind}: {name} {amount.default} a month, {amount.what}")
        return Decimal(amount.default)

    def is_given(self, kind: str, address: str, name: str) -> bool:
        """Whether somebody said it."""
        return any(name in self._amounts.get(place, {}) for place in (address, kind))


def read_usage(path: Path) -> dict[str, dict[str, Any]]:
    """A usage file. Raises CheckedYamlError with every mistake, its line and the remedy."""
    root = checked_yaml.mapping.root(path, GUIDE, "usage")
    amounts: dict[str, dict[str, Any]] = {}
    for name in root:
        kind = _kind(name)
        inner = root.inner(name)
        if kind not in DEFAULTS:
            root.wrong(name, f"{name} has no usage{did_you_mean(name, DEFAULTS)}; {GUIDE} has all", name)
            continue
        values = {key: inner.take(key, number(0, MOST)) for key in DEFAULTS[kind] if key in inner}
        amounts[name] = {key: value for key, value in values.items() if value is not None}
        inner.end(*DEFAULTS[kind])
    root.mistakes.raise_if_any()
    return amounts


def checked(usage: Mapping[str, Any] | None, resources: Collection[Resource]) -> Usage:
    """The usage of an estimate. Raises CostsError for a type, an address or a name that is not known, or no number."""
    addresses = {each.address for each in resources}
    mistakes = [line for name, amounts in (usage or {}).items() for line in _mistakes(name, amounts, addresses)]
    if mistakes:
        raise CostsError(mistakes)
    return Usage(usage or {})


def _mistakes(name: str, amounts: Any, addresses: set[str]) -> Iterator[str]:
    if name not in DEFAULTS and name not in addresses:
        hint = did_you_mean(name, {*DEFAULTS, *addresses})
        yield f"usage, {name}: neither a type with usage nor a resource here{hint}"
        return
    names = DEFAULTS.get(_kind(name), {})
    if not isinstance(amounts, Mapping):
        yield f"usage, {name}: want amounts by name; known: {', '.join(names)}"
        return
    for key, value in amounts.items():
        if key not in names:
            hint = f"known: {', '.join(names)}" if names else "this type has no usage"
            yield f"usage, {name}: unknown {key!r}{did_you_mean(str(key), names)}; {hint}"
        elif not isinstance(value, Decimal) or not 0 <= value <= Decimal(MOST):
            why = number(0, MOST)(value)
            if why:
                yield f"usage, {name}, {key}: {value!r}: {why}"


def _kind(name: str) -> str:
    """The type in an address, or the name itself."""
    if name in DEFAULTS:
        return name
    parts = name.split(".")
    return next((part for part in parts if part.startswith(("aws_", "google_"))), name)
