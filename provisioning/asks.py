"""What is asked of AWS about one thing that a plan would make: is it there already, and whose is it?

By name what the tagging API may leave out, each with its tags or the moment it was made; by what a plan tells of it
what has a number. Where there is no such thing a row's function gives nothing, or raises a ClientError of ABSENCES.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from provisioning.identities import Owner

Facts = Mapping[str, Any]
Tags = Mapping[str, str]

ABSENCES = ("NoSuch", "NotFound", "NonExistent")  # in the code of an error: there is none


class Sign(NamedTuple):
    """By what something is known to be somebody's: tags, and if it has none the moment it was made, in Unix seconds."""

    tags: Tags
    made_at: float | None = None


class Row(NamedTuple):
    """Something with a number: the end of its ARN, the id to import it by, its sign, and what it tells of itself."""

    name: str
    import_id: str
    sign: Sign
    facts: Facts


def is_absence(error: ClientError) -> bool:
    """True if AWS says that there is none."""
    return any(word in error.response["Error"]["Code"] for word in ABSENCES)


def tags_of(rows: Any) -> dict[str, str]:
    """Tags as a mapping, whichever of AWS's ways they came."""
    if isinstance(rows, Mapping):
        return dict(rows)
    return {row.get("Key", row.get("key")): row.get("Value", row.get("value")) for row in rows or ()}


# by name


def _iam(kind: str, aws: Any, facts: Facts, arn: str) -> Sign:
    question = {"PolicyArn": arn} if kind == "Policy" else {f"{kind}Name": facts["name"]}
    row = getattr(aws("iam"), f"get_{kind.lower()}")(**question)[kind]
    return Sign(tags_of(row.get("Tags")))


def _bucket(aws: Any, facts: Facts, _arn: str) -> Sign | None:
    """One of this account's; whose tags are ours, the tagging API has told."""
    rows = aws("s3").list_buckets()["Buckets"]
    made_at = {row["Name"]: row["CreationDate"].timestamp() for row in rows}
    return Sign({}, made_at[facts["bucket"]]) if facts["bucket"] in made_at else None


class Question(NamedTuple):
    """Of IoT Core: the call, its parameter, and where in the answer the moment of the creation is."""

    method: str
    name: str
    path: str


def _iot(question: Question, aws: Any, facts: Facts, arn: str) -> Sign:
    iot = aws("iot")
    made_at = _at(getattr(iot, question.method)(**{question.name: facts["name"]}), question.path)
    tags = tags_of(iot.list_tags_for_resource(resourceArn=arn)["tags"])
    return Sign(tags, made_at.timestamp() if isinstance(made_at, datetime) else None)


def _certificate(aws: Any, facts: Facts, _arn: str) -> Sign:
    row = aws("iot").describe_certificate(certificateId=facts["fingerprint"])["certificateDescription"]
    return Sign({}, row["creationDate"].timestamp())


def _glue(method: str, kind: str, aws: Any, facts: Facts, arn: str) -> Sign:
    glue = aws("glue")
    row = getattr(glue, method)(Name=facts["name"])[kind]
    made_at = row.get("CreateTime") or row.get("CreationTime")
    return Sign(tags_of(glue.get_tags(ResourceArn=arn)["Tags"]), made_at and made_at.timestamp())


def _glue_table(aws: Any, facts: Facts, _arn: str) -> Sign:
    row = aws("glue").get_table(DatabaseName=facts["database_name"], Name=facts["name"])["Table"]
    return Sign({}, row["CreateTime"].timestamp())


def _workgroup(aws: Any, facts: Facts, arn: str) -> Sign | None:
    athena = aws("athena")
    # Athena says InvalidRequestException of one that is not there.
    if facts["name"] not in {row["Name"] for row in athena.list_work_groups()["WorkGroups"]}:
        return None
    return Sign(tags_of(athena.list_tags_for_resource(ResourceARN=arn)["Tags"]))


def _stream(aws: Any, facts: Facts, _arn: str) -> Sign | None:
    question = {"logGroupName": facts["log_group_name"], "logStreamNamePrefix": facts["name"]}
    for row in aws("logs").describe_log_streams(**question)["logStreams"]:
        if row["logStreamName"] == facts["name"]:
            return Sign({}, row["creationTime"] / 1000)
    return None


def _schedule(aws: Any, facts: Facts, _arn: str) -> Sign:
    row = aws("scheduler").get_schedule(GroupName=facts["group_name"], Name=facts["name"])
    return Sign({}, row["CreationDate"].timestamp())


