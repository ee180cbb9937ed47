"""What an AWS API holds, as it lists it itself."""

from typing import Any, NamedTuple

import boto3
import jmespath  # type: ignore[import-untyped]  # boto3 brings it, without types


class Row(NamedTuple):
    """A call that lists, and where in its answer the names are (JMESPath)."""

    service: str
    call: str
    names: str


ROWS = (
    Row("athena", "list_work_groups", "WorkGroups[].Name"),
    Row("cloudwatch", "describe_alarms", "MetricAlarms[].AlarmName"),
    Row("ec2", "describe_internet_gateways", "InternetGateways[].InternetGatewayId"),
    Row("ec2", "describe_network_interfaces", "NetworkInterfaces[].NetworkInterfaceId"),
    Row("ec2", "describe_route_tables", "RouteTables[].RouteTableId"),
    Row("ec2", "describe_route_tables", "RouteTables[].Routes[].VpcPeeringConnectionId"),
    Row("ec2", "describe_security_group_rules", "SecurityGroupRules[].SecurityGroupRuleId"),
    Row("ec2", "describe_security_groups", "SecurityGroups[].GroupId"),
    Row("ec2", "describe_subnets", "Subnets[].SubnetId"),
    Row("ec2", "describe_vpc_endpoints", "VpcEndpoints[?State!='deleted'].VpcEndpointId"),
    # AWS too still lists endpoints and peerings for a while that are deleted.
    Row(
        "ec2",
        "describe_vpc_peering_connections",
        "VpcPeeringConnections[?Status.Code!='deleted'].VpcPeeringConnectionId",
    ),
    Row("ec2", "describe_vpcs", "Vpcs[].VpcId"),
    Row("ecr", "describe_repositories", "repositories[].repositoryName"),
    Row("elbv2", "describe_load_balancers", "LoadBalancers[].LoadBalancerName"),
    Row("elbv2", "describe_target_groups", "TargetGroups[].TargetGroupName"),
    Row("firehose", "list_delivery_streams", "DeliveryStreamNames[]"),
    Row("glue", "get_crawlers", "Crawlers[].Name"),
    Row("glue", "get_databases", "DatabaseList[].Name"),
    Row("iam", "list_roles", "Roles[].RoleName"),
    Row("iot", "list_certificates", "certificates[].certificateId"),
    Row("iot", "list_policies", "policies[].policyName"),
    Row("iot", "list_thing_groups", "thingGroups[].groupName"),
    Row("iot", "list_thing_types", "thingTypes[].thingTypeName"),
    Row("iot", "list_things", "things[].thingName"),
    Row("iot", "list_topic_rules", "rules[].ruleName"),
    Row("lambda", "list_functions", "Functions[].FunctionName"),
    Row("logs", "describe_log_groups", "logGroups[].logGroupName"),
    Row("logs", "describe_metric_filters", "metricFilters[].filterName"),
    Row("route53", "list_hosted_zones", "HostedZones[].Id"),
    Row("s3", "list_buckets", "Buckets[].Name"),
    Row("scheduler", "list_schedules", "Schedules[].Name"),
    Row("secretsmanager", "list_secrets", "SecretList[].Name"),
    Row("sns", "list_topics", "Topics[].TopicArn"),
    Row("sqs", "list_queues", "QueueUrls[]"),
)

Inventory = set[tuple[str, str, str]]  # service, call and JMESPath, name


def take() -> Inventory:
    """Everything that the rows list, from the API at AWS_ENDPOINT_URL."""
    return {(row.service, f"{row.call}: {row.names}", name) for row in ROWS for name in _names(row)}


def _names(row: Row) -> list[str]:
    make: Any = boto3.client  # its overloads want literals
    client = make(row.service)
    try:
        pages = _pages(client, row)
        return [name for page in pages for name in jmespath.search(row.names, page) or []]
    finally:
        client.close()


def _pages(client: Any, row: Row) -> Any:
    if client.can_paginate(row.call):
        return client.get_paginator(row.call).paginate()
    return [getattr(client, row.call)()]
