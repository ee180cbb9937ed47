"""By what each type of our own roots is found again and brought in, as the provider's documentation has it."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from moto import mock_aws

from certs.authority import Authority
from provisioning import asks, identities
from provisioning.cloud import Look
from provisioning.errors import CloudError
from provisioning.identities import (
    HAND_WORK,
    IDENTITIES,
    MADE_AGAIN,
    NUMBERED,
    Owner,
    import_id,
    is_named,
    pattern,
    telling,
)
from provisioning.plans import Change
from provisioning.reconcile import Inside, claims, imports, namings
from provisioning.states import EMPTY
from tests.provisioning.house import ROOT

OWNER = Owner("123456789012", "us-east-1")
HERE = "us-east-1:123456789012"
OURS = {"provisioning_farm": "irrigation", "provisioning_project": "farm"}
SINCE = 1_000_000.0
BALANCER = f"arn:aws:elasticloadbalancing:{HERE}:loadbalancer/net/n/0123456789abcdef"
GROUP = f"arn:aws:elasticloadbalancing:{HERE}:targetgroup/n/0123456789abcdef"

# Type, planned values, ARN, import id.
ROWS: list[tuple[str, dict[str, Any], str, str]] = [
    ("aws_athena_workgroup", {"name": "n"}, f"arn:aws:athena:{HERE}:workgroup/n", "n"),
    ("aws_cloudwatch_event_rule", {"name": "n"}, f"arn:aws:events:{HERE}:rule/n", "n"),
    ("aws_cloudwatch_log_group", {"name": "/a/b"}, f"arn:aws:logs:{HERE}:log-group:/a/b", "/a/b"),
    (
        "aws_cloudwatch_log_stream",
        {"log_group_name": "/a", "name": "n"},
        f"arn:aws:logs:{HERE}:log-group:/a:log-stream:n",
        "/a:n",
    ),
    ("aws_cloudwatch_metric_alarm", {"alarm_name": "n"}, f"arn:aws:cloudwatch:{HERE}:alarm:n", "n"),
    ("aws_dynamodb_table", {"name": "t"}, f"arn:aws:dynamodb:{HERE}:table/t", "t"),
    ("aws_ecr_repository", {"name": "n"}, f"arn:aws:ecr:{HERE}:repository/n", "n"),
    (
        "aws_ecs_task_definition",
        {"family": "n"},
        f"arn:aws:ecs:{HERE}:task-definition/n:3",
        f"arn:aws:ecs:{HERE}:task-definition/n:3",
    ),
    ("aws_glue_catalog_database", {"name": "d"}, f"arn:aws:glue:{HERE}:database/d", "123456789012:d"),
    (
        "aws_glue_catalog_table",
        {"database_name": "d", "name": "t"},
        f"arn:aws:glue:{HERE}:table/d/t",
        "123456789012:d:t",
    ),
    ("aws_glue_crawler", {"name": "n"}, f"arn:aws:glue:{HERE}:crawler/n", "n"),
    ("aws_iam_policy", {"name": "p"}, "arn:aws:iam::123456789012:policy/p", "arn:aws:iam::123456789012:policy/p"),
    ("aws_iam_role", {"name": "r"}, "arn:aws:iam::123456789012:role/r", "r"),
    ("aws_iam_role", {"name": "r", "path": "/p/"}, "arn:aws:iam::123456789012:role/p/r", "r"),
    ("aws_iam_user", {"name": "u"}, "arn:aws:iam::123456789012:user/u", "u"),
    ("aws_iot_policy", {"name": "n"}, f"arn:aws:iot:{HERE}:policy/n", "n"),
    ("aws_iot_thing_group", {"name": "n"}, f"arn:aws:iot:{HERE}:thinggroup/n", "n"),
    ("aws_iot_thing_type", {"name": "n"}, f"arn:aws:iot:{HERE}:thingtype/n", "n"),
    ("aws_iot_topic_rule", {"name": "n"}, f"arn:aws:iot:{HERE}:rule/n", "n"),
    (
        "aws_kinesis_firehose_delivery_stream",
        {"name": "n"},
        f"arn:aws:firehose:{HERE}:deliverystream/n",
        f"arn:aws:firehose:{HERE}:deliverystream/n",
    ),
    ("aws_lambda_function", {"function_name": "n"}, f"arn:aws:lambda:{HERE}:function:n", "n"),
    ("aws_lb", {"name": "n"}, BALANCER, BALANCER),
    ("aws_lb_target_group", {"name": "n"}, GROUP, GROUP),
    ("aws_s3_bucket", {"bucket": "b"}, "arn:aws:s3:::b", "b"),
    ("aws_scheduler_schedule", {"name": "n"}, f"arn:aws:scheduler:{HERE}:schedule/default/n", "default/n"),
    (
        "aws_scheduler_schedule",
        {"group_name": "g", "name": "n"},
        f"arn:aws:scheduler:{HERE}:schedule/g/n",
        "g/n",
    ),
    (
        "aws_secretsmanager_secret",
        {"name": "a/b"},
        f"arn:aws:secretsmanager:{HERE}:secret:a/b-Ab12cD",
        f"arn:aws:secretsmanager:{HERE}:secret:a/b-Ab12cD",
    ),
    ("aws_sns_topic", {"name": "t"}, f"arn:aws:sns:{HERE}:t", f"arn:aws:sns:{HERE}:t"),
    ("aws_ssm_parameter", {"name": "/a/b"}, f"arn:aws:ssm:{HERE}:parameter/a/b", "/a/b"),
    ("aws_ssm_parameter", {"name": "a"}, f"arn:aws:ssm:{HERE}:parameter/a", "a"),
]


@pytest.mark.parametrize(("type_", "values", "arn", "id_"), ROWS)
def test_identities(type_: str, values: dict[str, Any], arn: str, id_: str) -> None:
    """The ARN and the id of an import, of planned values; another's is none of it, and no name has none."""
    facts = telling(type_, values)
    mask = pattern(type_, facts, OWNER)
    assert is_named(arn, mask)
    assert not is_named(arn.replace("123456789012", "210987654321") + "x/y-zzzzzz", mask)
    assert import_id(type_, facts, OWNER, arn) == id_
    assert pattern(type_, telling(type_, {}), OWNER) is None


