variable "name_prefix" {
  description = "Beginning of every name; a certificate's policy is <name_prefix>-gateway or <name_prefix>-compute."
  type        = string
  default     = "irrigation"
}
