resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  count = local.is_scheduled && var.alarm_topic_arn != null ? 1 : 0

  alarm_name        = "${local.name}-dead-letters"
  alarm_description = "Runs that could not be started are in the dead-letter queue."
  namespace         = "AWS/SQS"
  metric_name       = "ApproximateNumberOfMessagesVisible"
  dimensions = {
    QueueName = aws_sqs_queue.dead_letters[0].name
  }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]
  tags                = local.tags
}

resource "aws_cloudwatch_event_rule" "failed" {
  count       = var.alarm_topic_arn == null ? 0 : 1
  name        = "${local.name}-failed"
  description = "Tasks of ${local.name} that failed, or did not start."
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      group      = ["family:${local.name}"]
      lastStatus = ["STOPPED"]
      "$or" = [
        {
          containers = {
            exitCode = [
              {
                anything-but = [0]
              },
            ]
          }
        },
        {
          stopCode = ["TaskFailedToStart"]
        },
      ]
    }
  })
  tags = local.tags
}

resource "aws_cloudwatch_event_target" "failed" {
  count = var.alarm_topic_arn == null ? 0 : 1
  rule  = aws_cloudwatch_event_rule.failed[0].name
  arn   = var.alarm_topic_arn
}
