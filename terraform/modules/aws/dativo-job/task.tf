resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:log groups are encrypted with a key of AWS
  #checkov:skip=CKV_AWS_338:a batch job's log is read within days
  name              = "/ecs/${local.name}"
  retention_in_days = 14
  tags              = local.tags
}

resource "aws_ecs_task_definition" "this" {
  family                   = local.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.start.arn
  task_role_arn            = aws_iam_role.task.arn
  container_definitions = jsonencode([merge(
    {
      name        = var.job_name
      image       = var.image_uri
      essential   = true
      environment = [for name, value in var.container_environment : { name = name, value = value }]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.this.name
          awslogs-region        = var.aws_region
          awslogs-stream-prefix = var.job_name
        }
      }
    },
    var.command == null ? {} : { command = var.command },
  )])
  tags       = local.tags
  depends_on = [aws_iam_role_policy.start]
}
