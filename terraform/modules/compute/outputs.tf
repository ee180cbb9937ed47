output "repository_url" {
  description = "Where images of the function are pushed."
  value       = local.repository_url
}

output "repository_name" {
  description = "Name of that repository."
  value       = coalesce(one(aws_ecr_repository.this[*].name), var.repository_name)
}

output "function_name" {
  description = "The function; null without an image."
  value       = one(aws_lambda_function.this[*].function_name)
}

output "schedule_name" {
  description = "The function's schedule; null without an image."
  value       = one(aws_scheduler_schedule.this[*].name)
}

output "dead_letter_queue_url" {
  description = "Queue of runs that could not be started, or failed twice."
  value       = aws_sqs_queue.dead_letters.url
}

output "alarm_topic_arn" {
  description = "SNS topic that every alarm goes to."
  value       = aws_sns_topic.this.arn
}

output "log_group_name" {
  description = "The function's log."
  value       = aws_cloudwatch_log_group.function.name
}
