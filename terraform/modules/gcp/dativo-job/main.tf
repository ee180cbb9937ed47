locals {
  name         = "${var.tenant_id}-${var.job_name}"
  is_scheduled = var.schedule_cron != null
  is_own       = var.service_account_email == null

  # A service account's name has 30 characters at most: what is too long is cut, and ends in six of its hash.
  account_names = { for what in ["run", "start"] : what => "${local.name}-${what}" }
  account_ids = {
    for what, name in local.account_names : what => length(name) <= 30 ? name : "${trimsuffix(substr(name, 0, 23), "-")}-${substr(sha256(name), 0, 6)}"
  }
}

resource "google_service_account" "run" {
  count = local.is_own ? 1 : 0

  project      = var.project_id
  account_id   = local.account_ids["run"]
  display_name = "${local.name}: runs as it"
}

resource "google_cloud_run_v2_job" "this" {
  project             = var.project_id
  name                = local.name
  location            = var.region
  deletion_protection = false
  labels              = var.labels

  template {
    labels = var.labels

    template {
      service_account = local.is_own ? google_service_account.run[0].email : var.service_account_email
      timeout         = "${var.timeout_seconds}s"

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
          for_each = var.container_environment

          content {
            name  = env.key
            value = env.value
          }
        }
      }
    }
  }
}
