output "iot_policies" {
  description = "Names of the IoT policies to attach to certificates, by role: gateway and compute."
  value       = module.iot.policies
}