def _firehose(aws: Any, facts: Facts, _arn: str) -> Sign:
    firehose, question = aws("firehose"), {"DeliveryStreamName": facts["name"]}
    made_at = firehose.describe_delivery_stream(**question)["DeliveryStreamDescription"].get("CreateTimestamp")
    tags = tags_of(firehose.list_tags_for_delivery_stream(**question)["Tags"])
    return Sign(tags, made_at and made_at.timestamp())


def _repository(aws: Any, facts: Facts, arn: str) -> Sign:
    ecr = aws("ecr")
    [row] = ecr.describe_repositories(repositoryNames=[facts["name"]])["repositories"]
    return Sign(tags_of(ecr.list_tags_for_resource(resourceArn=arn)["tags"]), row["createdAt"].timestamp())


def _function(aws: Any, facts: Facts, _arn: str) -> Sign:
    return Sign(tags_of(aws("lambda").get_function(FunctionName=facts["function_name"]).get("Tags")))


QUESTIONS: Mapping[str, Callable[[Any, Facts, str], Sign | None]] = {
    "aws_athena_workgroup": _workgroup,
    "aws_cloudwatch_log_stream": _stream,
    "aws_ecr_repository": _repository,
    "aws_glue_catalog_database": partial(_glue, "get_database", "Database"),
    "aws_glue_catalog_table": _glue_table,
    "aws_glue_crawler": partial(_glue, "get_crawler", "Crawler"),
    "aws_iam_policy": partial(_iam, "Policy"),
    "aws_iam_role": partial(_iam, "Role"),
    "aws_iam_user": partial(_iam, "User"),
    "aws_iot_certificate": _certificate,
    "aws_iot_policy": partial(_iot, Question("get_policy", "policyName", "creationDate")),
    "aws_iot_thing_group": partial(
        _iot, Question("describe_thing_group", "thingGroupName", "thingGroupMetadata.creationDate")
    ),
    "aws_iot_thing_type": partial(
        _iot, Question("describe_thing_type", "thingTypeName", "thingTypeMetadata.creationDate")
    ),
    "aws_iot_topic_rule": partial(_iot, Question("get_topic_rule", "ruleName", "rule.createdAt")),
    "aws_kinesis_firehose_delivery_stream": _firehose,
    "aws_lambda_function": _function,
    "aws_s3_bucket": _bucket,
    "aws_scheduler_schedule": _schedule,
}

# by what a plan tells

ZONE_TAKES, PARTS = "terraform-", "%Y%m%d%H%M%S"  # a zone's reference, as the provider makes it


class Listing(NamedTuple):
    """Of EC2: what lists a kind, what its rows and their numbers are called, and where in a row its values are."""

    kind: str
    method: str
    rows: str
    number: str
    paths: Mapping[str, str]


def listed(listing: Listing, aws: Any, tags: Tags) -> Iterator[Row]:
    """What there is of a kind with these tags."""
    filters = [{"Name": f"tag:{name}", "Values": [value]} for name, value in tags.items()]
    for page in aws("ec2").get_paginator(listing.method).paginate(Filters=filters):
        yield from (_numbered(listing, row) for row in page[listing.rows] if _is_alive(row))


def _numbered(listing: Listing, row: Mapping[str, Any]) -> Row:
    number, tags = row[listing.number], tags_of(row.get("Tags"))
    facts = {name: _at(row, path) for name, path in listing.paths.items()} | {"tag_name": tags.get("Name")}
    values = {name: value for name, value in facts.items() if value is not None}
    return Row(f"{listing.kind}/{number}", number, Sign(tags), values)


def _at(row: Any, path: str) -> Any:
    for name in path.split("."):
        row = row[0] if isinstance(row, list) and row else row
        row = row.get(name) if isinstance(row, Mapping) else None
    return row


def _is_alive(row: Mapping[str, Any]) -> bool:
    state = _at(row, "Status.Code") or row.get("State") or ""
    return str(state).lower() not in {"deleted", "deleting", "rejected", "failed", "expired"}


def _rules(is_egress: bool, aws: Any, tags: Tags) -> Iterator[Row]:
    return (row for row in listed(RULES, aws, tags) if row.facts["is_egress"] is is_egress)


