# From Firehose to Athena: where raw objects go, the catalogue, and what each role may do.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name               = "irrigation-dev"
  environment        = "dev"
  force_destroy      = true
  log_retention_days = 30
}

run "firehose_and_catalogue" {
  module {
    source = "./modules/lake"
  }

  assert {
    condition = alltrue([
      for to in aws_kinesis_firehose_delivery_stream.this.extended_s3_configuration :
      to.prefix == "raw/" && to.compression_format == "GZIP" && startswith(to.error_output_prefix, "errors/") && to.buffering_interval == 900 && to.buffering_size == 5
    ])
    error_message = "Raw objects are gzip under raw/, failures under errors/, as the local cloud's topic rule writes them."
  }

  assert {
    condition     = aws_kinesis_firehose_delivery_stream.this.server_side_encryption[0].enabled
    error_message = "What waits in Firehose is encrypted."
  }

  assert {
    condition     = output.firehose_name == "irrigation-dev-raw" && output.raw_prefix == "raw/" && output.lake_prefix == "lake/"
    error_message = "Others find the Firehose and the prefixes."
  }

  assert {
    condition     = output.glue_database == "irrigation_dev" && toset(keys(aws_glue_catalog_table.this)) == toset(["quarantine", "samples", "windows"])
    error_message = "The database needs no quotes in SQL, and has the lake's tables."
  }

  assert {
    condition = { for name, table in aws_glue_catalog_table.this : name => table.storage_descriptor[0].location } == {
      for name in ["quarantine", "samples", "windows"] : name => "s3://${output.bucket_name}/lake/${name}/"
    }
    error_message = "A table is where the function writes it."
  }

  assert {
    condition = { for name, table in aws_glue_catalog_table.this : name => [for key in table.partition_keys : "${key.name} ${key.type}"] } == {
      quarantine = [], samples = ["day date"], windows = ["day date"]
    }
    error_message = "Samples and windows are partitioned by day."
  }

  assert {
    condition = (
      [for column in aws_glue_catalog_table.this["samples"].storage_descriptor[0].columns : column.name][0] == "sensor_id" &&
      [for column in aws_glue_catalog_table.this["samples"].storage_descriptor[0].columns : column.type if column.name == "vwc"][0] == "double"
    )
    error_message = "Columns keep their order, and have types."
  }

  assert {
    condition     = aws_glue_crawler.this.s3_target[0].path == "s3://${output.bucket_name}/raw/" && aws_glue_crawler.this.schedule == "cron(15 3 ? * SUN *)"
    error_message = "The crawler looks at raw, once a week."
  }

  assert {
    condition = alltrue([
      for configuration in aws_athena_workgroup.this.configuration :
      configuration.enforce_workgroup_configuration && configuration.bytes_scanned_cutoff_per_query == 10737418240
      && configuration.result_configuration[0].output_location == "s3://${output.bucket_name}/athena/"
    ])
    error_message = "Nobody can query without the limit, or put results elsewhere."
  }
}

run "roles" {
  module {
    source = "./modules/lake"
  }

  assert {
    condition = alltrue(flatten([
      for policy in [aws_iam_role_policy.firehose[0].policy, aws_iam_role_policy.crawler[0].policy] : [
        for statement in jsondecode(policy).Statement : [
          for entry in flatten([statement.Action, statement.Resource]) : entry != "*" && !endswith(entry, ":*") || startswith(entry, "arn:aws:logs:")
        ]
      ]
    ]))
    error_message = "No role has all of a service, or everything."
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_role_policy.firehose[0].policy).Statement : statement.Resource if contains(flatten([statement.Action]), "s3:PutObject")
    ])) == toset(["${output.bucket_arn}/raw/*", "${output.bucket_arn}/errors/*"])
    error_message = "Firehose writes raw objects and failures, and not the lake."
  }

  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(aws_iam_role_policy.crawler[0].policy).Statement : [
        for arn in flatten([statement.Resource]) : !strcontains(arn, ":table/") || endswith(arn, ":table/irrigation_dev/raw*")
      ] if contains(flatten([statement.Action]), "glue:UpdateTable")
    ]))
    error_message = "The crawler changes no table but its own."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.crawler[0].policy).Statement :
      length(setintersection(["s3:PutObject", "s3:DeleteObject"], flatten([statement.Action]))) == 0
    ])
    error_message = "The crawler only reads objects."
  }
}

run "academy" {
  module {
    source = "./modules/lake"
  }

  variables {
    lab_role_arn = "arn:aws:iam::123456789012:role/LabRole"
  }

  assert {
    condition     = length(aws_iam_role.firehose) + length(aws_iam_role.crawler) + length(aws_iam_role_policy.firehose) + length(aws_iam_role_policy.crawler) == 0
    error_message = "Where roles cannot be created, none is."
  }

  assert {
    condition     = aws_glue_crawler.this.role == var.lab_role_arn && aws_kinesis_firehose_delivery_stream.this.extended_s3_configuration[0].role_arn == var.lab_role_arn
    error_message = "Firehose and crawler take the lab's role."
  }
}

run "crawler_by_hand" {
  command = plan

  module {
    source = "./modules/lake"
  }

  variables {
    crawler_schedule = null
  }

  assert {
    condition     = aws_glue_crawler.this.schedule == null
    error_message = "Without a schedule, the crawler waits to be started."
  }
}
