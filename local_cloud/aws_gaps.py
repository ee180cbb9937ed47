"""What moto lacks and Terraform's AWS provider asks for, filled in; each gap is a row of GAPS.

Without these, `terraform apply` fails, its next plan is not empty, or `terraform destroy` leaves something behind.
`install` changes moto in this process, so it belongs in the process that serves the AWS API, and nowhere else.
"""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from moto.awslambda.models import LambdaFunction
from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.ec2.models.vpcs import VPCBackend
from moto.iam.access_control import IAMPolicy
from moto.iot.models import IoTBackend
from moto.iot.responses import IoTResponse
from moto.route53.exceptions import ResourceRecordAlreadyExists
from moto.route53.models import ChangeList, Route53Backend
from moto.route53.responses import Route53
from moto.s3.models import FakeBucket
from moto.utilities.tagging_service import TaggingService

# What of IoT carries tags: the call that creates it, its kind in the ARN, the parameter that names it.
TAGGED = (
    ("create_thing_type", "thingtype", "thingTypeName"),
    ("create_thing_group", "thinggroup", "thingGroupName"),
    ("create_policy", "policy", "policyName"),
    ("create_topic_rule", "rule", "ruleName"),
)


def _replace(owner: Any, **attributes: Any) -> None:
    for name, attribute in attributes.items():
        setattr(owner, name, attribute)


def iot_tags() -> None:
    """IoT's ListTagsForResource, TagResource and UntagResource, and the tags that a creation brings."""

    def tags(response: Any) -> TaggingService:
        # In the backend's own dictionary, so that a reset of moto empties it too.
        tags: TaggingService = response.iot_backend.__dict__.setdefault("tags", TaggingService())
        return tags

    def show(self: Any) -> ActionResult:
        return ActionResult({"tags": tags(self).list_tags_for_resource(self._get_param("resourceArn"))["Tags"]})

    def tag(self: Any) -> ActionResult:
        tags(self).tag_resource(self._get_param("resourceArn"), self._get_param("tags"))
        return EmptyResult()

    def untag(self: Any) -> ActionResult:
        tags(self).untag_resource_using_names(self._get_param("resourceArn"), self._get_param("tagKeys"))
        return EmptyResult()

    def tagging(create: Callable[[Any], Any], kind: str, parameter: str) -> Callable[[Any], Any]:
        def creation(self: Any) -> Any:
            answer = create(self)
            arn = f"arn:aws:iot:{self.region}:{self.current_account}:{kind}/{self._get_param(parameter)}"
            header = parse_qsl(self.headers.get("x-amz-tagging", ""))  # where a rule has them
            tags(self).delete_all_tags_for_resource(arn)
            tags(self).tag_resource(arn, self._get_param("tags") or [{"Key": k, "Value": v} for k, v in header])
            return answer

        return creation

    _replace(IoTResponse, list_tags_for_resource=show, tag_resource=tag, untag_resource=untag)
    for call, kind, parameter in TAGGED:
        _replace(IoTResponse, **{call: tagging(getattr(IoTResponse, call), kind, parameter)})


def iot_logging() -> None:
    """IoT's SetV2LoggingOptions and GetV2LoggingOptions."""

    def keep(self: Any) -> ActionResult:
        names = ("roleArn", "defaultLogLevel", "disableAllLogs")
        self.iot_backend.__dict__["logging"] = {name: self._get_param(name) for name in names}
        return EmptyResult()

    def show(self: Any) -> ActionResult:
        options = self.iot_backend.__dict__.get("logging", {"disableAllLogs": True})
        return ActionResult({name: value for name, value in options.items() if value is not None})

    _replace(IoTResponse, set_v2_logging_options=keep, get_v2_logging_options=show)


def iot_endpoint() -> None:
    """IoT's DescribeEndpoint: an account has one host name, and not another one with every call."""
    describe = IoTBackend.describe_endpoint

    def remembered(self: Any, endpoint_type: str) -> Any:
        endpoints = self.__dict__.setdefault("known_endpoints", {})
        if endpoint_type not in endpoints:
            endpoints[endpoint_type] = describe(self, endpoint_type)
        return endpoints[endpoint_type]

    _replace(IoTBackend, describe_endpoint=remembered)


