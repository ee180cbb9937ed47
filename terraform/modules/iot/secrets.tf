resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV_AWS_149:Secrets Manager's own key; one of ours would add a price and no reader less
  #checkov:skip=CKV2_AWS_57:a device's key turns with its certificate (python -m certs rotate, apply), not by a function
  for_each = var.keys_in_secrets_manager ? local.things : {}

  name                    = "${var.farm}/${var.environment}/${each.key}/private-key"
  description             = "Private key of ${each.key}"
  recovery_window_in_days = var.recovery_window_days
}

resource "aws_secretsmanager_secret_version" "this" {
  for_each = aws_secretsmanager_secret.this

  secret_id        = each.value.id
  secret_string_wo = local.on_board[each.key] ? "on its board alone" : file("${var.certs_dir}/${each.key}/private_key.pem")
  # What is write-only is not compared; so that a new key is written, the number follows from its certificate, and from where the key is.
  secret_string_wo_version = parseint(substr(filesha256("${var.certs_dir}/${each.key}/certificate.pem"), 0, 7), 16) + (local.on_board[each.key] ? 1 : 0)
}
