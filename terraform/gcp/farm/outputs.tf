output "bucket_name" {
  description = "Name of the bucket."
  value       = google_storage_bucket.this.name
}

output "dataset_id" {
  description = "Name of the dataset."
  value       = google_bigquery_dataset.this.dataset_id
}

output "job_name" {
  description = "Name of the sync job."
  value       = google_cloud_run_v2_job.sync.name
}

output "schedule_name" {
  description = "Name of the schedule."
  value       = google_cloud_scheduler_job.sync.name
}

output "service_account_email" {
  description = "Address of the farm's account."
  value       = google_service_account.this.email
}

output "run_command" {
  description = "Runs the sync once by hand."
  value       = "gcloud run jobs execute ${google_cloud_run_v2_job.sync.name} --region ${var.region} --project ${var.project_id}"
}
