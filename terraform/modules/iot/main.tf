data "aws_region" "this" {}

data "aws_caller_identity" "this" {}

data "aws_iot_endpoint" "this" {
  endpoint_type = "iot:Data-ATS"
}

locals {
  region  = data.aws_region.this.name
  account = data.aws_caller_identity.this.account_id

  # The default farm has the topics that were there before there was a second one, older firmware's among them.
  is_default = var.farm == "irrigation"
  root       = local.is_default ? var.farm : "irrigation/${var.farm}"
  compute    = "${var.farm}-compute"

  # Thing name to role; the role says which policy and type it has.
  things = merge({ for id in var.gateway_ids : id => "gateway" }, { (local.compute) = "compute" })

  # A certificate for a board's own key (python -m certs renew, settle) goes by its file's hash, so that it keeps its
  # address from next to settled: the same certificate is never registered twice, and never gone in between.
  own_keys = { for thing in keys(local.things) : thing => "${thing}/${substr(filesha256("${var.certs_dir}/${thing}/certificate.pem"), 0, 16)}" }
  next_keys = {
    for thing in keys(local.things) : thing =>
    "${thing}/${substr(filesha256("${var.certs_dir}/${thing}/next/certificate.pem"), 0, 16)}"
    if fileexists("${var.certs_dir}/${thing}/next/certificate.pem")
  }

  # In an archive there may be certificates alone.
  has_key = { for thing in keys(local.things) : thing => fileexists("${var.certs_dir}/${thing}/private_key.pem") }

  # A board that has renewed its identity is the only one with its private key.
  on_board = { for thing in keys(local.things) : thing => length(fileset("${var.certs_dir}/${thing}/spares/used", "*.pem")) > 0 }
  current_keys = {
    for thing, key in local.own_keys : thing =>
    local.on_board[thing] || key == lookup(local.next_keys, thing, "") ? key : thing
  }
  certificates = merge(
    {
      for thing in keys(local.things) : local.next_keys[thing] =>
      { thing = thing, pem = file("${var.certs_dir}/${thing}/next/certificate.pem") }
      if fileexists("${var.certs_dir}/${thing}/next/certificate.pem")
    },
    {
      for thing in keys(local.things) : local.current_keys[thing] =>
      { thing = thing, pem = file("${var.certs_dir}/${thing}/certificate.pem") }
    },
  )

  # IoT Core takes 2,048 characters a policy and ten policies a certificate: what does not fit into one is in another.
  policies = {
    gateway = { "" = "gateway", "/updates" = "gateway-updates" }
    compute = { "" = "compute", "/shared" = "compute-shared" }
  }
  attachments = {
    for row in flatten([
      for key, certificate in local.certificates : [
        for name, policy in local.policies[local.things[certificate.thing]] : { key = "${key}${name}", certificate = key, policy = policy }
      ]
    ]) : row.key => row
  }
}

resource "aws_iot_policy" "this" {
  for_each = toset(["gateway", "gateway-updates", "compute", "compute-shared"])

  name = "${var.farm}-${each.key}"
  policy = templatefile("${path.module}/policies/${each.key}.json.tftpl", {
    region  = local.region
    account = local.account
    root    = local.root
    old     = local.is_default
  })
}

resource "aws_iot_thing_type" "this" {
  for_each = toset(values(local.things))

  name = "${var.farm}-${each.key}"

  properties {
    description = "${var.name}: ${each.key}"
  }
}

resource "aws_iot_thing_group" "gateways" {
  name = "${var.name}-gateways"

  properties {
    description = "Every gateway, for jobs and searches. Nobody gets rights from it."
  }
}

resource "aws_iot_thing" "this" {
  for_each = local.things

  name            = each.key
  thing_type_name = aws_iot_thing_type.this[each.value].name
}

resource "aws_iot_thing_group_membership" "this" {
  for_each = toset(var.gateway_ids)

  thing_name       = aws_iot_thing.this[each.key].name
  thing_group_name = aws_iot_thing_group.gateways.name
}

# Without a CA of ours at AWS: each certificate is trusted by itself, so it can be revoked by itself.
resource "aws_iot_certificate" "this" {
  for_each = local.certificates

  certificate_pem = each.value.pem
  active          = true

  lifecycle {
    create_before_destroy = true     # a rotated device is never without a valid one
    ignore_changes        = [active] # a certificate that somebody revoked stays so
  }
}

resource "aws_iot_policy_attachment" "this" {
  for_each = local.attachments

  policy = aws_iot_policy.this[each.value.policy].name
  target = aws_iot_certificate.this[each.value.certificate].arn

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_iot_thing_principal_attachment" "this" {
  for_each = local.certificates

  thing     = aws_iot_thing.this[each.value.thing].name
  principal = aws_iot_certificate.this[each.key].arn

  lifecycle {
    create_before_destroy = true
  }
}
