# What local_cloud/topic_rule.py does on one machine. IoT's `timestamp()` counts milliseconds, the lake seconds.
resource "aws_iot_topic_rule" "this" {
  name        = replace("${var.name}-readings", "-", "_") # a rule's name takes no hyphen
  description = "Readings to the lake, with who published them and when they came"
  enabled     = true
  sql         = "SELECT *, clientid() AS client_id, floor(timestamp() / 1000) AS received_at FROM 'irrigation/sensors/+/data'"
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
      key         = "errors/$${parse_time(\"yyyy/MM/dd/HH\", timestamp(), \"UTC\")}/$${newuuid()}.json"
      role_arn    = local.rule_role_arn
    }
  }

  depends_on = [aws_iam_role_policy.rule]
}

# Whatever IoT Core logs goes to the log group AWSIotLogsV2, which is the service's own and is kept by destroy.
resource "aws_iot_logging_options" "this" {
  default_log_level = var.log_level
  role_arn          = local.logging_role_arn

  depends_on = [aws_iam_role_policy.logging]
}
