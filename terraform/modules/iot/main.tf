data "aws_region" "this" {}

data "aws_caller_identity" "this" {}

resource "aws_iot_policy" "this" {
  for_each = toset(["gateway", "compute"])

  name = "${var.name_prefix}-${each.key}"
  policy = templatefile("${path.module}/policies/${each.key}.json.tftpl", {
    region  = data.aws_region.this.name
    account = data.aws_caller_identity.this.account_id
  })
}
