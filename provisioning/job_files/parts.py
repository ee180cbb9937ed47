"""Blocks that every root module has, whatever the cloud."""

from collections.abc import Mapping
from typing import Any

from provisioning.job_files.tree import Keyword, TerraformBlock, block

TERRAFORM = ">= 1.11"
_REQUIRED: Any = object()


def terraform(source: str, name: str, version: str) -> TerraformBlock:
    """Which Terraform, and which provider."""
    providers = TerraformBlock("required_providers", arguments={name: {"source": source, "version": version}})
    return block("terraform", required_version=TERRAFORM, blocks=[providers])


def variable(name: str, description: str, kind: str, default: Any = _REQUIRED) -> TerraformBlock:
    """An input; without a default, whoever applies has to give it."""
    part = block("variable", name, description=description, type=Keyword(kind))
    if default is _REQUIRED:
        part.arguments["nullable"] = False
    else:
        part.arguments["default"] = default
    return part


def locals_of(name: str, values: Mapping[str, str]) -> TerraformBlock:
    """A local value of texts."""
    return TerraformBlock("locals", arguments={name: dict(values)})


def output(name: str, description: str, value: Any) -> TerraformBlock:
    """An output."""
    part = block("output", name, description=description)
    part.arguments["value"] = value
    return part