def test_every_identity_is_tried() -> None:
    """The queue's id and the certificate have tests of their own."""
    assert {row[0] for row in ROWS} == set(IDENTITIES) - {"aws_sqs_queue", "aws_iot_certificate"}


def test_every_type_of_our_roots_is_in_one_table() -> None:
    """What nobody has thought of would be an orphan for ever."""
    texts = [path.read_text() for path in (ROOT / "terraform").rglob("*.tf") if ".terraform" not in path.parts]
    types = {name for text in texts for name in re.findall(r'^resource "(\w+)"', text, re.MULTILINE)}
    tables = (IDENTITIES, NUMBERED, MADE_AGAIN, HAND_WORK)
    assert len(types) > 50
    assert {name for name in types if sum(name in table for table in tables) != 1} == set()


def test_what_has_a_number_can_be_asked_for() -> None:
    """And what cannot be asked for without something else says what that is."""
    assert set(NUMBERED) == set(asks.LISTS) | set(asks.CHILDREN)
    assert set(asks.CHILDREN) == set(asks.NEEDS)
    assert set(asks.QUESTIONS) < set(IDENTITIES)


def test_a_name_is_no_pattern() -> None:
    """A star in it is a star."""
    mask = pattern("aws_ssm_parameter", telling("aws_ssm_parameter", {"name": "/a*"}), OWNER)
    assert not is_named(f"arn:aws:ssm:{HERE}:parameter/ab", mask)
    assert is_named(f"arn:aws:ssm:{HERE}:parameter/a*", mask)


def test_a_certificate_is_known_by_its_fingerprint(tmp_path: Any) -> None:
    """IoT Core's id of it is the SHA-256 of its DER; there is no id to import it by."""
    pem = (Authority(tmp_path).issue("gateway") / "certificate.pem").read_text()
    facts = telling("aws_iot_certificate", {"certificate_pem": pem})
    number = x509.load_pem_x509_certificate(pem.encode()).fingerprint(hashes.SHA256()).hex()
    arn = f"arn:aws:iot:{HERE}:cert/{number}"
    assert is_named(arn, pattern("aws_iot_certificate", facts, OWNER))
    assert import_id("aws_iot_certificate", facts, OWNER, arn) is None
    assert "certificate_pem" not in facts
    assert (
        telling("aws_iot_certificate", {"certificate_pem": "-----BEGIN CERTIFICATE-----é-----END CERTIFICATE-----"})
        == {}
    )


# what is there


@cache
def client(service: str) -> Any:
    """Of the API in this process."""
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "s"}
    return boto3.client(service, region_name="us-east-1", **keys)  # type: ignore[call-overload]


@pytest.fixture
def aws() -> Iterator[Any]:
    """An empty AWS."""
    with mock_aws():
        yield client


