# The job for HCL by hand, with the seed's own inputs: by a schedule and by hand. The tests' stub stands for Google.

mock_provider "google" {}

variables {
  job_name   = "hubspot-contacts"
  tenant_id  = "acme"
  image_uri  = "gcr.io/dativo/dativo-ingest:latest"
  region     = "us-central1"
  project_id = "my-project"
  labels = {
    finops_cost_center = "eng-001"
    governance_owner   = "data-team-acme-com"
  }
}

run "by_a_schedule" {
  variables {
    schedule_cron         = "0 2 * * *"
    service_account_email = "dativo-runner@my-project.iam.gserviceaccount.com"
    notification_channels = ["projects/my-project/notificationChannels/1"]
    command               = ["python", "-m", "ingest"]
    container_environment = { BUCKET = "lake" }
  }

  assert {
    condition = (
      google_cloud_run_v2_job.this.name == "acme-hubspot-contacts" && google_cloud_run_v2_job.this.labels == var.labels
      && google_cloud_run_v2_job.this.template[0].labels == var.labels && google_monitoring_alert_policy.failed[0].user_labels == var.labels
    )
    error_message = "The job is tenant and job by name, and all that takes labels has them."
  }

  assert {
    condition = (
      google_cloud_run_v2_job.this.template[0].template[0].timeout == "3600s"
      && google_cloud_run_v2_job.this.template[0].template[0].service_account == var.service_account_email
      && google_cloud_run_v2_job.this.template[0].template[0].containers[0].resources[0].limits == tomap({ cpu = "1", memory = "2Gi" })
      && google_cloud_run_v2_job.this.template[0].template[0].containers[0].args == tolist(["python", "-m", "ingest"])
      && one(google_cloud_run_v2_job.this.template[0].template[0].containers[0].env).name == "BUCKET"
    )
    error_message = "A run has the seed's sizes, its account, its command and its variables."
  }

  assert {
    condition = (
      google_cloud_scheduler_job.this[0].schedule == "0 2 * * *" && google_cloud_scheduler_job.this[0].time_zone == "UTC"
      && google_cloud_scheduler_job.this[0].http_target[0].http_method == "POST" && endswith(google_cloud_scheduler_job.this[0].http_target[0].uri, ":run")
      && google_cloud_scheduler_job.this[0].http_target[0].oauth_token[0].service_account_email == google_service_account.start[0].email
      && google_cloud_run_v2_job_iam_member.start[0].role == "roles/run.invoker"
    )
    error_message = "The scheduler calls the job's run, as an account that may do that and no more."
  }

  assert {
    condition     = length(google_service_account.run) == 0 && output.service_name == "acme-hubspot-contacts" && output.service_url == google_cloud_scheduler_job.this[0].http_target[0].uri
    error_message = "There is no account beside the one that was named, and the outputs are the job's."
  }
}

run "by_hand" {
  variables {
    job_name = "a-name-that-is-too-long-for-an-account"
  }

  assert {
    condition     = length(google_cloud_scheduler_job.this) == 0 && length(google_service_account.start) == 0 && length(google_monitoring_alert_policy.failed) == 0
    error_message = "Without a schedule and channels there is nothing of them."
  }

  assert {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}-[0-9a-f]{6}$", google_service_account.run[0].account_id)) && length(google_service_account.run[0].account_id) <= 30
    error_message = "An account's name that is too long is cut, and ends in six of its hash."
  }
}
