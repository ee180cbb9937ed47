output "registry_id" {
  description = "Id of the registry of images."
  value       = google_artifact_registry_repository.sync.id
}

output "registry_name" {
  description = "Name of the registry of images."
  value       = google_artifact_registry_repository.sync.repository_id
}

output "log_bucket_id" {
  description = "Id of the bucket of logs."
  value       = google_logging_project_bucket_config.this.id
}

output "failure_metric" {
  description = "Type of the metric that counts failures, with the labels environment and farm."
  value       = "logging.googleapis.com/user/${google_logging_metric.sync_failures.name}"
}

output "vpc_id" {
  description = "Id of the network; null without one."
  value       = one(google_compute_network.this[*].id)
}

output "vpc_name" {
  description = "Name of the network; null without one."
  value       = one(google_compute_network.this[*].name)
}

output "subnetwork_id" {
  description = "Id of the network's subnet; null without one."
  value       = one(google_compute_subnetwork.this[*].id)
}