def look(*arns: str) -> Look:
    """What is there now; `arns` are told by the tagging API."""
    return Look(OWNER, set(arns), OURS, client)


def tagged(kind: str, name: str, tags: dict[str, str] = OURS) -> Any:
    """Tags that something of EC2 is made with."""
    rows = [{"Key": key, "Value": value} for key, value in {**tags, "Name": name}.items()]
    return [{"ResourceType": kind, "Tags": rows}]


def create(address: str, **values: Any) -> Change:
    """A planned creation."""
    type_ = address.partition(".")[0]
    name = values.pop("tag", None)
    return Change(address, type_, ("create",), {**values, "tags_all": {"Name": name} if name else {}}, is_import=False)


def network(aws: Any, tags: dict[str, str] = OURS) -> dict[str, str]:
    """A VPC with all that belongs to it, and the numbers they got."""
    ec2 = aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged("vpc", "v", tags))["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", TagSpecifications=tagged("subnet", "s", tags))[
        "Subnet"
    ]["SubnetId"]
    gateway = ec2.create_internet_gateway(TagSpecifications=tagged("internet-gateway", "g", tags))["InternetGateway"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc, TagSpecifications=tagged("route-table", "t", tags))["RouteTable"]
    numbers = {"vpc": vpc, "subnet": subnet, "gateway": gateway["InternetGatewayId"], "table": table["RouteTableId"]}
    to = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": numbers["gateway"]}
    ec2.create_route(RouteTableId=numbers["table"], **to)
    ec2.associate_route_table(RouteTableId=numbers["table"], SubnetId=subnet)
    return numbers


def planned(numbers: dict[str, str]) -> list[Change]:
    """The same as a plan tells them that knows these numbers."""
    of_vpc = {"vpc_id": numbers["vpc"]} if "vpc" in numbers else {}
    of_table = {"route_table_id": numbers["table"]} if "table" in numbers else {}
    of_gateway = {"gateway_id": numbers["gateway"]} if "gateway" in numbers else {}
    of_subnet = {"subnet_id": numbers["subnet"]} if "subnet" in numbers else {}
    return [
        create("aws_vpc.a", cidr_block="10.0.0.0/16", tag="v"),
        create("aws_subnet.a", cidr_block="10.0.1.0/24", tag="s", **of_vpc),
        create("aws_internet_gateway.a", tag="g", **of_vpc),
        create("aws_route_table.a", tag="t", **of_vpc),
        create("aws_route.a", destination_cidr_block="0.0.0.0/0", **of_table, **of_gateway),
        create("aws_route_table_association.a", **of_table, **of_subnet),
    ]


def blocks(changes: list[Change], state: Any = EMPTY) -> dict[str, str]:
    """Address to id of what would be brought in."""
    return {row["to"]: row["id"] for row in imports(changes, state, look(), SINCE)}


def test_what_has_numbers_comes_in_from_the_top(aws: Any) -> None:
    """The VPC first; what is in it once its number is known, and then what only joins others."""
    numbers = network(aws)
    assert blocks(planned({})) == {"aws_vpc.a": numbers["vpc"]}
    second = {
        "aws_vpc.a": numbers["vpc"],
        "aws_subnet.a": numbers["subnet"],
        "aws_internet_gateway.a": numbers["gateway"],
        "aws_route_table.a": numbers["table"],
    }
    assert blocks(planned({"vpc": numbers["vpc"]})) == second
    assert blocks(planned(numbers)) == {
        **second,
        "aws_route.a": f"{numbers['table']}_0.0.0.0/0",
        "aws_route_table_association.a": f"{numbers['subnet']}/{numbers['table']}",
    }


def test_what_is_somebody_elses_stays(aws: Any) -> None:
    """With another project's tags, or none, whatever its name and addresses are."""
    for tags in ({}, {**OURS, "provisioning_project": "other"}):
        assert blocks(planned(network(aws, tags))) == {}


def test_what_is_in_the_state_is_not_brought_in_twice(aws: Any) -> None:
    """By its ARN, or its number."""
    numbers = network(aws)
    rows = [
        {"mode": "managed", "type": "t", "name": "n", "instances": [{"attributes": {"id": one}}]}
        for one in (numbers["vpc"], numbers["subnet"])
    ]
    found = blocks(planned({"vpc": numbers["vpc"]}), {**EMPTY, "resources": rows})
    assert set(found) == {"aws_internet_gateway.a", "aws_route_table.a"}