def _zones(aws: Any, _tags: Tags) -> Iterator[Row]:
    route53 = aws("route53")
    for page in route53.get_paginator("list_hosted_zones").paginate():
        for zone in page["HostedZones"]:
            number = zone["Id"].rpartition("/")[2]
            facts = {"name": zone["Name"].rstrip("."), "comment": zone.get("Config", {}).get("Comment", "")}
            if zone.get("Config", {}).get("PrivateZone"):
                vpcs = route53.get_hosted_zone(Id=number)["VPCs"]
                facts["zone_vpc"] = vpcs[0]["VPCId"] if len(vpcs) == 1 else ""
            yield Row(number, number, Sign(_zone_tags(route53, number), _made_at(zone.get("CallerReference"))), facts)


def _zone_tags(route53: Any, number: str) -> dict[str, str]:
    answer = route53.list_tags_for_resource(ResourceType="hostedzone", ResourceId=number)
    return tags_of(answer["ResourceTagSet"]["Tags"])


def _made_at(reference: Any) -> float | None:
    """When the provider began to make a zone."""
    try:
        text = str(reference).removeprefix(ZONE_TAKES)[:14]
        return datetime.strptime(text, PARTS).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


OF_RULES = {
    "security_group_id": "GroupId",
    "cidr_ipv4": "CidrIpv4",
    "ip_protocol": "IpProtocol",
    "from_port": "FromPort",
    "to_port": "ToPort",
    "is_egress": "IsEgress",
}
OF_PEERS = {"vpc_id": "RequesterVpcInfo.VpcId", "peer_vpc_id": "AccepterVpcInfo.VpcId"}
OF_GROUPS = {"vpc_id": "VpcId", "name": "GroupName"}
RULES = Listing(
    "security-group-rule", "describe_security_group_rules", "SecurityGroupRules", "SecurityGroupRuleId", OF_RULES
)
GROUPS = Listing("security-group", "describe_security_groups", "SecurityGroups", "GroupId", OF_GROUPS)
GATEWAYS = Listing(
    "internet-gateway",
    "describe_internet_gateways",
    "InternetGateways",
    "InternetGatewayId",
    {"vpc_id": "Attachments.VpcId"},
)
TABLES = Listing("route-table", "describe_route_tables", "RouteTables", "RouteTableId", {"vpc_id": "VpcId"})
SUBNETS = Listing("subnet", "describe_subnets", "Subnets", "SubnetId", {"vpc_id": "VpcId", "cidr_block": "CidrBlock"})
VPCS = Listing("vpc", "describe_vpcs", "Vpcs", "VpcId", {"cidr_block": "CidrBlock"})
ENDPOINTS = Listing(
    "vpc-endpoint",
    "describe_vpc_endpoints",
    "VpcEndpoints",
    "VpcEndpointId",
    {"vpc_id": "VpcId", "service_name": "ServiceName"},
)
PEERS = Listing(
    "vpc-peering-connection",
    "describe_vpc_peering_connections",
    "VpcPeeringConnections",
    "VpcPeeringConnectionId",
    OF_PEERS,
)

LISTINGS = (ENDPOINTS, GATEWAYS, GROUPS, PEERS, RULES, SUBNETS, TABLES, VPCS)

LISTS: Mapping[str, Callable[[Any, Tags], Iterator[Row]]] = {
    "aws_default_security_group": partial(listed, GROUPS),
    "aws_internet_gateway": partial(listed, GATEWAYS),
    "aws_route53_zone": _zones,
    "aws_route_table": partial(listed, TABLES),
    "aws_security_group": partial(listed, GROUPS),
    "aws_subnet": partial(listed, SUBNETS),
    "aws_vpc": partial(listed, VPCS),
    "aws_vpc_endpoint": partial(listed, ENDPOINTS),
    "aws_vpc_peering_connection": partial(listed, PEERS),
    "aws_vpc_security_group_egress_rule": partial(_rules, True),
    "aws_vpc_security_group_ingress_rule": partial(_rules, False),
}

# children of something that is known


