"""A demonstration with accidents: how tests give one, and read what stays of it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

Event = dict[str, Any]


def play(out: Path, **options: object) -> Path:
    """A demonstration with these options of its command line; gives its output."""
    words = [word for name, value in {**options, "out": out}.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "demo", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1400, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def summary_of(out: Path) -> dict[str, Any]:
    """Its summary."""
    document: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return document


def events_of(out: Path) -> list[Event]:
    """Its events, by time."""
    return [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
