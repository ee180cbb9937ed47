locals {
  period_s = 60 * max(15, var.schedule_minutes)

  # Sums over a period. Where `silence` is, nothing is as bad as too little.
  alarms_on_readings = {
    silence = {
      description = "No gateway has sent a reading for ${var.silence_minutes} minutes."
      namespace   = "AWS/IoT", metric = "TopicMatch", dimensions = { RuleName = var.rule_name }
      comparison  = "LessThanThreshold", threshold = 1, period_s = 60 * var.silence_minutes, missing = "breaching"
    }
    rule-failure = {
      description = "The topic rule could not hand readings on; they are in errors/ of the bucket, or lost."
      namespace   = "AWS/IoT", metric = "Failure", dimensions = { RuleName = var.rule_name, ActionType = "Firehose" }
      comparison  = "GreaterThanThreshold", threshold = 0, period_s = 300, missing = "notBreaching"
    }
  }
  alarms_on_function = {
    failure = {
      description = "The aggregate failed; its log says why. Raw readings are kept, the next good run takes them."
      namespace   = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = local.function }
      comparison  = "GreaterThanThreshold", threshold = 0, period_s = local.period_s, missing = "notBreaching"
    }
    standstill = {
      description = "The aggregate was not started for two periods of its schedule."
      namespace   = "AWS/Lambda", metric = "Invocations", dimensions = { FunctionName = local.function }
      comparison  = "LessThanThreshold", threshold = 1, period_s = 2 * local.period_s, missing = "breaching"
    }
    dead-letters = {
      description = "Runs of the aggregate that could not be started, or failed twice, are in the dead-letter queue."
      namespace   = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = aws_sqs_queue.dead_letters.name }
      comparison  = "GreaterThanThreshold", threshold = 0, period_s = 300, missing = "notBreaching"
    }
    quarantine = {
      description = "Readings were refused; the table quarantine has them with the reason."
      namespace   = local.metrics, metric = "Quarantined", dimensions = {}
      comparison  = "GreaterThanThreshold", threshold = 0, period_s = local.period_s, missing = "notBreaching"
    }
  }
  metrics = "PythoFlow/${var.name}"
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = merge(local.alarms_on_readings, local.has_image ? local.alarms_on_function : {})

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = "Sum"
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period_s
  evaluation_periods  = 1
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.this.arn]
  ok_actions          = [aws_sns_topic.this.arn]
}

# What the function logs of itself: see `handler` in lambda_functions/aggregate/index.py.
resource "aws_cloudwatch_log_metric_filter" "quarantine" {
  name           = "${local.function}-quarantine"
  log_group_name = aws_cloudwatch_log_group.function.name
  pattern        = "{ $.quarantined > 0 }"

  metric_transformation {
    namespace = local.metrics
    name      = "Quarantined"
    value     = "$.quarantined"
  }
}

resource "aws_sns_topic" "this" {
  #checkov:skip=CKV_AWS_26:alarms cannot publish to a topic under the key alias/aws/sns, and say no more than that something is wrong
  name = "${var.name}-alarms"
}

resource "aws_sns_topic_policy" "this" {
  arn = aws_sns_topic.this.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Alarms"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.this.arn
      Condition = {
        ArnLike = { "aws:SourceArn" = "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:${var.name}-*" }
      }
    }]
  })
}

resource "aws_sns_topic_subscription" "email" {
  count = var.alarm_email == null ? 0 : 1

  topic_arn = aws_sns_topic.this.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}
