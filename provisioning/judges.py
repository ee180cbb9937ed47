"""The two judges of code that other parts of this room are: what may run, and what it costs."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

NOT_AVAILABLE = "not available"


def judge_code(root: Path, variables: Mapping[str, Any]) -> list[str] | None:
    """Every refusal as a sentence with file, line and remedy; None: this installation has no such judge."""
    try:
        part = importlib.import_module("provisioning.screen")
    except ModuleNotFoundError as error:
        if error.name != "provisioning.screen":  # it is here, and something that it needs is not
            raise
        return None
    return [f"{one.file}:{one.line}: {one.why}; {one.remedy}" for one in part.screen(root, variables)]


def judge_costs(document: Mapping[str, Any], of: str, region: str) -> dict[str, Any] | None:
    """The costs of a plan (`of` plan or change) or a state; None: this installation has no such judge."""
    try:
        part = importlib.import_module("provisioning.costs")
    except ModuleNotFoundError as error:
        if error.name != "provisioning.costs":  # it is here, and something that it needs is not
            raise
        return None
    resources: Sequence[Any] = (
        part.of_state(document)
        if of == "state"
        else part.of_plan(document, which="change" if of == "change" else "after")
    )
    costs: dict[str, Any] = part.estimate(resources, region=region)
    return costs
