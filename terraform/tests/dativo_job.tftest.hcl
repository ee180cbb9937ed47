# The job for HCL by hand: by a schedule and by hand, with and without somebody who hears of failed runs.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  job_name           = "hubspot-contacts"
  tenant_id          = "acme"
  image_uri          = "dativo/dativo-ingest:latest"
  ecs_cluster_name   = "dativo-cluster"
  subnet_ids         = ["subnet-12345", "subnet-67890"]
  security_group_ids = ["sg-12345"]
  aws_region         = "us-east-1"
  tags = {
    finops_cost_center   = "ENG-001"
    finops_business_tags = "sales,crm"
  }
}

run "by_a_schedule" {
  module {
    source = "./modules/aws/dativo-job"
  }

  variables {
    schedule_expression = "cron(0 2 * * ? *)"
    ecs_cluster_arn     = "arn:aws:ecs:us-east-1:123456789012:cluster/dativo-cluster"
    alarm_topic_arn     = "arn:aws:sns:us-east-1:123456789012:alarms"
    command             = ["python", "-m", "ingest"]
  }

  assert {
    condition     = aws_ecs_task_definition.this.family == "acme-hubspot-contacts" && aws_ecs_task_definition.this.cpu == "1024" && aws_ecs_task_definition.this.memory == "2048"
    error_message = "The family is tenant and job, and a task has the seed's sizes."
  }

  assert {
    condition     = aws_ecs_task_definition.this.tags == tomap({ finops_cost_center = "ENG-001", finops_business_tags = "sales crm" }) && aws_sqs_queue.dead_letters[0].tags == aws_ecs_task_definition.this.tags && aws_cloudwatch_log_group.this.tags == aws_ecs_task_definition.this.tags
    error_message = "Every resource has the same tags, and none has the comma that ECS refuses."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command == ["python", "-m", "ingest"] && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].image == var.image_uri
    error_message = "The container runs the command in the image."
  }

  assert {
    condition = (
      aws_scheduler_schedule.this[0].schedule_expression == "cron(0 2 * * ? *)" && aws_scheduler_schedule.this[0].schedule_expression_timezone == "UTC"
      && aws_scheduler_schedule.this[0].target[0].ecs_parameters[0].propagate_tags == "TASK_DEFINITION"
      && aws_scheduler_schedule.this[0].target[0].ecs_parameters[0].network_configuration[0].assign_public_ip == false
      && aws_scheduler_schedule.this[0].target[0].dead_letter_config[0].arn == aws_sqs_queue.dead_letters[0].arn
    )
    error_message = "The schedule starts tasks that bear the tags, without a public address, and what it cannot start is in the queue."
  }

  assert {
    condition     = strcontains(aws_iam_role_policy.schedule[0].policy, "ecs:RunTask") && strcontains(aws_iam_role_policy.schedule[0].policy, "iam:PassRole") && strcontains(aws_iam_role_policy.schedule[0].policy, "ecs:TagResource")
    error_message = "The schedule may start the task, hand over its roles, and tag it."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.dead_letters) == 1 && jsondecode(aws_cloudwatch_event_rule.failed[0].event_pattern).detail.group == ["family:acme-hubspot-contacts"] && aws_cloudwatch_event_target.failed[0].arn == var.alarm_topic_arn
    error_message = "The topic hears of tasks that failed or did not start, of this job alone."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.retention_in_days == 14 && length(aws_iam_role_policy.job) == 0 && output.service_name == "acme-hubspot-contacts" && strcontains(output.run_command, "--propagate-tags TASK_DEFINITION")
    error_message = "The log is kept for 14 days, the job may do nothing that nobody allowed, and the printed command tags its task."
  }
}

run "by_hand" {
  module {
    source = "./modules/aws/dativo-job"
  }

  variables {
    task_policy_json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
  }

  assert {
    condition     = length(aws_scheduler_schedule.this) == 0 && length(aws_sqs_queue.dead_letters) == 0 && length(aws_iam_role.schedule) == 0 && length(aws_cloudwatch_metric_alarm.dead_letters) == 0 && length(aws_cloudwatch_event_rule.failed) == 0
    error_message = "Without a schedule and a topic there is nothing of them."
  }

  assert {
    condition     = aws_iam_role_policy.job[0].policy == var.task_policy_json && !can(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command)
    error_message = "The job may do what its policy says, and runs the image's own command."
  }
}

run "a_schedule_wants_its_cluster" {
  command = plan

  module {
    source = "./modules/aws/dativo-job"
  }

  variables {
    schedule_expression = "cron(0 2 * * ? *)"
  }

  expect_failures = [var.ecs_cluster_arn]
}
