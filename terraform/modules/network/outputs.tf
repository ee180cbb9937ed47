# With `if`, so that a state of half the network can be refreshed as well.
output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "vpc_cidr" {
  description = "Its IPv4 block."
  value       = aws_vpc.this.cidr_block
}

output "private_subnet_ids" {
  description = "Private subnets, in the order of private_subnet_cidrs."
  value       = [for cidr in var.private_subnet_cidrs : aws_subnet.private[cidr].id if contains(keys(aws_subnet.private), cidr)]
}

output "public_subnet_ids" {
  description = "Public subnets, in the order of public_subnet_cidrs."
  value       = [for cidr in var.public_subnet_cidrs : aws_subnet.public[cidr].id if contains(keys(aws_subnet.public), cidr)]
}

output "nlb_dns_name" {
  description = "Host of the internal load balancer, port 8883."
  value       = aws_lb.this.dns_name
}

output "iot_endpoint_id" {
  description = "Interface endpoint of IoT Core's data plane."
  value       = aws_vpc_endpoint.iot.id
}

output "peering_id" {
  description = "Peering connection; null without peering."
  value       = one(aws_vpc_peering_connection.this[*].id)
}
