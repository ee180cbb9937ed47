output "bucket_name" {
  description = "Bucket of raw readings and of the lake."
  value       = aws_s3_bucket.this.id
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.this.arn
}

output "raw_prefix" {
  description = "Where raw readings are in the bucket, by hour of arrival."
  value       = local.raw_prefix
}

output "lake_prefix" {
  description = "Where the lake's tables are in the bucket."
  value       = local.lake_prefix
}

output "firehose_name" {
  description = "Firehose that takes raw readings."
  value       = aws_kinesis_firehose_delivery_stream.this.name
}

output "firehose_arn" {
  description = "ARN of the Firehose."
  value       = aws_kinesis_firehose_delivery_stream.this.arn
}

output "glue_database" {
  description = "Glue database of samples, windows, quarantine and raw."
  value       = aws_glue_catalog_database.this.name
  depends_on  = [aws_glue_catalog_table.this] # who is told the name finds the tables
}

output "athena_workgroup" {
  description = "Athena workgroup, with a place for results and a limit to what a query reads."
  value       = aws_athena_workgroup.this.name
}
