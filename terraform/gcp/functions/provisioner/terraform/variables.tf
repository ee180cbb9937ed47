# The first ones are the environment's output provisioner_variables.

variable "project_id" {
  description = "Project of the function."
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
  description = "Region of the function."
  type        = string
  default     = "us-central1"
  nullable    = false
}

variable "function_name" {
  description = "Name of the function, and of its service."
  type        = string
  nullable    = false
}

variable "service_account_email" {
  description = "Account that the function runs as."
  type        = string
  nullable    = false
}

variable "trigger_account_email" {
  description = "Account that Eventarc starts the function as."
  type        = string
  nullable    = false
}

variable "firestore_database" {
  description = "Firestore database that holds the registrations."
  type        = string
  default     = "(default)"
  nullable    = false
}

variable "firestore_location" {
  description = "Where that database is: events are told there, and nowhere else."
  type        = string
  default     = "us-central1"
  nullable    = false
}

variable "min_instances" {
  description = "Instances that wait for work."
  type        = number
  default     = 0
  nullable    = false
}

variable "max_instances" {
  description = "Instances at most."
  type        = number
  default     = 10
  nullable    = false
}

variable "provisioning_url" {
  description = "Address of provisioning's service; null: not known yet."
  type        = string
  default     = null
}

variable "provisioning_key_secret" {
  description = "Name of the secret that holds the function's key to provisioning; null: not made yet."
  type        = string
  default     = null
}

variable "labels" {
  description = "Labels of the function, beside environment."
  type        = map(string)
  default     = {}
  nullable    = false
}

# What is the function's own.

variable "source_archive" {
  description = "The function's source: gs://BUCKET/OBJECT, or a zip in this folder, which is uploaded to source_bucket. source_file and requirements.txt are at its top."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^gs://[^/]+/.+|\\.zip$", var.source_archive))
    error_message = "source_archive: want gs://BUCKET/OBJECT, or the path of a .zip."
  }
}

variable "source_bucket" {
  description = "Bucket that a zip is uploaded to; null where source_archive is in a bucket already."
  type        = string
  default     = null

  validation {
    condition     = (var.source_bucket == null) == startswith(var.source_archive, "gs://")
    error_message = "source_bucket: a zip wants one, gs://BUCKET/OBJECT none."
  }
}

variable "source_file" {
  description = "File of the source that holds the entry point."
  type        = string
  default     = "index.py"
  nullable    = false
}

variable "entry_point" {
  description = "Function in that file that is called."
  type        = string
  default     = "provision"
  nullable    = false
}

variable "runtime" {
  description = "Language and version."
  type        = string
  default     = "python311"
  nullable    = false
}

variable "build_service_account" {
  description = "Account that builds the function, as projects/PROJECT/serviceAccounts/EMAIL; null: the project's default, which in newer projects may not be allowed to."
  type        = string
  default     = null
}

variable "cpu" {
  description = "Processor of an instance."
  type        = string
  default     = "1"
  nullable    = false
}

variable "memory" {
  description = "Memory of an instance."
  type        = string
  default     = "512Mi"
  nullable    = false
}

variable "timeout_seconds" {
  description = "An event that takes longer is tried again. It only asks for a job; events have 540 s at most."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 540
    error_message = "timeout_seconds: a function that events start has 1 to 540 s."
  }
}
