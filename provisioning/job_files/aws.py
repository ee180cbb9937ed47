"""Root modules for AWS: a task on Fargate, or a function of Lambda, with all that runs and watches it."""

from collections.abc import Mapping, Sequence
from typing import Any

from provisioning.job_files import cron
from provisioning.job_files.limits import FARGATE, SERVICE
from provisioning.job_files.parts import locals_of, output, terraform, variable
from provisioning.job_files.read import JobFile
from provisioning.job_files.tree import Encoded, Expression, Keyword, TerraformBlock, block

PROVIDER = "5.100.0"
LOG_DAYS = 14
DEAD_LETTER_S = 14 * 24 * 3600
_TAGS = Expression("local.common_tags")
_TAG_NEW_TASKS = {  # without it, a task that is to have its definition's tags does not start
    "Effect": "Allow",
    "Action": ["ecs:TagResource"],
    "Resource": "*",
    "Condition": {"StringEquals": {"ecs:CreateAction": "RunTask"}},
}
_REPOSITORIES = "arn:aws:ecr:*:*:repository/*"
_ACCOUNT = Expression("data.aws_caller_identity.this.account_id")


def blocks(job: JobFile, tags: Mapping[str, str]) -> tuple[TerraformBlock, ...]:
    """The blocks of a job's root module."""
    make = _fargate if job.target is FARGATE else _lambda
    return (
        terraform("hashicorp/aws", "aws", PROVIDER),
        block("provider", "aws", region=Expression("var.aws_region")),
        variable("aws_region", "Region of everything.", "string", str(job.runtime["region"])),
        *make(job, tags),
    )


def _is_service(job: JobFile) -> bool:
    return job.runtime.get("kind") == SERVICE


def _fargate(job: JobFile, tags: Mapping[str, str]) -> list[TerraformBlock]:
    return [
        *_fargate_variables(),
        *_policy_variable(job),
        _alarm_topic(),
        locals_of("common_tags", tags),
        block("data", "aws_caller_identity", "this"),
        _log_group(job, f"/ecs/{job.name}"),
        *_fargate_roles(job),
        _task_definition(job),
        *([_service(job)] if _is_service(job) else []),
        *_schedule(job, _run_task(job), _may_run_task(job)),
        *_failed_tasks(job),
        *_fargate_outputs(job),
    ]


def _fargate_variables() -> list[TerraformBlock]:
    return [
        variable("ecs_cluster_arn", "Cluster that runs the task.", "string"),
        variable("subnet_ids", "Subnets of the task; without a public address, they need a way out.", "list(string)"),
        variable("security_group_ids", "Security groups of the task.", "list(string)"),
        variable("container_environment", "Environment variables of the container; no secrets.", "map(string)", {}),
    ]


def _policy_variable(job: JobFile) -> list[TerraformBlock]:
    """A role that exists has its policies."""
    text = "Policy of what the job itself may do, as JSON. Null: nothing."
    return [] if job.runtime["role"] else [variable("task_policy_json", text, "string", None)]


def _alarm_topic() -> TerraformBlock:
    text = "SNS topic that hears of failed runs; its policy lets CloudWatch and EventBridge publish. Null: nobody does."
    return variable("alarm_topic_arn", text, "string", None)


def _log_group(job: JobFile, name: str) -> TerraformBlock:
    return block("resource", "aws_cloudwatch_log_group", job.label, name=name, retention_in_days=LOG_DAYS, tags=_TAGS)


def _log_arn(job: JobFile) -> Expression:
    return Expression(f'"${{aws_cloudwatch_log_group.{job.label}.arn}}:*"')


