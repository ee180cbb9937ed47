data "aws_region" "this" {}

# Not every zone of a region has IoT Core's endpoint; this also fails, before anything is made, in a region without it.
data "aws_vpc_endpoint_service" "iot" {
  service      = "iot.data"
  service_type = "Interface"
}

locals {
  zones     = sort(data.aws_vpc_endpoint_service.iot.availability_zones)
  mqtt_port = 8883
}

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_11:flow logs of one TLS port would cost more than the traffic; IoT Core and the load balancer log and count connections
  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = var.name }

  lifecycle {
    precondition {
      condition     = max(length(var.private_subnet_cidrs), length(var.public_subnet_cidrs)) <= length(local.zones)
      error_message = "${var.name}: more subnets than availability zones with IoT Core's endpoint in ${data.aws_region.this.name} (${join(", ", local.zones)}); endpoint and load balancer take one subnet a zone."
    }
  }
}

# What is put into the VPC by hand without a security group gets this one, which lets nothing through.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = "${var.name}-default-closed" }
}

resource "aws_subnet" "private" {
  for_each = { for i, cidr in var.private_subnet_cidrs : cidr => i }

  vpc_id            = aws_vpc.this.id
  cidr_block        = each.key
  availability_zone = local.zones[each.value]
  tags              = { Name = "${var.name}-private-${each.value + 1}" }

  lifecycle {
    ignore_changes = [availability_zone] # a zone that AWS adds shifts the list, and must not move what stands
  }
}

resource "aws_subnet" "public" {
  for_each = { for i, cidr in var.public_subnet_cidrs : cidr => i }

  vpc_id            = aws_vpc.this.id
  cidr_block        = each.key
  availability_zone = local.zones[each.value]
  tags              = { Name = "${var.name}-public-${each.value + 1}" }

  lifecycle {
    ignore_changes = [availability_zone]
  }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = var.name }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = "${var.name}-public" }
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  for_each = aws_subnet.public

  subnet_id      = each.value.id
  route_table_id = aws_route_table.public.id
}

# No way out: what is here needs IoT Core and S3 alone, and reaches both by endpoints.
resource "aws_route_table" "private" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = "${var.name}-private" }
}

resource "aws_route_table_association" "private" {
  for_each = aws_subnet.private

  subnet_id      = each.value.id
  route_table_id = aws_route_table.private.id
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${data.aws_region.this.name}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.private.id, aws_route_table.public.id]
  tags              = { Name = "${var.name}-s3" }
}
