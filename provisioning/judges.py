"""The two judges of code that other parts of this room are: what may run, and what it costs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provisioning.code import ADOPT, BACKEND, VARIABLES
from provisioning.costs import estimate, of_plan, of_state
from provisioning.screen import screen

OURS = (ADOPT, BACKEND, VARIABLES)  # what the service itself puts beside a farm's code


def judge_code(root: Path, variables: Mapping[str, Any]) -> list[str]:
    """Every refusal as a sentence with file, line and remedy."""
    return [f"{one.file}:{one.line}: {one.why}; {one.remedy}" for one in screen(root, variables, own=OURS)]


def judge_costs(document: Mapping[str, Any], of: str, region: str) -> dict[str, Any]:
    """The costs of a plan (`of` plan or change) or a state; the route's `costs`."""
    if of == "state":
        return estimate(of_state(document), region=region)
    return estimate(of_plan(document, which="change" if of == "change" else "after"), region=region)
