"""What moto lacks and Terraform's provider asks for is there, in the process that serves the AWS API."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local_cloud.aws import Aws, environment

DOCUMENT = json.dumps({"Version": "2012-10-17", "Statement": []})
ROLE = "arn:aws:iam::123456789012:role/irrigation"


@pytest.fixture(scope="module")
def clients() -> Iterator[Any]:
    """A function from a service's name to its client at a local AWS API."""
    made: list[Any] = []
    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as patch:
        aws = Aws()
        for name, value in environment(runner.run(aws.start())).items():
            patch.setenv(name, value)
        make: Any = boto3.client  # its overloads want literals

        def client(service: str) -> Any:
            made.append(make(service))
            return made[-1]

        yield client
        for one in made:
            one.close()
        runner.run(aws.stop())


@pytest.mark.parametrize(
    ("kind", "create"),
    [
        ("thingtype", lambda iot, tags: iot.create_thing_type(thingTypeName="tagged", tags=tags)),
        ("thinggroup", lambda iot, tags: iot.create_thing_group(thingGroupName="tagged", tags=tags)),
        ("policy", lambda iot, tags: iot.create_policy(policyName="tagged", policyDocument=DOCUMENT, tags=tags)),
        (
            "rule",
            lambda iot, _: iot.create_topic_rule(
                ruleName="tagged", tags="farm=north%20field", topicRulePayload={"sql": "SELECT 1", "actions": []}
            ),
        ),
    ],
)
def test_what_iot_creates_has_its_tags(clients: Any, kind: str, create: Any) -> None:
    """Tags given at the creation are listed, changed and taken away by the resource's ARN."""
    iot = clients("iot")
    create(iot, [{"Key": "farm", "Value": "north field"}])
    arn = f"arn:aws:iot:us-east-1:123456789012:{kind}/tagged"

    def tags() -> Any:
        return {tag["Key"]: tag["Value"] for tag in iot.list_tags_for_resource(resourceArn=arn)["tags"]}

    assert tags() == {"farm": "north field"}
    iot.tag_resource(resourceArn=arn, tags=[{"Key": "crop", "Value": "maize"}])
    iot.untag_resource(resourceArn=arn, tagKeys=["farm"])
    assert tags() == {"crop": "maize"}


def test_logging_options_are_kept(clients: Any) -> None:
    """Off in a new account, then as they were set."""
    iot = clients("iot")
    assert iot.get_v2_logging_options()["disableAllLogs"] is True
    iot.set_v2_logging_options(roleArn=ROLE, defaultLogLevel="WARN", disableAllLogs=False)
    options = iot.get_v2_logging_options()
    assert (options["roleArn"], options["defaultLogLevel"], options["disableAllLogs"]) == (ROLE, "WARN", False)


def test_an_account_has_one_endpoint(clients: Any) -> None:
    """The host that gateways are told is the same whenever somebody asks, and not that of another kind."""
    iot = clients("iot")
    hosts = [iot.describe_endpoint(endpointType=kind)["endpointAddress"] for kind in 2 * ("iot:Data-ATS", "iot:Jobs")]
    assert hosts[:2] == hosts[2:]
    assert hosts[0] != hosts[1]


