output "email" {
  description = "Address of the account."
  value       = google_service_account.this.email
}

output "id" {
  description = "Id of the account."
  value       = google_service_account.this.id
}

output "name" {
  description = "Full name of the account."
  value       = google_service_account.this.name
}

output "unique_id" {
  description = "Number of the account, which no later one of its name gets."
  value       = google_service_account.this.unique_id
}
