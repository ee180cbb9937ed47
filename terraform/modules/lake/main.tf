data "aws_caller_identity" "this" {}

data "aws_region" "this" {}

data "aws_partition" "this" {}

locals {
  account   = data.aws_caller_identity.this.account_id
  region    = data.aws_region.this.name
  partition = data.aws_partition.this.partition

  raw_prefix     = "raw/"
  lake_prefix    = "lake/"
  error_prefix   = "errors/"
  results_prefix = "athena/"

  glue_arn = "arn:${local.partition}:glue:${local.region}:${local.account}"
  # A hyphen, or a digit first, would have to be quoted in every query.
  glue_database = replace(can(regex("^[0-9]", var.name)) ? "farm-${var.name}" : var.name, "-", "_")
  catalog_arns  = ["${local.glue_arn}:catalog", "${local.glue_arn}:database/${local.glue_database}"]

  create_roles = var.lab_role_arn == null
}
