"""The file of events does not grow without bound."""

import json
import logging
import resource
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

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


def test_events_that_cannot_be_written_end_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A disk that is full within a line leaves that line out and no half of it, tells so once, and later how many."""
    path = tmp_path / "events.jsonl"
    event: Any = {"at": 1, "kind": "refusal", "by": "compute", "thing": "x", "what": "y", "why": "z"}
    later: Any = {**event, "at": 2}
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with caplog.at_level(logging.WARNING), closing(EventFile(path)) as file:
        file.record(event)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, before[1]))
        try:
            file.record(event)
            file.record(event)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        file.record(later)
    assert [json.loads(line)["at"] for line in path.read_text().splitlines()] == [1, 2]
    told = [record.message for record in caplog.records]
    assert len(told) == 2
    assert told[1].endswith("events left out: 2")


def test_half_a_line_of_a_killed_service_goes(tmp_path: Path) -> None:
    """A kill -9 may end a write at a border of pages; the next life's first event is a line of its own all the same."""
    path = tmp_path / "events.jsonl"
    event: Any = {"at": 1, "kind": "refusal", "by": "compute", "thing": "x", "what": "y", "why": "z"}
    for start in (1, 2, 3):
        with closing(EventFile(path)) as file:
            now: Any = {**event, "at": start}
            file.record(now)
        with path.open("ab") as torn:
            torn.write(json.dumps(event).encode()[: 20 * start])
    with closing(EventFile(path)):
        assert [json.loads(line)["at"] for line in path.read_text().splitlines()] == [1, 2, 3]


def test_a_full_disk_is_no_trouble_at_the_end_either() -> None:
    """The service ends in good order although no event of its could be written."""
    with closing(EventFile(Path("/dev/full"))) as file:
        file.record({"at": 1, "kind": "unproven", "named": "x", "topic": "y", "text": "z"})
