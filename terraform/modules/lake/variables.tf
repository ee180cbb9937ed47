variable "name" {
  description = "Beginning of every name, as irrigation-dev."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{0,33}[a-z0-9]$", var.name))
    error_message = "name: want 2 to 35 lower case letters, digits and hyphens: the bucket's name adds account and region to it."
  }
}

variable "environment" {
  description = "dev, prod or another short name. In prod, replaced and deleted objects can be restored for 30 days, else for 7."
  type        = string
}

variable "force_destroy" {
  description = "Whether destroying may delete a bucket and a workgroup that are not empty, with every version of every reading."
  type        = bool
}

variable "lab_role_arn" {
  description = "Role that Firehose and the crawler take where no roles can be created, as in AWS Academy; null creates a role for each."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "How long Firehose's log is kept."
  type        = number
}

variable "crawler_schedule" {
  description = <<-EOT
    When the crawler looks for new raw folders, as a cron expression in UTC; null: only when started by hand. Each crawl
    is billed for ten minutes at least.
  EOT
  type        = string
  default     = "cron(15 3 ? * SUN *)"
}

variable "most_bytes_scanned" {
  description = "A query in Athena that reads more bytes than this is stopped; 10 GiB cost some five cents."
  type        = number
  default     = 10737418240

  validation {
    condition     = var.most_bytes_scanned >= 10485760
    error_message = "most_bytes_scanned: Athena wants at least 10485760 bytes (10 MiB)."
  }
}
