resource "aws_lambda_function" "this" {
  count = local.has_image ? 1 : 0

  #checkov:skip=CKV_AWS_50:a run is one invocation, and its report says what it did
  #checkov:skip=CKV_AWS_115:a variable; new accounts refuse to reserve
  #checkov:skip=CKV_AWS_117:it calls S3 and Glue, which it reaches only over their public endpoints unless each gets one in a VPC
  #checkov:skip=CKV_AWS_173:its variables are names, no secrets
  #checkov:skip=CKV_AWS_272:Lambda signs no container images; the digest says which one it is
  function_name = local.function
  description   = "Raw readings into the lake's tables."
  role          = local.create_roles ? aws_iam_role.function[0].arn : var.lab_role_arn

  package_type  = "Image"
  image_uri     = "${local.repository_url}@${var.image_digest}"
  architectures = ["arm64"]

  memory_size                    = var.memory_mb
  timeout                        = 600
  reserved_concurrent_executions = var.reserved_concurrency

  environment {
    variables = {
      SOURCE_BUCKET    = var.bucket_name
      SOURCE_PREFIX    = var.raw_prefix
      DEST_BUCKET      = var.bucket_name
      DEST_PREFIX      = var.lake_prefix
      INTERVAL_MINUTES = var.interval_minutes
      GLUE_DATABASE    = var.glue_database
    }
  }

  dead_letter_config {
    target_arn = aws_sqs_queue.dead_letters.arn
  }

  # One line of JSON a run: the alarm on the quarantine counts in them.
  logging_config {
    log_group             = aws_cloudwatch_log_group.function.name
    log_format            = "JSON"
    application_log_level = "INFO"
    system_log_level      = "INFO"
  }

  depends_on = [aws_ecr_repository_policy.this, aws_iam_role_policy.function]
}

# A run that failed is tried once more; after that the next one on the schedule does its work.
resource "aws_lambda_function_event_invoke_config" "this" {
  count = local.has_image ? 1 : 0

  function_name                = aws_lambda_function.this[0].function_name
  maximum_retry_attempts       = 1
  maximum_event_age_in_seconds = min(6 * 3600, 60 * max(15, var.schedule_minutes)) # Lambda takes six hours at most
}

resource "aws_cloudwatch_log_group" "function" {
  #checkov:skip=CKV_AWS_158:it holds counts, no readings; log groups are encrypted with a key of AWS
  #checkov:skip=CKV_AWS_338:the environment decides how long
  name              = "/aws/lambda/${local.function}"
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "function" {
  count = local.create_roles ? 1 : 0

  name = local.function

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "function" {
  count = local.create_roles ? 1 : 0

  name = "aggregate"
  role = aws_iam_role.function[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # Without it, or with a condition on the prefix, S3 says of an object that is not there that it is forbidden.
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = var.bucket_arn
      },
      {
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = ["${var.bucket_arn}/${var.raw_prefix}*", "${var.bucket_arn}/${var.lake_prefix}*"]
      },
      {
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = "${var.bucket_arn}/${var.lake_prefix}*"
      },
      {
        # Partitions are the function's, tables are Terraform's.
        Effect = "Allow"
        Action = ["glue:BatchCreatePartition", "glue:GetTables"]
        Resource = [
          "${local.glue_arn}:catalog",
          "${local.glue_arn}:database/${var.glue_database}",
          "${local.glue_arn}:table/${var.glue_database}/*",
        ]
      },
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.function.arn}:*"
      },
      {
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = aws_sqs_queue.dead_letters.arn
      },
    ]
  })
}
