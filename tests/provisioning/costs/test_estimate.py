"""What a plan or a state costs, to the cent; and that nothing in it is passed over in silence."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checked_yaml.errors import CheckedYamlError
from provisioning.costs import CostsError, Resource, estimate, of_plan, of_state, read_usage
from provisioning.costs.prices import CATEGORIES, table
from provisioning.costs.rules import RULES
from provisioning.costs.usage import BEDROCK, DEFAULTS
from scripts.monthly_cost import cost, quantities
from tests.provisioning.costs.plans import CASES, Case, many, plan

CENT = Decimal("0.01")
TERRAFORM = Path(__file__).parents[3] / "terraform"


def worked_out(arithmetic: str) -> Decimal:
    """`a * b / c`, from left to right, and rounded to the cent as the estimator says it does."""
    first, *rest = re.split(r" ([*/]) ", arithmetic)
    value = Decimal(first)
    for operator, number in zip(rest[::2], rest[1::2], strict=True):
        value = value * Decimal(number) if operator == "*" else value / Decimal(number)
    return value.quantize(CENT)


def test_there_are_enough_plans() -> None:
    """Twenty-four at least, and every price rule is met by one of them."""
    assert len({case.name for case in CASES}) == len(CASES) >= 24
    types = {address.split(".")[0] for case in CASES for address in case.resources}
    assert set(RULES) - types == {"aws_api_gateway_stage", "aws_ssm_parameter"}  # which cost nothing, or are unpriced


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_plan_costs_what_its_arithmetic_gives(case: Case) -> None:
    """Each row's arithmetic gives its dollars, and the estimate is their sum by category."""
    for each in case.sums:
        assert worked_out(each.arithmetic) == Decimal(each.usd), each
    costs = estimate(of_plan(plan(case.resources)), case.usage)
    expected = {
        category: sum((Decimal(each.usd) for each in case.sums if each.category == category), Decimal(0))
        for category in CATEGORIES
    }
    assert {category: Decimal(str(costs[category])) for category in CATEGORIES} == expected
    assert Decimal(str(costs["total"])) == sum(expected.values())
    assert costs["unpriced"] == []


def test_the_seeds_example_is_counted_as_it_says() -> None:
    """Its counts, its keys; and the type that Terraform does not have is named, not guessed."""
    resources = many("aws_instance", 3, instance_type="t3.medium")
    resources |= {"aws_s3_bucket.a": {}, "aws_s3_bucket.b": {}, "aws_rds_instance.db": {"engine": "mysql"}}
    costs = estimate(of_plan(plan(resources)))
    assert costs["resourceCounts"] == {"aws_instance": 3, "aws_s3_bucket": 2, "aws_rds_instance": 1}
    assert list(costs)[:8] == [*CATEGORIES, "total", "resourceCounts", "currency", "period"]
    assert (costs["currency"], costs["period"]) == ("USD", "monthly")
    assert [(row["address"], row["type"]) for row in costs["unpriced"]] == [("aws_rds_instance.db", "aws_rds_instance")]
    assert costs["database"] == 0
    assert costs["compute"] == 91.1  # 3 * 730 * 0.0416 = 91.104


def test_the_largest_rows_come_first() -> None:
    """Three at most, with what they are for."""
    resources = {"aws_nat_gateway.a": {}, "aws_eip.a": {}, "aws_instance.a": {"instance_type": "t3.large"}}
    costs = estimate(of_plan(plan(resources)))
    assert [(row["name"], row["usd"]) for row in costs["largest"]] == [
        ("EC2 t3.large", 60.74),
        ("NAT gateway", 32.85),
        ("Public IPv4 address", 3.65),
    ]
    assert costs["largest"][0]["addresses"] == ["aws_instance.a"]


def test_every_price_that_was_taken_is_told_with_its_source() -> None:
    """A day, a source and an address for each."""
    costs = estimate(of_plan(plan({"aws_lambda_function.a": {}})))
    assert [row["name"] for row in costs["pricesOf"]] == ["Lambda requests", "Lambda time (x86_64)"]
    assert all(row["readOn"] and row["source"] and row["url"] for row in costs["pricesOf"])
    assert any("requests 100000 a month" in line for line in costs["assumptions"])
    assert any("half to even" in line for line in costs["assumptions"])


def test_what_is_free_is_named() -> None:
    """By type, once."""
    resources: dict[str, dict[str, Any]] = {
        "aws_iam_role.a": {},
        "aws_iam_role.b": {},
        "aws_vpc_endpoint.a": {"vpc_endpoint_type": "Gateway"},
    }
    costs = estimate(of_plan(plan(resources)))
    assert (costs["free"], costs["total"]) == (["aws_iam_role", "aws_vpc_endpoint"], 0)


