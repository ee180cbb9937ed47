"""The record of a process in field time: its events as they happen, also over a `kill -9`."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class EventRecord:
    """Appends each event to a file, one JSON object a line; goes on after the last whole line of a process before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()
        cut_torn_line(path)

    def __call__(self, event: Mapping[str, Any]) -> None:
        with self._path.open("ab", buffering=0) as file:
            file.write(_line(event))

    def has(self, event: Mapping[str, Any]) -> bool:
        """True if this very event is there, also from a process before this one."""
        return _line(event) in self._path.read_bytes()


def cut_torn_line(path: Path) -> None:
    """Cut off a last line without its end: a process that is killed within a write leaves as much as it had written."""
    lines = path.read_bytes()
    end = lines.rfind(b"\n") + 1
    if end < len(lines):
        os.truncate(path, end)


def _line(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event).encode() + b"\n"
