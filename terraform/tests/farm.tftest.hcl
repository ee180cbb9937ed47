# A farm beside the default one: its own names and topics, and nothing that the account has once.
# certs_dir comes from outside, see root_variables.tftest.hcl.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  farm               = "sitio1"
  environment        = "dev"
  aws_region         = "us-west-2"
  number_of_gateways = 1
  image_digest       = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
}

run "a_farm_of_its_own" {
  module {
    source = "./farm"
  }

  assert {
    condition     = keys(output.credential_commands) == ["sitio1-compute", "sitio1-gateway-1"] && module.iot.policies == { for role in ["gateway", "gateway-updates", "compute", "compute-shared"] : role => "sitio1-${role}" }
    error_message = "Things and policies are called after the farm."
  }

  assert {
    condition     = strcontains(join(" ", output.credential_commands["sitio1-gateway-1"]), "--secret-id sitio1/dev/sitio1-gateway-1/private-key ")
    error_message = "So are the secrets."
  }

  assert {
    condition     = output.root == "irrigation/sitio1" && output.glue_database == "sitio1_dev" && output.firehose_name == "sitio1-dev-raw" && output.function_name == "sitio1-dev-aggregate" && module.iot.rule_name == "sitio1_dev_readings"
    error_message = "Topics, lake and function are its own."
  }

  assert {
    condition     = module.compute.repository_name == "irrigation-dev-aggregate" && data.aws_lb.mqtt.name == "irrigation-dev-mqtt"
    error_message = "Images and load balancer are the deployment's."
  }
}

# In the workspace `default` any farm's state may lie; here it is that of the run above.
run "another_farm_over_its_state" {
  command = plan

  module {
    source = "./farm"
  }

  variables {
    farm               = "sitio10"
    number_of_gateways = 0
  }

  expect_failures = [terraform_data.farm]
}

run "another_environment_over_its_state" {
  command = plan

  module {
    source = "./farm"
  }

  variables {
    environment = "prod"
  }

  expect_failures = [terraform_data.farm]
}

run "a_gateway_of_another_farm" {
  command = plan

  module {
    source = "./modules/iot"
  }

  variables {
    name              = "sitio1-dev"
    gateway_ids       = ["sitio1-gateway-1", "irrigation-gateway-1"]
    firehose_name     = "x"
    firehose_arn      = "x"
    error_bucket_name = "x"
    error_bucket_arn  = "x"
  }

  expect_failures = [var.gateway_ids]
}

run "its_module_makes_nothing_that_the_account_has_once" {
  command = plan

  module {
    source = "./modules/iot"
  }

  variables {
    name              = "sitio1-dev"
    gateway_ids       = ["sitio1-gateway-1"]
    firehose_name     = "sitio1-dev-raw"
    firehose_arn      = "arn:aws:firehose:us-west-2:123456789012:deliverystream/sitio1-dev-raw"
    error_bucket_name = "sitio1-dev-lake"
    error_bucket_arn  = "arn:aws:s3:::sitio1-dev-lake"
    log_level         = null
  }

  assert {
    condition     = length(aws_iot_logging_options.this) + length(aws_iam_role.logging) + length(aws_iam_role_policy.logging) == 0
    error_message = "What IoT Core logs is set once for the account."
  }

  assert {
    condition     = strcontains(aws_iot_topic_rule.this.sql, "FROM 'irrigation/sitio1/sensors/+/data'") && strcontains(aws_iot_topic_rule.forged.sql, "FROM 'irrigation/sitio1/sensors/+/data'")
    error_message = "Its rules hear its own sensors."
  }
}

run "the_default_farm_is_deployed_elsewhere" {
  command = plan

  module {
    source = "./farm"
  }

  variables {
    farm = "irrigation"
  }

  expect_failures = [var.farm]
}

run "a_word_of_the_topics" {
  command = plan

  module {
    source = "./modules/iot"
  }

  variables {
    name              = "sensors-dev"
    farm              = "sensors"
    gateway_ids       = []
    certs_dir         = "."
    firehose_name     = "x"
    firehose_arn      = "x"
    error_bucket_name = "x"
    error_bucket_arn  = "x"
  }

  expect_failures = [var.farm]
}