def test_a_function_is_described_as_it_was_made(clients: Any) -> None:
    """Its log and its dead-letter queue are told, and no configuration of the image that nobody gave."""
    logging = {"LogFormat": "JSON", "LogGroup": "/aws/lambda/aggregate"}
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = clients("iam").create_role(RoleName="aggregate", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    clients("lambda").create_function(
        FunctionName="aggregate",
        Role=role,
        PackageType="Image",
        Code={"ImageUri": f"123456789012.dkr.ecr.us-east-1.amazonaws.com/aggregate@sha256:{'0' * 64}"},
        LoggingConfig=logging,
        DeadLetterConfig={"TargetArn": "arn:aws:sqs:us-east-1:123456789012:letters"},
    )
    told = clients("lambda").get_function(FunctionName="aggregate")["Configuration"]
    assert told["LoggingConfig"] == logging
    assert told["DeadLetterConfig"]["TargetArn"].endswith(":letters")
    assert "ImageConfigResponse" not in told


def test_a_condition_on_tls_does_not_shut_everybody_out(clients: Any) -> None:
    """Under a policy that refuses plain HTTP objects come and go; a refusal without a condition still holds."""
    s3 = clients("s3")
    s3.create_bucket(Bucket="farm")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::farm/*"]}

    def policy(**more: Any) -> str:
        return json.dumps({"Version": "2012-10-17", "Statement": [{**deny, **more}]})

    s3.put_bucket_policy(Bucket="farm", Policy=policy(Condition={"Bool": {"aws:SecureTransport": "false"}}))
    s3.put_object(Bucket="farm", Key="raw/1", Body=b"wet")
    assert s3.get_object(Bucket="farm", Key="raw/1")["Body"].read() == b"wet"
    s3.put_bucket_policy(Bucket="farm", Policy=policy())
    with pytest.raises(s3.exceptions.ClientError, match="Forbidden"):
        s3.put_object(Bucket="farm", Key="raw/2", Body=b"dry")


def test_an_endpoint_s_interfaces_have_its_security_groups(clients: Any) -> None:
    """Who looks for the interfaces by the endpoint's security group finds them."""
    ec2 = clients("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="endpoint", Description="d", VpcId=vpc)["GroupId"]
    made = ec2.create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=vpc,
        ServiceName="com.amazonaws.us-east-1.iot.data",
        SubnetIds=[subnet],
        SecurityGroupIds=[group],
    )["VpcEndpoint"]
    filters = [{"Name": "group-id", "Values": [group]}]
    found = ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
    assert [interface["NetworkInterfaceId"] for interface in found] == made["NetworkInterfaceIds"]


def test_a_rule_between_groups_has_its_description(clients: Any) -> None:
    """A rule is described whether it names a block or another group."""
    ec2 = clients("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.2.0.0/16")["Vpc"]["VpcId"]
    one, other = (ec2.create_security_group(GroupName=n, Description="d", VpcId=vpc)["GroupId"] for n in ("one", "two"))
    way = {"IpProtocol": "tcp", "FromPort": 8883, "ToPort": 8883}
    to_group = {**way, "UserIdGroupPairs": [{"GroupId": other, "Description": "to a group"}]}
    to_block = {**way, "IpRanges": [{"CidrIp": "10.3.0.0/16", "Description": "to a block"}]}
    ec2.authorize_security_group_egress(GroupId=one, IpPermissions=[to_group])
    ec2.authorize_security_group_egress(GroupId=one, IpPermissions=[to_block])
    filters = [{"Name": "group-id", "Values": [one]}]
    rules = ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
    assert {rule.get("Description") for rule in rules} >= {"to a group", "to a block"}


def test_a_zone_that_comes_with_a_vpc_is_private(clients: Any) -> None:
    """It is of that VPC; a zone without one is public."""
    vpc = clients("ec2").create_vpc(CidrBlock="10.4.0.0/16")["Vpc"]["VpcId"]
    route53 = clients("route53")
    of_vpc = {"VPCId": vpc, "VPCRegion": "us-east-1"}
    private = route53.create_hosted_zone(Name="iot.example", CallerReference="1", VPC=of_vpc)["HostedZone"]["Id"]
    public = route53.create_hosted_zone(Name="open.example", CallerReference="2")["HostedZone"]["Id"]
    assert route53.get_hosted_zone(Id=private)["VPCs"] == [of_vpc]
    assert route53.get_hosted_zone(Id=public)["HostedZone"]["Config"]["PrivateZone"] is False


def test_a_record_is_made_again_once_it_is_gone_and_never_twice(clients: Any) -> None:
    """What was deleted is nobody's any more; what is there is not made a second time, whatever its values are."""
    route53 = clients("route53")
    zone = route53.create_hosted_zone(Name="again.example", CallerReference="3")["HostedZone"]["Id"]

    def change(action: str, address: str) -> None:
        record = {"Name": "a.again.example", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": address}]}
        rows = [{"Action": action, "ResourceRecordSet": record}]
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": rows})

    change("CREATE", "10.0.0.1")
    for address in ("10.0.0.1", "10.0.0.2"):
        with pytest.raises(ClientError, match="already exists"):
            change("CREATE", address)
    change("DELETE", "10.0.0.1")
    change("CREATE", "10.0.0.1")
    rows = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert [row["ResourceRecords"] for row in rows if row["Type"] == "A"] == [[{"Value": "10.0.0.1"}]]
