"""Runs the judge in a process of its own, with limits: a text that hangs the reader, or fills memory, is a refusal."""

import json
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from provisioning.screen.refusal import Refusal


class Limits(NamedTuple):
    """What the reader may take: bytes of memory, seconds of a processor, and seconds on the clock."""

    memory_bytes: int = 768_000_000
    cpu_s: int = 20
    wall_s: float = 600.0  # many times the processor's: a busy machine keeps nobody's job out


_TOP = Path(__file__).resolve().parents[2]
_REMEDY = "make the root smaller and plainer"


def screen(
    root: Path,
    variables: Mapping[str, Any],
    own: Collection[str] = (),
    limits: Limits = Limits(),  # noqa: B008 # a tuple, which nobody changes
) -> list[Refusal]:
    """Everything that stands against a root, by file and line; empty if it may go to `init`.

    `variables` are the values that the job gives; `own` the names of files that the service itself put into the top.
    A root that takes the reader more than its limits is refused.
    """
    question = {"root": str(root), "variables": dict(variables), "own": sorted(own)} | limits._asdict()
    try:
        text = json.dumps(question)
    except (RecursionError, TypeError, ValueError):
        return [
            Refusal(".", 1, "the variables are no plain values, or nested too deep", "give texts, numbers and lists")
        ]
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "provisioning.screen"],
            input=text,
            capture_output=True,
            text=True,
            cwd=_TOP,
            env={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1", "PYTHONPATH": str(_TOP)},
            timeout=limits.wall_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [Refusal(".", 1, f"it could not be read within {limits.wall_s:g} s", _REMEDY)]
    if ended.returncode != 0:
        return [
            Refusal(".", 1, f"it could not be read within {limits.cpu_s} s and {limits.memory_bytes:,} bytes", _REMEDY)
        ]
    try:
        return [Refusal(**row) for row in json.loads(ended.stdout)]
    except (ValueError, TypeError):
        return [Refusal(".", 1, "the reader gave no answer that can be understood", _REMEDY)]
