output "mqtt_endpoint" {
  description = "Host for gateways on the internet, port 8883. It is also the name (SNI) to ask for on the private way."
  value       = module.iot.data_endpoint
}

output "mqtt_private_endpoint" {
  description = "Host of the load balancer, port 8883, for sites on VPN. The peered VPC needs only mqtt_endpoint: its DNS leads here."
  value       = data.aws_lb.mqtt.dns_name
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

output "function_name" {
  description = "The aggregate function; null until there is an image."
  value       = module.compute.function_name
}

output "credential_commands" {
  description = "Per thing, the commands that fetch its files into a folder of its name. `python -m certs fetch --farm FARM THING` does the same, and checks them."
  value       = module.iot.fetch_commands
}

output "root" {
  description = "What every topic of the farm begins with: `root` of its boards' config.json."
  value       = module.iot.root
}
