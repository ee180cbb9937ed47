variable "farm" {
  description = "The farm's id: every name is called after it. The default farm, irrigation, has the folder above."
  type        = string
  nullable    = false

  validation {
    condition     = var.farm != "irrigation"
    error_message = "farm: irrigation is the default farm, which is deployed by the folder above this one; choose another id, as sitio1."
  }

  # What the id may be, the module of identities says. A state of another farm would be destroyed by this one's plan.
  validation {
    condition     = contains(["default", var.farm], terraform.workspace)
    error_message = "farm: this is the workspace ${terraform.workspace}, whose state is another farm's; first: terraform workspace select -or-create ${var.farm}"
  }
}

variable "environment" {
  description = "The environment of the deployment that the farm joins: its load balancer and its images are used."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.environment))
    error_message = "environment: want 2 to 12 lower case letters and digits, a letter first, as \"dev\" or \"prod\"."
  }
}

variable "aws_region" {
  description = "AWS region of everything, as us-west-2. It must have IoT Core with VPC endpoints, which the plan asks AWS."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(af|ap|ca|eu|il|me|mx|sa|us)-(central|east|north|northeast|northwest|south|southeast|southwest|west)-[1-9]$", var.aws_region))
    error_message = "aws_region: want a region that AWS has, as us-west-2 (not a zone as us-west-2a; not China or GovCloud, whose policies differ)."
  }
}

variable "number_of_gateways" {
  description = "Gateways FARM-gateway-1 to FARM-gateway-<n>, 0 to 10000. Each needs its certificate in certs_dir."
  type        = number
  nullable    = false

  validation {
    condition     = var.number_of_gateways >= 0 && var.number_of_gateways <= 10000 && floor(var.number_of_gateways) == var.number_of_gateways
    error_message = "number_of_gateways: want a whole number from 0 to 10000."
  }
}

variable "image_digest" {
  description = "Digest of the image of the aggregate function, in the repository that all farms share, as publish_ecr.sh writes it. Null: no function and no schedule yet."
  type        = string
  default     = null

  validation {
    condition     = var.image_digest == null || can(regex("^sha256:[0-9a-f]{64}$", var.image_digest))
    error_message = "image_digest: want sha256: and 64 hexadecimal digits, as publish_ecr.sh writes it."
  }
}

variable "certs_dir" {
  description = "Folder of identities, made by `python -m certs issue --farm FARM --gateways N`, absolute or from this folder."
  type        = string
  default     = "../../certs/issued"
  nullable    = false

  validation {
    condition     = trimspace(var.certs_dir) != "" && !startswith(var.certs_dir, "~")
    error_message = "certs_dir: want a path, absolute or from the folder terraform/farm/, as ../../certs/issued."
  }
}

variable "keys_in_secrets_manager" {
  description = "Whether private keys are stored in Secrets Manager too, from where devices' files can be fetched anywhere. False: they stay in certs_dir alone."
  type        = bool
  default     = true
  nullable    = false
}

variable "alarm_email" {
  description = "Who is told of alarms; has to confirm by the first mail. Null: the topic has no subscriber."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_email == null || can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alarm_email))
    error_message = "alarm_email: want an address, as farm@example.com."
  }
}

variable "lab_role_arn" {
  description = "Role for every service, where creating roles is forbidden (AWS Academy: arn:aws:iam::<account>:role/LabRole). Null: each gets its own."
  type        = string
  default     = null

  validation {
    condition     = var.lab_role_arn == null || can(regex("^arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$", var.lab_role_arn))
    error_message = "lab_role_arn: want the ARN of a role, as arn:aws:iam::123456789012:role/LabRole."
  }
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps logs. Null: 365 in prod, else 30."
  type        = number
  default     = null

  validation {
    condition     = var.log_retention_days == null || contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], coalesce(var.log_retention_days, 0))
    error_message = "log_retention_days: CloudWatch takes 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "force_destroy" {
  description = "Whether destroy deletes the bucket with all readings too. Null: everywhere but in prod."
  type        = bool
  default     = null
}

variable "schedule_minutes" {
  description = "Minutes between two runs of the aggregate function."
  type        = number
  default     = 15
  nullable    = false

  validation {
    condition     = var.schedule_minutes >= 1 && var.schedule_minutes <= 720 && floor(var.schedule_minutes) == var.schedule_minutes
    error_message = "schedule_minutes: want whole minutes from 1 to 720."
  }
}

variable "interval_minutes" {
  description = "Length of a window in the lake; whole minutes that divide a day."
  type        = number
  default     = 15
  nullable    = false

  validation {
    condition     = try(var.interval_minutes >= 1 && 1440 % var.interval_minutes == 0, false)
    error_message = "interval_minutes: want whole minutes that divide a day, as 15 or 60."
  }
}

variable "function_memory_mb" {
  description = "Memory of the aggregate function: 1024 serve 2,000 gateways, 5120 ten thousand."
  type        = number
  default     = 1024
  nullable    = false

  validation {
    condition     = var.function_memory_mb >= 512 && var.function_memory_mb <= 10240 && floor(var.function_memory_mb) == var.function_memory_mb
    error_message = "function_memory_mb: want whole megabytes from 512 to 10240."
  }
}
