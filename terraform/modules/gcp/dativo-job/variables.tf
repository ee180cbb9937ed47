variable "job_name" {
  description = "What runs, as hubspot-contacts: with the tenant, the name of everything."
  type        = string
}

variable "tenant_id" {
  description = "Whose job it is, as acme."
  type        = string
}

variable "image_uri" {
  description = "Image of the container; a digest (@sha256:...) stays what it is."
  type        = string
}

variable "cpu" {
  description = "Processors of the container."
  type        = string
  default     = "1"
}

variable "memory" {
  description = "Memory of the container."
  type        = string
  default     = "2Gi"
}

variable "timeout_seconds" {
  description = "A run that lasts longer is ended."
  type        = number
  default     = 3600
}

variable "region" {
  description = "Region of everything."
  type        = string
}

variable "project_id" {
  description = "Project of everything."
  type        = string
}

variable "labels" {
  description = "Labels of every resource that takes them."
  type        = map(string)
  default     = {}
}

variable "schedule_cron" {
  description = "When it runs, as 0 2 * * *; null: by hand alone."
  type        = string
  default     = null
}

variable "timezone" {
  description = "Time zone of the schedule."
  type        = string
  default     = "UTC"
}

variable "service_account_email" {
  description = "Service account that the job runs as; null: one of its own."
  type        = string
  default     = null
}

variable "command" {
  description = "Command of the container; null: the image's own."
  type        = list(string)
  default     = null
}

variable "container_environment" {
  description = "Environment variables of the container; no secrets."
  type        = map(string)
  default     = {}
}

variable "notification_channels" {
  description = "Channels that hear of failed runs; empty: nobody does."
  type        = list(string)
  default     = []
}
