provider "aws" {
  region                   = var.aws_region
  shared_credentials_files = fileexists(local.credentials) ? [local.credentials] : null
  profile                  = fileexists(local.credentials) ? "default" : null

  default_tags {
    tags = { Project = "irrigation", Environment = var.environment }
  }
}

locals {
  farm        = "irrigation" # every other one has farm/ for itself
  name        = "${local.farm}-${var.environment}"
  is_prod     = var.environment == "prod"
  credentials = "${path.root}/credentials"

  force_destroy      = coalesce(var.force_destroy, !local.is_prod)
  log_retention_days = coalesce(var.log_retention_days, local.is_prod ? 365 : 30)
  certs_dir          = startswith(var.certs_dir, "/") ? var.certs_dir : "${path.root}/${var.certs_dir}"

  # In hundreds, because `range` gives no more than 1024 numbers.
  gateway_ids = flatten([
    for hundred in range(ceil(var.number_of_gateways / 100)) : [
      for n in range(hundred * 100 + 1, min(hundred * 100 + 100, var.number_of_gateways) + 1) : "${local.farm}-gateway-${n}"
    ]
  ])

  peering = var.compute_vpc_id == null ? null : {
    vpc_id            = var.compute_vpc_id
    cidr_block        = var.compute_vpc_cidr_block
    route_table_id    = var.compute_private_rt_id
    security_group_id = var.compute_sg_id
  }

  # Public subnets of the private ones' size, from the blocks of that size that no private subnet touches.
  vpc_prefix = tonumber(split("/", var.iot_vpc_cidr)[1])
  cut_bits   = min(8, max([for cidr in var.private_subnet_cidrs : tonumber(split("/", cidr)[1])]...) - local.vpc_prefix)
  free_cidrs = [
    for block in [for i in range(pow(2, local.cut_bits)) : cidrsubnet(var.iot_vpc_cidr, local.cut_bits, i)] : block
    if alltrue([
      for cidr in var.private_subnet_cidrs :
      cidrhost("${split("/", block)[0]}/${min(split("/", block)[1], split("/", cidr)[1])}", 0)
      != cidrhost("${split("/", cidr)[0]}/${min(split("/", block)[1], split("/", cidr)[1])}", 0)
    ])
  ]
  public_subnet_cidrs = length(var.public_subnet_cidrs) > 0 ? var.public_subnet_cidrs : slice(local.free_cidrs, 0, length(var.private_subnet_cidrs))
}

module "network" {
  source = "./modules/network"

  name                 = local.name
  vpc_cidr             = var.iot_vpc_cidr
  private_subnet_cidrs = var.private_subnet_cidrs
  public_subnet_cidrs  = local.public_subnet_cidrs
  site_cidrs           = var.site_cidrs
  peering              = local.peering
  iot_host             = module.iot.data_endpoint
  deletion_protection  = local.is_prod
}

module "iot" {
  source = "./modules/iot"

  name                    = local.name
  environment             = var.environment
  farm                    = local.farm
  gateway_ids             = local.gateway_ids
  certs_dir               = local.certs_dir
  keys_in_secrets_manager = var.keys_in_secrets_manager
  recovery_window_days    = local.is_prod ? 30 : 0
  firehose_name           = module.lake.firehose_name
  firehose_arn            = module.lake.firehose_arn
  error_bucket_name       = module.lake.bucket_name
  error_bucket_arn        = module.lake.bucket_arn
  lab_role_arn            = var.lab_role_arn
  log_level               = var.iot_log_level
}

module "lake" {
  source = "./modules/lake"

  name               = local.name
  environment        = var.environment
  force_destroy      = local.force_destroy
  lab_role_arn       = var.lab_role_arn
  log_retention_days = local.log_retention_days
}

module "compute" {
  source = "./modules/compute"

  name               = local.name
  bucket_name        = module.lake.bucket_name
  bucket_arn         = module.lake.bucket_arn
  raw_prefix         = module.lake.raw_prefix
  lake_prefix        = module.lake.lake_prefix
  glue_database      = module.lake.glue_database
  image_digest       = var.image_digest
  lab_role_arn       = var.lab_role_arn
  log_retention_days = local.log_retention_days
  schedule_minutes   = var.schedule_minutes
  interval_minutes   = var.interval_minutes
  memory_mb          = var.function_memory_mb
  alarm_email        = var.alarm_email
  force_destroy      = local.force_destroy
  rule_name          = module.iot.rule_name
}

check "zones_in_prod" {
  assert {
    condition     = !local.is_prod || length(var.private_subnet_cidrs) >= 2
    error_message = "private_subnet_cidrs: prod with one subnet loses its private MQTT endpoint with one availability zone."
  }
}
