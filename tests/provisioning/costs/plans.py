"""Plans with the arithmetic of their costs written out beside them: quantity times price, rounded to the cent."""

from typing import Any, NamedTuple


class Sum(NamedTuple):
    """One price's row: its category, the arithmetic, and what that gives in US dollars."""

    category: str
    arithmetic: str
    usd: str


class Case(NamedTuple):
    """Resources by address, usage if any, and every row of the estimate."""

    name: str
    resources: dict[str, dict[str, Any]]
    sums: tuple[Sum, ...]
    usage: dict[str, Any] | None = None


def many(kind: str, count: int, **values: Any) -> dict[str, dict[str, Any]]:
    """So many of a type, by their keys."""
    return {f'{kind}.a["{n}"]': values for n in range(count)}


def plan(resources: dict[str, dict[str, Any]], region: str = "us-east-1") -> dict[str, Any]:
    """As `terraform show -json PLAN` prints one."""
    rows = [
        {"address": address, "mode": "managed", "type": address.split(".")[0], "values": values}
        for address, values in resources.items()
    ]
    configured = [{"address": address, "provider_config_key": "aws"} for address in resources]
    return {
        "format_version": "1.2",
        "planned_values": {"root_module": {"resources": rows}},
        "resource_changes": [
            {**row, "change": {"actions": ["create"], "before": None, "after": row["values"]}} for row in rows
        ],
        "configuration": {
            "provider_config": {"aws": {"expressions": {"region": {"constant_value": region}}}},
            "root_module": {"resources": configured},
        },
    }


