data "aws_caller_identity" "this" {}

locals {
  name         = "${var.tenant_id}-${var.job_name}"
  is_scheduled = var.schedule_expression != null

  # ECS, CloudWatch Logs and IAM refuse a comma in a value.
  tags = { for key, value in var.tags : key => replace(value, ",", " ") }
}
