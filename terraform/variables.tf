# The seed's nine variables: what every deployment has to say.

variable "environment" {
  description = <<-EOT
    Short name of the deployment, part of its resources' names. `prod` differs from every other: buckets and secrets
    outlive a mistaken destroy, the load balancer refuses deletion, logs are kept for a year instead of a month. Thing
    names are fixed, so one account and region holds one environment.
  EOT
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.environment))
    error_message = "environment: want 2 to 12 lower case letters and digits, a letter first, as \"dev\" or \"prod\"."
  }
}

variable "iot_vpc_cidr" {
  description = "IPv4 block of the VPC that is made, /16 to /28, as 10.0.0.0/16. Two subnets at least must fit in it."
  type        = string
  nullable    = false

  validation {
    condition     = can(cidrnetmask(var.iot_vpc_cidr)) && try(cidrsubnet(var.iot_vpc_cidr, 0, 0), "") == var.iot_vpc_cidr
    error_message = "iot_vpc_cidr: want an IPv4 block that starts at its own first address, as 10.0.0.0/16."
  }

  validation {
    condition     = try(tonumber(split("/", var.iot_vpc_cidr)[1]) >= 16 && tonumber(split("/", var.iot_vpc_cidr)[1]) <= 28, false)
    error_message = "iot_vpc_cidr: AWS takes blocks from /16 (the largest) to /28."
  }
}

variable "private_subnet_cidrs" {
  description = "IPv4 blocks inside iot_vpc_cidr, one private subnet and availability zone each: one at least, two to survive the loss of a zone."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.private_subnet_cidrs) > 0
    error_message = "private_subnet_cidrs: no subnets; the load balancer and the IoT endpoint need one at least."
  }

  validation {
    condition = alltrue([
      for cidr in var.private_subnet_cidrs : can(cidrnetmask(cidr)) && try(cidrsubnet(cidr, 0, 0), "") == cidr && try(tonumber(split("/", cidr)[1]) <= 28, false)
    ])
    error_message = "private_subnet_cidrs: want IPv4 blocks up to /28 that start at their own first address, as 10.0.128.0/24."
  }

  validation {
    condition = alltrue([
      for cidr in var.private_subnet_cidrs : try(
        tonumber(split("/", cidr)[1]) >= tonumber(split("/", var.iot_vpc_cidr)[1])
        && cidrhost("${split("/", cidr)[0]}/${split("/", var.iot_vpc_cidr)[1]}", 0) == cidrhost(var.iot_vpc_cidr, 0),
        true # what is no block was told above
      )
    ])
    error_message = "private_subnet_cidrs: every block must lie inside iot_vpc_cidr (${var.iot_vpc_cidr})."
  }

  # Two blocks overlap exactly if they are the same block when both are widened to the larger one's size.
  validation {
    condition = alltrue(flatten([
      for i, one in var.private_subnet_cidrs : [
        for j, other in var.private_subnet_cidrs : i >= j || try(
          cidrhost("${split("/", one)[0]}/${min(split("/", one)[1], split("/", other)[1])}", 0)
          != cidrhost("${split("/", other)[0]}/${min(split("/", one)[1], split("/", other)[1])}", 0),
          true
        )
      ]
    ]))
    error_message = "private_subnet_cidrs: blocks overlap; each subnet needs its own."
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
  description = "Gateways irrigation-gateway-1 to irrigation-gateway-<n>, 0 to 10000. Each needs its certificate in certs_dir."
  type        = number
  nullable    = false

  validation {
    condition     = var.number_of_gateways >= 0 && var.number_of_gateways <= 10000 && floor(var.number_of_gateways) == var.number_of_gateways
    error_message = "number_of_gateways: want a whole number from 0 to 10000."
  }
}

variable "compute_sg_id" {
  description = "Security group of the machines that run the compute service; it gets a rule that lets them reach MQTT. Null without peering."
  type        = string
  default     = null

  validation {
    condition     = var.compute_sg_id == null || can(regex("^sg-[0-9a-f]{8,17}$", var.compute_sg_id))
    error_message = "compute_sg_id: want the id of a security group, as sg-0123456789abcdef0."
  }
}

variable "compute_private_rt_id" {
  description = "Route table of the compute service's private subnets; it gets the route to this VPC. Null without peering."
  type        = string
  default     = null

  validation {
    condition     = var.compute_private_rt_id == null || can(regex("^rtb-[0-9a-f]{8,17}$", var.compute_private_rt_id))
    error_message = "compute_private_rt_id: want the id of a route table, as rtb-0123456789abcdef0."
  }
}

variable "compute_vpc_cidr_block" {
  description = "IPv4 block of the compute service's VPC; it must not overlap iot_vpc_cidr. Null without peering."
  type        = string
  default     = null

  validation {
    condition     = var.compute_vpc_cidr_block == null || try(cidrnetmask(var.compute_vpc_cidr_block) != "" && cidrsubnet(var.compute_vpc_cidr_block, 0, 0) == var.compute_vpc_cidr_block, false)
    error_message = "compute_vpc_cidr_block: want an IPv4 block that starts at its own first address, as 10.1.0.0/16."
  }

  validation {
    condition = try(
      cidrhost("${split("/", var.compute_vpc_cidr_block)[0]}/${min(split("/", var.compute_vpc_cidr_block)[1], split("/", var.iot_vpc_cidr)[1])}", 0)
      != cidrhost("${split("/", var.iot_vpc_cidr)[0]}/${min(split("/", var.compute_vpc_cidr_block)[1], split("/", var.iot_vpc_cidr)[1])}", 0),
      true
    )
    error_message = "compute_vpc_cidr_block: overlaps iot_vpc_cidr (${var.iot_vpc_cidr}); AWS cannot peer VPCs that share addresses."
  }
}

