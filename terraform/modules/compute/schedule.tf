resource "aws_scheduler_schedule" "this" {
  count = local.has_image ? 1 : 0

  #checkov:skip=CKV_AWS_297:a schedule holds no data
  name                = local.function
  description         = "Runs the aggregate."
  schedule_expression = var.schedule_minutes == 1 ? "rate(1 minute)" : "rate(${var.schedule_minutes} minutes)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.this[0].arn
    role_arn = local.create_roles ? aws_iam_role.schedule[0].arn : var.lab_role_arn
    input    = jsonencode({})

    # Not longer than until the next run, which does the same work.
    retry_policy {
      maximum_retry_attempts       = 3
      maximum_event_age_in_seconds = max(60, 60 * var.schedule_minutes)
    }

    dead_letter_config {
      arn = aws_sqs_queue.dead_letters.arn
    }
  }

  depends_on = [aws_iam_role_policy.schedule]
}

# Runs that could not be started, and runs that failed twice. They need no repeating: that there are any is the news.
resource "aws_sqs_queue" "dead_letters" {
  name                      = "${local.function}-dead-letters"
  message_retention_seconds = 14 * 24 * 3600
  sqs_managed_sse_enabled   = true
}

resource "aws_iam_role" "schedule" {
  count = local.create_roles ? 1 : 0

  name = "${local.function}-schedule"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "schedule" {
  count = local.create_roles ? 1 : 0

  name = "invoke"
  role = aws_iam_role.schedule[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "lambda:InvokeFunction"
        Resource = local.function_arn
      },
      {
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = aws_sqs_queue.dead_letters.arn
      },
    ]
  })
}