@pytest.mark.parametrize(
    ("address", "values", "why"),
    [
        ("google_storage_bucket.a", {}, "Google"),
        ("aws_athena_workgroup.a", {}, "no price with a source"),
        ("aws_instance.a", {"instance_type": "x99.huge"}, "EC2 x99.huge in us-east-1"),
        ("aws_instance.a", {}, "instance_type is not known"),
        ("aws_instance.a", {"instance_type": "t3.micro", "tenancy": "host"}, "shared machines"),
        ("aws_instance.a", {"instance_type": "t3.micro", "instance_market_options": [{}]}, "spot"),
        ("aws_ebs_volume.a", {"size": 1, "type": "gp3", "iops": 9000}, "above 3,000"),
        ("aws_ebs_volume.a", {}, "size is not known"),
        ("aws_db_instance.a", {"engine": "mysql", "instance_class": "db.t3.large"}, "allocated_storage"),
        ("aws_dynamodb_table.a", {"replica": [{}]}, "other regions"),
        ("aws_ecs_service.a", {"launch_type": "EC2"}, "Fargate"),
        ("aws_ecs_service.a", {"launch_type": "FARGATE"}, "task definition is not known"),
        ("aws_lb.a", {}, "network load balancers"),
        ("aws_route53_zone.a", {}, "private zones"),
        ("aws_sfn_state_machine.a", {"type": "EXPRESS"}, "standard state machines"),
        ("aws_apigatewayv2_api.a", {"protocol_type": "WEBSOCKET"}, "HTTP APIs"),
        ("aws_api_gateway_stage.a", {"cache_cluster_enabled": True}, "a cache"),
        ("aws_sns_topic_subscription.a", {"protocol": "sms"}, "sms"),
        ("aws_ssm_parameter.a", {"tier": "Advanced"}, "standard parameters"),
        ("aws_quicksight_user.a", {"user_role": "READER"}, "authors"),
        ("aws_cloudwatch_metric_alarm.a", {"period": 10}, "of a minute"),
    ],
)
def test_what_has_no_price_is_told_with_the_reason(address: str, values: dict[str, Any], why: str) -> None:
    """Never guessed, and nothing of it is counted."""
    costs = estimate(of_plan(plan({address: values})))
    [row] = costs["unpriced"]
    assert why in row["why"]
    assert (costs["total"], costs["pricesOf"]) == (0, [])


def test_a_region_without_a_price_is_unpriced() -> None:
    """Another region's price is no price; Step Functions has one in São Paulo."""
    resources: dict[str, dict[str, Any]] = {"aws_sfn_state_machine.a": {}, "aws_nat_gateway.a": {}}
    costs = estimate(of_plan(plan(resources, region="sa-east-1")))
    assert [row["why"] for row in costs["unpriced"]] == ["no price with a source is known for NAT gateway in sa-east-1"]
    assert costs["compute"] == 0.38  # 10,000 * 0.0375 / 1000 = 0.375, half to even
    assert not any("where nothing says the region" in line for line in costs["assumptions"])


def test_a_region_is_taken_from_a_variable_of_the_plan() -> None:
    """As the product's own root has it, also for what its modules hold."""
    document = plan({"aws_sfn_state_machine.a": {}})
    address = 'module.farm["x"].aws_sfn_state_machine.a[0]'
    document["planned_values"]["root_module"] = {
        "child_modules": [{"resources": [{"address": address, "mode": "managed", "type": "aws_sfn_state_machine"}]}]
    }
    inner = {"address": "aws_sfn_state_machine.a", "provider_config_key": "aws"}
    document["configuration"]["root_module"] = {"module_calls": {"farm": {"module": {"resources": [inner]}}}}
    document["configuration"]["provider_config"]["aws"]["expressions"]["region"] = {"references": ["var.aws_region"]}
    document["variables"] = {"aws_region": {"value": "us-west-2"}}
    assert of_plan(document) == [Resource(address, "aws_sfn_state_machine", {}, "us-west-2")]


