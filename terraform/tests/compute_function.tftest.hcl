# The function, its schedule and their alarms: with and without an image, with roles of their own or the lab's.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name               = "irrigation-dev"
  bucket_name        = "farm"
  bucket_arn         = "arn:aws:s3:::farm"
  raw_prefix         = "raw/"
  lake_prefix        = "lake/"
  glue_database      = "irrigation_dev"
  rule_name          = "irrigation_dev_readings"
  image_digest       = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  log_retention_days = 30
  schedule_minutes   = 15
  interval_minutes   = 15
}

run "with_an_image" {
  module {
    source = "./modules/compute"
  }

  assert {
    condition = (
      aws_lambda_function.this[0].package_type == "Image" && aws_lambda_function.this[0].architectures == tolist(["arm64"])
      && aws_lambda_function.this[0].image_uri == "${aws_ecr_repository.this[0].repository_url}@${var.image_digest}"
    )
    error_message = "The function is an image for arm64, named by its digest and by no tag."
  }

  assert {
    condition = aws_lambda_function.this[0].environment[0].variables == tomap({
      SOURCE_BUCKET = "farm", SOURCE_PREFIX = "raw/", DEST_BUCKET = "farm", DEST_PREFIX = "lake/", INTERVAL_MINUTES = "15", GLUE_DATABASE = "irrigation_dev"
    })
    error_message = "The function gets the six variables that it reads."
  }

  assert {
    condition     = aws_lambda_function.this[0].dead_letter_config[0].target_arn == aws_sqs_queue.dead_letters.arn && aws_lambda_function_event_invoke_config.this[0].maximum_retry_attempts == 1
    error_message = "A run that failed twice is in the queue."
  }

  assert {
    condition     = aws_lambda_function.this[0].logging_config[0].log_format == "JSON" && aws_lambda_function.this[0].logging_config[0].application_log_level == "INFO"
    error_message = "The report of a run reaches the log as JSON, else the quarantine's alarm sees nothing."
  }

  assert {
    condition     = aws_scheduler_schedule.this[0].schedule_expression == "rate(15 minutes)" && aws_scheduler_schedule.this[0].target[0].arn == aws_lambda_function.this[0].arn
    error_message = "The schedule starts the function."
  }

  assert {
    condition = (
      aws_scheduler_schedule.this[0].target[0].retry_policy[0].maximum_retry_attempts == 3
      && aws_scheduler_schedule.this[0].target[0].retry_policy[0].maximum_event_age_in_seconds == 900
      && aws_scheduler_schedule.this[0].target[0].dead_letter_config[0].arn == aws_sqs_queue.dead_letters.arn
    )
    error_message = "A start is tried again until the next is due, then kept."
  }

  assert {
    condition     = aws_sqs_queue.dead_letters.sqs_managed_sse_enabled && aws_sqs_queue.dead_letters.message_retention_seconds == 1209600
    error_message = "Dead letters are encrypted, and stay for two weeks."
  }

  assert {
    condition     = output.function_name == "irrigation-dev-aggregate" && output.schedule_name == "irrigation-dev-aggregate"
    error_message = "Function and schedule are told."
  }
}

run "without_an_image" {
  module {
    source = "./modules/compute"
  }

  variables {
    image_digest = null
  }

  assert {
    condition     = length(aws_lambda_function.this) + length(aws_lambda_function_event_invoke_config.this) + length(aws_scheduler_schedule.this) == 0
    error_message = "Without an image there is neither function nor schedule."
  }

  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.this)) == toset(["silence", "rule-failure"])
    error_message = "Only the alarms on readings are left."
  }

  assert {
    condition     = output.function_name == null && output.schedule_name == null && output.repository_name == "irrigation-dev-aggregate"
    error_message = "There is a repository to push to, and no function yet."
  }

  assert {
    condition     = aws_cloudwatch_log_group.function.name == "/aws/lambda/irrigation-dev-aggregate" && length(aws_iam_role.function) == 1
    error_message = "The function's log and role wait for it."
  }
}

