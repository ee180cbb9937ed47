variable "name" {
  description = "Beginning of every name, as irrigation-dev."
  type        = string
}

variable "bucket_name" {
  description = "Bucket of raw readings and of the lake."
  type        = string
}

variable "bucket_arn" {
  description = "ARN of the bucket."
  type        = string
}

variable "raw_prefix" {
  description = "Where raw readings are in the bucket, with a slash at its end."
  type        = string
}

variable "lake_prefix" {
  description = "Where the lake's tables are in the bucket, with a slash at its end."
  type        = string
}

variable "glue_database" {
  description = "Glue database that has the lake's tables."
  type        = string
}

variable "rule_name" {
  description = "IoT topic rule that takes raw readings; its silence is an alarm."
  type        = string
}

variable "repository_name" {
  description = "Repository that has the image already, as another farm's in the account; empty makes one."
  type        = string
  default     = ""
  nullable    = false
}

variable "image_digest" {
  description = <<-EOT
    Image of the function in the repository, as sha256:...; null: neither function nor schedule,
    and no alarms on them.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.image_digest == null || can(regex("^sha256:[0-9a-f]{64}$", var.image_digest))
    error_message = "image_digest: want sha256: and 64 hexadecimal digits, as publish_ecr.sh writes them."
  }
}

variable "lab_role_arn" {
  description = "Role that function and schedule take where no roles can be created, as in AWS Academy; null creates a role for each."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "How long the function's log is kept."
  type        = number
}

variable "schedule_minutes" {
  description = "Minutes between two runs of the function."
  type        = number
  default     = 15

  validation {
    condition     = var.schedule_minutes >= 1 && var.schedule_minutes <= 720 && floor(var.schedule_minutes) == var.schedule_minutes
    error_message = "schedule_minutes: want whole minutes from 1 to 720; an alarm looks back at two periods, and at a day at most."
  }
}

variable "interval_minutes" {
  description = "Length of a window in the lake; divides a day."
  type        = number
  default     = 15

  validation {
    condition     = var.interval_minutes >= 1 && try(1440 % var.interval_minutes == 0, false)
    error_message = "interval_minutes: want whole minutes that divide a day, as 15."
  }
}

variable "silence_minutes" {
  description = "How long the topic rule may see no reading before that is an alarm."
  type        = number
  default     = 60

  validation {
    condition     = var.silence_minutes >= 5 && var.silence_minutes <= 1440 && var.silence_minutes % 5 == 0
    error_message = "silence_minutes: want a multiple of 5 from 5 to 1440."
  }
}

variable "alarm_email" {
  description = "Who gets the alarms, once the address has confirmed; null: nobody, until somebody subscribes to the topic."
  type        = string
  default     = null
}

variable "memory_mb" {
  description = "Memory of the function; its share of a processor grows with it."
  type        = number
  default     = 1024
}

variable "reserved_concurrency" {
  description = <<-EOT
    Runs at once that are kept for the function and not exceeded; -1: none are kept. New accounts allow ten executions
    in all, and refuse to keep any; overlapping runs do no harm.
  EOT
  type        = number
  default     = -1
}

variable "force_destroy" {
  description = "Whether destroying may delete a repository that holds images."
  type        = bool
  default     = false
}
