variable "project_id" {
  description = "Project of everything."
  type        = string
  nullable    = false
}

variable "environment" {
  description = "dev or prod."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "prod"], var.environment)
    error_message = "environment: want dev or prod."
  }
}

variable "region" {
  description = "Region of images, logs and network."
  type        = string
  nullable    = false
}

variable "name_prefix" {
  description = "What the names begin with, as irrigation."
  type        = string
  nullable    = false
}

variable "provisioner_name" {
  description = "Name of the function that hears of new farms: its log is kept, and its failures are told, with the sync jobs'."
  type        = string
  nullable    = false
}

variable "sync_job_pattern" {
  description = "Names of the sync jobs as a pattern with one group, the farm. Null: {name_prefix}-sync-{farm}-{environment}."
  type        = string
  default     = null

  validation {
    condition     = length(regexall("\\([^?]", coalesce(var.sync_job_pattern, "(x)"))) == 1 && can(regexall(coalesce(var.sync_job_pattern, "x"), ""))
    error_message = "sync_job_pattern: want a pattern with one group, as ^vmhub-sync-([0-9a-z]+)$."
  }
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.log_retention_days >= 1 && var.log_retention_days <= 3650 && floor(var.log_retention_days) == var.log_retention_days
    error_message = "log_retention_days: want whole days from 1 to 3650."
  }
}

variable "enable_monitoring" {
  description = "Whether failures of a sync or of the provisioner raise an alert."
  type        = bool
  default     = false
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

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && try(cidrsubnet(var.vpc_cidr, 0, 0), "") == var.vpc_cidr
    error_message = "vpc_cidr: want an IPv4 block that starts at its own first address, as 10.20.0.0/24."
  }
}

variable "labels" {
  description = "Labels of what takes them, beside environment."
  type        = map(string)
  default     = {}
  nullable    = false
}
