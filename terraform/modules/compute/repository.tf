resource "aws_ecr_repository" "this" {
  count = local.own_repository

  #checkov:skip=CKV_AWS_136:the image holds no secret; AES-256 with a key of AWS
  name                 = local.function
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.force_destroy

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "AES256"
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  count = local.own_repository

  repository = aws_ecr_repository.this[0].name

  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "What no tag names is rubbish after a day"
        selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 1 }
        action       = { type = "expire" }
      },
      {
        rulePriority = 2
        description  = "The last ten images, to go back to"
        selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 10 }
        action       = { type = "expire" }
      },
    ]
  })
}

# Lambda would add this by itself, and a plan would then show it. Every farm of the account runs this image.
resource "aws_ecr_repository_policy" "this" {
  count = local.own_repository

  repository = aws_ecr_repository.this[0].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "LambdaECRImageRetrievalPolicy"
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Condition = { ArnLike = { "aws:SourceArn" = "arn:${local.partition}:lambda:${local.region}:${local.account}:function:*-aggregate" } }
    }]
  })
}

data "aws_ecr_repository" "shared" {
  count = 1 - local.own_repository

  name = var.repository_name
}

locals {
  repository_url = coalesce(one(aws_ecr_repository.this[*].repository_url), one(data.aws_ecr_repository.shared[*].repository_url))
}
