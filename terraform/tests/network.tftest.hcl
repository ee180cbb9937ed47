mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name                 = "irrigation-dev"
  vpc_cidr             = "10.0.0.0/16"
  private_subnet_cidrs = ["10.0.128.0/24", "10.0.129.0/24"]
  public_subnet_cidrs  = ["10.0.0.0/24", "10.0.1.0/24"]
  iot_host             = "a1b2c3d4e5f6g7-ats.iot.us-west-2.amazonaws.com"
}

run "without_peering" {
  module {
    source = "./modules/network"
  }

  assert {
    condition     = [for subnet in aws_subnet.private : subnet.availability_zone] == ["us-west-2a", "us-west-2b"] && [for subnet in aws_subnet.public : subnet.availability_zone] == ["us-west-2a", "us-west-2b"]
    error_message = "Subnets must lie in different zones, those that have the endpoint."
  }

  assert {
    condition     = aws_route.internet.route_table_id == aws_route_table.public.id && alltrue([for subnet in aws_route_table_association.private : subnet.route_table_id == aws_route_table.private.id])
    error_message = "Public subnets alone lead to the internet."
  }

  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" && aws_vpc_endpoint.s3.service_name == "com.amazonaws.us-west-2.s3" && contains(aws_vpc_endpoint.s3.route_table_ids, aws_route_table.private.id)
    error_message = "S3 must be reached by a gateway endpoint."
  }

  assert {
    condition     = aws_vpc_endpoint.iot.service_name == "com.amazonaws.us-west-2.iot.data" && !aws_vpc_endpoint.iot.private_dns_enabled && aws_vpc_endpoint.iot.subnet_ids == toset(output.private_subnet_ids)
    error_message = "IoT Core's data endpoint stands in every private subnet, without the private DNS that it does not have."
  }

  assert {
    condition     = aws_route53_zone.iot.name == var.iot_host && aws_route53_record.iot.name == var.iot_host && one(aws_route53_record.iot.alias).zone_id == "ZENDPOINT" && one(aws_route53_zone.iot.vpc).vpc_id == aws_vpc.this.id
    error_message = "Inside the VPC the IoT host's name must lead to the endpoint."
  }

  assert {
    condition     = aws_lb.this.internal && aws_lb.this.load_balancer_type == "network" && aws_lb.this.subnets == toset(output.private_subnet_ids) && !aws_lb.this.enable_deletion_protection
    error_message = "The load balancer is a network one, internal, in the private subnets, and dev can delete it."
  }

  assert {
    condition     = aws_lb_listener.this.port == 8883 && aws_lb_listener.this.protocol == "TCP" && aws_lb_target_group.this.target_type == "ip" && [for target in aws_lb_target_group_attachment.this : target.target_id] == ["10.0.128.17", "10.0.128.17"]
    error_message = "TCP 8883 must be passed on to the endpoint's addresses, TLS untouched."
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.nlb) == 0 && output.peering_id == null && length(aws_route.from_compute) + length(aws_vpc_security_group_egress_rule.compute) + length(aws_route53_zone.compute) == 0
    error_message = "Without peering and sites nobody reaches the load balancer, and nothing of another VPC is touched."
  }

  assert {
    condition     = length(aws_default_security_group.this.ingress) + length(aws_default_security_group.this.egress) == 0
    error_message = "The default group must let nothing through."
  }
}

run "with_peering_and_a_site" {
  module {
    source = "./modules/network"
  }

  variables {
    site_cidrs = ["192.168.7.0/24"]
    peering = {
      vpc_id            = "vpc-0123456789abcdef0"
      cidr_block        = "10.1.0.0/16"
      route_table_id    = "rtb-0123456789abcdef0"
      security_group_id = "sg-0123456789abcdef0"
    }
  }

  assert {
    condition     = aws_vpc_peering_connection.this[0].peer_vpc_id == "vpc-0123456789abcdef0" && aws_vpc_peering_connection.this[0].auto_accept && output.peering_id == aws_vpc_peering_connection.this[0].id
    error_message = "The VPCs must be peered, without anybody accepting by hand."
  }

  assert {
    condition     = aws_route.to_compute[0].destination_cidr_block == "10.1.0.0/16" && aws_route.to_compute[0].route_table_id == aws_route_table.private.id
    error_message = "Answers must find the way to the compute VPC."
  }

  assert {
    condition     = aws_route.from_compute[0].destination_cidr_block == "10.0.0.0/16" && aws_route.from_compute[0].route_table_id == "rtb-0123456789abcdef0"
    error_message = "The compute VPC must find the way here."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.compute[0].security_group_id == "sg-0123456789abcdef0" && aws_vpc_security_group_egress_rule.compute[0].cidr_ipv4 == "10.0.0.0/16" && aws_vpc_security_group_egress_rule.compute[0].to_port == 8883
    error_message = "Compute's own group must let MQTT out to this VPC."
  }

  assert {
    condition     = keys(aws_vpc_security_group_ingress_rule.nlb) == ["10.1.0.0/16", "192.168.7.0/24"] && alltrue([for rule in aws_vpc_security_group_ingress_rule.nlb : rule.from_port == 8883 && rule.to_port == 8883 && rule.security_group_id == aws_security_group.nlb.id])
    error_message = "The load balancer must take MQTT from the compute VPC and the site, and nothing else."
  }

  assert {
    condition     = one(aws_route53_zone.compute[0].vpc).vpc_id == "vpc-0123456789abcdef0" && aws_route53_record.compute[0].name == var.iot_host && one(aws_route53_record.compute[0].alias).name == "mqtt.elb.us-west-2.amazonaws.com"
    error_message = "In the compute VPC the IoT host's name must lead to the load balancer, so that SNI stays the IoT host."
  }
}

run "one_zone_protected" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    private_subnet_cidrs = ["10.0.128.0/24"]
    public_subnet_cidrs  = ["10.0.0.0/24"]
    deletion_protection  = true
  }

  assert {
    condition     = length(aws_subnet.private) == 1 && length(aws_lb_target_group_attachment.this) == 1 && aws_lb.this.enable_deletion_protection
    error_message = "One subnet is enough; protection refuses the load balancer's deletion."
  }
}

run "more_subnets_than_zones" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    private_subnet_cidrs = ["10.0.128.0/24", "10.0.129.0/24", "10.0.130.0/24", "10.0.131.0/24"]
  }

  expect_failures = [aws_vpc.this]
}