def test_two_that_could_be_the_one_are_told_only(aws: Any) -> None:
    """Nobody knows which it is."""
    for _ in range(2):
        aws("ec2").create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged("vpc", "v"))
    assert blocks([create("aws_vpc.a", cidr_block="10.0.0.0/16", tag="v")]) == {}


def test_one_that_could_be_two_is_told_only(aws: Any) -> None:
    """Nobody knows whose it is."""
    aws("ec2").create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged("vpc", "v"))
    rows = [create(f"aws_vpc.{name}", cidr_block="10.0.0.0/16", tag="v") for name in "ab"]
    assert blocks(rows) == {}
    assert blocks(rows[:1]) != {}


def test_rules_zones_and_records_come_in(aws: Any) -> None:
    """A rule by what it lets through, a zone by its comment, a record by its zone's tags."""
    vpc, ec2, route53 = network(aws)["vpc"], aws("ec2"), aws("route53")
    group = ec2.create_security_group(
        GroupName="g", Description="d", VpcId=vpc, TagSpecifications=tagged("security-group", "g")
    )["GroupId"]
    let = {"IpProtocol": "tcp", "FromPort": 8883, "ToPort": 8883, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}
    rule = ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[let], TagSpecifications=tagged("security-group-rule", "r")
    )["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    zones = []
    for comment in ("first", "second"):
        zone = route53.create_hosted_zone(
            Name="iot.test", CallerReference=comment, HostedZoneConfig={"Comment": comment}
        )["HostedZone"]["Id"].rpartition("/")[2]
        tags = [{"Key": name, "Value": value} for name, value in OURS.items()]
        route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone, AddTags=tags)
        zones.append(zone)
    record = {"Name": "iot.test", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.0.0.1"}]}
    changes = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    route53.change_resource_record_sets(HostedZoneId=zones[1], ChangeBatch=changes)
    passes = {"cidr_ipv4": "10.0.0.0/16", "ip_protocol": "tcp", "from_port": 8883, "to_port": 8883}
    assert blocks(
        [
            create("aws_security_group.a", name="g", vpc_id=vpc, tag="g"),
            create("aws_vpc_security_group_ingress_rule.a", security_group_id=group, **passes),
            create("aws_vpc_security_group_ingress_rule.b", security_group_id=group, **{**passes, "to_port": 8884}),
            create("aws_vpc_security_group_egress_rule.a", security_group_id=group, **passes),
            create("aws_route53_zone.a", name="iot.test", comment="first"),
            create("aws_route53_zone.b", name="iot.test", comment="second"),
            create("aws_route53_record.a", name="iot.test", type="A", zone_id=zones[0]),
            create("aws_route53_record.b", name="iot.test", type="A", zone_id=zones[1]),
        ]
    ) == {
        "aws_security_group.a": group,
        "aws_vpc_security_group_ingress_rule.a": rule,
        "aws_route53_zone.a": zones[0],
        "aws_route53_zone.b": zones[1],
        "aws_route53_record.b": f"{zones[1]}_iot.test_A",
    }


def test_a_zone_without_tags_is_ours_if_the_provider_made_it_since() -> None:
    """Its reference says when; anybody else's says nothing."""
    assert asks._made_at("terraform-2026013112000012340000000001") == 1769860800.0
    assert asks._made_at("by hand") is None


@pytest.mark.parametrize(
    ("tags", "made_at", "is_ours"),
    [
        (OURS, None, True),
        ({**OURS, "more": "x"}, 0.0, True),
        ({"provisioning_farm": "irrigation"}, SINCE + 1, False),
        ({"Project": "irrigation"}, SINCE + 1, False),
        ({}, SINCE + 1, True),
        ({}, SINCE - 3600, False),
        ({}, None, False),
    ],
)
def test_whose_something_of_a_planned_name_is(
    monkeypatch: pytest.MonkeyPatch, tags: dict[str, str], made_at: float | None, is_ours: bool
) -> None:
    """The project's by its tags; without any, if it was made since the job began."""
    monkeypatch.setitem(asks.QUESTIONS, "aws_glue_crawler", lambda *_: asks.Sign(tags, made_at))
    things = look().things("aws_glue_crawler", {"name": "n"}, SINCE)
    assert [one.import_id for one in things] == (["n"] if is_ours else [])


@pytest.mark.soak
@pytest.mark.parametrize("type_", [*asks.QUESTIONS, *asks.LISTS, *asks.CHILDREN])
def test_what_is_not_there_is_none(aws: Any, type_: str) -> None:
    """Each question of an empty AWS has that answer, whatever error it says it with."""
    own = {"path": "/", "fingerprint": "0" * 64, "port": 1, "load_balancer_arn": BALANCER}
    assert look().things(type_, dict.fromkeys(identities.PLAIN, "name") | own, SINCE) == []


def test_what_the_tagging_api_tells_of_and_is_gone_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may know a thing's tags long after the thing: an import of it would fail, and nobody could remove it."""

    def absent(*_: Any) -> Any:
        raise ClientError({"Error": {"Code": "EntityNotFoundException"}}, "GetCrawler")

    seen = look(f"arn:aws:glue:{HERE}:crawler/n")
    assert [one.import_id for one in look_of(seen, monkeypatch, lambda *_: asks.Sign({}))] == ["n"]
    assert look_of(seen, monkeypatch, absent) == []
    assert seen.arns == set()


def test_what_ec2_has_no_more_is_none(aws: Any) -> None:
    """Its tags outlive it, and nobody could remove it; what is there, and what is none of EC2's, stays."""
    here = f"arn:aws:ec2:{HERE}:"
    numbers = network(aws)
    stays = {f"arn:aws:sns:{HERE}:t", f"{here}vpc/{numbers['vpc']}", f"{here}route-table/{numbers['table']}"}
    gone = {"vpc-peering-connection/pcx-0123456789abcdef0", "vpc/vpc-0123456789abcdef0", "security-group-rule/sgr-0"}
    seen = look(*stays, *(f"{here}{name}" for name in gone))
    seen.forget_gone()
    assert seen.arns == stays


def look_of(seen: Look, monkeypatch: pytest.MonkeyPatch, question: Any) -> list[Any]:
    """What is there of a crawler, if AWS answers so."""
    monkeypatch.setitem(asks.QUESTIONS, "aws_glue_crawler", question)
    return seen.things("aws_glue_crawler", {"name": "n"}, SINCE)


def test_what_cannot_be_asked_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is no answer."""

    def refused(*_: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetCrawler")

    monkeypatch.setitem(asks.QUESTIONS, "aws_glue_crawler", refused)
    with pytest.raises(CloudError, match="AccessDenied"):
        look().things("aws_glue_crawler", {"name": "n"}, SINCE)


def test_a_queue_comes_in_by_its_url() -> None:
    """As AWS tells it."""

    class Queues:
        def get_queue_url(self, *, QueueName: str) -> dict[str, str]:  # noqa: N803 - AWS's word
            return {"QueueUrl": f"https://sqs.test/1/{QueueName}"}

    there = Look(OWNER, {f"arn:aws:sqs:{HERE}:q"}, OURS, lambda _: Queues())
    [thing] = there.things("aws_sqs_queue", telling("aws_sqs_queue", {"name": "q"}), SINCE)
    assert thing.import_id == "https://sqs.test/1/q"


def test_a_certificate_that_nothing_uses_is_removed(aws: Any, tmp_path: Any) -> None:
    """Made since the job began; one that is older, or that a policy or a thing uses, stays."""
    iot, authority = aws("iot"), Authority(tmp_path)
    arns = []
    for name in ("free", "policy", "thing"):
        pem = (authority.issue(name) / "certificate.pem").read_text()
        arns.append(iot.register_certificate_without_ca(certificatePem=pem, status="ACTIVE")["certificateArn"])
    iot.create_policy(policyName="p", policyDocument="{}")
    iot.attach_policy(policyName="p", target=arns[1])
    iot.create_thing(thingName="t")
    iot.attach_thing_principal(thingName="t", principal=arns[2])
    assert [look().remove_certificate(arn, 4e9) for arn in arns] == [False, False, False]
    assert [look().remove_certificate(arn, SINCE) for arn in arns] == [True, False, False]
    assert {row["certificateArn"] for row in iot.list_certificates()["certificates"]} == set(arns[1:])


def test_what_a_plan_names_is_told_before_its_parents_are_known(aws: Any) -> None:
    """With its address, for a destroy to bring it in; a deploy waits for the number."""
    numbers = network(aws)
    found = claims(namings(planned({})), look(), SINCE, Inside(EMPTY))
    assert {one.address: one.is_adoptable for one in found} == {
        "aws_vpc.a": True,
        "aws_subnet.a": False,
        "aws_internet_gateway.a": False,
        "aws_route_table.a": False,
    }
    assert f"arn:aws:ec2:{HERE}:subnet/{numbers['subnet']}" in {one.arn for one in found}
