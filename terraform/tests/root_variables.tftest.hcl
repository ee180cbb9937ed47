# Every variable refuses what it cannot be, before anything is planned. A run breaks several variables at once, since
# each run costs a plan: all that it names must refuse, and none besides.
# Identities come from outside: python -m certs issue --gateways 50 --out build/test-certs, for 48, 49 and 50 also spares,
# --handed-over and renew, for 49 and 50 settle, and for 50 renew once more; then here
# terraform test -var certs_dir=../build/test-certs

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  environment            = "dev"
  iot_vpc_cidr           = "10.0.0.0/16"
  private_subnet_cidrs   = ["10.0.128.0/24", "10.0.129.0/24"]
  aws_region             = "us-west-2"
  number_of_gateways     = 2
  compute_sg_id          = "sg-0123456789abcdef0"
  compute_private_rt_id  = "rtb-0123456789abcdef0"
  compute_vpc_cidr_block = "10.1.0.0/16"
  compute_vpc_id         = "vpc-0123456789abcdef0"
}

run "what_has_the_wrong_form" {
  command = plan

  variables {
    environment            = "my-env"
    private_subnet_cidrs   = []
    aws_region             = "mars-north-1"
    number_of_gateways     = -1
    compute_sg_id          = "default"
    compute_private_rt_id  = "main"
    compute_vpc_cidr_block = "10.1.0.0"
    site_cidrs             = ["192.168.7.1/24"]
    lab_role_arn           = "LabRole"
    image_digest           = "latest"
    certs_dir              = " "
    alarm_email            = "farmer"
    log_retention_days     = 31
    schedule_minutes       = 721
    function_memory_mb     = 511
    interval_minutes       = 7
    iot_log_level          = "TRACE"
  }

  expect_failures = [
    var.environment,
    var.private_subnet_cidrs,
    var.aws_region,
    var.number_of_gateways,
    var.compute_sg_id,
    var.compute_private_rt_id,
    var.compute_vpc_cidr_block,
    var.site_cidrs,
    var.lab_role_arn,
    var.image_digest,
    var.certs_dir,
    var.alarm_email,
    var.log_retention_days,
    var.schedule_minutes,
    var.function_memory_mb,
    var.interval_minutes,
    var.iot_log_level,
  ]
}

run "what_is_nearly_right" {
  command = plan

  variables {
    environment            = "productionhouse"
    private_subnet_cidrs   = ["10.0.128.0/33"]
    aws_region             = "us-west-2a"
    number_of_gateways     = 1.5
    compute_vpc_cidr_block = "10.1.0.1/16"
    site_cidrs             = ["0.0.0.0/0"]
    lab_role_arn           = "arn:aws:iam::123456789012:user/me"
    image_digest           = "sha256:abc"
    certs_dir              = "~/certs"
    alarm_email            = "farmer@example"
    log_retention_days     = 0
    schedule_minutes       = 0.5
    function_memory_mb     = 10241
    interval_minutes       = 0
  }

  expect_failures = [
    var.environment,
    var.private_subnet_cidrs,
    var.aws_region,
    var.number_of_gateways,
    var.compute_vpc_cidr_block,
    var.site_cidrs,
    var.lab_role_arn,
    var.image_digest,
    var.certs_dir,
    var.alarm_email,
    var.log_retention_days,
    var.schedule_minutes,
    var.function_memory_mb,
    var.interval_minutes,
  ]
}

run "a_vpc_that_is_no_block" {
  command = plan

  variables {
    iot_vpc_cidr = "10.0.0.0"
  }

  expect_failures = [var.iot_vpc_cidr]
}

run "a_vpc_that_starts_elsewhere" {
  command = plan

  variables {
    iot_vpc_cidr = "10.0.0.1/16"
  }

  expect_failures = [var.iot_vpc_cidr]
}

run "a_vpc_too_large" {
  command = plan

  variables {
    iot_vpc_cidr       = "10.0.0.0/8"
    number_of_gateways = 10001
  }

  expect_failures = [
    var.iot_vpc_cidr,
    var.number_of_gateways,
  ]
}

run "a_vpc_of_version_6" {
  command = plan

  variables {
    iot_vpc_cidr = "fd00::/56"
  }

  expect_failures = [var.iot_vpc_cidr]
}

run "subnets_outside_the_vpc" {
  command = plan

  variables {
    private_subnet_cidrs = ["10.9.128.0/24"]
  }

  expect_failures = [var.private_subnet_cidrs]
}

run "public_subnets_outside_the_vpc" {
  command = plan

  variables {
    public_subnet_cidrs = ["10.9.0.0/24"]
  }

  expect_failures = [var.public_subnet_cidrs]
}

run "subnets_larger_than_the_vpc" {
  command = plan

  variables {
    private_subnet_cidrs = ["10.0.0.0/15"]
  }

  expect_failures = [var.private_subnet_cidrs]
}

run "public_subnets_too_small" {
  command = plan

  variables {
    public_subnet_cidrs = ["10.0.0.0/29"]
  }

  expect_failures = [var.public_subnet_cidrs]
}

run "blocks_that_overlap" {
  command = plan

  variables {
    private_subnet_cidrs   = ["10.0.128.0/23", "10.0.129.0/24"]
    compute_vpc_cidr_block = "10.0.64.0/18"
  }

  expect_failures = [
    var.private_subnet_cidrs,
    var.compute_vpc_cidr_block,
  ]
}

run "public_subnets_that_overlap" {
  command = plan

  variables {
    public_subnet_cidrs = ["10.0.0.0/24", "10.0.0.128/25"]
  }

  expect_failures = [var.public_subnet_cidrs]
}

run "subnets_that_are_equal" {
  command = plan

  variables {
    private_subnet_cidrs = ["10.0.128.0/24", "10.0.128.0/24"]
  }

  expect_failures = [var.private_subnet_cidrs]
}

run "a_public_subnet_over_a_private_one" {
  command = plan

  variables {
    public_subnet_cidrs = ["10.0.128.0/20"]
  }

  expect_failures = [var.public_subnet_cidrs]
}

run "no_room_for_public_subnets" {
  command = plan

  variables {
    private_subnet_cidrs = ["10.0.0.0/16"]
  }

  expect_failures = [var.public_subnet_cidrs]
}

run "a_peering_with_what_is_no_vpc" {
  command = plan

  variables {
    compute_vpc_id = "compute"
  }

  expect_failures = [var.compute_vpc_id]
}

run "a_peering_without_a_route_table" {
  command = plan

  variables {
    compute_private_rt_id = null
  }

  expect_failures = [var.compute_vpc_id]
}

run "a_peering_without_a_vpc" {
  command = plan

  variables {
    compute_vpc_id = null
  }

  expect_failures = [var.compute_vpc_id]
}
