resource "aws_security_group" "endpoint" {
  name        = "${var.name}-iot-endpoint"
  description = "MQTT to the IoT Core endpoint from inside the VPC"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-iot-endpoint" }
}

resource "aws_vpc_security_group_ingress_rule" "endpoint" {
  security_group_id = aws_security_group.endpoint.id
  description       = "MQTT from the load balancer and from clients in the VPC"
  cidr_ipv4         = var.vpc_cidr
  ip_protocol       = "tcp"
  from_port         = local.mqtt_port
  to_port           = local.mqtt_port
}

resource "aws_security_group" "nlb" {
  name        = "${var.name}-mqtt"
  description = "MQTT from the compute VPC and sites, to the IoT Core endpoint"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-mqtt" }
}

resource "aws_vpc_security_group_ingress_rule" "nlb" {
  for_each = toset(concat(var.site_cidrs, var.peering[*].cidr_block))

  security_group_id = aws_security_group.nlb.id
  description       = "MQTT from ${each.key}"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = local.mqtt_port
  to_port           = local.mqtt_port
}

resource "aws_vpc_security_group_egress_rule" "nlb" {
  security_group_id = aws_security_group.nlb.id
  description       = "MQTT to the IoT Core endpoint"
  cidr_ipv4         = var.vpc_cidr
  ip_protocol       = "tcp"
  from_port         = local.mqtt_port
  to_port           = local.mqtt_port
}
