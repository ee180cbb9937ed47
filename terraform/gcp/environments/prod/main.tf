# One environment of the cooperative on Google. Farms are roots of their own (../../farm), as is the function that hears
# of new ones (../../functions/provisioner/terraform); both take from the outputs what is common to all.

terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "8.7.0"
    }
  }
}

provider "google" {
  project = var.project_id
  region  = var.region
  zone    = var.zone
}

locals {
  provisioner_name = "${var.name_prefix}-provisioner-${var.environment}"
}

module "base" {
  source = "../../modules/base-infrastructure"

  project_id               = var.project_id
  environment              = var.environment
  region                   = var.region
  name_prefix              = var.name_prefix
  provisioner_name         = local.provisioner_name
  sync_job_pattern         = var.sync_job_pattern
  log_retention_days       = var.log_retention_days
  enable_monitoring        = var.enable_monitoring
  notification_channel_ids = var.notification_channel_ids
  create_vpc               = var.create_vpc
  vpc_cidr                 = var.vpc_cidr
  labels                   = var.labels
}

# The function reads the registration and blanks the tokens in it, once they are secrets. It cannot read a secret but
# its own key: it asks provisioning for a job, and makes nothing itself.
module "provisioner" {
  source = "../../modules/service-account"

  project_id             = var.project_id
  environment            = var.environment
  name_prefix            = var.name_prefix
  purpose                = "provisioner"
  display_name           = "Hears of new farms, and asks for their jobs"
  secret_ids             = compact([var.provisioning_key_secret])
  workload_identity_user = var.workload_identity_user
  depends_on             = [module.base]

  project_roles = {
    "roles/datastore.user" = "resource.name == \"projects/${var.project_id}/databases/${var.firestore_database}\""
  }
}

resource "google_project_iam_custom_role" "token_keeper" {
  project     = var.project_id
  role_id     = "${replace(var.name_prefix, "-", "_")}_token_keeper_${var.environment}"
  title       = "Makes secrets of tokens in ${var.environment}"
  description = "Makes secrets and their versions, and reads none."
  permissions = ["secretmanager.secrets.create", "secretmanager.versions.add"]
  depends_on  = [module.base]
}

resource "google_project_iam_member" "token_keeper" {
  project = var.project_id
  role    = google_project_iam_custom_role.token_keeper.name
  member  = "serviceAccount:${module.provisioner.email}"
}

# Whom Eventarc starts the function as: it is let in there, and nowhere else.
module "trigger" {
  source = "../../modules/service-account"

  project_id    = var.project_id
  environment   = var.environment
  name_prefix   = var.name_prefix
  purpose       = "trigger"
  display_name  = "Starts the function that hears of new farms"
  project_roles = { "roles/eventarc.eventReceiver" = null }
  depends_on    = [module.base]
}

output "registry_id" {
  description = "Id of the registry of images."
  value       = module.base.registry_id
}

output "log_bucket_id" {
  description = "Id of the bucket of logs."
  value       = module.base.log_bucket_id
}

output "failure_metric" {
  description = "Type of the metric that counts failures of a sync."
  value       = module.base.failure_metric
}

output "vpc" {
  description = "Id and name of the network; null without one."
  value       = { id = module.base.vpc_id, name = module.base.vpc_name }
}

output "provisioner_variables" {
  description = "Variables of ../../functions/provisioner/terraform, but for the source of the function."
  value = {
    project_id              = var.project_id
    environment             = var.environment
    region                  = var.region
    function_name           = local.provisioner_name
    service_account_email   = module.provisioner.email
    trigger_account_email   = module.trigger.email
    firestore_database      = var.firestore_database
    firestore_location      = coalesce(var.firestore_location, var.region)
    min_instances           = var.min_instances
    max_instances           = var.max_instances
    provisioning_url        = var.provisioning_url
    provisioning_key_secret = var.provisioning_key_secret
    labels                  = var.labels
  }
}

output "farm_variables" {
  description = "Variables of ../../farm that are the same for all farms here."
  value = {
    project_id      = var.project_id
    environment     = var.environment
    region          = var.region
    timezone        = var.scheduler_timezone
    cpu             = var.cpu
    memory          = var.memory
    timeout_seconds = var.timeout_seconds
    subnetwork      = module.base.subnetwork_id
    labels          = var.labels
  }
}