variable "compute_vpc_id" {
  description = "VPC of the compute service, same account and region, to peer with. Null with the three others before it: no peering."
  type        = string
  default     = null

  validation {
    condition     = var.compute_vpc_id == null || can(regex("^vpc-[0-9a-f]{8,17}$", var.compute_vpc_id))
    error_message = "compute_vpc_id: want the id of a VPC, as vpc-0123456789abcdef0."
  }

  validation {
    condition     = contains([0, 4], length(compact([var.compute_sg_id, var.compute_private_rt_id, var.compute_vpc_cidr_block, var.compute_vpc_id])))
    error_message = "compute_vpc_id: half a peering; give compute_sg_id, compute_private_rt_id, compute_vpc_cidr_block and compute_vpc_id, or none of them."
  }
}

# What has a default.

variable "public_subnet_cidrs" {
  description = "IPv4 blocks of the public subnets. Empty: as many as there are private ones, cut from what they leave of iot_vpc_cidr."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition = alltrue([
      for cidr in var.public_subnet_cidrs : can(cidrnetmask(cidr)) && try(cidrsubnet(cidr, 0, 0), "") == cidr && try(tonumber(split("/", cidr)[1]) <= 28, false)
    ])
    error_message = "public_subnet_cidrs: want IPv4 blocks up to /28 that start at their own first address, as 10.0.0.0/24."
  }

  validation {
    condition = alltrue([
      for cidr in var.public_subnet_cidrs : try(
        tonumber(split("/", cidr)[1]) >= tonumber(split("/", var.iot_vpc_cidr)[1])
        && cidrhost("${split("/", cidr)[0]}/${split("/", var.iot_vpc_cidr)[1]}", 0) == cidrhost(var.iot_vpc_cidr, 0),
        true
      )
    ])
    error_message = "public_subnet_cidrs: every block must lie inside iot_vpc_cidr (${var.iot_vpc_cidr})."
  }

  validation {
    condition = alltrue(flatten([
      for i, one in var.public_subnet_cidrs : [
        for j, other in concat(var.public_subnet_cidrs, var.private_subnet_cidrs) : i >= j || try(
          cidrhost("${split("/", one)[0]}/${min(split("/", one)[1], split("/", other)[1])}", 0)
          != cidrhost("${split("/", other)[0]}/${min(split("/", one)[1], split("/", other)[1])}", 0),
          true
        )
      ]
    ]))
    error_message = "public_subnet_cidrs: blocks overlap each other or private_subnet_cidrs; each subnet needs its own."
  }

  validation {
    condition     = length(var.public_subnet_cidrs) > 0 || length(local.free_cidrs) >= length(var.private_subnet_cidrs)
    error_message = "public_subnet_cidrs: the private subnets leave no room in iot_vpc_cidr (${var.iot_vpc_cidr}) for as many public ones; shrink them, or name the public blocks."
  }
}

variable "site_cidrs" {
  description = "IPv4 blocks of sites on VPN that may reach MQTT through the load balancer. Their routes are the VPN's own affair."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.site_cidrs : can(cidrnetmask(cidr)) && try(cidrsubnet(cidr, 0, 0), "") == cidr])
    error_message = "site_cidrs: want IPv4 blocks that start at their own first address, as 192.168.7.0/24."
  }

  validation {
    condition = alltrue([
      for cidr in var.site_cidrs : try(
        cidrhost("${split("/", cidr)[0]}/${min(split("/", cidr)[1], split("/", var.iot_vpc_cidr)[1])}", 0)
        != cidrhost("${split("/", var.iot_vpc_cidr)[0]}/${min(split("/", cidr)[1], split("/", var.iot_vpc_cidr)[1])}", 0),
        true
      )
    ])
    error_message = "site_cidrs: a block overlaps iot_vpc_cidr (${var.iot_vpc_cidr}); a site behind it could not be answered."
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

variable "image_digest" {
  description = "Digest of the aggregate function's image. publish_ecr.sh writes it to image.auto.tfvars.json. Null: no function and no schedule yet."
  type        = string
  default     = null

  validation {
    condition     = var.image_digest == null || can(regex("^sha256:[0-9a-f]{64}$", var.image_digest))
    error_message = "image_digest: want sha256: and 64 hexadecimal digits, as publish_ecr.sh writes it."
  }
}

variable "certs_dir" {
  description = "Folder of identities, made by `python -m certs issue --gateways N`, absolute or from this folder."
  type        = string
  default     = "../certs/issued"
  nullable    = false

  validation {
    condition     = trimspace(var.certs_dir) != "" && !startswith(var.certs_dir, "~")
    error_message = "certs_dir: want a path, absolute or from the folder terraform/, as ../certs/issued."
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
  description = "Whether destroy deletes the bucket with all readings and the images too. Null: everywhere but in prod."
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

variable "iot_log_level" {
  description = "What IoT Core logs, for the whole account and region: ERROR, WARN, INFO, DEBUG or DISABLED."
  type        = string
  default     = "WARN"
  nullable    = false

  validation {
    condition     = contains(["ERROR", "WARN", "INFO", "DEBUG", "DISABLED"], var.iot_log_level)
    error_message = "iot_log_level: want ERROR, WARN, INFO, DEBUG or DISABLED."
  }
}
