"""Farms' infrastructure as durable Terraform jobs: registry, child, recovery, costs, screen."""
