locals {
  own_roles        = var.lab_role_arn == null ? 1 : 0
  rule_role_arn    = coalesce(var.lab_role_arn, one(aws_iam_role.rule[*].arn))
  logs             = var.log_level != null
  logging_role_arn = try(coalesce(var.lab_role_arn, one(aws_iam_role.logging[*].arn)), null)
}

data "aws_iam_policy_document" "iot_of_this_account" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["iot.amazonaws.com"]
    }

    # Another account's rule must not borrow this role.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:aws:iot:${local.region}:${local.account}:*"]
    }
  }
}

data "aws_iam_policy_document" "rule" {
  statement {
    actions   = ["firehose:PutRecord"]
    resources = [var.firehose_arn]
  }

  statement {
    actions   = ["s3:PutObject"]
    resources = ["${var.error_bucket_arn}/errors/*"]
  }
}

resource "aws_iam_role" "rule" {
  count = local.own_roles

  name               = "${var.name}-rule"
  assume_role_policy = data.aws_iam_policy_document.iot_of_this_account.json
}

resource "aws_iam_role_policy" "rule" {
  count = local.own_roles

  name   = "deliver"
  role   = aws_iam_role.rule[0].id
  policy = data.aws_iam_policy_document.rule.json
}

data "aws_iam_policy_document" "logging" {
  statement {
    actions   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:PutMetricFilter", "logs:PutRetentionPolicy"]
    resources = ["arn:aws:logs:${local.region}:${local.account}:log-group:AWSIotLogsV2:*"]
  }
}

resource "aws_iam_role" "logging" {
  count = local.logs ? local.own_roles : 0

  name               = "${var.name}-iot-logs"
  assume_role_policy = data.aws_iam_policy_document.iot_of_this_account.json
}

resource "aws_iam_role_policy" "logging" {
  count = local.logs ? local.own_roles : 0

  name   = "log"
  role   = aws_iam_role.logging[0].id
  policy = data.aws_iam_policy_document.logging.json
}