COMPUTE, STORAGE, NETWORKING, DATABASE = "compute", "storage", "networking", "database"
CASES = (
    Case(
        "three machines",
        {f"aws_instance.a[{n}]": {"instance_type": "t3.micro"} for n in range(3)},
        (
            Sum(COMPUTE, "3 * 730 * 0.0104", "22.78"),
            Sum(STORAGE, "3 * 8 * 0.10", "2.40"),  # no disk is written: 8 GB gp2 each
        ),
    ),
    Case(
        "a machine with its disks",
        {
            "aws_instance.a": {
                "instance_type": "m5.large",
                "root_block_device": [{"volume_size": 30, "volume_type": "gp3"}],
                "ebs_block_device": [{"volume_size": 100, "volume_type": "io1", "iops": 1000}],
            }
        },
        (
            Sum(COMPUTE, "730 * 0.096", "70.08"),
            Sum(STORAGE, "30 * 0.08", "2.40"),
            Sum(STORAGE, "100 * 0.125", "12.50"),
            Sum(STORAGE, "1000 * 0.065", "65.00"),
        ),
    ),
    Case(
        "a machine by day",
        {"aws_instance.a": {"instance_type": "t3.medium"}},
        (Sum(COMPUTE, "240 * 0.0416", "9.98"), Sum(STORAGE, "8 * 0.10", "0.80")),
        {"aws_instance": {"hours": 240}},
    ),
    Case(
        "volumes",
        {"aws_ebs_volume.a": {"size": 50, "type": "gp2"}, "aws_ebs_volume.b": {"size": 70}},
        (Sum(STORAGE, "120 * 0.10", "12.00"),),  # 50 and 70
    ),
    Case(
        "a bucket as it is assumed",
        {"aws_s3_bucket.a": {}},
        (
            Sum(STORAGE, "10 * 0.023", "0.23"),
            Sum(STORAGE, "10000 * 0.005 / 1000", "0.05"),
            Sum(STORAGE, "10000 * 0.0004 / 1000", "0.00"),  # 0.004
        ),
    ),
    Case(
        "two buckets, one of them large",
        {"aws_s3_bucket.a": {}, "aws_s3_bucket.b": {}},
        (
            Sum(STORAGE, "1010 * 0.023", "23.23"),  # 10 and 1,000
            Sum(STORAGE, "20000 * 0.005 / 1000", "0.10"),
            Sum(STORAGE, "2010000 * 0.0004 / 1000", "0.80"),  # 0.804
        ),
        {"aws_s3_bucket.b": {"storage_gb": 1000, "reads": 2_000_000}},
    ),
    Case(
        "a function on Arm",
        {"aws_lambda_function.a": {"memory_size": 512, "architectures": ["arm64"]}},
        (
            # 1,000,000 calls of 0.3 s with half a GB are 150,000 GB-seconds
            Sum(COMPUTE, "150000 * 0.0000133334", "2.00"),
            Sum(COMPUTE, "1000000 * 0.20 / 1000000", "0.20"),
        ),
        {"aws_lambda_function": {"requests": 1_000_000, "duration_ms": 300}},
    ),
    Case(
        "a function on Intel, as it is assumed",
        {"aws_lambda_function.a": {}},
        (
            # 100,000 calls of 0.2 s with 128 MB are 2,500 GB-seconds
            Sum(COMPUTE, "2500 * 0.0000166667", "0.04"),
            Sum(COMPUTE, "100000 * 0.20 / 1000000", "0.02"),
        ),
    ),
    Case(
        "a service of Fargate",
        {
            "aws_ecs_cluster.a": {},
            "aws_ecs_task_definition.a": {
                "requires_compatibilities": ["FARGATE"],
                "cpu": "512",
                "memory": "1024",
                "runtime_platform": [{"cpu_architecture": "ARM64"}],
            },
            "aws_ecs_service.a": {"launch_type": "FARGATE", "desired_count": 2},
        },
        (
            Sum(COMPUTE, "2 * 0.5 * 730 * 0.03238", "23.64"),
            Sum(COMPUTE, "2 * 1 * 730 * 0.00356", "5.20"),
        ),
    ),
    Case(
        "a task an hour a day",
        {"aws_ecs_task_definition.a": {"requires_compatibilities": ["FARGATE"], "cpu": "1024", "memory": "2048"}},
        (Sum(COMPUTE, "30 * 0.04048", "1.21"), Sum(COMPUTE, "30 * 2 * 0.004445", "0.27")),
        {"aws_ecs_task_definition": {"task_hours": 30}},
    ),
    Case(
        "a table by request",
        {"aws_dynamodb_table.a": {"billing_mode": "PAY_PER_REQUEST"}},
        (
            Sum(DATABASE, "3000000 * 0.625 / 1000000", "1.88"),  # 1.875, half to even
            Sum(DATABASE, "8000000 * 0.125 / 1000000", "1.00"),
            Sum(DATABASE, "230 * 0.25", "57.50"),
        ),
        {"aws_dynamodb_table": {"writes": 3_000_000, "reads": 8_000_000, "storage_gb": 230}},
    ),
    Case(
        "a table with capacity and an index",
        {
            "aws_dynamodb_table.a": {
                "write_capacity": 20,
                "read_capacity": 30,
                "global_secondary_index": [{"write_capacity": 5, "read_capacity": 10}],
            }
        },
        (
            Sum(DATABASE, "25 * 730 * 0.00065", "11.86"),
            Sum(DATABASE, "40 * 730 * 0.00013", "3.80"),
            Sum(DATABASE, "1 * 0.25", "0.25"),
        ),
    ),
    Case(
        "a database",
        {"aws_db_instance.a": {"engine": "postgres", "instance_class": "db.t4g.micro", "allocated_storage": 20}},
        (Sum(DATABASE, "730 * 0.016", "11.68"), Sum(DATABASE, "20 * 0.115", "2.30")),
    ),
    Case(
        "a database in two zones",
        {
            "aws_db_instance.a": {
                "engine": "mysql",
                "instance_class": "db.t3.large",
                "allocated_storage": 30,
                "storage_type": "gp3",
                "multi_az": True,
            }
        },
        (Sum(DATABASE, "2 * 730 * 0.136", "198.56"), Sum(DATABASE, "2 * 30 * 0.115", "6.90")),
    ),
    Case(
        "a way out of a private network",
        {"aws_vpc.a": {}, "aws_eip.a": {}, "aws_nat_gateway.a": {}},
        (
            Sum(NETWORKING, "730 * 0.045", "32.85"),
            Sum(NETWORKING, "100 * 0.045", "4.50"),
            Sum(NETWORKING, "730 * 0.005", "3.65"),
        ),
        {"aws_nat_gateway": {"data_gb": 100}},
    ),
    Case(
        "endpoints",
        {
            "aws_vpc_endpoint.s3": {"vpc_endpoint_type": "Gateway"},
            "aws_vpc_endpoint.iot": {"vpc_endpoint_type": "Interface", "subnet_ids": ["a", "b", "c"]},
        },
        (Sum(NETWORKING, "3 * 730 * 0.01", "21.90"), Sum(NETWORKING, "1 * 0.01", "0.01")),
    ),
    Case(
        "a load balancer and a private zone",
        {"aws_lb.a": {"load_balancer_type": "network"}, "aws_route53_zone.a": {"vpc": [{"vpc_id": "v"}]}},
        (Sum(NETWORKING, "730 * 0.0225", "16.42"), Sum(NETWORKING, "1 * 0.50", "0.50")),  # 16.425, half to even
    ),
    Case(
        "a state machine",
        {"aws_sfn_state_machine.a": {"type": "STANDARD"}},
        (Sum(COMPUTE, "40000 * 0.025 / 1000", "1.00"),),
        {"aws_sfn_state_machine": {"transitions": 40_000}},
    ),
    Case(
        "two kinds of API",
        {"aws_api_gateway_rest_api.a": {}, "aws_apigatewayv2_api.a": {"protocol_type": "HTTP"}},
        (Sum(NETWORKING, "2000000 * 3.50 / 1000000", "7.00"), Sum(NETWORKING, "100000 * 1.00 / 1000000", "0.10")),
        {"aws_api_gateway_rest_api": {"requests": 2_000_000}},
    ),
    Case(
        "messages to people and to queues",
        {
            "aws_sns_topic.a": {},
            "aws_sns_topic_subscription.mail": {"protocol": "email"},
            "aws_sns_topic_subscription.queue": {"protocol": "sqs"},
            "aws_sqs_queue.a": {},
            "aws_sqs_queue.b": {"fifo_queue": True},
        },
        (
            Sum(NETWORKING, "1000 * 0.50 / 1000000", "0.00"),  # 0.0005
            Sum(NETWORKING, "1000 * 2.00 / 100000", "0.02"),
            Sum(NETWORKING, "5000000 * 0.40 / 1000000", "2.00"),
            Sum(NETWORKING, "5000000 * 0.50 / 1000000", "2.50"),
        ),
        {"aws_sqs_queue": {"requests": 5_000_000}},
    ),
    Case(
        "a hundred gateways",
        many("aws_iot_thing", 100) | {"aws_iot_topic_rule.a": {}},
        (
            Sum(NETWORKING, "100 * 43800 * 0.08 / 1000000", "0.35"),
            Sum(NETWORKING, "100 * 12197 * 1.00 / 1000000", "1.22"),
            Sum(NETWORKING, "292000 * 2 * 0.15 / 1000000", "0.09"),  # a rule and an action
        ),
        {"aws_iot_topic_rule": {"runs": 292_000}},
    ),
    Case(
        "keys in Secrets Manager",
        many("aws_secretsmanager_secret", 101) | {"aws_secretsmanager_secret_version.a": {}},
        (Sum(STORAGE, "101 * 0.40", "40.40"),),
    ),
    Case(
        "a stream, a crawler and schedules",
        {
            "aws_kinesis_firehose_delivery_stream.a": {},
            "aws_glue_crawler.a": {"schedule": "cron(15 3 ? * SUN *)"},
            "aws_glue_crawler.by_hand": {},
            "aws_scheduler_schedule.a": {"schedule_expression": "rate(15 minutes)"},
            "aws_scheduler_schedule.b": {"schedule_expression": "cron(0 * * * ? *)"},
        },
        (
            Sum(NETWORKING, "29200000 * 5120 / 1073741824 * 0.029", "4.04"),
            Sum(COMPUTE, "4.345 * 2 / 6 * 0.44", "0.64"),
            Sum(COMPUTE, "3650 * 1.00 / 1000000", "0.00"),  # 2,920 quarters of an hour and 730 hours
        ),
        {"aws_kinesis_firehose_delivery_stream": {"records": 29_200_000}},
    ),
    Case(
        "alarms, logs and images",
        {
            **{f"aws_cloudwatch_metric_alarm.a[{n}]": {"period": 300} for n in range(6)},
            "aws_cloudwatch_log_metric_filter.a": {},
            "aws_cloudwatch_log_group.a": {},
            "aws_ecr_repository.a": {},
        },
        (
            Sum(COMPUTE, "6 * 0.10", "0.60"),
            Sum(COMPUTE, "1 * 0.30", "0.30"),
            Sum(STORAGE, "0.1 * 0.50", "0.05"),
            Sum(STORAGE, "0.3 * 0.10", "0.03"),
        ),
    ),
    Case(
        "a report that a model writes",
        {"aws_quicksight_user.a": {"user_role": "AUTHOR"}, "aws_iam_role.a": {}},
        (
            Sum(COMPUTE, "24 * 1", "24.00"),
            Sum(COMPUTE, "10000000 * 0.06 / 1000000", "0.60"),
            Sum(COMPUTE, "1500000 * 0.24 / 1000000", "0.36"),
        ),
        {"bedrock": {"input_tokens": 10_000_000, "output_tokens": 1_500_000}},
    ),
)