def _route(aws: Any, facts: Facts, tags: Tags) -> Iterator[Row]:
    """The project's if its table is, or what it leads to."""
    ec2, number, to = aws("ec2"), facts["route_table_id"], facts["destination_cidr_block"]
    ends = {"GatewayId": facts.get("gateway_id"), "VpcPeeringConnectionId": facts.get("vpc_peering_connection_id")}
    target = {name: value for name, value in ends.items() if value}
    if not target:
        return
    filters = [{"Name": "resource-id", "Values": [number, *target.values()]}]
    signs: dict[str, dict[str, str]] = {}
    for row in ec2.describe_tags(Filters=filters)["Tags"]:
        signs.setdefault(row["ResourceId"], {})[row["Key"]] = row["Value"]
    sign = next((one for one in signs.values() if tags.items() <= one.items()), {})
    for table in ec2.describe_route_tables(RouteTableIds=[number])["RouteTables"]:
        for row in table["Routes"]:
            if row.get("DestinationCidrBlock") == to and target.items() <= row.items():
                yield Row(f"route-table/{number}/route/{to}", f"{number}_{to}", Sign(sign), {})


def _association(aws: Any, facts: Facts, _tags: Tags) -> Iterator[Row]:
    number, subnet = facts["route_table_id"], facts["subnet_id"]
    for table in aws("ec2").describe_route_tables(RouteTableIds=[number])["RouteTables"]:
        if any(row.get("SubnetId") == subnet for row in table["Associations"]):
            name = f"route-table/{number}/association/{subnet}"
            yield Row(name, f"{subnet}/{number}", Sign(tags_of(table.get("Tags"))), {})


def _record(aws: Any, facts: Facts, _tags: Tags) -> Iterator[Row]:
    """Of a zone that is the project's."""
    route53, zone, name, type_ = aws("route53"), facts["zone_id"], str(facts["name"]), facts["type"]
    start = {"StartRecordName": name, "StartRecordType": type_, "MaxItems": "1"}
    for row in route53.list_resource_record_sets(HostedZoneId=zone, **start)["ResourceRecordSets"]:
        if (row["Name"].rstrip("."), row["Type"]) == (name.rstrip("."), type_):
            sign = Sign(_zone_tags(route53, zone))
            yield Row(f"{zone}/recordset/{name}/{type_}", f"{zone}_{name}_{type_}", sign, {})


def _listener(aws: Any, facts: Facts, _tags: Tags) -> Iterator[Row]:
    balancing = aws("elbv2")
    for row in balancing.describe_listeners(LoadBalancerArn=facts["load_balancer_arn"])["Listeners"]:
        if row["Port"] == facts["port"]:
            arn = row["ListenerArn"]
            [answer] = balancing.describe_tags(ResourceArns=[arn])["TagDescriptions"]
            yield Row(arn, arn, Sign(tags_of(answer["Tags"])), {})


def _target(aws: Any, facts: Facts, _tags: Tags) -> Iterator[Row]:
    """Of a rule that is the project's; its own id is made by chance."""
    events, rule = aws("events"), facts["rule"]
    rule_arn = events.describe_rule(Name=rule)["Arn"]
    sign = Sign(tags_of(events.list_tags_for_resource(ResourceARN=rule_arn)["Tags"]))
    for row in events.list_targets_by_rule(Rule=rule)["Targets"]:
        if row["Arn"] == facts["arn"]:
            yield Row(f"rule/{rule}/target/{row['Id']}", f"{rule}/{row['Id']}", sign, {})


CHILDREN: Mapping[str, Callable[[Any, Facts, Tags], Iterator[Row]]] = {
    "aws_cloudwatch_event_target": _target,
    "aws_lb_listener": _listener,
    "aws_route": _route,
    "aws_route53_record": _record,
    "aws_route_table_association": _association,
}
NEEDS: Mapping[str, tuple[str, ...]] = {  # to be known before one can be asked for
    "aws_cloudwatch_event_target": ("rule", "arn"),
    "aws_lb_listener": ("load_balancer_arn", "port"),
    "aws_route": ("route_table_id", "destination_cidr_block"),
    "aws_route53_record": ("zone_id", "name", "type"),
    "aws_route_table_association": ("route_table_id", "subnet_id"),
}


def arn_of(type_: str, name: str, owner: Owner) -> str:
    """The ARN of a row; what AWS gives none has one that reads like it."""
    if name.startswith("arn:"):
        return name
    if type_.startswith("aws_route53_"):
        return f"arn:aws:route53:::hostedzone/{name}"
    service = "events" if type_.startswith("aws_cloudwatch_event_") else "ec2"
    return f"arn:aws:{service}:{owner.region}:{owner.account}:{name}"


def url_of(aws: Any, name: str) -> str:
    """Of a queue: the id to import it by."""
    return str(aws("sqs").get_queue_url(QueueName=name)["QueueUrl"])
