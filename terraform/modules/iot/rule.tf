# What local_cloud/topic_rule.py does on one machine. IoT's `timestamp()` counts milliseconds, the lake seconds.
# Which of two fields of one name wins in `SELECT *` is not documented, so a message that brings its own is no reading.
locals {
  readings   = "${local.root}/sensors/+/data"
  unforged   = "isUndefined(client_id) AND isUndefined(received_at)"
  who_when   = "clientid() AS client_id, floor(timestamp() / 1000) AS received_at"
  errors_key = "errors/$${parse_time(\"yyyy/MM/dd/HH\", timestamp(), \"UTC\")}/$${newuuid()}.json"
}

resource "aws_iot_topic_rule" "this" {
  name        = replace("${var.name}-readings", "-", "_") # a rule's name takes no hyphen
  description = "Readings to the lake, with who published them and when they came"
  enabled     = true
  sql         = "SELECT *, ${local.who_when} FROM '${local.readings}' WHERE ${local.unforged}"
  sql_version = "2016-03-23"

  firehose {
    delivery_stream_name = var.firehose_name
    role_arn             = local.rule_role_arn
    separator            = "\n"
    batch_mode           = false
  }

  error_action {
    s3 {
      bucket_name = var.error_bucket_name
      key         = local.errors_key
      role_arn    = local.rule_role_arn
    }
  }

  depends_on = [aws_iam_role_policy.rule]
}

resource "aws_iot_topic_rule" "forged" {
  name        = replace("${var.name}-forged", "-", "_")
  description = "Messages that say themselves who published them, kept beside the lake"
  enabled     = true
  sql         = "SELECT encode(*, 'base64') AS payload_base64, topic() AS topic, ${local.who_when} FROM '${local.readings}' WHERE NOT (${local.unforged})"
  sql_version = "2016-03-23"

  s3 {
    bucket_name = var.error_bucket_name
    key         = local.errors_key
    role_arn    = local.rule_role_arn
  }

  depends_on = [aws_iam_role_policy.rule]
}

# Whatever IoT Core logs goes to the log group AWSIotLogsV2, which is the service's own and is kept by destroy.
resource "aws_iot_logging_options" "this" {
  count = local.logs ? 1 : 0

  default_log_level = var.log_level
  role_arn          = local.logging_role_arn

  depends_on = [aws_iam_role_policy.logging]
}
