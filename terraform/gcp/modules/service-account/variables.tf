variable "project_id" {
  description = "Project of the account."
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

variable "name_prefix" {
  description = "What the name begins with, as irrigation."
  type        = string
  nullable    = false
}

variable "purpose" {
  description = "What the account is for, as provisioner: the middle of its name."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "Name of the account, 6 to 30 characters. Null: {name_prefix}-{purpose}-{environment}."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", coalesce(var.account_id, "${var.name_prefix}-${var.purpose}-${var.environment}")))
    error_message = "account_id: want 6 to 30 lower case letters, digits and hyphens, a letter first."
  }
}

variable "display_name" {
  description = "What people read of it."
  type        = string
  nullable    = false
}

variable "project_roles" {
  description = "Roles in the whole project, each with its condition (CEL) or null for none. Farms' own accounts take theirs on what is theirs."
  type        = map(string)
  default     = {}
  nullable    = false

  # Each of these acts on, or as, every farm.
  validation {
    condition = length(setintersection(keys(var.project_roles), [
      "roles/bigquery.admin",
      "roles/cloudfunctions.developer",
      "roles/editor",
      "roles/iam.serviceAccountAdmin",
      "roles/iam.serviceAccountTokenCreator",
      "roles/iam.serviceAccountUser",
      "roles/owner",
      "roles/run.admin",
      "roles/run.developer",
      "roles/secretmanager.admin",
      "roles/secretmanager.secretAccessor",
      "roles/storage.admin",
      "roles/storage.objectAdmin",
    ])) == 0
    error_message = "project_roles: one of them rules over all farms; bind it to the one thing that it is for."
  }
}

variable "secret_ids" {
  description = "Secrets of the project that it may read."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "workload_identity_user" {
  description = "Who may be this account without a key, from outside of Google or a cluster, as principal://iam.googleapis.com/...; null: nobody."
  type        = string
  default     = null

  validation {
    condition     = var.workload_identity_user == null || can(regex("^(principal|principalSet)://iam\\.googleapis\\.com/|^serviceAccount:[a-z0-9-]+\\.svc\\.id\\.goog\\[", coalesce(var.workload_identity_user, "x")))
    error_message = "workload_identity_user: want principal://..., principalSet://... or serviceAccount:POOL.svc.id.goog[NAMESPACE/NAME]."
  }
}