run "repository" {
  module {
    source = "./modules/compute"
  }

  assert {
    condition     = aws_ecr_repository.this[0].image_tag_mutability == "IMMUTABLE" && aws_ecr_repository.this[0].image_scanning_configuration[0].scan_on_push && !aws_ecr_repository.this[0].force_delete
    error_message = "A tag means one image for ever, each is scanned, and a full repository is not destroyed by default."
  }

  assert {
    condition     = [for rule in jsondecode(aws_ecr_lifecycle_policy.this[0].policy).rules : rule.selection.countNumber] == [1, 10]
    error_message = "Untagged images go, ten tagged ones stay."
  }
}

run "roles" {
  module {
    source = "./modules/compute"
  }

  assert {
    condition = toset(flatten([for statement in jsondecode(aws_iam_role_policy.function[0].policy).Statement : statement.Action])) == toset([
      "s3:ListBucket", "s3:GetObject", "s3:PutObject", "glue:BatchCreatePartition", "glue:GetTables", "logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage",
    ])
    error_message = "The function deletes nothing, and leaves tables to Terraform."
  }

  assert {
    condition = flatten([
      for statement in jsondecode(aws_iam_role_policy.function[0].policy).Statement : statement.Resource if statement.Action == "s3:PutObject"
    ]) == ["arn:aws:s3:::farm/lake/*"]
    error_message = "The function writes the lake, and no raw reading."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.schedule[0].policy).Statement == [
      { Effect = "Allow", Action = "lambda:InvokeFunction", Resource = "arn:aws:lambda:${data.aws_region.this.name}:123456789012:function:irrigation-dev-aggregate" },
      { Effect = "Allow", Action = "sqs:SendMessage", Resource = aws_sqs_queue.dead_letters.arn },
    ]
    error_message = "The schedule starts this function, and reports to this queue."
  }
}

run "academy" {
  module {
    source = "./modules/compute"
  }

  variables {
    lab_role_arn = "arn:aws:iam::123456789012:role/LabRole"
  }

  assert {
    condition     = length(aws_iam_role.function) + length(aws_iam_role.schedule) + length(aws_iam_role_policy.function) + length(aws_iam_role_policy.schedule) == 0
    error_message = "Where roles cannot be created, none is."
  }

  assert {
    condition     = aws_lambda_function.this[0].role == var.lab_role_arn && aws_scheduler_schedule.this[0].target[0].role_arn == var.lab_role_arn
    error_message = "Function and schedule take the lab's role."
  }
}

run "every_minute" {
  command = plan

  module {
    source = "./modules/compute"
  }

  variables {
    schedule_minutes = 1
  }

  assert {
    condition     = aws_scheduler_schedule.this[0].schedule_expression == "rate(1 minute)" && aws_scheduler_schedule.this[0].target[0].retry_policy[0].maximum_event_age_in_seconds == 60
    error_message = "One minute is singular, and the shortest age that a start may have."
  }
}

run "kept_concurrency_and_destroying" {
  command = plan

  module {
    source = "./modules/compute"
  }

  variables {
    reserved_concurrency = 2
    force_destroy        = true
  }

  assert {
    condition     = aws_lambda_function.this[0].reserved_concurrent_executions == 2 && aws_ecr_repository.this[0].force_delete
    error_message = "Concurrency can be kept, and a repository with images destroyed, where that is asked for."
  }
}

run "a_tag_for_a_digest" {
  command = plan

  module {
    source = "./modules/compute"
  }

  variables {
    image_digest = "latest"
  }

  expect_failures = [var.image_digest]
}

run "windows_that_do_not_divide_a_day" {
  command = plan

  module {
    source = "./modules/compute"
  }

  variables {
    interval_minutes = 7
  }

  expect_failures = [var.interval_minutes]
}

run "half_a_minute" {
  command = plan

  module {
    source = "./modules/compute"
  }

  variables {
    schedule_minutes = 0.5
  }

  expect_failures = [var.schedule_minutes]
}

run "silence_that_no_metric_shows" {
  command = plan

  module {
    source = "./modules/compute"
  }

  variables {
    silence_minutes = 7
  }

  expect_failures = [var.silence_minutes]
}
