resource "google_service_account" "start" {
  count = local.is_scheduled ? 1 : 0

  project      = var.project_id
  account_id   = local.account_ids["start"]
  display_name = "${local.name}: starts it"
}

resource "google_cloud_run_v2_job_iam_member" "start" {
  count = local.is_scheduled ? 1 : 0

  project  = var.project_id
  name     = google_cloud_run_v2_job.this.name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.start[0].member
}

# It has no labels.
resource "google_cloud_scheduler_job" "this" {
  count = local.is_scheduled ? 1 : 0

  project    = var.project_id
  name       = local.name
  region     = var.region
  schedule   = var.schedule_cron
  time_zone  = var.timezone
  depends_on = [google_cloud_run_v2_job_iam_member.start]

  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/${google_cloud_run_v2_job.this.id}:run"

    oauth_token {
      service_account_email = google_service_account.start[0].email
    }
  }

  retry_config {
    retry_count = 3
  }
}
