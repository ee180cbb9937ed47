variable "name" {
  description = "Beginning of the names of what is this deployment's own, as irrigation-dev. Things and policies have fixed names."
  type        = string
}

variable "environment" {
  description = "Short name of the deployment, part of the secrets' names."
  type        = string
}

variable "gateway_ids" {
  description = "Thing names of the gateways. irrigation-compute is always added."
  type        = list(string)

  validation {
    condition = alltrue([
      for thing in concat(var.gateway_ids, ["irrigation-compute"]) :
      fileexists("${var.certs_dir}/${thing}/certificate.pem")
      && (!var.keys_in_secrets_manager || fileexists("${var.certs_dir}/${thing}/private_key.pem") || length(fileset("${var.certs_dir}/${thing}/spares/used", "*.pem")) > 0)
    ])
    error_message = format(
      "No certificate or no key in %s for: %s. Issue them first: python -m certs issue --gateways %d",
      var.certs_dir,
      join(", ", [
        for thing in concat(var.gateway_ids, ["irrigation-compute"]) : thing
        if !(fileexists("${var.certs_dir}/${thing}/certificate.pem")
        && (!var.keys_in_secrets_manager || fileexists("${var.certs_dir}/${thing}/private_key.pem") || length(fileset("${var.certs_dir}/${thing}/spares/used", "*.pem")) > 0))
      ]),
      length(var.gateway_ids),
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
  description = "What IoT Core logs, for the whole account and region."
  type        = string
  default     = "WARN"
}
