# The compute service's VPC: both sides route to each other, its machines may open MQTT, and its DNS leads the IoT host's
# name to the load balancer.

locals {
  peered = var.peering == null ? 0 : 1
}

resource "aws_vpc_peering_connection" "this" {
  count = local.peered

  vpc_id      = aws_vpc.this.id
  peer_vpc_id = var.peering.vpc_id
  auto_accept = true # same account and region
  tags        = { Name = "${var.name}-compute" }
}

resource "aws_route" "to_compute" {
  count = local.peered

  route_table_id            = aws_route_table.private.id
  destination_cidr_block    = var.peering.cidr_block
  vpc_peering_connection_id = aws_vpc_peering_connection.this[0].id
}

resource "aws_route" "from_compute" {
  count = local.peered

  route_table_id            = var.peering.route_table_id
  destination_cidr_block    = var.vpc_cidr
  vpc_peering_connection_id = aws_vpc_peering_connection.this[0].id
}

resource "aws_vpc_security_group_egress_rule" "compute" {
  count = local.peered

  security_group_id = var.peering.security_group_id
  description       = "MQTT to ${var.name}"
  cidr_ipv4         = var.vpc_cidr
  ip_protocol       = "tcp"
  from_port         = local.mqtt_port
  to_port           = local.mqtt_port
}

resource "aws_route53_zone" "compute" {
  #checkov:skip=CKV2_AWS_38:DNSSEC is for public zones
  #checkov:skip=CKV2_AWS_39:queries of one private name tell nothing
  count = local.peered

  name    = var.iot_host
  comment = "${var.name}: IoT Core by the load balancer"

  vpc {
    vpc_id = var.peering.vpc_id
  }
}

resource "aws_route53_record" "compute" {
  count = local.peered

  zone_id = aws_route53_zone.compute[0].zone_id
  name    = var.iot_host
  type    = "A"

  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = false
  }
}