def test_a_change_is_the_difference() -> None:
    """What comes is added, what goes is taken away, what stays and what is only read is left out."""
    document = plan({"aws_nat_gateway.new": {}, "aws_eip.old": {}, "aws_instance.a": {"instance_type": "t3.large"}})
    new, old, changed = document["resource_changes"]
    old["change"] = {"actions": ["delete"], "before": {}, "after": None}
    changed["change"] = {"actions": ["update"], "before": {"instance_type": "t3.medium"}, "after": changed["values"]}
    kept = {**new, "address": "aws_lb.kept", "change": {"actions": ["no-op"], "before": {}, "after": {}}}
    document["resource_changes"].append(kept)
    costs = estimate(of_plan(document, "change"), {"aws_nat_gateway": {"data_gb": 0}})
    assert costs["networking"] == 29.2  # 32.85 - 3.65
    assert costs["compute"] == 30.37  # 730 * 0.0832 = 60.736, less 730 * 0.0416 = 30.368, are two rows: 60.74 - 30.37
    assert costs["resourceCounts"] == {"aws_eip": -1, "aws_instance": 0, "aws_nat_gateway": 1}


def test_a_state_costs_what_its_plan_did() -> None:
    """As stored, and as Terraform shows it."""
    attributes = {"instance_type": "t3.micro", "arn": "arn:aws:ec2:us-east-1:1:instance/i"}
    row = {"mode": "managed", "type": "aws_instance", "name": "a", "module": "module.m"}
    instances = [{"index_key": key, "attributes": attributes} for key in (0, "x")]
    data = {"mode": "data", "type": "aws_region", "name": "a", "instances": [{"attributes": {}}]}
    state = {"version": 4, "resources": [{**row, "instances": instances}, data]}
    resources = of_state(state)
    assert [each.address for each in resources] == ["module.m.aws_instance.a[0]", 'module.m.aws_instance.a["x"]']
    assert {each.region for each in resources} == {"us-east-1"}
    assert estimate(resources)["compute"] == 15.18  # 2 * 730 * 0.0104 = 15.184
    planned = plan({"aws_instance.a": attributes, "aws_instance.b": attributes})
    assert estimate(of_state({"values": planned["planned_values"]}))["compute"] == 15.18
    assert of_state({"format_version": "1.0"}) == []


@pytest.mark.parametrize(
    "ask",
    [lambda: of_plan({}), lambda: of_plan(plan({}), "before"), lambda: of_state({}), lambda: of_state({"version": 3})],
)
def test_what_is_no_plan_is_refused(ask: Any) -> None:
    """With what to give instead."""
    with pytest.raises(CostsError, match=r"give what|say after or change"):
        ask()


@pytest.mark.parametrize(
    ("usage", "why"),
    [
        ({"aws_s3_buckt": {}}, "did you mean 'aws_s3_bucket'"),
        ({"aws_s3_bucket": {"storage": 1}}, "did you mean 'storage_gb'"),
        ({"aws_s3_bucket": {"storage_gb": "much"}}, "want a number"),
        ({"aws_s3_bucket": {"storage_gb": -1}}, "want a number from 0"),
        ({"aws_s3_bucket": 5}, "want amounts by name"),
        ({"aws_s3_bucket.b": {"reads": 1}}, "did you mean"),
        ({"aws_iam_role.a": {"reads": 1}}, "no usage"),
    ],
)
def test_usage_that_is_not_understood_is_refused(usage: dict[str, Any], why: str) -> None:
    """With what may have been meant."""
    resources = of_plan(plan({"aws_s3_bucket.a": {}, "aws_iam_role.a": {}}))
    with pytest.raises(CostsError, match=re.escape(why)):
        estimate(resources, usage)


def test_what_if_usage_changes_the_estimate_alone() -> None:
    """A bucket of its own is told by its address, and goes before its type."""
    resources = of_plan(plan({"aws_s3_bucket.a": {}, "aws_s3_bucket.b": {}}))
    usage = {"aws_s3_bucket": {"storage_gb": 100}, "aws_s3_bucket.b": {"storage_gb": 1000}}
    assert estimate(resources, usage)["storage"] == 25.41  # 1100 * 0.023 = 25.30, and 0.10 and 0.01 for requests
    assert estimate(resources)["storage"] == 0.57


def test_a_usage_file_is_read_and_its_mistakes_are_named_by_line(tmp_path: Path) -> None:
    """Every mistake at once."""
    path = tmp_path / "usage.yaml"
    path.write_text("aws_lambda_function: {requests: 5}\nmodule.m.aws_s3_bucket.this:\n  storage_gb: 2.5\n")
    assert read_usage(path) == {
        "aws_lambda_function": {"requests": 5},
        "module.m.aws_s3_bucket.this": {"storage_gb": 2.5},
    }
    path.write_text("aws_lambda_funktion: {}\naws_s3_bucket:\n  reads: many\n  write: 2\n")
    with pytest.raises(CheckedYamlError) as caught:
        read_usage(path)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[1] for line in lines] == ["1", "3", "4"]
    assert "did you mean 'aws_lambda_function'" in lines[0]
    assert "did you mean 'writes'" in lines[2]


