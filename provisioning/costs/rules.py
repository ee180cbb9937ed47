"""By type: which prices a resource takes, and how much of each a month. What a rule cannot know is unpriced."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any

from provisioning.costs.errors import UnpricedError
from provisioning.costs.resources import Resource
from provisioning.costs.usage import Usage

HOURS = Decimal(730)  # a month
GB = Decimal(2**30)
RECORD = 5 * 1024  # bytes that Firehose counts for a smaller record
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_MINUTES = {"minute": 1, "hour": 60, "day": 1440}
_ROOT_GB = 8  # of a machine whose disk is not written out

Line = tuple[str, Decimal]  # the name of a price, and how much of it


class Item:
    """One resource with what is known of it; every rule asks it."""

    def __init__(self, resource: Resource, others: Collection[Resource], usage: Usage) -> None:
        self.resource, self.others = resource, others
        self._usage = usage

    def value(self, name: str, default: Any = None) -> Any:
        """What the resource says, or the default where it says nothing."""
        value = self.resource.values.get(name)
        return default if value is None else value

    def text(self, name: str) -> str:
        """A text that must be known."""
        value = self.value(name)
        if not isinstance(value, str) or not value:
            raise UnpricedError(f"{name} is not known before the apply")
        return value

    def amount(self, name: str) -> Decimal:
        """What is used a month."""
        return self._usage.of(self.resource.type, self.resource.address, name)

    def is_given(self, name: str) -> bool:
        """Whether somebody said what is used."""
        return self._usage.is_given(self.resource.type, self.resource.address, name)

    def assume(self, text: str) -> None:
        """Note what had to be assumed."""
        self._usage.assumptions.add(f"{self.resource.type}: {text}")

    def is_(self, name: str, wish: str, default: str, otherwise: str) -> None:
        """Raise UnpricedError unless a value is the one that has a price."""
        value = str(self.value(name, default))
        if value.lower() != wish.lower():
            raise UnpricedError(f"{name} {value}: {otherwise}")


def _by_usage(**prices: str) -> "Rule":
    """A rule of amounts alone: the name of an amount, and of its price."""
    return lambda item: [(price, item.amount(name)) for name, price in prices.items()]


def _one(price: str, quantity: Decimal = Decimal(1)) -> "Rule":
    return lambda _item: [(price, quantity)]


def _instance(item: Item) -> list[Line]:
    item.is_("tenancy", "default", "default", "only shared machines are priced")
    if item.value("instance_market_options"):
        raise UnpricedError("a spot price changes by the hour")
    item.assume("Linux, on demand")
    disks = [*item.value("root_block_device", []), *item.value("ebs_block_device", [])]
    if not item.value("root_block_device"):
        item.assume(f"a first disk of {_ROOT_GB} GB gp2, where none is written")
        disks.append({"volume_size": _ROOT_GB, "volume_type": "gp2"})
    lines = [line for disk in disks for line in _disk(disk, "volume_size", "volume_type")]
    return [(f"EC2 {item.text('instance_type')}", item.amount("hours")), *lines]


def _disk(values: Mapping[str, Any], size: str, kind: str) -> Iterator[Line]:
    name = values.get(kind) or "gp2"
    if values.get(size) is None:
        raise UnpricedError(f"{size} is not known before the apply")
    yield f"EBS {name}", Decimal(str(values[size]))
    if name in {"io1", "io2"}:
        yield "EBS IOPS", Decimal(str(values.get("iops") or 0))
    elif name == "gp3" and ((values.get("iops") or 3000) > 3000 or (values.get("throughput") or 125) > 125):
        raise UnpricedError("gp3 above 3,000 IOPS or 125 MB/s has no price here")


def _volume(item: Item) -> list[Line]:
    return list(_disk(item.resource.values, "size", "type"))


def _database(item: Item) -> list[Line]:
    copies = 2 if item.value("multi_az", False) else 1
    kind = item.value("storage_type", "gp2")
    size = item.value("allocated_storage")
    if size is None:
        raise UnpricedError("allocated_storage is not known before the apply")
    item.assume("backups within the free size, no more than the storage itself")
    machine = f"RDS {item.text('engine')} {item.text('instance_class')}"
    return [(machine, copies * item.amount("hours")), (f"RDS storage {kind}", copies * Decimal(str(size)))]


def _function(item: Item) -> list[Line]:
    architecture = (item.value("architectures") or ["x86_64"])[0]
    memory_gb = Decimal(str(item.value("memory_size", 128))) / 1024
    requests = item.amount("requests")
    seconds = requests * item.amount("duration_ms") / 1000 * memory_gb
    return [(f"Lambda time ({architecture})", seconds), ("Lambda requests", requests)]


def _task_size(values: Mapping[str, Any], hours: Decimal) -> list[Line]:
    if values.get("cpu") is None or values.get("memory") is None:
        raise UnpricedError("cpu or memory of the task is not known before the apply")
    if not str(values["cpu"]).isdigit() or not str(values["memory"]).isdigit():
        raise UnpricedError("cpu and memory of the task are no plain numbers")
    platform = (values.get("runtime_platform") or [{}])[0]
    if "windows" in str(platform.get("operating_system_family") or "").lower():
        raise UnpricedError("Windows has no price here")
    architecture = (platform.get("cpu_architecture") or "x86_64").lower()
    cores, memory = Decimal(values["cpu"]) / 1024, Decimal(values["memory"]) / 1024
    return [
        (f"Fargate vCPU ({architecture})", cores * hours),
        (f"Fargate memory ({architecture})", memory * hours),
    ]


def _task_definition(item: Item) -> list[Line]:
    if "FARGATE" not in (item.value("requires_compatibilities") or []):
        raise UnpricedError("only tasks of Fargate are priced")
    return _task_size(item.resource.values, item.amount("task_hours"))


def _service(item: Item) -> list[Line]:
    item.is_("launch_type", "FARGATE", "EC2", "only services of Fargate are priced")
    arn = item.value("task_definition")
    place = item.resource.address.rpartition("aws_ecs_service.")[0]
    definitions = [
        each
        for each in item.others
        if each.type == "aws_ecs_task_definition"
        and each.sign == item.resource.sign
        and (each.values.get("arn") == arn if arn else each.address.startswith(f"{place}aws_ecs"))
    ]
    if len(definitions) != 1:
        raise UnpricedError("its task definition is not known before the apply, or it is not the only one beside it")
    return _task_size(definitions[0].values, HOURS * Decimal(str(item.value("desired_count", 0))))


def _table(item: Item) -> list[Line]:
    item.is_("table_class", "STANDARD", "STANDARD", "only the standard class is priced")
    if item.value("replica"):
        raise UnpricedError("copies in other regions have no price here")
    storage = ("DynamoDB storage", item.amount("storage_gb"))
    if item.value("billing_mode", "PROVISIONED") == "PAY_PER_REQUEST":
        return [("DynamoDB writes", item.amount("writes")), ("DynamoDB reads", item.amount("reads")), storage]
    units = [item.resource.values, *item.value("global_secondary_index", [])]
    writes, reads = (_sum(units, name) for name in ("write_capacity", "read_capacity"))
    return [("DynamoDB write capacity", HOURS * writes), ("DynamoDB read capacity", HOURS * reads), storage]


def _sum(rows: Collection[Mapping[str, Any]], name: str) -> Decimal:
    return sum((Decimal(str(each.get(name) or 0)) for each in rows), Decimal(0))


def _endpoint(item: Item) -> list[Line]:
    kind = item.value("vpc_endpoint_type", "Gateway")
    if kind == "Gateway":
        return []
    item.is_("vpc_endpoint_type", "Interface", "Gateway", "only interface endpoints are priced")
    subnets = item.value("subnet_ids")
    zones = Decimal(len(subnets)) if subnets else item.amount("zones")
    return [("Interface endpoint", HOURS * zones), ("Endpoint data", item.amount("data_gb"))]


def _balancer(item: Item) -> list[Line]:
    item.is_("load_balancer_type", "network", "application", "only network load balancers are priced")
    item.assume("its traffic adds cents")
    return [("Network load balancer", HOURS)]


def _zone(item: Item) -> list[Line]:
    if not item.value("vpc"):
        raise UnpricedError("only private zones are priced")
    return [("Private DNS zone", Decimal(1))]


def _schedule(item: Item) -> list[Line]:
    match = _RATE.fullmatch(str(item.value("schedule_expression", "")))
    if match and not item.is_given("starts"):
        return [("Scheduler", HOURS * 60 / (int(match[1]) * _MINUTES[match[2]]))]
    return [("Scheduler", item.amount("starts"))]


def _crawler(item: Item) -> list[Line]:
    runs = item.amount("runs") if item.value("schedule") or item.is_given("runs") else Decimal(0)
    return [("Glue crawler", runs * 2 / 6)]


def _alarm(item: Item) -> list[Line]:
    if item.value("period", 60) < 60 or item.value("metric_query"):
        raise UnpricedError("only alarms on one metric, of a minute and more, are priced")
    return [("Alarms", Decimal(1))]


def _machine(item: Item) -> list[Line]:
    item.is_("type", "STANDARD", "STANDARD", "only standard state machines are priced")
    return [("Step Functions", item.amount("transitions"))]


def _web_api(item: Item) -> list[Line]:
    item.is_("protocol_type", "HTTP", "HTTP", "only HTTP APIs are priced")
    return [("API Gateway (HTTP)", item.amount("requests"))]


def _stage(item: Item) -> list[Line]:
    if item.value("cache_cluster_enabled", False):
        raise UnpricedError("a cache has no price here")
    return []


_BY_PROTOCOL = {"email": "SNS mail", "email-json": "SNS mail", "http": "SNS calls", "https": "SNS calls"}


def _subscription(item: Item) -> list[Line]:
    protocol = item.text("protocol")
    if protocol in {"lambda", "sqs"}:
        return []
    if protocol not in _BY_PROTOCOL:
        raise UnpricedError(f"protocol {protocol} has no price here")
    return [(_BY_PROTOCOL[protocol], item.amount("deliveries"))]


def _queue(item: Item) -> list[Line]:
    return [("SQS requests (FIFO)" if item.value("fifo_queue", False) else "SQS requests", item.amount("requests"))]


def _nat(item: Item) -> list[Line]:
    return [("NAT gateway", HOURS), ("NAT data", item.amount("data_gb"))]


def _parameter(item: Item) -> list[Line]:
    item.is_("tier", "Standard", "Standard", "only standard parameters are priced")
    return []


def _author(item: Item) -> list[Line]:
    if item.value("user_role", "").upper() not in {"AUTHOR", "ADMIN"}:
        raise UnpricedError("only authors are priced")
    return [("QuickSight author", Decimal(1))]


Rule = Callable[[Item], list[Line]]
RULES: dict[str, Rule] = {
    "aws_api_gateway_rest_api": _by_usage(requests="API Gateway (REST)"),
    "aws_api_gateway_stage": _stage,
    "aws_apigatewayv2_api": _web_api,
    "aws_cloudwatch_log_group": _by_usage(ingested_gb="Logs"),
    "aws_cloudwatch_log_metric_filter": _one("Metric of our own"),
    "aws_cloudwatch_metric_alarm": _alarm,
    "aws_db_instance": _database,
    "aws_dynamodb_table": _table,
    "aws_ebs_volume": _volume,
    "aws_ecr_repository": _by_usage(storage_gb="Image storage"),
    "aws_ecs_service": _service,
    "aws_ecs_task_definition": _task_definition,
    "aws_eip": _one("Public IPv4 address", HOURS),
    "aws_glue_crawler": _crawler,
    "aws_instance": _instance,
    "aws_iot_thing": _by_usage(minutes="IoT connection", messages="IoT messages"),
    "aws_iot_topic_rule": lambda item: [("IoT rules", 2 * item.amount("runs"))],
    "aws_kinesis_firehose_delivery_stream": lambda item: [("Firehose", item.amount("records") * RECORD / GB)],
    "aws_lambda_function": _function,
    "aws_lb": _balancer,
    "aws_nat_gateway": _nat,
    "aws_quicksight_user": _author,
    "aws_route53_zone": _zone,
    "aws_s3_bucket": _by_usage(storage_gb="S3 storage", writes="S3 writes", reads="S3 reads"),
    "aws_scheduler_schedule": _schedule,
    "aws_secretsmanager_secret": _one("Secrets"),
    "aws_sfn_state_machine": _machine,
    "aws_sns_topic": _by_usage(messages="SNS messages"),
    "aws_sns_topic_subscription": _subscription,
    "aws_sqs_queue": _queue,
    "aws_ssm_parameter": _parameter,
    "aws_vpc_endpoint": _endpoint,
}
