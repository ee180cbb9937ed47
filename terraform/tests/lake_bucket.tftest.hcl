# The bucket: encrypted, versioned, closed to the public and to plain HTTP; what prod keeps longer than dev.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name               = "irrigation-dev"
  environment        = "dev"
  force_destroy      = true
  log_retention_days = 30
}

run "dev" {
  module {
    source = "./modules/lake"
  }

  assert {
    condition     = aws_s3_bucket.this.bucket == "irrigation-dev-123456789012-${data.aws_region.this.name}" && aws_s3_bucket.this.force_destroy
    error_message = "The bucket's name is unique in the world, and dev can be destroyed with what is in it."
  }

  assert {
    condition = one([
      for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule : rule.apply_server_side_encryption_by_default[0].sse_algorithm
    ]) == "AES256"
    error_message = "Objects are encrypted."
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "What is replaced or deleted can be restored."
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "Nothing in the bucket can be made public."
  }

  assert {
    condition     = aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "No object has an ACL of its own."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_s3_bucket_policy.this.policy).Statement :
      statement.Effect == "Deny" && statement.Principal == "*" && statement.Action == "s3:*" && length(statement.Resource) == 2
    ])
    error_message = "The bucket's policy only refuses, everybody, on bucket and objects."
  }

  assert {
    condition = [for statement in jsondecode(aws_s3_bucket_policy.this.policy).Statement : statement.Condition] == [
      { Bool = { "aws:SecureTransport" = "false" } },
      { NumericLessThan = { "s3:TlsVersion" = "1.2" } },
    ]
    error_message = "It refuses plain HTTP, and TLS before 1.2."
  }

  assert {
    condition = one([
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.noncurrent_version_expiration[0].noncurrent_days if rule.id == "versions"
    ]) == 7
    error_message = "In dev, old versions go after a week."
  }

  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.this.rule : !contains(["raw", "versions"], rule.id) || try(rule.expiration[0].days, 0) == 0])
    error_message = "No reading expires, raw or in the lake."
  }

  assert {
    condition     = aws_athena_workgroup.this.force_destroy
    error_message = "Dev can be destroyed with queries in its workgroup."
  }
}

run "prod" {
  module {
    source = "./modules/lake"
  }

  variables {
    name               = "irrigation-prod"
    environment        = "prod"
    force_destroy      = false
    log_retention_days = 365
  }

  assert {
    condition     = !aws_s3_bucket.this.force_destroy && !aws_athena_workgroup.this.force_destroy
    error_message = "In prod, a bucket with readings cannot be destroyed."
  }

  assert {
    condition = one([
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.noncurrent_version_expiration[0].noncurrent_days if rule.id == "versions"
    ]) == 30
    error_message = "In prod, old versions stay for 30 days."
  }

  assert {
    condition     = aws_cloudwatch_log_group.firehose.retention_in_days == 365
    error_message = "Logs stay as long as they are told to."
  }
}

run "a_name_too_long_for_the_bucket" {
  command = plan

  module {
    source = "./modules/lake"
  }

  variables {
    name = "irrigation-a-very-long-name-indeed-dev"
  }

  expect_failures = [var.name]
}

run "a_limit_that_athena_refuses" {
  command = plan

  module {
    source = "./modules/lake"
  }

  variables {
    most_bytes_scanned = 1000
  }

  expect_failures = [var.most_bytes_scanned]
}
