# Records into objects: gzip, under raw/ by the hour of arrival. The newline after each record is the topic rule's.
resource "aws_kinesis_firehose_delivery_stream" "this" {
  #checkov:skip=CKV_AWS_241:what waits here for minutes is encrypted with a key of AWS; see the bucket on KMS
  name        = "${var.name}-raw"
  destination = "extended_s3"

  server_side_encryption {
    enabled  = true
    key_type = "AWS_OWNED_CMK"
  }

  extended_s3_configuration {
    role_arn   = local.create_roles ? aws_iam_role.firehose[0].arn : var.lab_role_arn
    bucket_arn = aws_s3_bucket.this.arn

    prefix              = local.raw_prefix # and, as it has no expression, Firehose's YYYY/MM/DD/HH/ in UTC
    error_output_prefix = "${local.error_prefix}firehose/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd/HH}/"
    compression_format  = "GZIP"

    # As many minutes or megabytes as make an object worth reading; the aggregate runs at the same rate.
    buffering_interval = 900
    buffering_size     = 5

    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.firehose.name
      log_stream_name = aws_cloudwatch_log_stream.firehose.name
    }
  }

  depends_on = [aws_iam_role_policy.firehose]
}

resource "aws_cloudwatch_log_group" "firehose" {
  #checkov:skip=CKV_AWS_158:it holds refusals, no readings; log groups are encrypted with a key of AWS
  #checkov:skip=CKV_AWS_338:the environment decides how long
  name              = "/aws/kinesisfirehose/${var.name}-raw"
  retention_in_days = var.log_retention_days
}

resource "aws_cloudwatch_log_stream" "firehose" {
  name           = "delivery"
  log_group_name = aws_cloudwatch_log_group.firehose.name
}

resource "aws_iam_role" "firehose" {
  count = local.create_roles ? 1 : 0

  name = "${var.name}-firehose"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "firehose.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "sts:ExternalId" = local.account } } # what Firehose gives as its account
    }]
  })
}

resource "aws_iam_role_policy" "firehose" {
  count = local.create_roles ? 1 : 0

  name = "deliver"
  role = aws_iam_role.firehose[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
        Resource = aws_s3_bucket.this.arn
      },
      {
        Effect = "Allow"
        Action = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
        Resource = [
          for prefix in [local.raw_prefix, local.error_prefix] : "${aws_s3_bucket.this.arn}/${prefix}*"
        ]
      },
      {
        Effect   = "Allow"
        Action   = "logs:PutLogEvents"
        Resource = "${aws_cloudwatch_log_group.firehose.arn}:log-stream:*"
      },
    ]
  })
}
