# The same variables in dev and prod; the defaults that differ are those of size and of watching.

variable "project_id" {
  description = "Project of this environment, as my-farms-prod."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id: want 6 to 30 lower case letters, digits and hyphens, a letter first."
  }
}

variable "environment" {
  description = "dev or prod; part of names."
  type        = string
  default     = "prod"
  nullable    = false

  validation {
    condition     = contains(["dev", "prod"], var.environment)
    error_message = "environment: want dev or prod."
  }
}

variable "region" {
  description = "Region of everything."
  type        = string
  default     = "us-central1"
  nullable    = false
}

variable "zone" {
  description = "Zone of what has one."
  type        = string
  default     = "us-central1-a"
  nullable    = false

  validation {
    condition     = startswith(var.zone, "${var.region}-")
    error_message = "zone: want a zone of the region (${var.region}), as ${var.region}-a."
  }
}

variable "name_prefix" {
  description = "What the names begin with: the naming profile's prefix."
  type        = string
  default     = "irrigation"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,10}$", var.name_prefix))
    error_message = "name_prefix: want 2 to 11 lower case letters and digits, a letter first."
  }
}

variable "sync_job_pattern" {
  description = "Names of the sync jobs as a pattern with one group, the farm. Null: {name_prefix}-sync-{farm}-{environment}; for the profile vmhub ^vmhub-sync-([0-9a-z]+)$."
  type        = string
  default     = null
}

variable "scheduler_timezone" {
  description = "Time zone of the farms' schedules."
  type        = string
  default     = "America/Sao_Paulo"
  nullable    = false
}

variable "min_instances" {
  description = "Instances of the provisioner that wait for work."
  type        = number
  default     = 1
  nullable    = false
}

variable "max_instances" {
  description = "Instances of the provisioner at most."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.max_instances >= max(var.min_instances, 1)
    error_message = "max_instances: want one at least, and no fewer than min_instances (${var.min_instances})."
  }
}

variable "cpu" {
  description = "Processor of a farm's sync job, in thousandths, as 1000m."
  type        = string
  default     = "2000m"
  nullable    = false
}

variable "memory" {
  description = "Memory of a farm's sync job."
  type        = string
  default     = "1024Mi"
  nullable    = false
}

variable "timeout_seconds" {
  description = "A sync that lasts longer is ended."
  type        = number
  default     = 900
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30
  nullable    = false
}

variable "enable_monitoring" {
  description = "Whether failures of a sync or of the provisioner raise an alert."
  type        = bool
  default     = true
  nullable    = false
}

variable "notification_channel_ids" {
  description = "Channels that hear of the alert, as projects/PROJECT/notificationChannels/NUMBER; empty: it is seen in the console alone."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "create_vpc" {
  description = "Whether there is a network of its own, from which sync jobs reach private addresses."
  type        = bool
  default     = false
  nullable    = false
}

variable "vpc_cidr" {
  description = "IPv4 block of that network's only subnet."
  type        = string
  default     = "10.20.0.0/24"
  nullable    = false
}

variable "firestore_database" {
  description = "Firestore database that holds the registrations; it is there before."
  type        = string
  default     = "(default)"
  nullable    = false
}

variable "firestore_location" {
  description = "Where that database is, as nam5; null: in the region."
  type        = string
  default     = null
}

variable "provisioning_url" {
  description = "Address of provisioning's service, which the function asks for jobs; null: not known yet."
  type        = string
  default     = null

  validation {
    condition     = var.provisioning_url == null || startswith(coalesce(var.provisioning_url, "x"), "https://")
    error_message = "provisioning_url: want https://, since a key travels there."
  }
}

variable "provisioning_key_secret" {
  description = "Name of the secret that holds the function's key to provisioning; null: not made yet. The key itself stands nowhere here."
  type        = string
  default     = null
}

variable "workload_identity_user" {
  description = "Who may be the provisioner's account from outside of Google, without a key; null: nobody."
  type        = string
  default     = null
}

variable "labels" {
  description = "Labels of what takes them, beside environment."
  type        = map(string)
  default     = {}
  nullable    = false
}
