"""Types that keep data, each with what would be lost."""

from collections.abc import Mapping

# A deploy that would replace or destroy one of these waits for somebody's word.
KEEPS: Mapping[str, str] = {
    "aws_s3_bucket": "its objects and their versions",
    "aws_s3_object": "its bytes",
    "aws_dynamodb_table": "its items",
    "aws_secretsmanager_secret": "its value; the name stays taken for days",
    "aws_secretsmanager_secret_version": "its value",
    "aws_ssm_parameter": "its value and history",
    "aws_efs_file_system": "its files",
    "aws_ebs_volume": "its blocks",
    "aws_db_instance": "its databases",
    "aws_rds_cluster": "its databases",
    "aws_kinesis_stream": "records that nobody has read yet",
    "aws_sqs_queue": "messages that nobody has taken yet",
    "aws_cloudwatch_log_group": "its log",
    "aws_ecr_repository": "its images",
    "aws_glue_catalog_database": "the tables in it",
    "aws_kms_key": "everything that was encrypted with it",
    "aws_timestreamwrite_table": "its records",
    "aws_quicksight_data_set": "its imported rows",
    "google_storage_bucket": "its objects",
    "google_bigquery_dataset": "its tables",
    "google_bigquery_table": "its rows",
    "google_firestore_database": "its documents",
    "google_secret_manager_secret": "its versions",
    "google_sql_database_instance": "its databases",
}
