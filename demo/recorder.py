"""The events of one process, as they happen."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO


class Recorder:
    """Writes events as they happen, one JSON object a line, and keeps the last one worth telling a person."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO = path.open("a", buffering=1)
        self._news = ""

    def __call__(self, event: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(event) + "\n")
        if in_words := NEWS.get(event["kind"]):
            self._news = in_words(event)

    def has(self, event: dict[str, Any]) -> bool:
        """True if this very event is on record, from this process or one before it."""
        return json.dumps(event) + "\n" in self._path.read_text()

    def news(self) -> str:
        """What was worth telling since this was last asked."""
        news, self._news = self._news, ""
        return news

    def close(self) -> None:
        """Close the file."""
        self._file.close()


NEWS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "valve_edge": lambda event: f"{event['zone_id']} {'opens' if event['open'] else 'closes'}",
    "refusal": lambda event: f"refused {event['thing']}: {event['why']}",
}
