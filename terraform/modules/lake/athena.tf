resource "aws_athena_workgroup" "this" {
  name          = var.name
  description   = "Questions to the lake of ${var.name}."
  force_destroy = var.force_destroy

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = var.most_bytes_scanned

    result_configuration {
      output_location = "s3://${aws_s3_bucket.this.id}/${local.results_prefix}"

      encryption_configuration {
        encryption_option = "SSE_S3"
      }
    }
  }
}
