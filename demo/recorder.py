"""The events of one process, as they happen."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from field_time.record import EventRecord


class Recorder(EventRecord):
    """Writes events as they happen, and keeps the last one worth telling a person."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._news = ""

    def __call__(self, event: Mapping[str, Any]) -> None:
        super().__call__(event)
        if in_words := NEWS.get(event["kind"]):
            self._news = in_words(event)

    def news(self) -> str:
        """What was worth telling since this was last asked."""
        news, self._news = self._news, ""
        return news


NEWS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "valve_edge": lambda event: f"{event['zone_id']} {'opens' if event['open'] else 'closes'}",
    "refusal": lambda event: f"refused {event['thing']}: {event['why']}",
}
