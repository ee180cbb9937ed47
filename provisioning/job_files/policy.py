"""What tags a farm asks of its jobs: a YAML file of required keys and patterns, for all environments or for one.

required:
  "*": {finops_cost_center: "[A-Z]+-[0-9]+"}
  prod: {governance_retention_days: "[0-9]+"}
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checked_yaml import mapping
from checked_yaml.errors import CheckedYamlError
from provisioning.job_files.errors import JobFileError
from provisioning.job_files.read import GUIDE, JobFile

EVERY = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """One key that has to be there, the form of its value, and where that is asked."""

    key: str
    pattern: re.Pattern[str]
    place: str


Policy = Mapping[str, tuple[Rule, ...]]  # by environment


def read_policy(path: Path) -> Policy:
    """A policy's file. Raises JobFileError with every mistake."""
    try:
        root = mapping.root(path, GUIDE, "tag policy")
        required = root.inner("required")
        policy = {name: tuple(_rules(required.inner(name), path)) for name in required}
        root.end()
        root.mistakes.raise_if_any()
    except CheckedYamlError as error:
        raise JobFileError(error.mistakes) from error
    return policy


def _rules(rows: mapping.Mapping, path: Path) -> Iterator[Rule]:
    for key in rows:
        text = rows.take(key, _pattern)
        if text is not None:
            line = rows.nodes[key].start_mark.line + 1
            yield Rule(key, re.compile(text), f"{path}:{line}")


def _pattern(value: Any) -> str | None:
    try:
        is_good = isinstance(value, str) and bool(re.compile(value))
    except re.error:
        is_good = False
    return None if is_good else "want a regular expression in quotes that the whole value matches, as '[A-Z]+-[0-9]+'"


def breaches(job: JobFile, policy: Policy) -> list[str]:
    """What a job's tags lack, a line each."""
    tags = {tag.key: tag for tag in job.tags}
    mistakes = []
    for rule in (*policy.get(EVERY, ()), *policy.get(job.environment, ())):
        tag = tags.get(rule.key)
        if tag is None:
            mistakes.append(f"{job.path}:1: tag {rule.key} is missing; {rule.place} asks it")
            continue
        values = (tag.value,) if isinstance(tag.value, str) else tag.value
        origin = tag.winner.origin
        mistakes += [
            f"{origin.file}:{origin.line}: {origin.place}: {value!r} is no {rule.pattern.pattern}, as {rule.place} asks"
            for value in values
            if not rule.pattern.fullmatch(value)
        ]
    return mistakes