def _trust(service: str) -> Encoded:
    """Who may take a role: the service, for this account's own resources where it says whose they are."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    if service != "lambda.amazonaws.com":
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": _ACCOUNT}}
    return Encoded({"Version": "2012-10-17", "Statement": [statement]})


def _allow(*statements: tuple[Sequence[str], Any], more: Sequence[Mapping[str, Any]] = ()) -> Encoded:
    rows = [{"Effect": "Allow", "Action": list(actions), "Resource": resource} for actions, resource in statements]
    return Encoded({"Version": "2012-10-17", "Statement": [*rows, *map(dict, more)]})


def _role(job: JobFile, what: str, service: str) -> TerraformBlock:
    return block(
        "resource",
        "aws_iam_role",
        f"{job.label}_{what}",
        name=f"{job.name}-{what}",
        assume_role_policy=_trust(service),
        tags=_TAGS,
    )


def _role_policy(job: JobFile, what: str, name: str, policy: Any) -> TerraformBlock:
    role = Expression(f"aws_iam_role.{job.label}_{what}.id")
    return block("resource", "aws_iam_role_policy", f"{job.label}_{what}", name=name, role=role, policy=policy)


def _own_policy(job: JobFile) -> TerraformBlock:
    """What the job itself may do."""
    return block(
        "resource",
        "aws_iam_role_policy",
        f"{job.label}_job",
        count=Expression("var.task_policy_json == null ? 0 : 1"),
        name="job",
        role=Expression(f"aws_iam_role.{job.label}_task.id"),
        policy=Expression("var.task_policy_json"),
    )


def _fargate_roles(job: JobFile) -> list[TerraformBlock]:
    """One role fetches the image and writes the log; the job's own is made unless it names one that exists."""
    parts = [
        _role(job, "start", "ecs-tasks.amazonaws.com"),
        _role_policy(
            job,
            "start",
            "start",
            _allow(
                (["ecr:GetAuthorizationToken"], "*"),
                (["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], _REPOSITORIES),
                (["logs:CreateLogStream", "logs:PutLogEvents"], _log_arn(job)),
            ),
        ),
    ]
    if job.runtime["role"] is None:
        parts += [_role(job, "task", "ecs-tasks.amazonaws.com"), _own_policy(job)]
    return parts


def _task_role(job: JobFile) -> Any:
    return job.runtime["role"] or Expression(f"aws_iam_role.{job.label}_task.arn")


def _task_definition(job: JobFile) -> TerraformBlock:
    runtime = job.runtime
    container: dict[str, Any] = {"name": job.word, "image": runtime["image_uri"], "essential": True}
    if runtime["command"]:
        container["command"] = runtime["command"]
    container["environment"] = Expression(
        "[for name, value in var.container_environment : { name = name, value = value }]"
    )
    container["logConfiguration"] = {
        "logDriver": "awslogs",
        "options": {
            "awslogs-group": Expression(f"aws_cloudwatch_log_group.{job.label}.name"),
            "awslogs-region": Expression("var.aws_region"),
            "awslogs-stream-prefix": job.word,
        },
    }
    return block(
        "resource",
        "aws_ecs_task_definition",
        job.label,
        family=job.name,
        requires_compatibilities=["FARGATE"],
        network_mode="awsvpc",
        cpu=runtime["cpu"],
        memory=runtime["memory"],
        execution_role_arn=Expression(f"aws_iam_role.{job.label}_start.arn"),
        task_role_arn=_task_role(job),
        container_definitions=Encoded([container]),
        tags=_TAGS,
        depends_on=[Keyword(f"aws_iam_role_policy.{job.label}_start")],
    )


def _network() -> TerraformBlock:
    return block(
        "network_configuration",
        subnets=Expression("var.subnet_ids"),
        security_groups=Expression("var.security_group_ids"),
        assign_public_ip=False,
    )


def _service(job: JobFile) -> TerraformBlock:
    return block(
        "resource",
        "aws_ecs_service",
        job.label,
        name=job.name,
        cluster=Expression("var.ecs_cluster_arn"),
        task_definition=Expression(f"aws_ecs_task_definition.{job.label}.arn"),
        desired_count=1,
        launch_type="FARGATE",
        propagate_tags="TASK_DEFINITION",  # it is the task that is billed
        tags=_TAGS,
        blocks=[
            _network(),
            block("deployment_circuit_breaker", enable=True, rollback=True),
        ],
    )


def _run_task(job: JobFile) -> TerraformBlock:
    """What the schedule starts."""
    parameters = block(
        "ecs_parameters",
        task_definition_arn=Expression(f"aws_ecs_task_definition.{job.label}.arn"),
        launch_type="FARGATE",
        propagate_tags="TASK_DEFINITION",
        blocks=[_network()],
    )
    return _target(job, Expression("var.ecs_cluster_arn"), [parameters])


def _may_run_task(job: JobFile) -> Encoded:
    roles = [Expression(f"aws_iam_role.{job.label}_start.arn"), _task_role(job)]
    definition = Expression(f"aws_ecs_task_definition.{job.label}.arn")
    return _allow(
        (["ecs:RunTask"], definition),
        (["iam:PassRole"], roles),
        (["sqs:SendMessage"], Expression(f"aws_sqs_queue.{job.label}_dead_letters.arn")),
        more=[_TAG_NEW_TASKS],
    )


def _target(job: JobFile, arn: Expression, inner: Sequence[TerraformBlock] = (), **arguments: Any) -> TerraformBlock:
    return block(
        "target",
        arn=arn,
        role_arn=Expression(f"aws_iam_role.{job.label}_schedule.arn"),
        **arguments,
        blocks=[
            *inner,
            block("retry_policy", maximum_retry_attempts=3, maximum_event_age_in_seconds=3600),
            block("dead_letter_config", arn=Expression(f"aws_sqs_queue.{job.label}_dead_letters.arn")),
        ],
    )


def _schedule(job: JobFile, target: TerraformBlock, policy: Encoded) -> list[TerraformBlock]:
    """The schedule, its role, and the queue of what it could not start; nothing without a schedule."""
    if not job.runtime["schedule"]:
        return []
    return [
        _role(job, "schedule", "scheduler.amazonaws.com"),
        _role_policy(job, "schedule", "start", policy),
        _dead_letters(job),
        block(
            "resource",
            "aws_scheduler_schedule",
            job.label,
            name=job.name,
            schedule_expression=cron.for_aws(str(job.runtime["schedule"])),
            schedule_expression_timezone=job.runtime["timezone"],
            depends_on=[Keyword(f"aws_iam_role_policy.{job.label}_schedule")],
            blocks=[block("flexible_time_window", mode="OFF"), target],
        ),
        _alarm(
            job,
            "dead_letters",
            "Runs that could not be started are in the dead-letter queue.",
            ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
            {"QueueName": Expression(f"aws_sqs_queue.{job.label}_dead_letters.name")},
        ),
    ]


def _dead_letters(job: JobFile) -> TerraformBlock:
    return block(
        "resource",
        "aws_sqs_queue",
        f"{job.label}_dead_letters",
        name=f"{job.name}-dead-letters",
        message_retention_seconds=DEAD_LETTER_S,
        sqs_managed_sse_enabled=True,
        tags=_TAGS,
    )


def _alarm(
    job: JobFile, what: str, description: str, metric: tuple[str, str], dimensions: Mapping[str, Any]
) -> TerraformBlock:
    """An alarm if there is any of it in five minutes; `metric` is a namespace and a name in it."""
    namespace, name = metric
    return block(
        "resource",
        "aws_cloudwatch_metric_alarm",
        f"{job.label}_{what}",
        count=Expression("var.alarm_topic_arn == null ? 0 : 1"),
        alarm_name=f"{job.name}-{what.replace('_', '-')}",
        alarm_description=description,
        namespace=namespace,
        metric_name=name,
        dimensions=dict(dimensions),
        statistic="Sum",
        comparison_operator="GreaterThanThreshold",
        threshold=0,
        period=300,
        evaluation_periods=1,
        treat_missing_data="notBreaching",
        alarm_actions=Expression("[var.alarm_topic_arn]"),
        ok_actions=Expression("[var.alarm_topic_arn]"),
        tags=_TAGS,
    )


def _failed_tasks(job: JobFile) -> list[TerraformBlock]:
    """ECS has no metric of tasks that failed, but tells of each: the news goes to the topic itself."""
    group = f"service:{job.name}" if _is_service(job) else f"family:{job.name}"
    pattern = {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Task State Change"],
        "detail": {
            "group": [group],
            "lastStatus": ["STOPPED"],
            "$or": [
                {"containers": {"exitCode": [{"anything-but": [0]}]}},
                {"stopCode": ["TaskFailedToStart"]},
            ],
        },
    }
    count = Expression("var.alarm_topic_arn == null ? 0 : 1")
    name = f"{job.label}_failed"
    rule = block(
        "resource",
        "aws_cloudwatch_event_rule",
        name,
        count=count,
        name=f"{job.name}-failed",
        description=f"Tasks of {job.name} that failed, or did not start.",
        event_pattern=Encoded(pattern),
        tags=_TAGS,
    )
    target = block(
        "resource",
        "aws_cloudwatch_event_target",
        name,
        count=count,
        rule=Expression(f"aws_cloudwatch_event_rule.{name}[0].name"),
        arn=Expression("var.alarm_topic_arn"),
    )
    return [rule, target]


def _fargate_outputs(job: JobFile) -> list[TerraformBlock]:
    definition = f"aws_ecs_task_definition.{job.label}"
    name = Expression(f"aws_ecs_service.{job.label}.name") if _is_service(job) else None
    network = (
        'awsvpcConfiguration={subnets=[${join(",", var.subnet_ids)}],'
        'securityGroups=[${join(",", var.security_group_ids)}],assignPublicIp=DISABLED}'
    )
    command = (
        f"aws ecs run-task --cluster ${{var.ecs_cluster_arn}} --task-definition ${{{definition}.family}} "
        f"--launch-type FARGATE --propagate-tags TASK_DEFINITION --region ${{var.aws_region}} "
        f'--network-configuration \\"{network}\\"'
    )
    return [
        output("task_definition_arn", "ARN of the task definition.", Expression(f"{definition}.arn")),
        output("service_name", "Name of the service; null for a job.", name),
        output("log_group_name", "Name of the log group.", Expression(f"aws_cloudwatch_log_group.{job.label}.name")),
        output("run_command", "Runs it once by hand.", Expression(f'"{command}"')),
    ]


def _lambda(job: JobFile, tags: Mapping[str, str]) -> list[TerraformBlock]:
    function = Expression(f"aws_lambda_function.{job.label}.arn")
    may = _allow(
        (["lambda:InvokeFunction"], function),
        (["sqs:SendMessage"], Expression(f"aws_sqs_queue.{job.label}_dead_letters.arn")),
    )
    return [
        variable("function_environment", "Environment variables of the function; no secrets.", "map(string)", {}),
        *_policy_variable(job),
        _alarm_topic(),
        locals_of("common_tags", tags),
        *([block("data", "aws_caller_identity", "this")] if job.runtime["schedule"] else []),
        _log_group(job, f"/aws/lambda/{job.name}"),
        *_lambda_roles(job),
        _function(job),
        *_schedule(job, _target(job, function, input=Encoded({})), may),
        _alarm(
            job,
            "failed",
            f"Runs of {job.name} failed; its log says why.",
            ("AWS/Lambda", "Errors"),
            {"FunctionName": Expression(f"aws_lambda_function.{job.label}.function_name")},
        ),
        output("function_name", "Name of the function.", Expression(f"aws_lambda_function.{job.label}.function_name")),
        output("function_arn", "ARN of the function.", function),
        output("log_group_name", "Name of the log group.", Expression(f"aws_cloudwatch_log_group.{job.label}.name")),
        output("run_command", "Runs it once by hand.", _invoke(job)),
    ]


def _invoke(job: JobFile) -> Expression:
    name = f"${{aws_lambda_function.{job.label}.function_name}}"
    return Expression(f'"aws lambda invoke --function-name {name} --region ${{var.aws_region}} /dev/stdout"')


def _lambda_roles(job: JobFile) -> list[TerraformBlock]:
    if job.runtime["role"]:
        return []
    policy = _allow((["logs:CreateLogStream", "logs:PutLogEvents"], _log_arn(job)))
    return [_role(job, "task", "lambda.amazonaws.com"), _role_policy(job, "task", "log", policy), _own_policy(job)]


def _function(job: JobFile) -> TerraformBlock:
    runtime = job.runtime
    command = runtime["command"]
    return block(
        "resource",
        "aws_lambda_function",
        job.label,
        function_name=job.name,
        role=_task_role(job),
        package_type="Image",
        image_uri=runtime["image_uri"],
        memory_size=runtime["memory"],
        timeout=runtime["timeout"],
        tags=_TAGS,
        depends_on=None if runtime["role"] else [Keyword(f"aws_iam_role_policy.{job.label}_task")],
        blocks=[
            block("image_config", command=command) if command else None,
            block("environment", variables=Expression("var.function_environment")),
            block(
                "logging_config",
                log_format="JSON",
                log_group=Expression(f"aws_cloudwatch_log_group.{job.label}.name"),
            ),
        ],
    )
