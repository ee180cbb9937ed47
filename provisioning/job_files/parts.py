"""Blocks that every root module has, whatever the cloud."""

from collections.abc import Mapping
from typing import Any

from provisioning.job_files.tree import Block, Keyword, block

TERRAFORM = ">= 1.11"
_REQUIRED: Any = object()


def terraform(source: str, name: str, version: str) -> Block:
    """Which Terraform, and which provider."""
    providers = Block("required_providers", arguments={name: {"source": source, "version": version}})
    return block("terraform", required_version=TERRAFORM, blocks=[providers])


def variable(name: str, description: str, kind: str, default: Any = _REQUIRED) -> Block:
    """An input; without a default, whoever applies has to give it."""
    made = block("variable", name, description=description, type=Keyword(kind))
    if default is _REQUIRED:
        made.arguments["nullable"] = False
    else:
        made.arguments["default"] = default
    return made


def locals_of(name: str, values: Mapping[str, str]) -> Block:
    """A local value of texts."""
    return Block("locals", arguments={name: dict(values)})


def output(name: str, description: str, value: Any) -> Block:
    """An output."""
    made = block("output", name, description=description)
    made.arguments["value"] = value
    return made
