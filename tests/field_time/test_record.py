"""The record of events over a kill -9."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from field_time.record import EventRecord, cut_torn_line

EVENT = {"at": 1, "kind": "valve_edge", "zone_id": "zone-1", "open": True}


@given(st.data())
def test_a_torn_event_is_not_on_record_and_spoils_no_other(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A kill -9 within a write leaves a part of a line; the next life knows of whole lines only, and begins its own."""
    path = tmp_path_factory.mktemp("record") / "events.jsonl"
    lives = data.draw(st.lists(st.integers(0, len(json.dumps(EVENT))), min_size=1, max_size=4))
    for number, torn_at in enumerate(lives):
        record = EventRecord(path)
        record({**EVENT, "at": number})
        with path.open("ab") as file:
            file.write(json.dumps(EVENT | {"at": -1}).encode()[:torn_at])
    record = EventRecord(path)
    assert [json.loads(line)["at"] for line in path.read_text().splitlines()] == list(range(len(lives)))
    assert record.has({**EVENT, "at": 0})
    assert not record.has({**EVENT, "at": -1})


def test_whole_lines_stay_as_they_are(tmp_path: Path) -> None:
    """Where nothing is torn, nothing is written: also an empty file and one of a single half line are files after."""
    for before, after in ((b"", b""), (b"half", b""), (b"{}\n", b"{}\n"), (b"{}\n{", b"{}\n")):
        path = tmp_path / "lines"
        path.write_bytes(before)
        cut_torn_line(path)
        assert path.read_bytes() == after
