# One farm on Google: bucket, dataset, sync job, schedule, and an account that may use these and nothing of another
# farm. Its names are given: they come of the naming profile. Its gateways are on the AWS side.

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
}

locals {
  labels = merge(
    var.labels,
    { environment = var.environment, farm = var.farm },
    var.cnpj == null ? {} : { cnpj = var.cnpj }
  )

  # What is null is left out.
  environment = {
    for name, value in merge(var.container_environment, {
      FARM             = var.farm
      CNPJ             = var.cnpj
      USER_ID          = var.user_id
      ENVIRONMENT      = var.environment
      GCP_PROJECT_ID   = var.project_id
      GCS_BUCKET_NAME  = google_storage_bucket.this.name
      BIGQUERY_DATASET = google_bigquery_dataset.this.dataset_id
      VMHUB_BASE_URL   = var.vmhub_base_url
    }) : name => value if value != null
  }
}

resource "google_service_account" "this" {
  project      = var.project_id
  account_id   = var.account_id
  display_name = "Farm ${var.farm} in ${var.environment}"
}

resource "google_storage_bucket" "this" {
  #checkov:skip=CKV_GCP_62:who reads objects is told by the project's audit log, if it is switched on
  #checkov:skip=CKV_GCP_78:objects are copies of the lake's windows, and are named by their content
  project                     = var.project_id
  name                        = var.bucket_name
  location                    = var.data_location
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = var.force_destroy
  labels                      = local.labels

  soft_delete_policy {
    retention_duration_seconds = var.soft_delete_days * 86400
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      age = var.retention_days
    }
  }
}

resource "google_storage_bucket_iam_member" "this" {
  bucket = google_storage_bucket.this.name
  role   = "roles/storage.objectUser"
  member = google_service_account.this.member
}

resource "google_bigquery_dataset" "this" {
  #checkov:skip=CKV_GCP_81:Google's own key is as strong here
  project                    = var.project_id
  dataset_id                 = var.dataset_id
  location                   = var.data_location
  description                = "Readings of farm ${var.farm}."
  delete_contents_on_destroy = var.force_destroy
  labels                     = local.labels
}

resource "google_bigquery_dataset_iam_member" "this" {
  for_each = merge(
    { for member in var.dataset_owners : "owner ${member}" => { role = "roles/bigquery.dataOwner", member = member } },
    { for member in var.dataset_readers : "reader ${member}" => { role = "roles/bigquery.dataViewer", member = member } },
    { sync = { role = "roles/bigquery.dataEditor", member = google_service_account.this.member } }
  )

  project    = var.project_id
  dataset_id = google_bigquery_dataset.this.dataset_id
  role       = each.value.role
  member     = each.value.member
}

# The only right that is not on a thing of the farm: a load is a job of the project. It shows nobody's data.
resource "google_project_iam_member" "loads" {
  project = var.project_id
  role    = "roles/bigquery.jobUser"
  member  = google_service_account.this.member
}

resource "google_secret_manager_secret_iam_member" "this" {
  for_each = toset(var.secret_ids)

  project   = var.project_id
  secret_id = each.key
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.this.member
}

resource "google_cloud_run_v2_job" "sync" {
  project             = var.project_id
  name                = var.job_name
  location            = var.region
  deletion_protection = false
  labels              = local.labels

  template {
    labels     = local.labels
    task_count = 1

    template {
      service_account = google_service_account.this.email
      timeout         = "${var.timeout_seconds}s"
      max_retries     = var.max_retries

      containers {
        image = var.image_uri
        args  = var.command

        resources {
          limits = {
            cpu    = var.cpu
            memory = var.memory
          }
        }

        dynamic "env" {
          for_each = local.environment

          content {
            name  = env.key
            value = env.value
          }
        }
      }

      dynamic "vpc_access" {
        for_each = var.subnetwork == null ? [] : [var.subnetwork]

        content {
          egress = "PRIVATE_RANGES_ONLY"

          network_interfaces {
            subnetwork = vpc_access.value
          }
        }
      }
    }
  }
}

resource "google_cloud_run_v2_job_iam_member" "starts" {
  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_job.sync.name
  role     = "roles/run.invoker"
  member   = google_service_account.this.member
}

# It has no labels.
resource "google_cloud_scheduler_job" "sync" {
  project     = var.project_id
  region      = var.region
  name        = var.schedule_name
  description = "Starts the sync of farm ${var.farm}."
  schedule    = var.schedule
  time_zone   = var.timezone
  paused      = var.paused
  depends_on  = [google_cloud_run_v2_job_iam_member.starts]

  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/${google_cloud_run_v2_job.sync.id}:run"

    oauth_token {
      service_account_email = google_service_account.this.email
    }
  }

  retry_config {
    retry_count        = var.retry_count
    max_retry_duration = "${var.max_retry_seconds}s"
  }
}
