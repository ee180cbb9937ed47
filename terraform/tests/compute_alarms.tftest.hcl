# Failure, silence and quarantine each raise an alarm, and every alarm reaches the topic.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name               = "irrigation-prod"
  bucket_name        = "farm"
  bucket_arn         = "arn:aws:s3:::farm"
  raw_prefix         = "raw/"
  lake_prefix        = "lake/"
  glue_database      = "irrigation_prod"
  rule_name          = "irrigation_prod_readings"
  image_digest       = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  log_retention_days = 365
  schedule_minutes   = 60
  silence_minutes    = 120
  alarm_email        = "farmer@example.com"
}

run "alarms" {
  module {
    source = "./modules/compute"
  }

  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.this)) == toset(["silence", "rule-failure", "failure", "standstill", "dead-letters", "quarantine"])
    error_message = "There are six alarms."
  }

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this :
      contains(alarm.alarm_actions, aws_sns_topic.this.arn) && contains(alarm.ok_actions, aws_sns_topic.this.arn)
    ])
    error_message = "Each goes to the topic, and says when it is over."
  }

  assert {
    condition = alltrue([
      for alarm in [aws_cloudwatch_metric_alarm.this["silence"], aws_cloudwatch_metric_alarm.this["standstill"]] :
      alarm.treat_missing_data == "breaching" && alarm.comparison_operator == "LessThanThreshold" && alarm.period == 7200
    ])
    error_message = "No data is what silence looks like, so no data is an alarm."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["silence"].dimensions == tomap({ RuleName = "irrigation_prod_readings" })
    error_message = "Silence is that of the topic rule."
  }

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this : alarm.period * alarm.evaluation_periods <= 86400 && alarm.period % 60 == 0
    ])
    error_message = "CloudWatch takes whole minutes, and looks back a day at most."
  }

  assert {
    condition = alltrue([
      for transformation in aws_cloudwatch_log_metric_filter.quarantine.metric_transformation :
      transformation.namespace == aws_cloudwatch_metric_alarm.this["quarantine"].namespace
      && transformation.name == aws_cloudwatch_metric_alarm.this["quarantine"].metric_name
    ])
    error_message = "The quarantine's alarm watches the metric that the log filter writes."
  }

  assert {
    condition     = aws_cloudwatch_log_metric_filter.quarantine.log_group_name == aws_cloudwatch_log_group.function.name && aws_cloudwatch_log_group.function.retention_in_days == 365
    error_message = "The filter reads the function's log, which is kept as long as asked for."
  }

  assert {
    condition     = aws_sns_topic_subscription.email[0].endpoint == "farmer@example.com"
    error_message = "Whoever is named is told."
  }

  assert {
    condition     = jsondecode(aws_sns_topic_policy.this.policy).Statement[0].Condition.ArnLike["aws:SourceArn"] == "arn:aws:cloudwatch:${data.aws_region.this.name}:123456789012:alarm:irrigation-prod-*"
    error_message = "Only this environment's alarms publish."
  }
}

run "the_longest_schedule" {
  command = plan

  module {
    source = "./modules/compute"
  }

  variables {
    schedule_minutes = 720
  }

  assert {
    condition     = max([for alarm in aws_cloudwatch_metric_alarm.this : alarm.period]...) == 86400
    error_message = "Two periods of the longest schedule are a day."
  }
}

run "a_schedule_too_long_to_watch" {
  command = plan

  module {
    source = "./modules/compute"
  }

  variables {
    schedule_minutes = 1440
  }

  expect_failures = [var.schedule_minutes]
}

run "nobody_to_tell" {
  command = plan

  module {
    source = "./modules/compute"
  }

  variables {
    alarm_email = null
  }

  assert {
    condition     = length(aws_sns_topic_subscription.email) == 0
    error_message = "Without an address nobody is subscribed."
  }
}
