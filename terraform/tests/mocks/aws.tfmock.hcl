# What AWS would answer, as far as something depends on its shape.

mock_data "aws_region" {
  defaults = { name = "us-west-2" }
}

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws" }
}

mock_data "aws_vpc_endpoint_service" {
  defaults = {
    service_name       = "com.amazonaws.us-west-2.iot.data"
    availability_zones = ["us-west-2c", "us-west-2a", "us-west-2b"]
  }
}

mock_data "aws_network_interface" {
  defaults = { private_ip = "10.0.128.17" }
}

mock_data "aws_iot_endpoint" {
  defaults = { endpoint_address = "a1b2c3d4e5f6g7-ats.iot.us-west-2.amazonaws.com" }
}

mock_data "aws_iam_policy_document" {
  defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
}

mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
}

mock_resource "aws_vpc" {
  defaults = { id = "vpc-00000000000000001" }
}

mock_resource "aws_vpc_endpoint" {
  defaults = {
    dns_entry = [{ dns_name = "vpce-1.iot.us-west-2.vpce.amazonaws.com", hosted_zone_id = "ZENDPOINT" }]
  }
}

mock_resource "aws_lb" {
  defaults = {
    arn      = "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/net/mock/1"
    dns_name = "mqtt.elb.us-west-2.amazonaws.com"
    zone_id  = "ZBALANCER"
  }
}

mock_resource "aws_lb_target_group" {
  defaults = { arn = "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/mock/1" }
}

mock_resource "aws_iot_certificate" {
  defaults = {
    id  = "c0ffee"
    arn = "arn:aws:iot:us-west-2:123456789012:cert/c0ffee"
  }
}

mock_resource "aws_s3_bucket" {
  defaults = {
    id  = "irrigation-dev-123456789012-us-west-2"
    arn = "arn:aws:s3:::irrigation-dev-123456789012-us-west-2"
  }
}

mock_resource "aws_kinesis_firehose_delivery_stream" {
  defaults = { arn = "arn:aws:firehose:us-west-2:123456789012:deliverystream/mock" }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:us-west-2:123456789012:log-group:mock" }
}

mock_resource "aws_ecr_repository" {
  defaults = { repository_url = "123456789012.dkr.ecr.us-west-2.amazonaws.com/mock" }
}

mock_resource "aws_lambda_function" {
  defaults = { arn = "arn:aws:lambda:us-west-2:123456789012:function:mock" }
}

mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:us-west-2:123456789012:mock" }
}

mock_resource "aws_sqs_queue" {
  defaults = {
    arn = "arn:aws:sqs:us-west-2:123456789012:mock"
    url = "https://sqs.us-west-2.amazonaws.com/123456789012/mock"
  }
}

mock_resource "aws_ecs_task_definition" {
  defaults = { arn = "arn:aws:ecs:us-west-2:123456789012:task-definition/mock:1" }
}
