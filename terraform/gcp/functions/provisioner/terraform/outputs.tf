output "function_name" {
  description = "Name of the function."
  value       = google_cloudfunctions2_function.this.name
}

output "function_id" {
  description = "Id of the function."
  value       = google_cloudfunctions2_function.this.id
}

output "log_command" {
  description = "Shows what the function wrote."
  value       = "gcloud functions logs read ${google_cloudfunctions2_function.this.name} --gen2 --region ${var.region} --project ${var.project_id}"
}
