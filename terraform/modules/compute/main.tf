data "aws_caller_identity" "this" {}

data "aws_region" "this" {}

data "aws_partition" "this" {}

locals {
  account   = data.aws_caller_identity.this.account_id
  region    = data.aws_region.this.name
  partition = data.aws_partition.this.partition

  function     = "${var.name}-aggregate"
  function_arn = "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${local.function}"
  glue_arn     = "arn:${local.partition}:glue:${local.region}:${local.account}"

  has_image    = var.image_digest != null
  create_roles = var.lab_role_arn == null

  own_repository = var.repository_name == "" ? 1 : 0 # a null would hide the repository from checkov
}
