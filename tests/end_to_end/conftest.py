"""Whole demonstrations, each played once for all workers of a run: every process, packet and Parquet file is real."""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

Event = dict[str, Any]


@dataclass(frozen=True)
class Demo:
    """What a demonstration left behind."""

    code: int
    out: Path
    stdout: str
    stderr: str

    @property
    def summary(self) -> dict[str, Any]:
        """summary.json."""
        document: dict[str, Any] = json.loads((self.out / "summary.json").read_text())
        return document

    @property
    def truth(self) -> dict[str, Any]:
        """truth.json: what no probe sees."""
        document: dict[str, Any] = json.loads((self.out / "truth.json").read_text())
        return document

    @property
    def zones(self) -> list[dict[str, Any]]:
        """The rows of zones.yaml."""
        rows: list[dict[str, Any]] = yaml.safe_load((self.out / "zones.yaml").read_text())["zones"]
        return rows

    def events(self, kind: str) -> list[Event]:
        """The events of one kind, by time."""
        lines = (self.out / "events.jsonl").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["kind"] == kind]


Play = Callable[..., Demo]


@pytest.fixture(scope="session")
def play(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Gives a function that plays the demonstration with the options of its command line, once for all workers."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def play_once(again: int = 0, **options: object) -> Demo:
        key = hashlib.sha256(repr((sorted(options.items()), again)).encode()).hexdigest()[:12]
        out, facts = shared / f"demo-{key}", shared / f"demo-{key}.json"
        with (shared / f"demo-{key}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be playing it: that is awaited, not repeated
            if not facts.exists():
                demo = _play(out, options)
                facts.write_text(json.dumps(asdict(demo), default=str))
            told = json.loads(facts.read_text())
        return Demo(told["code"], out, told["stdout"], told["stderr"])

    return play_once


def _play(out: Path, options: dict[str, object]) -> Demo:
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "demo", "--out", str(out), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=800, stdin=subprocess.DEVNULL, check=False)
    return Demo(done.returncode, out, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def small(play: Play) -> Demo:
    """A small farm over two field days: 2 gateways, 6 zones."""
    demo = play(gateways=2, days=2)
    assert demo.code == 0, demo.stderr
    return demo
