"""Making a state true after a loss: what stands in it is read again, each instance by its address.

Terraform would else evaluate all of a root against what is left of it, and where an expression holds only while all is
there (`one(aws_iam_role.rule[*].arn)` of a role that a destroy has removed) it writes nothing of what it has read.
What an instance was made of stands in the state as long as itself.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from provisioning import states

PHASES = ("refresh", "refresh-2", "refresh-3")  # each without what could not be read in the one before
TARGET = "-target="
MOST_BYTES = 1_000_000  # of a command's words: Linux takes twice that, its environment among them
KEY = re.compile(r'\[(?:\d+|"(?:[^"\\]|\\.)*")\]')


def addresses(state: Mapping[str, Any]) -> set[str]:
    """Of everything in a state."""
    return {address for address, _, _ in states.instances(state)}


def targets(rows: Iterable[str]) -> list[str]:
    """The options that name these addresses; none, which means all, where no command could hold so many."""
    words = [f"{TARGET}{address}" for address in sorted(rows)]
    return words if sum(len(word.encode()) + 1 for word in words) < MOST_BYTES else []


def wanted(folder: Path, state: Mapping[str, Any]) -> set[str]:
    """Of what is in a state the addresses that a phase was to read; none of one that never began."""
    steps = folder / "steps.json"
    if not steps.exists():
        return set()
    command = json.loads(steps.read_text())[0]["command"]
    return {word.removeprefix(TARGET) for word in command if word.startswith(TARGET)} or addresses(state)


def unread(state: Mapping[str, Any], messages: Iterable[Mapping[str, Any]]) -> set[str]:
    """Of what is in a state that which could not be read, or that was made of something that could not be."""
    failed = {str(one["diagnostic"].get("address", "")) for one in messages if _is_error(one)}
    resources = {KEY.sub("", address) for address in failed}
    return {
        address
        for address, _, instance in states.instances(state)
        if address in failed or resources.intersection(instance.get("dependencies", ()))
    }


def _is_error(message: Mapping[str, Any]) -> bool:
    return bool(message.get("diagnostic", {}).get("severity") == "error")
