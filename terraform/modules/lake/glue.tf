# The catalogue. tables.json is what lambda_functions/lake/catalog.py makes where there is no Terraform; a
# test keeps the two equal. The function adds partitions and nothing else, so that a plan after a run is empty.
resource "aws_glue_catalog_database" "this" {
  name         = local.glue_database
  description  = "The readings of ${var.name}: samples, windows, what was refused, and raw."
  location_uri = "s3://${aws_s3_bucket.this.id}/${local.lake_prefix}"
}

resource "aws_glue_catalog_table" "this" {
  for_each = jsondecode(file("${path.module}/tables.json"))

  name          = each.key
  database_name = aws_glue_catalog_database.this.name
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    EXTERNAL       = "TRUE"
    classification = each.value.classification
  }

  dynamic "partition_keys" {
    for_each = each.value.partition_keys

    content {
      name = partition_keys.value[0]
      type = partition_keys.value[1]
    }
  }

  storage_descriptor {
    location      = "s3://${aws_s3_bucket.this.id}/${local.lake_prefix}${each.key}/"
    input_format  = each.value.input_format
    output_format = each.value.output_format

    ser_de_info {
      serialization_library = each.value.serialization_library
      parameters            = { "serialization.format" = "1" }
    }

    dynamic "columns" {
      for_each = each.value.columns

      content {
        name = columns.value[0]
        type = columns.value[1]
      }
    }
  }
}

# Raw readings as the table `raw`, for questions that the lake cannot answer. It is found and not declared, because
# gateways of different ages write different fields.
resource "aws_glue_crawler" "this" {
  #checkov:skip=CKV_AWS_195:a security configuration is there to name a KMS key; see the bucket
  name          = "${var.name}-raw"
  description   = "Finds columns and hours of raw readings."
  database_name = aws_glue_catalog_database.this.name
  role          = local.create_roles ? aws_iam_role.crawler[0].arn : var.lab_role_arn
  schedule      = var.crawler_schedule

  s3_target {
    path = "s3://${aws_s3_bucket.this.id}/${local.raw_prefix}"
  }

  recrawl_policy {
    recrawl_behavior = "CRAWL_NEW_FOLDERS_ONLY"
  }

  schema_change_policy {
    delete_behavior = "LOG"
    update_behavior = "LOG" # the only one that goes with new folders only
  }

  configuration = jsonencode({
    Version       = 1
    CrawlerOutput = { Partitions = { AddOrUpdateBehavior = "InheritFromTable" } }
    Grouping      = { TableGroupingPolicy = "CombineCompatibleSchemas", TableLevelConfiguration = 2 }
  })

  depends_on = [aws_iam_role_policy.crawler]
}

resource "aws_iam_role" "crawler" {
  count = local.create_roles ? 1 : 0

  name = "${var.name}-crawler"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "glue.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "crawler" {
  count = local.create_roles ? 1 : 0

  name = "crawl"
  role = aws_iam_role.crawler[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["s3:GetBucketLocation", "s3:ListBucket"]
        Resource = aws_s3_bucket.this.arn
      },
      {
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "${aws_s3_bucket.this.arn}/${local.raw_prefix}*"
      },
      {
        Effect = "Allow"
        Action = [
          "glue:BatchGetPartition", "glue:GetDatabase", "glue:GetPartition", "glue:GetPartitions", "glue:GetTable",
          "glue:GetTables",
        ]
        Resource = concat(local.catalog_arns, ["${local.glue_arn}:table/${local.glue_database}/*"])
      },
      {
        # Samples, windows and quarantine are out of its reach.
        Effect = "Allow"
        Action = [
          "glue:BatchCreatePartition", "glue:CreatePartition", "glue:CreateTable", "glue:UpdatePartition",
          "glue:UpdateTable",
        ]
        Resource = concat(local.catalog_arns, ["${local.glue_arn}:table/${local.glue_database}/raw*"])
      },
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws-glue/crawlers*"
      },
    ]
  })
}
