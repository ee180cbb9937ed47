"""The file of events does not grow without bound."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from compute_service.event_file import KEPT_FILES, EventFile


def test_events_are_bounded_and_the_newest_stay(tmp_path: Path) -> None:
    """However much happens, so many files of such a size stay: the last events, whole and in order, over a restart."""
    path = tmp_path / "events.jsonl"
    for half in range(2):
        with closing(EventFile(path, most_bytes=1000)) as file:
            for number in range(half * 500, half * 500 + 500):
                event: Any = {"at": number, "kind": "refusal", "by": "compute", "thing": "x", "what": "y", "why": "z"}
                file.record(event)
    names = ["events.jsonl", *(f"events.jsonl.{number}" for number in range(1, KEPT_FILES + 1))]
    assert sorted(one.name for one in tmp_path.iterdir()) == names
    assert all((tmp_path / name).stat().st_size < 1200 for name in names)
    lines = [line for name in reversed(names) for line in (tmp_path / name).read_text().splitlines()]
    numbers = [json.loads(line)["at"] for line in lines]
    assert numbers == list(range(numbers[0], 1000))
