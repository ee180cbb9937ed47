variable "name" {
  description = "Beginning of the names of what is this deployment's own, as irrigation-dev. Things and policies are called after the farm alone."
  type        = string
}

variable "farm" {
  description = "The farm's id; things, policies, types and secrets are called after it, and its topics are below it."
  type        = string
  default     = "irrigation"

  validation {
    condition     = can(regex("^([a-z][a-z0-9]{1,19}|[0-9][0-9a-z]{11}[0-9]{2})$", var.farm))
    error_message = "farm: want 2 to 20 of a-z and 0-9, a letter first, as sitio1; or a CNPJ's 14 characters, in lower case and without punctuation."
  }

  validation {
    condition     = !contains(["ack", "all", "command", "control", "data", "diagnostics", "errors", "gateway", "sensors", "status", "system", "updates"], var.farm)
    error_message = "farm: ${var.farm} is a word of the topics; choose another, as ${var.farm}1."
  }
}

variable "environment" {
  description = "Short name of the deployment, part of the secrets' names."
  type        = string
}

variable "gateway_ids" {
  description = "Thing names of the gateways, FARM-gateway-<n> but in the default farm. FARM-compute is always added."
  type        = list(string)

  validation {
    condition     = var.farm == "irrigation" || alltrue([for thing in var.gateway_ids : can(regex("^${var.farm}-gateway-[0-9]+$", thing))])
    error_message = "gateway_ids: not of the farm ${var.farm}; want names as ${var.farm}-gateway-1."
  }

  validation {
    condition = alltrue([
      for thing in concat(var.gateway_ids, ["${var.farm}-compute"]) :
      fileexists("${var.certs_dir}/${thing}/certificate.pem")
      && (!var.keys_in_secrets_manager || fileexists("${var.certs_dir}/${thing}/private_key.pem") || length(fileset("${var.certs_dir}/${thing}/spares/used", "*.pem")) > 0)
    ])
    error_message = format(
      "No certificate or no key in %s for: %s. Issue them first: python -m certs issue --gateways %d%s",
      var.certs_dir,
      join(", ", [
        for thing in concat(var.gateway_ids, ["${var.farm}-compute"]) : thing
        if !(fileexists("${var.certs_dir}/${thing}/certificate.pem")
        && (!var.keys_in_secrets_manager || fileexists("${var.certs_dir}/${thing}/private_key.pem") || length(fileset("${var.certs_dir}/${thing}/spares/used", "*.pem")) > 0))
      ]),
      length(var.gateway_ids),
      var.farm == "irrigation" ? "" : " --farm ${var.farm}",
    )
  }
}

variable "certs_dir" {
  description = "Folder with <thing>/certificate.pem and <thing>/private_key.pem, and what renews them, as python -m certs writes it."
  type        = string
}

variable "keys_in_secrets_manager" {
  description = "Whether private keys go to Secrets Manager too."
  type        = bool
  default     = true
}

variable "recovery_window_days" {
  description = "Days for which a deleted secret can be restored; 0 deletes at once."
  type        = number
  default     = 30
}

variable "firehose_name" {
  description = "Delivery stream that takes readings."
  type        = string
}

variable "firehose_arn" {
  description = "Its ARN."
  type        = string
}

variable "error_bucket_name" {
  description = "Bucket for readings that the stream would not take, under errors/."
  type        = string
}

variable "error_bucket_arn" {
  description = "Its ARN."
  type        = string
}

variable "lab_role_arn" {
  description = "Role for the rule and the logs, where none can be made; null for their own."
  type        = string
  default     = null
}

variable "log_level" {
  description = "What IoT Core logs, for the whole account and region; null where another deployment has set it."
  type        = string
  default     = "WARN"
}
