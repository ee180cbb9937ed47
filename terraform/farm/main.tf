# One farm beside the default one: its things, certificates, topic rule, lake and function, with a state of its own.
# Network, what IoT Core logs, and the function's images are the deployment's above, and are only read here.
provider "aws" {
  region = var.aws_region

  default_tags {
    tags = { Project = "irrigation", Environment = var.environment, Farm = var.farm }
  }
}

locals {
  name    = "${var.farm}-${var.environment}"
  shared  = "irrigation-${var.environment}" # what the default farm's deployment calls its own
  is_prod = var.environment == "prod"

  force_destroy      = coalesce(var.force_destroy, !local.is_prod)
  log_retention_days = coalesce(var.log_retention_days, local.is_prod ? 365 : 30)
  certs_dir          = startswith(var.certs_dir, "/") ? var.certs_dir : "${path.root}/${var.certs_dir}"

  # In hundreds, because `range` gives no more than 1024 numbers.
  gateway_ids = flatten([
    for hundred in range(ceil(var.number_of_gateways / 100)) : [
      for n in range(hundred * 100 + 1, min(hundred * 100 + 100, var.number_of_gateways) + 1) : "${var.farm}-gateway-${n}"
    ]
  ])
}

# Whose state this is, from its first apply on: another farm's plan over it would be this farm's end.
resource "terraform_data" "farm" {
  input = local.name

  lifecycle {
    ignore_changes = [input]

    postcondition {
      condition     = self.output == local.name
      error_message = "This is the state of ${self.output}, not of ${local.name}; first: terraform workspace select -or-create ${var.farm}"
    }
  }
}

data "aws_lb" "mqtt" {
  name = "${local.shared}-mqtt"
}

module "iot" {
  source = "../modules/iot"

  name                    = local.name
  environment             = var.environment
  farm                    = var.farm
  gateway_ids             = local.gateway_ids
  certs_dir               = local.certs_dir
  keys_in_secrets_manager = var.keys_in_secrets_manager
  recovery_window_days    = local.is_prod ? 30 : 0
  firehose_name           = module.lake.firehose_name
  firehose_arn            = module.lake.firehose_arn
  error_bucket_name       = module.lake.bucket_name
  error_bucket_arn        = module.lake.bucket_arn
  lab_role_arn            = var.lab_role_arn
  log_level               = null # one setting for the whole account and region
}

module "lake" {
  source = "../modules/lake"

  name               = local.name
  environment        = var.environment
  force_destroy      = local.force_destroy
  lab_role_arn       = var.lab_role_arn
  log_retention_days = local.log_retention_days
}

module "compute" {
  source = "../modules/compute"

  name               = local.name
  bucket_name        = module.lake.bucket_name
  bucket_arn         = module.lake.bucket_arn
  raw_prefix         = module.lake.raw_prefix
  lake_prefix        = module.lake.lake_prefix
  glue_database      = module.lake.glue_database
  repository_name    = "${local.shared}-aggregate"
  image_digest       = var.image_digest
  lab_role_arn       = var.lab_role_arn
  log_retention_days = local.log_retention_days
  schedule_minutes   = var.schedule_minutes
  interval_minutes   = var.interval_minutes
  memory_mb          = var.function_memory_mb
  alarm_email        = var.alarm_email
  rule_name          = module.iot.rule_name
}
