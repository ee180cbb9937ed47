"""What a plan or a state costs a month: priced by a table with sources, free by name, or told as unpriced."""

from provisioning.costs.errors import CostsError
from provisioning.costs.estimate import estimate
from provisioning.costs.resources import Resource, of_plan, of_state
from provisioning.costs.usage import read_usage

__all__ = ["CostsError", "Resource", "estimate", "of_plan", "of_state", "read_usage"]
