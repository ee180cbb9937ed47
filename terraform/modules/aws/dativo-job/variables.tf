variable "job_name" {
  description = "What runs, as hubspot-contacts: with the tenant, the name of everything."
  type        = string
}

variable "tenant_id" {
  description = "Whose job it is, as acme."
  type        = string
}

variable "image_uri" {
  description = "Image of the container; a digest (@sha256:...) stays what it is."
  type        = string
}

variable "cpu" {
  description = "CPU units, of which 1024 are a processor."
  type        = number
  default     = 1024
}

variable "memory" {
  description = "Memory in MiB, of a size that Fargate has with `cpu`."
  type        = number
  default     = 2048
}

variable "ecs_cluster_name" {
  description = "Cluster, for the command that runs the job by hand."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the task; it has no public address."
  type        = list(string)
}

variable "security_group_ids" {
  description = "Security groups of the task."
  type        = list(string)
}

variable "aws_region" {
  description = "Region of the log."
  type        = string
}

variable "tags" {
  description = "Tags of every resource; a comma in a value becomes a space."
  type        = map(string)
  default     = {}
}

variable "schedule_expression" {
  description = "When it runs, as cron(0 2 * * ? *); null: by hand alone."
  type        = string
  default     = null
}

variable "timezone" {
  description = "Time zone of the schedule."
  type        = string
  default     = "UTC"
}

variable "command" {
  description = "Command of the container; null: the image's own."
  type        = list(string)
  default     = null
}

variable "container_environment" {
  description = "Environment variables of the container; no secrets."
  type        = map(string)
  default     = {}
}

variable "task_policy_json" {
  description = "Policy of what the job itself may do, as JSON; null: nothing."
  type        = string
  default     = null
}

variable "alarm_topic_arn" {
  description = "SNS topic that hears of failed runs; null: nobody does."
  type        = string
  default     = null
}

variable "ecs_cluster_arn" {
  description = "Cluster that the schedule runs the task on; needed with schedule_expression."
  type        = string
  default     = null

  validation {
    condition     = var.schedule_expression == null || var.ecs_cluster_arn != null
    error_message = "ecs_cluster_arn: a schedule needs the cluster's ARN."
  }
}
