# certs_dir comes from outside, see root_variables.tftest.hcl.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  environment          = "dev"
  iot_vpc_cidr         = "10.0.0.0/16"
  private_subnet_cidrs = ["10.0.128.0/24", "10.0.129.0/24"]
  aws_region           = "us-west-2"
  number_of_gateways   = 2
}

run "dev_with_two_gateways" {
  assert {
    condition     = keys(output.credential_commands) == ["irrigation-compute", "irrigation-gateway-1", "irrigation-gateway-2"]
    error_message = "Two gateways and the compute service get commands."
  }

  assert {
    condition     = output.vpc_cidr == "10.0.0.0/16" && output.mqtt_endpoint == "a1b2c3d4e5f6g7-ats.iot.us-west-2.amazonaws.com" && output.mqtt_private_endpoint == "mqtt.elb.us-west-2.amazonaws.com" && output.region == "us-west-2"
    error_message = "Both ways to MQTT are told, and where."
  }

  assert {
    condition     = output.vpc_peering_id == null
    error_message = "Without a compute VPC there is no peering."
  }

  assert {
    condition     = output.function_name == null && startswith(output.next_steps, "No image yet: the aggregate function and its schedule were left out.")
    error_message = "Without an image the function is left out, and the output says so."
  }

  assert {
    condition     = local.public_subnet_cidrs == tolist(["10.0.0.0/24", "10.0.1.0/24"])
    error_message = "Public subnets are cut from what the private ones leave."
  }

  assert {
    condition     = local.force_destroy && local.log_retention_days == 30
    error_message = "dev can be destroyed, and forgets after a month."
  }
}

run "dev_with_image_and_peering" {
  variables {
    image_digest           = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    private_subnet_cidrs   = ["10.0.0.0/24", "10.0.2.0/23"]
    compute_sg_id          = "sg-0123456789abcdef0"
    compute_private_rt_id  = "rtb-0123456789abcdef0"
    compute_vpc_cidr_block = "10.1.0.0/16"
    compute_vpc_id         = "vpc-0123456789abcdef0"
  }

  assert {
    condition     = output.function_name != null && startswith(output.next_steps, "All is there.")
    error_message = "With an image the function is there."
  }

  assert {
    condition     = output.vpc_peering_id != null
    error_message = "With a compute VPC there is a peering."
  }

  assert {
    condition     = local.public_subnet_cidrs == tolist(["10.0.1.0/24", "10.0.4.0/24"])
    error_message = "Public subnets go around private ones."
  }
}

run "no_gateways" {
  command = plan

  variables {
    number_of_gateways = 0
  }

  assert {
    condition     = local.gateway_ids == [] && module.iot.things == ["irrigation-compute"]
    error_message = "No gateways: the compute service alone."
  }
}

run "one_gateway" {
  command = plan

  variables {
    number_of_gateways = 1
  }

  assert {
    condition     = module.iot.things == ["irrigation-compute", "irrigation-gateway-1"]
    error_message = "One gateway is number 1."
  }
}

run "fifty_gateways" {
  command = plan

  variables {
    number_of_gateways = 50
  }

  assert {
    condition     = length(module.iot.things) == 51 && local.gateway_ids[49] == "irrigation-gateway-50"
    error_message = "Fifty gateways, numbered through."
  }
}

run "prod" {
  command = plan

  variables {
    environment = "prod"
  }

  assert {
    condition     = !local.force_destroy && local.log_retention_days == 365 && local.is_prod
    error_message = "prod outlives a mistaken destroy, and keeps its logs for a year."
  }
}

run "prod_in_one_zone" {
  command = plan

  variables {
    environment          = "prod"
    private_subnet_cidrs = ["10.0.128.0/24"]
  }

  expect_failures = [check.zones_in_prod]
}

run "academy" {
  command = plan

  variables {
    lab_role_arn = "arn:aws:iam::123456789012:role/LabRole"
    image_digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  }

  assert {
    condition     = length(module.iot.things) == 3
    error_message = "A deployment without roles of its own has everything else."
  }
}
