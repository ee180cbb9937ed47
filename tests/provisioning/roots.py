"""Root modules for tests: one of Terraform's own type, two and twelve resources that AWS makes at once."""

SMALL = """
resource "terraform_data" "one" { input = "x" }
resource "terraform_data" "two" { input = terraform_data.one.id }
output "name" { value = terraform_data.one.output }
output "password" {
  value     = "hidden-word"
  sensitive = true
}
"""

ONE = """
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}
provider "aws" { region = "us-east-1" }
resource "aws_ssm_parameter" "pump" {
  name  = "/one/pump"
  type  = "String"
  value = "v"
}
output "name" { value = aws_ssm_parameter.pump.name }
"""

# A name of IAM, and what the tagging API tells of.
PAIR = """
provider "aws" {
  region = "us-east-1"
}
resource "aws_iam_role" "role" {
  name               = "pair"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }] })
}
resource "aws_cloudwatch_log_group" "group" {
  name = "/pair"
}
"""

# Each is made in one or two calls; three types that the tagging API leaves out are named in IAM alone.
TWELVE = """
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}
provider "aws" {
  region = "us-east-1"
  default_tags { tags = { Project = "irrigation" } }
}
locals { trust = jsonencode({ Version = "2012-10-17", Statement = [{
  Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }] }) }
resource "aws_iam_role" "role" {
  count              = 3
  name               = "twelve-${count.index}"
  assume_role_policy = local.trust
}
resource "aws_iam_policy" "policy" {
  count  = 2
  name   = "twelve-${count.index}"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Effect = "Allow", Action = "s3:GetObject", Resource = "*" }] })
}
resource "aws_dynamodb_table" "table" {
  count        = 2
  name         = "twelve-${count.index}"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  attribute {
    name = "id"
    type = "S"
  }
}
resource "aws_cloudwatch_log_group" "group" {
  count             = 2
  name              = "/twelve/${count.index}"
  retention_in_days = 7
}
resource "aws_s3_bucket" "bucket" {
  bucket = "twelve-bucket"
}
resource "aws_ssm_parameter" "parameter" {
  count = 2
  name  = "/twelve/${count.index}"
  type  = "String"
  value = "v"
}
output "bucket" { value = aws_s3_bucket.bucket.bucket }
"""

# What `of` says is wrong as long as `first` is not there, and `late` was never begun.
HALF = """
variable "given" {
  type    = string
  default = null
}
resource "terraform_data" "first" { count = 1 }
locals { of = coalesce(var.given, one(terraform_data.first[*].id)) }
resource "terraform_data" "late" { input = local.of }
resource "terraform_data" "whole" {
  for_each = toset(["$${a}", "b"])
}
resource "terraform_data" "ill" {}
resource "terraform_data" "of_ill" { input = terraform_data.ill.id }
output "late" { value = terraform_data.late.id }
"""
