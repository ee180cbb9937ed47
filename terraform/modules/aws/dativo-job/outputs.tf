output "task_definition_arn" {
  description = "ARN of the task definition."
  value       = aws_ecs_task_definition.this.arn
}

output "service_name" {
  description = "Name of what runs, which is the task's family: a job has no service of its own."
  value       = aws_ecs_task_definition.this.family
}

output "log_group_name" {
  description = "Name of the log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "run_command" {
  description = "Runs it once by hand."
  value       = "aws ecs run-task --cluster ${var.ecs_cluster_name} --task-definition ${aws_ecs_task_definition.this.family} --launch-type FARGATE --propagate-tags TASK_DEFINITION --region ${var.aws_region} --network-configuration \"awsvpcConfiguration={subnets=[${join(",", var.subnet_ids)}],securityGroups=[${join(",", var.security_group_ids)}],assignPublicIp=DISABLED}\""
}
