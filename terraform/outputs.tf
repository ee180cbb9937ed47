output "vpc_id" {
  description = "VPC of the IoT endpoint and the load balancer."
  value       = module.network.vpc_id
}

output "vpc_cidr" {
  description = "IPv4 block of that VPC."
  value       = module.network.vpc_cidr
}

output "mqtt_endpoint" {
  description = "Host for gateways on the internet, port 8883. It is also the name (SNI) to ask for on the private way."
  value       = module.iot.data_endpoint
}

output "mqtt_private_endpoint" {
  description = "Host of the load balancer, port 8883, for sites on VPN. The peered VPC needs only mqtt_endpoint: its DNS leads here."
  value       = module.network.nlb_dns_name
}

output "vpc_peering_id" {
  description = "Peering with the compute service's VPC; null without."
  value       = module.network.peering_id
}

output "bucket_name" {
  description = "Bucket of raw readings, lake and errors."
  value       = module.lake.bucket_name
}

output "glue_database" {
  description = "Database of the lake's tables."
  value       = module.lake.glue_database
}

output "athena_workgroup" {
  description = "Workgroup to query them with."
  value       = module.lake.athena_workgroup
}

output "firehose_name" {
  description = "Stream that writes raw readings."
  value       = module.lake.firehose_name
}

output "repository_url" {
  description = "Where publish_ecr.sh pushes the aggregate function's image."
  value       = module.compute.repository_url
}

output "function_name" {
  description = "The aggregate function; null until there is an image."
  value       = module.compute.function_name
}

output "credential_commands" {
  description = "Per thing, the commands that fetch its files into a folder of its name. `python -m certs fetch THING` does the same, and checks them."
  value       = module.iot.fetch_commands
}

output "region" {
  description = "Region of everything."
  value       = var.aws_region

  # Here, because a provider takes no conditions, and its own message names neither file nor remedy.
  precondition {
    condition     = !fileexists(local.credentials) || can(regex("(?m)^\\[default\\]", file(local.credentials)))
    error_message = "The file credentials beside this code has no profile [default]; write it there, or remove the file to use the usual chain (environment, ~/.aws, SSO)."
  }
}

output "next_steps" {
  description = "What is left to do."
  value = var.image_digest != null ? "All is there. Fetch identities: python -m certs fetch THING" : join(" ", [
    "No image yet: the aggregate function and its schedule were left out.",
    "Publish one, then apply again: (cd ../lambda_functions/aggregate && ./publish_ecr.sh) && terraform apply",
  ])
}
