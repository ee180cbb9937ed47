output "service_url" {
  description = "Address that runs the job, by POST with a token: a job has no service of its own."
  value       = "https://run.googleapis.com/v2/${google_cloud_run_v2_job.this.id}:run"
}

output "service_name" {
  description = "Name of the job."
  value       = google_cloud_run_v2_job.this.name
}

output "service_id" {
  description = "Id of the job."
  value       = google_cloud_run_v2_job.this.id
}