def lambda_configuration() -> None:
    """Lambda's GetFunction: LoggingConfig and DeadLetterConfig as given, ImageConfig only if it says something."""
    make, describe = LambdaFunction.__init__, LambdaFunction.get_configuration

    def remember(self: Any, account_id: str, spec: dict[str, Any], *more: Any, **options: Any) -> None:
        make(self, account_id, spec, *more, **options)
        self.as_given = {name: spec[name] for name in ("LoggingConfig", "DeadLetterConfig") if name in spec}

    def whole(self: Any, on_create: bool = False) -> dict[str, Any]:
        configuration: dict[str, Any] = describe(self, on_create) | self.as_given
        image = configuration.pop("ImageConfigResponse", {"ImageConfig": {}})
        return configuration | ({"ImageConfigResponse": image} if any(image["ImageConfig"].values()) else {})

    _replace(LambdaFunction, __init__=remember, get_configuration=whole)


def bucket_policies() -> None:
    """S3's calls on objects: moto takes statements with a condition for unconditional; they are left out.

    So the refusal of plain HTTP does not shut everybody out of this API, which speaks nothing else.
    """

    def judge(self: Any, action: str, resource: str) -> Any:
        statements = json.loads(self.policy)["Statement"] if self.policy else []
        plain = {"Statement": [statement for statement in statements if "Condition" not in statement]}
        return IAMPolicy(json.dumps(plain)).is_action_permitted(action, resource)

    _replace(FakeBucket, get_permission=judge)


def endpoint_interfaces() -> None:
    """EC2's CreateVpcEndpoint: the interfaces have the endpoint's security groups, by which they are looked for."""
    create = VPCBackend.create_vpc_endpoint

    def complete(self: Any, *arguments: Any, **options: Any) -> Any:
        endpoint = create(self, *arguments, **options)
        groups = [self.get_security_group_from_id(group) for group in endpoint.security_group_ids]
        for interface in endpoint.network_interface_ids if groups else ():
            self.enis[interface]._group_set = list(groups)
        return endpoint

    _replace(VPCBackend, create_vpc_endpoint=complete)


def rule_descriptions() -> None:
    """EC2's DescribeSecurityGroupRules: the description of a rule that names another group instead of a block."""

    def description(self: Any) -> Any:
        return (self.ip_range or self.source_group).get("Description")

    _replace(SecurityGroupRule, description=property(description))


def private_zones() -> None:
    """Route 53's CreateHostedZone: a zone that comes with a VPC is private; the provider does not say so as well."""
    ask = Route53._get_bool_param

    def ask_for_vpc(self: Any, name: str, *default: Any) -> Any:
        comes_with_vpc = name == "HostedZoneConfig.PrivateZone" and self._get_param("VPC.VPCId")
        return True if comes_with_vpc else ask(self, name, *default)

    _replace(Route53, _get_bool_param=ask_for_vpc)


def records_made_again() -> None:
    """Route 53's ChangeResourceRecordSets: CREATE is refused while there is such a record, and by nothing else.

    moto refuses what was created once before, though it was deleted since, and takes a second one of other values.
    """
    change = Route53Backend.change_resource_record_sets

    def key(record: dict[str, Any]) -> tuple[str, str, str | None]:
        return record["Name"].rstrip("."), record["Type"], record.get("SetIdentifier")

    def checked(self: Any, zoneid: str, change_list: list[dict[str, Any]]) -> None:
        there = {(one.name.rstrip("."), one.type, one.set_identifier) for one in self.get_hosted_zone(zoneid).rrsets}
        for row in change_list:
            record = row["ResourceRecordSet"]
            if row["Action"] == "DELETE":
                there.discard(key(record))
            elif row["Action"] == "CREATE" and key(record) in there:
                raise ResourceRecordAlreadyExists(name=f"{record['Name'].rstrip('.')}.", _type=record["Type"])
        change(self, zoneid, change_list)

    _replace(Route53Backend, change_resource_record_sets=checked)
    _replace(ChangeList, __contains__=lambda *_: False)  # of all that was ever asked for: used for that refusal alone


GAPS = (
    iot_tags,
    iot_logging,
    iot_endpoint,
    lambda_configuration,
    bucket_policies,
    endpoint_interfaces,
    rule_descriptions,
    private_zones,
    records_made_again,
)


def install() -> None:
    """Fill every gap in this process's moto."""
    for fill in GAPS:
        fill()
