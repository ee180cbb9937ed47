# What a project needs once an environment: APIs, images, logs that are kept, failures that are counted.

terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 8.7.0"
    }
  }
}

locals {
  apis = concat(
    [
      "artifactregistry.googleapis.com",
      "bigquery.googleapis.com",
      "cloudbuild.googleapis.com",
      "cloudfunctions.googleapis.com",
      "cloudresourcemanager.googleapis.com",
      "cloudscheduler.googleapis.com",
      "eventarc.googleapis.com",
      "firebase.googleapis.com",
      "firestore.googleapis.com",
      "iam.googleapis.com",
      "logging.googleapis.com",
      "monitoring.googleapis.com",
      "pubsub.googleapis.com", # carries Eventarc's events
      "run.googleapis.com",
      "secretmanager.googleapis.com",
      "storage.googleapis.com",
    ],
    var.create_vpc ? ["compute.googleapis.com"] : []
  )

  # A farm's id has letters and digits, a CNPJ since July 2026 too: a pattern of digits alone would miss it.
  sync_jobs = coalesce(var.sync_job_pattern, "^${var.name_prefix}-sync-([0-9a-z]{2,20})-${var.environment}$")
  labels    = merge(var.labels, { environment = var.environment })
}

resource "google_project_service" "this" {
  for_each = toset(local.apis)

  project            = var.project_id
  service            = each.key
  disable_on_destroy = false # other things in the project may use it
}

resource "google_artifact_registry_repository" "sync" {
  #checkov:skip=CKV_GCP_84:Google's own key is as strong here; nothing in an image is secret
  project       = var.project_id
  location      = var.region
  repository_id = "${var.name_prefix}-sync-${var.environment}"
  description   = "Images of the farms' sync jobs."
  format        = "DOCKER"
  labels        = local.labels
  depends_on    = [google_project_service.this]

  docker_config {
    immutable_tags = true
  }
}

resource "google_logging_project_bucket_config" "this" {
  project        = var.project_id
  location       = var.region
  bucket_id      = "${var.environment}_logs"
  description    = "Logs of the farms' sync jobs and of the provisioner."
  retention_days = var.log_retention_days
  depends_on     = [google_project_service.this]
}

# A bucket of logs has what is led into it. In its own project that takes no grant.
resource "google_logging_project_sink" "this" {
  project     = var.project_id
  name        = "${var.name_prefix}-${var.environment}-logs"
  destination = "logging.googleapis.com/${google_logging_project_bucket_config.this.id}"
  filter      = <<-EOT
    (resource.type = "cloud_run_job" AND resource.labels.job_name =~ "${local.sync_jobs}")
    OR (resource.type = "cloud_run_revision" AND resource.labels.service_name = "${var.provisioner_name}")
  EOT
}

# Who failed is in the job's name. The environment is a label of the job, since not every profile has it in the name.
resource "google_logging_metric" "sync_failures" {
  project     = var.project_id
  name        = "${var.name_prefix}_sync_job_failures_${var.environment}"
  description = "Errors that the farms' sync jobs wrote, and that Cloud Run wrote of their runs."
  filter      = "resource.type = \"cloud_run_job\" AND resource.labels.job_name =~ \"${local.sync_jobs}\" AND severity >= ERROR"
  depends_on  = [google_project_service.this]

  label_extractors = {
    environment = "EXTRACT(labels.environment)"
    farm        = "REGEXP_EXTRACT(resource.labels.job_name, \"${local.sync_jobs}\")"
  }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"

    labels {
      key         = "environment"
      value_type  = "STRING"
      description = "Label of the job."
    }

    labels {
      key         = "farm"
      value_type  = "STRING"
      description = "Farm id or CNPJ, of the job's name."
    }
  }
}

resource "google_monitoring_alert_policy" "failures" {
  count = var.enable_monitoring ? 1 : 0

  project               = var.project_id
  display_name          = "${var.name_prefix} failures in ${var.environment}"
  combiner              = "OR"
  notification_channels = var.notification_channel_ids
  user_labels           = local.labels

  conditions {
    display_name = "errors of a farm's sync"

    condition_threshold {
      filter          = "resource.type = \"cloud_run_job\" AND metric.type = \"logging.googleapis.com/user/${google_logging_metric.sync_failures.name}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["metric.labels.farm"]
      }
    }
  }

  conditions {
    display_name = "registrations that the provisioner could not take"

    condition_threshold {
      filter          = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"${var.provisioner_name}\" AND metric.type = \"run.googleapis.com/request_count\" AND metric.labels.response_code_class = \"5xx\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_DELTA"
      }
    }
  }
}

resource "google_compute_network" "this" {
  #checkov:skip=CKV2_GCP_18:without a rule of a firewall nothing comes in, and nothing in it listens
  count = var.create_vpc ? 1 : 0

  project                 = var.project_id
  name                    = "${var.name_prefix}-${var.environment}"
  auto_create_subnetworks = false
  depends_on              = [google_project_service.this]
}

resource "google_compute_subnetwork" "this" {
  count = var.create_vpc ? 1 : 0

  project                  = var.project_id
  region                   = var.region
  name                     = "${var.name_prefix}-${var.environment}"
  network                  = google_compute_network.this[0].id
  ip_cidr_range            = var.vpc_cidr
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.5
    metadata             = "INCLUDE_ALL_METADATA"
  }
}
