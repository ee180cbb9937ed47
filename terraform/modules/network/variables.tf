variable "name" {
  description = "Beginning of every resource's name, as irrigation-dev."
  type        = string
}

variable "vpc_cidr" {
  description = "IPv4 block of the VPC."
  type        = string
}

variable "private_subnet_cidrs" {
  description = "IPv4 blocks of the private subnets, one availability zone each."
  type        = list(string)
}

variable "public_subnet_cidrs" {
  description = "IPv4 blocks of the public subnets, over the same zones."
  type        = list(string)
}

variable "site_cidrs" {
  description = "IPv4 blocks of sites on VPN that may reach the load balancer."
  type        = list(string)
  default     = []
}

variable "peering" {
  description = "VPC to peer with, its route table and security group; null for none."
  type = object({
    vpc_id            = string
    cidr_block        = string
    route_table_id    = string
    security_group_id = string
  })
  default = null
}

variable "iot_host" {
  description = "Host name of the account's IoT data endpoint (iot:Data-ATS), which private DNS answers for."
  type        = string
}

variable "deletion_protection" {
  description = "Whether the load balancer refuses to be deleted."
  type        = bool
  default     = false
}
