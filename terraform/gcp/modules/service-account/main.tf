# One service account, with the least that it needs. What rules over all farms at once is refused.

terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 8.7.0"
    }
  }
}

resource "google_service_account" "this" {
  project      = var.project_id
  account_id   = coalesce(var.account_id, "${var.name_prefix}-${var.purpose}-${var.environment}")
  display_name = var.display_name
}

resource "google_project_iam_member" "this" {
  for_each = var.project_roles

  project = var.project_id
  role    = each.key
  member  = google_service_account.this.member

  dynamic "condition" {
    for_each = each.value == null ? [] : [each.value]

    content {
      title      = "${var.purpose} alone"
      expression = condition.value
    }
  }
}

resource "google_secret_manager_secret_iam_member" "this" {
  for_each = toset(var.secret_ids)

  project   = var.project_id
  secret_id = each.key
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.this.member
}

resource "google_service_account_iam_member" "workload_identity" {
  count = var.workload_identity_user == null ? 0 : 1

  service_account_id = google_service_account.this.name
  role               = "roles/iam.workloadIdentityUser"
  member             = var.workload_identity_user
}
