# certs_dir comes from outside, see root_variables.tftest.hcl.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name                 = "irrigation-dev"
  environment          = "dev"
  gateway_ids          = ["irrigation-gateway-1", "irrigation-gateway-2"]
  recovery_window_days = 0
  firehose_name        = "irrigation-dev-raw"
  firehose_arn         = "arn:aws:firehose:us-west-2:123456789012:deliverystream/irrigation-dev-raw"
  error_bucket_name    = "irrigation-dev-lake"
  error_bucket_arn     = "arn:aws:s3:::irrigation-dev-lake"
}

run "two_gateways" {
  module {
    source = "./modules/iot"
  }

  assert {
    condition     = output.things == ["irrigation-compute", "irrigation-gateway-1", "irrigation-gateway-2"] && tolist(keys(aws_iot_thing_group_membership.this)) == var.gateway_ids
    error_message = "Every gateway and the compute service is a thing; the gateways are in the group."
  }

  assert {
    condition     = { for thing, attachment in aws_iot_policy_attachment.this : thing => attachment.policy } == { irrigation-compute = "irrigation-compute", "irrigation-compute/shared" = "irrigation-compute-shared", irrigation-gateway-1 = "irrigation-gateway", "irrigation-gateway-1/updates" = "irrigation-gateway-updates", irrigation-gateway-2 = "irrigation-gateway", "irrigation-gateway-2/updates" = "irrigation-gateway-updates" }
    error_message = "Each certificate has the policies of its thing's role, and no others."
  }

  assert {
    condition     = alltrue([for thing, certificate in aws_iot_certificate.this : certificate.active && certificate.certificate_pem == file("${var.certs_dir}/${thing}/certificate.pem") && certificate.ca_pem == null])
    error_message = "Certificates are registered as they were issued, active, without a CA."
  }

  assert {
    condition     = alltrue([for thing, attachment in aws_iot_thing_principal_attachment.this : attachment.thing == thing && attachment.principal == aws_iot_certificate.this[thing].arn])
    error_message = "Each certificate must be attached to its own thing."
  }

  assert {
    condition     = aws_secretsmanager_secret.this["irrigation-gateway-1"].name == "irrigation/dev/irrigation-gateway-1/private-key" && aws_secretsmanager_secret.this["irrigation-gateway-1"].recovery_window_in_days == 0 && length(aws_secretsmanager_secret_version.this) == 3
    error_message = "Each private key has its secret."
  }

  assert {
    condition     = alltrue([for version in aws_secretsmanager_secret_version.this : version.secret_string_wo == null])
    error_message = "A private key must not be kept in state."
  }

  assert {
    condition     = length(distinct([for version in aws_secretsmanager_secret_version.this : version.secret_string_wo_version])) == 3
    error_message = "A key's version must follow from its certificate, so that a rotation writes it."
  }

  assert {
    condition     = aws_iot_topic_rule.this.sql == "SELECT *, clientid() AS client_id, floor(timestamp() / 1000) AS received_at FROM 'irrigation/sensors/+/data' WHERE isUndefined(client_id) AND isUndefined(received_at)" && endswith(aws_iot_topic_rule.forged.sql, "FROM 'irrigation/sensors/+/data' WHERE NOT (isUndefined(client_id) AND isUndefined(received_at))") && aws_iot_topic_rule.this.name == "irrigation_dev_readings" && aws_iot_topic_rule.this.enabled
    error_message = "The rule must add publisher and receipt time in seconds to every reading."
  }

  assert {
    condition     = one(aws_iot_topic_rule.this.firehose).separator == "\n" && !one(aws_iot_topic_rule.this.firehose).batch_mode && one(aws_iot_topic_rule.this.firehose).delivery_stream_name == "irrigation-dev-raw"
    error_message = "One line a reading to Firehose."
  }

  assert {
    condition     = one(one(aws_iot_topic_rule.this.error_action).s3).bucket_name == "irrigation-dev-lake" && startswith(one(one(aws_iot_topic_rule.this.error_action).s3).key, "errors/")
    error_message = "What Firehose refuses must be kept under errors/."
  }

  assert {
    condition     = data.aws_iam_policy_document.rule.statement[0].actions == toset(["firehose:PutRecord"]) && data.aws_iam_policy_document.rule.statement[0].resources == toset([var.firehose_arn]) && data.aws_iam_policy_document.rule.statement[1].resources == toset(["arn:aws:s3:::irrigation-dev-lake/errors/*"])
    error_message = "The rule's role may deliver, and nothing else."
  }

  assert {
    condition     = aws_iot_logging_options.this[0].default_log_level == "WARN" && output.data_endpoint == "a1b2c3d4e5f6g7-ats.iot.us-west-2.amazonaws.com"
    error_message = "Logging is on, and the endpoint is the ATS one."
  }

  assert {
    condition = output.fetch_commands["irrigation-gateway-1"] == [
      "mkdir -p irrigation-gateway-1",
      "(umask 077 && aws secretsmanager get-secret-value --region us-west-2 --secret-id irrigation/dev/irrigation-gateway-1/private-key --query SecretString --output text > irrigation-gateway-1/private_key.pem)",
      "aws iot describe-certificate --region us-west-2 --certificate-id c0ffee --query certificateDescription.certificatePem --output text > irrigation-gateway-1/certificate.pem",
      "printf %s irrigation-gateway-1 > irrigation-gateway-1/thing_name.txt",
      "printf %s \"$(aws iot describe-endpoint --region us-west-2 --endpoint-type iot:Data-ATS --query endpointAddress --output text)\" > irrigation-gateway-1/endpoint.txt",
    ]
    error_message = "The commands must write a device's four files into a folder of its name."
  }
}

