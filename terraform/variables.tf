variable "region" {
  description = "AWS region of the farm's cloud, as us-east-1."
  type        = string
}
