"""What an AWS API holds, as it lists it itself."""

import contextlib
from typing import Any, NamedTuple

import boto3
import jmespath  # type: ignore[import-untyped]  # boto3 brings it, without types


class Listing(NamedTuple):
    """A call that lists, and where in its answer the names are (JMESPath)."""

    service: str
    call: str
    names: str


LISTINGS = (
    Listing("athena", "list_work_groups", "WorkGroups[].Name"),
    Listing("cloudwatch", "describe_alarms", "MetricAlarms[].AlarmName"),
    Listing("ec2", "describe_internet_gateways", "InternetGateways[].InternetGatewayId"),
    Listing("ec2", "describe_network_interfaces", "NetworkInterfaces[].NetworkInterfaceId"),
    Listing("ec2", "describe_route_tables", "RouteTables[].RouteTableId"),
    Listing("ec2", "describe_route_tables", "RouteTables[].Routes[].VpcPeeringConnectionId"),
    Listing("ec2", "describe_security_group_rules", "SecurityGroupRules[].SecurityGroupRuleId"),
    Listing("ec2", "describe_security_groups", "SecurityGroups[].GroupId"),
    Listing("ec2", "describe_subnets", "Subnets[].SubnetId"),
    Listing("ec2", "describe_vpc_endpoints", "VpcEndpoints[?State!='deleted'].VpcEndpointId"),
    # AWS too still lists endpoints and peerings for a while that are deleted.
    Listing(
        "ec2",
        "describe_vpc_peering_connections",
        "VpcPeeringConnections[?Status.Code!='deleted'].VpcPeeringConnectionId",
    ),
    Listing("ec2", "describe_vpcs", "Vpcs[].VpcId"),
    Listing("ecr", "describe_repositories", "repositories[].repositoryName"),
    Listing("elbv2", "describe_load_balancers", "LoadBalancers[].LoadBalancerName"),
    Listing("elbv2", "describe_target_groups", "TargetGroups[].TargetGroupName"),
    Listing("firehose", "list_delivery_streams", "DeliveryStreamNames[]"),
    Listing("glue", "get_crawlers", "Crawlers[].Name"),
    Listing("glue", "get_databases", "DatabaseList[].Name"),
    Listing("iam", "list_roles", "Roles[].RoleName"),
    Listing("iot", "list_certificates", "certificates[].certificateId"),
    Listing("iot", "list_policies", "policies[].policyName"),
    Listing("iot", "list_thing_groups", "thingGroups[].groupName"),
    Listing("iot", "list_thing_types", "thingTypes[].thingTypeName"),
    Listing("iot", "list_things", "things[].thingName"),
    Listing("iot", "list_topic_rules", "rules[].ruleName"),
    Listing("lambda", "list_functions", "Functions[].FunctionName"),
    Listing("logs", "describe_log_groups", "logGroups[].logGroupName"),
    Listing("logs", "describe_metric_filters", "metricFilters[].filterName"),
    Listing("route53", "list_hosted_zones", "HostedZones[].Id"),
    Listing("s3", "list_buckets", "Buckets[].Name"),
    Listing("scheduler", "list_schedules", "Schedules[].Name"),
    Listing("secretsmanager", "list_secrets", "SecretList[].Name"),
    Listing("sns", "list_topics", "Topics[].TopicArn"),
    Listing("sqs", "list_queues", "QueueUrls[]"),
)

Inventory = set[tuple[str, str, str]]  # service, call and JMESPath, name


def take() -> Inventory:
    """Everything that the rows list, from the API at AWS_ENDPOINT_URL."""
    make: Any = boto3.client  # its overloads want literals
    with contextlib.ExitStack() as stack:
        clients = {service: make(service) for service in sorted({listing.service for listing in LISTINGS})}
        for client in clients.values():
            stack.callback(client.close)
        return {
            (listing.service, f"{listing.call}: {listing.names}", name)
            for listing in LISTINGS
            for name in _names(clients[listing.service], listing)
        }


def _names(client: Any, listing: Listing) -> list[str]:
    return [name for page in _pages(client, listing) for name in jmespath.search(listing.names, page) or []]


def _pages(client: Any, listing: Listing) -> Any:
    if client.can_paginate(listing.call):
        return client.get_paginator(listing.call).paginate()
    return [getattr(client, listing.call)()]
