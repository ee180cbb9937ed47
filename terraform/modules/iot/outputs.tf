output "policies" {
  description = "Names of the IoT policies, by role: gateway and compute."
  value       = { for role, policy in aws_iot_policy.this : role => policy.name }
}