# 48 has a next certificate, 49 has its key on its board, 50 both; see root_variables.tftest.hcl.
run "renewals" {
  module {
    source = "./modules/iot"
  }

  variables {
    gateway_ids = ["irrigation-gateway-48", "irrigation-gateway-49", "irrigation-gateway-50"]
  }

  assert {
    condition = { for thing in var.gateway_ids : thing => sort([for key, certificate in aws_iot_certificate.this : certificate.certificate_pem if split("/", key)[0] == thing]) } == {
      for thing in var.gateway_ids : thing => sort([for file in setunion(fileset(var.certs_dir, "${thing}/certificate.pem"), fileset(var.certs_dir, "${thing}/next/certificate.pem")) : file("${var.certs_dir}/${file}")])
    } && length(aws_iot_certificate.this) == 6
    error_message = "A next certificate is registered beside the one before, each of them once."
  }

  assert {
    condition = alltrue([
      for key, certificate in aws_iot_certificate.this : certificate.active
      && key == (contains(["irrigation-compute", "irrigation-gateway-48"], key) ? key : "${split("/", key)[0]}/${substr(sha256(certificate.certificate_pem), 0, 16)}")
    ])
    error_message = "A certificate for a board's own key goes by its file, so that it keeps its address when it is settled."
  }

  assert {
    condition     = alltrue([for key, certificate in aws_iot_certificate.this : aws_iot_thing_principal_attachment.this[key].thing == split("/", key)[0] && aws_iot_thing_principal_attachment.this[key].principal == certificate.arn])
    error_message = "Both are attached to their thing."
  }

  assert {
    condition     = alltrue([for key, certificate in aws_iot_certificate.this : aws_iot_policy_attachment.this[key].policy == "irrigation-gateway" && aws_iot_policy_attachment.this["${key}/updates"].policy == "irrigation-gateway-updates" if key != "irrigation-compute"]) && length(aws_iot_policy_attachment.this) == 12
    error_message = "Both have the policies of a gateway."
  }

  assert {
    condition     = keys(output.next_certificate_ids) == ["irrigation-gateway-48", "irrigation-gateway-50"] && keys(output.certificate_ids) == concat(["irrigation-compute"], var.gateway_ids)
    error_message = "The outputs tell the certificate of each thing, and the next one where there is one."
  }

  assert {
    condition     = output.fetch_commands["irrigation-gateway-49"] == ["echo 'irrigation-gateway-49: its private key is on its board alone' >&2"] && length(output.fetch_commands["irrigation-gateway-48"]) == 5 && length(aws_secretsmanager_secret_version.this) == 4
    error_message = "A key that is on its board alone cannot be fetched; its secret stays, and says so."
  }
}

run "no_gateway" {
  command = plan

  module {
    source = "./modules/iot"
  }

  variables {
    gateway_ids = []
  }

  assert {
    condition     = keys(aws_iot_thing.this) == ["irrigation-compute"] && length(aws_iot_thing_group_membership.this) == 0
    error_message = "Without gateways the compute service stands alone."
  }
}

run "keys_stay_at_home" {
  module {
    source = "./modules/iot"
  }

  variables {
    keys_in_secrets_manager = false
  }

  assert {
    condition     = length(aws_secretsmanager_secret.this) == 0 && length(aws_secretsmanager_secret_version.this) == 0 && startswith(output.fetch_commands["irrigation-gateway-1"][1], "install -m 600 /")
    error_message = "Keys that are not in Secrets Manager are copied from where they were issued."
  }
}

run "keys_are_not_even_here" {
  module {
    source = "./modules/iot"
  }

  variables {
    keys_in_secrets_manager = false
    gateway_ids             = ["irrigation-gateway-51"]
  }

  assert {
    condition     = output.fetch_commands["irrigation-gateway-51"][1] == "echo 'irrigation-gateway-51: its private key is where it was issued' >&2" && length(output.fetch_commands["irrigation-gateway-51"]) == 5
    error_message = "Where certificates lie alone, the command says so, and does not depend on where they lie."
  }
}

run "academy" {
  command = plan

  module {
    source = "./modules/iot"
  }

  variables {
    lab_role_arn = "arn:aws:iam::123456789012:role/LabRole"
  }

  assert {
    condition     = length(aws_iam_role.rule) + length(aws_iam_role.logging) + length(aws_iam_role_policy.rule) + length(aws_iam_role_policy.logging) == 0
    error_message = "Where roles cannot be made, none is."
  }

  assert {
    condition     = one(aws_iot_topic_rule.this.firehose).role_arn == var.lab_role_arn && one(one(aws_iot_topic_rule.this.error_action).s3).role_arn == var.lab_role_arn && aws_iot_logging_options.this[0].role_arn == var.lab_role_arn
    error_message = "Rule and logs take the given role."
  }
}

run "a_gateway_without_certificate" {
  command = plan

  module {
    source = "./modules/iot"
  }

  variables {
    gateway_ids = ["irrigation-gateway-1", "irrigation-gateway-51"]
  }

  expect_failures = [var.gateway_ids]
}
