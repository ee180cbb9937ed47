"""A cage for children, where bubblewrap is installed: all is read-only but their own project, and no other is seen."""

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

from provisioning.surroundings import Place, Setup, temporary

ABSENT = "bubblewrap is not installed, or cannot run here: children see what this service's user sees"
ALL = ("--ro-bind", "/", "/", "--dev", "/dev")
TRIAL_S = 10.0


def find(name: str = "bwrap") -> str | None:
    """The path of a bubblewrap that runs here, or None."""
    program = shutil.which(name)
    if program is None:
        return None
    try:
        subprocess.run([program, *ALL, "true"], check=True, capture_output=True, timeout=TRIAL_S)
    except (OSError, subprocess.SubprocessError):
        return None
    return program


def caged(setup: Setup, place: Place, steps: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The steps, each in a cage of its own; as they are without one. The network stays."""
    if setup.cage is None:
        return [dict(step) for step in steps]
    words = [setup.cage, *_walls(setup, place)]
    return [{**step, "command": [*words, *step["command"]], "is_caged": True} for step in steps]


def _walls(setup: Setup, place: Place) -> list[str]:
    """The service's folder is empty but for what this project needs of it."""
    own = [place.folder, temporary(setup, place), *([] if setup.mirror else [setup.data / "providers"])]
    return [
        *ALL,
        *("--tmpfs", str(setup.data)),
        *("--ro-bind", str(setup.data / "cli.tfrc"), str(setup.data / "cli.tfrc")),
        *(word for path in own for word in ("--bind", str(path), str(path))),
    ]
