# One bucket for raw readings, the lake made of them, what was refused on the way, and Athena's results.
# SSE-S3 and not KMS: who may read is the same with both, a key of our own costs more than all requests of a small farm,
# and where roles cannot be created (AWS Academy), key policies cannot be relied on either.
resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_145:SSE-S3, see above
  #checkov:skip=CKV_AWS_18:server access logs would be more objects than the readings; CloudTrail can log data events where an audit asks for it
  #checkov:skip=CKV_AWS_144:a reading is worth less than a second region; versioning protects from mistakes
  #checkov:skip=CKV2_AWS_62:nothing waits for single objects, the aggregate runs on a schedule
  bucket        = "${var.name}-${local.account}-${local.region}" # bucket names are shared by the whole world
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for refused in [
        { Sid = "OnlyTls", Condition = { Bool = { "aws:SecureTransport" = "false" } } },
        { Sid = "OnlyTls12", Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } } },
      ] :
      merge(refused, {
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
      })
    ]
  })

  depends_on = [aws_s3_bucket_public_access_block.this] # S3 refuses to change both at once
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  # A day file is replaced by every run that has news for it, and each replacement leaves a version.
  rule {
    id     = "versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.environment == "prod" ? 30 : 7
    }

    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  # Raw readings are kept, for a lake can be made again from them, but hardly ever read after the first run.
  rule {
    id     = "raw"
    status = "Enabled"

    filter {
      prefix = local.raw_prefix
    }

    transition {
      days          = 90
      storage_class = "GLACIER_IR"
    }
  }

  dynamic "rule" {
    for_each = { errors = { prefix = local.error_prefix, days = 90 }, results = { prefix = local.results_prefix, days = 7 } }

    content {
      id     = rule.key
      status = "Enabled"

      filter {
        prefix = rule.value.prefix
      }

      expiration {
        days = rule.value.days
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}
