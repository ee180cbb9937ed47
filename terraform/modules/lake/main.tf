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

  glue_arn      = "arn:${local.partition}:glue:${local.region}:${local.account}"
  glue_database = replace(var.name, "-", "_") # a hyphen would have to be quoted in every query
  catalog_arns  = ["${local.glue_arn}:catalog", "${local.glue_arn}:database/${local.glue_database}"]

  create_roles = var.lab_role_arn == null
}