def test_the_estimate_agrees_with_the_table_of_docs() -> None:
    """The product's own fleet of two, with the usage that docs/deploy.md counts: the same dollars, to the cent."""
    counted = {name: quantity for name, (quantity, _) in quantities(2).items()}
    things, secrets = many("aws_iot_thing", 3), many("aws_secretsmanager_secret", 3)
    alarms = many("aws_cloudwatch_metric_alarm", 6)
    rest: dict[str, dict[str, Any]] = {
        "aws_iot_topic_rule.a": {},
        "aws_kinesis_firehose_delivery_stream.a": {},
        "aws_vpc_endpoint.iot": {"vpc_endpoint_type": "Interface"},
        "aws_lb.a": {"load_balancer_type": "network"},
        "aws_route53_zone.a": {"vpc": [{}]},
        "aws_lambda_function.a": {"memory_size": 1024, "architectures": ["arm64"]},
        "aws_scheduler_schedule.a": {"schedule_expression": "rate(15 minutes)"},
        "aws_s3_bucket.a": {},
        "aws_glue_crawler.a": {"schedule": "cron(15 3 ? * SUN *)"},
        "aws_cloudwatch_log_metric_filter.a": {},
        "aws_cloudwatch_log_group.a": {},
        "aws_ecr_repository.a": {},
    }
    usage = {
        "aws_iot_thing": {"minutes": 43_800, "messages": counted["IoT messages"] / 3},
        "aws_iot_topic_rule": {"runs": counted["IoT rules"] / 2},
        "aws_kinesis_firehose_delivery_stream": {"records": 5840},
        "aws_vpc_endpoint": {"data_gb": counted["Endpoint data"], "zones": 2},
        "aws_lambda_function": {"requests": 2920, "duration_ms": 2000},
        "aws_s3_bucket": {
            "storage_gb": counted["S3 storage"],
            "writes": counted["S3 writes"],
            "reads": counted["S3 reads"],
        },
        "aws_cloudwatch_log_group": {"ingested_gb": counted["Logs"]},
    }
    costs = estimate(of_plan(plan({**things, **secrets, **alarms, **rest})), usage)
    assert costs["unpriced"] == []
    assert Decimal(str(costs["total"])) == sum(cost(name, quantity) for name, quantity in counted.items())
    assert costs["total"] == 34.5


def test_every_type_of_the_product_is_known() -> None:
    """Priced or free, but for Athena, which is paid by the query; of Google there are no prices, and it is said so."""
    text = "".join(path.read_text() for path in TERRAFORM.rglob("*.tf"))
    types = set(re.findall(r'^resource "(\w+)"', text, re.MULTILINE))
    assert len(types) > 40
    types = {one for one in types if not one.startswith("google_")}
    assert types - set(RULES) - table().free == {"aws_athena_workgroup"}


def test_no_type_is_both_free_and_priced() -> None:
    """And each price has a category of the seed, a day and an address."""
    assert set(RULES) & table().free == set()
    assert set(DEFAULTS) - {BEDROCK} <= set(RULES)
    for price in table().prices.values():
        assert price.category in CATEGORIES
        assert re.fullmatch(r"2026-\d\d-\d\d", price.read_on)
        assert price.url.startswith(("https://", "docs/"))
        assert price.usd > 0


TYPES = st.sampled_from([*RULES, *sorted(table().free)[:20], "google_pubsub_topic", "aws_of_tomorrow"])
VALUES = st.dictionaries(
    st.sampled_from(
        ["instance_type", "engine", "protocol", "size", "type", "vpc", "memory_size", "billing_mode", "region"]
    ),
    st.sampled_from([None, 1, "t3.micro", "gp2", "email", "us-east-1", "sa-east-1", 512]),
)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(TYPES, VALUES), max_size=8))
def test_nothing_is_passed_over(rows: list[tuple[str, dict[str, Any]]]) -> None:
    """Every resource of a plan is in a row of a price, free, or unpriced: in one of them, whatever its values are."""
    resources = {f"{kind}.a{n}": values for n, (kind, values) in enumerate(rows)}
    for each in of_plan(plan(resources)):
        alone = estimate([each])
        assert [bool(alone[place]) for place in ("pricesOf", "free", "unpriced")].count(True) == 1, (each, alone)
    costs = estimate(of_plan(plan(resources)))
    assert sum(costs["resourceCounts"].values()) == len(resources)
    assert {row["address"] for row in costs["unpriced"]} <= set(resources)
    assert costs["total"] == pytest.approx(sum(costs[category] for category in CATEGORIES))
