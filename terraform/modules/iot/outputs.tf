output "policies" {
  description = "Names of the IoT policies, by template: gateway, gateway-updates, compute, compute-shared."
  value       = { for role, policy in aws_iot_policy.this : role => policy.name }
}

output "things" {
  description = "Names of all things."
  value       = keys(local.things)
}

output "certificate_ids" {
  description = "Thing name to the id of its certificate: the SHA-256 of it in hex, as `python -m certs show` prints."
  value       = { for thing, key in local.current_keys : thing => aws_iot_certificate.this[key].id if contains(keys(aws_iot_certificate.this), key) }
}

output "next_certificate_ids" {
  description = "Thing name to the id of its next certificate, of those that have one which is not settled."
  value       = { for thing, key in local.next_keys : thing => aws_iot_certificate.this[key].id if key != local.current_keys[thing] && contains(keys(aws_iot_certificate.this), key) }
}

output "data_endpoint" {
  description = "Host that gateways connect to, port 8883."
  value       = data.aws_iot_endpoint.this.endpoint_address
}

output "rule_name" {
  description = "Topic rule, for its metrics."
  value       = aws_iot_topic_rule.this.name
}

output "fetch_commands" {
  description = "Thing name to the shell commands that write private_key.pem, certificate.pem, thing_name.txt and endpoint.txt into a folder of its name."
  value = merge(
    { for thing, alone in local.on_board : thing => ["echo '${thing}: its private key is on its board alone' >&2"] if alone },
    {
      for thing, key in local.current_keys : thing => [
        "mkdir -p ${thing}",
        var.keys_in_secrets_manager
        ? "(umask 077 && aws secretsmanager get-secret-value --region ${local.region} --secret-id ${var.farm}/${var.environment}/${thing}/private-key --query SecretString --output text > ${thing}/private_key.pem)"
        : local.has_key[thing]
        ? "install -m 600 ${abspath(var.certs_dir)}/${thing}/private_key.pem ${thing}/private_key.pem"
        : "echo '${thing}: its private key is where it was issued' >&2",
        "aws iot describe-certificate --region ${local.region} --certificate-id ${aws_iot_certificate.this[key].id} --query certificateDescription.certificatePem --output text > ${thing}/certificate.pem",
        "printf %s ${thing} > ${thing}/thing_name.txt",
        "printf %s \"$(aws iot describe-endpoint --region ${local.region} --endpoint-type iot:Data-ATS --query endpointAddress --output text)\" > ${thing}/endpoint.txt",
      ] if !local.on_board[thing] && contains(keys(aws_iot_certificate.this), key)
    },
  )
}

output "root" {
  description = "What every topic of the farm begins with."
  value       = local.root
}
