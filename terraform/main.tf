provider "aws" {
  region = var.region
}

module "iot" {
  source = "./modules/iot"
}
