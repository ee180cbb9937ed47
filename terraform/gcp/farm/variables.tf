# The first ones are the environment's output farm_variables.

variable "project_id" {
  description = "Project of the farm's things."
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
  description = "Region of job and schedule."
  type        = string
  default     = "us-central1"
  nullable    = false
}

variable "timezone" {
  description = "Time zone of the schedule."
  type        = string
  default     = "America/Sao_Paulo"
  nullable    = false
}

variable "cpu" {
  description = "Processor of the sync job, in thousandths."
  type        = string
  default     = "1000m"
  nullable    = false
}

variable "memory" {
  description = "Memory of the sync job."
  type        = string
  default     = "512Mi"
  nullable    = false
}

variable "timeout_seconds" {
  description = "A sync that lasts longer is ended."
  type        = number
  default     = 600
  nullable    = false

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 86400
    error_message = "timeout_seconds: want 1 to 86400."
  }
}

variable "subnetwork" {
  description = "Subnet from which the job reaches private addresses; null: none."
  type        = string
  default     = null
}

variable "labels" {
  description = "Labels of what takes them, beside environment, farm and cnpj."
  type        = map(string)
  default     = {}
  nullable    = false
}

# Who the farm is.

variable "farm" {
  description = "Farm id, or CNPJ in lower case."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z][a-z0-9]{1,19}|[0-9a-z]{12}[0-9]{2})$", var.farm))
    error_message = "farm: want 2 to 20 lower case letters and digits, a letter first, or a CNPJ without its marks, in lower case."
  }
}

variable "cnpj" {
  description = "CNPJ in lower case; null: the farm has none."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[0-9a-z]{12}[0-9]{2}$", coalesce(var.cnpj, "12345678000195")))
    error_message = "cnpj: want 12 letters or digits and 2 digits, without marks, in lower case."
  }
}

variable "user_id" {
  description = "User of Firebase who registered it; null: it was registered another way."
  type        = string
  default     = null
}

# Its names, of the naming profile.

variable "bucket_name" {
  description = "Name of the bucket."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "bucket_name: want 3 to 63 lower case letters, digits, hyphens and underscores."
  }
}

variable "dataset_id" {
  description = "Name of the dataset."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_]+$", var.dataset_id)) && length(var.dataset_id) <= 1024
    error_message = "dataset_id: want at most 1,024 letters, digits and underscores."
  }
}

variable "job_name" {
  description = "Name of the sync job."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", var.job_name))
    error_message = "job_name: want at most 63 lower case letters, digits and hyphens, a letter first."
  }
}

variable "schedule_name" {
  description = "Name of the schedule."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,500}$", var.schedule_name))
    error_message = "schedule_name: want letters, digits, hyphens and underscores."
  }
}

variable "account_id" {
  description = "Name of the farm's service account."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.account_id))
    error_message = "account_id: want 6 to 30 lower case letters, digits and hyphens, a letter first."
  }
}

# What runs, and when.

variable "image_uri" {
  description = "Image of the sync; a digest (@sha256:...) stays what it is."
  type        = string
  nullable    = false
}

variable "command" {
  description = "Command of the container; null: the image's own."
  type        = list(string)
  default     = null
}

variable "container_environment" {
  description = "More environment variables; no secrets."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "vmhub_base_url" {
  description = "Address of the interface that is read, if the source is http; null: it is the lake."
  type        = string
  default     = null
}

variable "secret_ids" {
  description = "The farm's own secrets, that its sync may read: its tokens."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "schedule" {
  description = "When it runs, five fields of cron."
  type        = string
  default     = "0 5 * * *"
  nullable    = false
}

variable "paused" {
  description = "Whether the schedule rests, as while a farm is suspended."
  type        = bool
  default     = false
  nullable    = false
}

variable "max_retries" {
  description = "Times that a run that failed is tried again."
  type        = number
  default     = 3
  nullable    = false
}

variable "retry_count" {
  description = "Times that a start that failed is tried again."
  type        = number
  default     = 3
  nullable    = false
}

variable "max_retry_seconds" {
  description = "For so long a start is tried again."
  type        = number
  default     = 30
  nullable    = false
}

# What is kept, and who reads it.

variable "data_location" {
  description = "Where bucket and dataset are: a load wants both in one place."
  type        = string
  default     = "US-CENTRAL1"
  nullable    = false
}

variable "retention_days" {
  description = "Days after which an object in the bucket goes; what was loaded stays in the dataset."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.retention_days >= 1 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days: want whole days, 1 or more."
  }
}

variable "soft_delete_days" {
  description = "Days that Google keeps what was deleted in the bucket, the bucket too: 7 to 90, or 0 for none."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = contains(concat([0], range(7, 91)), var.soft_delete_days)
    error_message = "soft_delete_days: want 0, or 7 to 90."
  }
}

variable "force_destroy" {
  description = "Whether destroy deletes bucket and dataset with what is in them."
  type        = bool
  default     = false
  nullable    = false
}

variable "dataset_owners" {
  description = "Who owns the dataset, as group:admins@example.com."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "dataset_readers" {
  description = "Who reads the dataset, as user:maria@example.com."
  type        = list(string)
  default     = []
  nullable    = false
}
