# The private way to IoT Core: an interface endpoint, and before it a load balancer, since sites and peered VPCs want
# one address that outlives the endpoint's interfaces. TLS passes through both untouched: clients keep asking for the
# IoT host by name (SNI), and IoT Core sees their certificates.

resource "aws_vpc_endpoint" "iot" {
  vpc_id              = aws_vpc.this.id
  service_name        = data.aws_vpc_endpoint_service.iot.service_name
  vpc_endpoint_type   = "Interface"
  subnet_ids          = [for subnet in aws_subnet.private : subnet.id]
  security_group_ids  = [aws_security_group.endpoint.id]
  private_dns_enabled = false # IoT Core has none of its own; the zones below stand in
  tags                = { Name = "${var.name}-iot" }
}

# By group and subnet, not by place in the endpoint's list of interfaces: that list is the old one while a subnet is added.
data "aws_network_interface" "iot" {
  for_each = aws_subnet.private

  filter {
    name   = "group-id"
    values = aws_vpc_endpoint.iot.security_group_ids
  }

  filter {
    name   = "subnet-id"
    values = [each.value.id]
  }
}

resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_91:access logs exist for TLS listeners only, and this one passes TCP on
  #checkov:skip=CKV_AWS_150:on in prod, by var.deletion_protection
  name                             = "${var.name}-mqtt"
  internal                         = true
  load_balancer_type               = "network"
  subnets                          = [for subnet in aws_subnet.private : subnet.id]
  security_groups                  = [aws_security_group.nlb.id]
  enable_cross_zone_load_balancing = true
  enable_deletion_protection       = var.deletion_protection
}

resource "aws_lb_target_group" "this" {
  name               = "${var.name}-mqtt"
  vpc_id             = aws_vpc.this.id
  port               = local.mqtt_port
  protocol           = "TCP"
  target_type        = "ip"
  preserve_client_ip = "false" # the endpoint then sees the load balancer, the one peer its security group knows

  health_check {
    protocol = "TCP"
    port     = local.mqtt_port
  }
}

resource "aws_lb_target_group_attachment" "this" {
  for_each = data.aws_network_interface.iot

  target_group_arn = aws_lb_target_group.this.arn
  target_id        = each.value.private_ip
  port             = local.mqtt_port
}

resource "aws_lb_listener" "this" {
  load_balancer_arn = aws_lb.this.arn
  port              = local.mqtt_port
  protocol          = "TCP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}

# The IoT host's name, answered inside the VPC with the endpoint's addresses.
resource "aws_route53_zone" "iot" {
  #checkov:skip=CKV2_AWS_38:DNSSEC is for public zones
  #checkov:skip=CKV2_AWS_39:queries of one private name tell nothing
  name    = var.iot_host
  comment = "${var.name}: IoT Core by its VPC endpoint"

  vpc {
    vpc_id = aws_vpc.this.id
  }
}

resource "aws_route53_record" "iot" {
  zone_id = aws_route53_zone.iot.zone_id
  name    = var.iot_host
  type    = "A"

  alias {
    name                   = aws_vpc_endpoint.iot.dns_entry[0].dns_name
    zone_id                = aws_vpc_endpoint.iot.dns_entry[0].hosted_zone_id
    evaluate_target_health = false
  }
}
