"""Every reader of what comes from outside, against spoiled documents: a sample in each run, all of them in the soak."""

import json

import pytest

from gateway import mqtt
from tests.compute_service.test_forecast import NOW
from tests.fuzz import message_texts, packets
from tests.fuzz.branches import described
from tests.fuzz.long_run import long_run, reached
from tests.fuzz.message_texts import Text
from tests.fuzz.room import FaultError, FoundError, Reader, made, one_by_one, run
from tests.fuzz.table import TABLE
from tests.safety.garbage import TOPICS, documents
from tests.safety.random_mutants import write_line

SEED = 1


@pytest.mark.parametrize("name", TABLE)
def test_spoiled_documents_meet_the_room_s_own_error(name: str) -> None:
    """Whatever becomes of a document, it is refused by name, or says what can be, and every reader says the same."""
    row = TABLE[name]
    accepted = run(name, row.reader, SEED, range(row.push))
    assert accepted > 0
    assert accepted < row.push or name == "packets"  # of which each is read more than once


@pytest.mark.soak
@pytest.mark.timeout(24 * 3600)
@pytest.mark.parametrize("name", TABLE)
def test_many_spoiled_documents(name: str) -> None:
    """The same of all documents of the promise, and the branches that a part of them takes."""
    trace = reached(name, SEED, TABLE[name].reader.sample)
    for branch in trace.missing():
        write_line(f"not taken: {described(branch)}")
    write_line(f"{name}: {trace.share():.1%} of the branches")
    assert trace.share() >= TABLE[name].reader.share
    write_line(str(long_run(name, SEED + 1, TABLE[name].soak)))


@pytest.mark.parametrize("name", TABLE)
def test_a_document_follows_from_its_index(name: str) -> None:
    """What was found is found again, alone."""
    reader = TABLE[name].reader
    for index in (0, 7, 4321):
        assert made(reader, SEED, index) == made(reader, SEED, index) != made(reader, SEED + 1, index + 1)


def test_a_fault_says_how_to_see_it_again() -> None:
    """Reader, seed and index stand in the report, with the document and the traceback."""

    def read(document: int) -> bool:
        return bool(1 / (document % 50 - 7))

    reader = Reader(lambda draw: draw.randrange(10**6), one_by_one(read), batch=10, code=(), sample=1, share=1)
    first = next(index for index in range(1000) if made(reader, 5, index) % 50 == 7)
    with pytest.raises(FoundError) as caught:
        run("numbers", reader, 5, range(1000))
    for told in (f"numbers, seed 5, index {first}", "ZeroDivisionError", str(made(reader, 5, first))):
        assert told in str(caught.value)
    assert f"python -m tests.fuzz numbers --seed 5 --index {first}" in str(caught.value)


def test_a_board_that_reads_otherwise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle is no formality: a verdict or a value that differs ends the run, with the place of the document."""
    good = [Text(TOPICS[kind], json.dumps(document).encode()) for kind, document in documents(NOW).items()]
    lines = ["A" + text.payload.decode() for text in good]
    for wrong in ("R", lines[3].replace("60", "61"), "XIndexError()"):
        monkeypatch.setattr(message_texts, "_on_boards", lambda _, wrong=wrong: [*lines[:3], wrong, *lines[4:]])
        with pytest.raises(FaultError) as caught:
            message_texts.judge(good)
        assert caught.value.at == 3


def test_a_client_that_hears_too_much_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard is reckoned apart from the client: one that takes a wildcard for a topic is found at once."""
    stream = packets.CONNACK + packets.SUBACK + b"\x32\x08\x00\x03a/+\x00\x07x"
    assert packets.judge([stream]) > 0
    monkeypatch.setattr(mqtt, "_parse_publish", lambda _, body: (body[2:5].decode(), 7, body[7:]))
    with pytest.raises(FaultError, match="the standard says"):
        packets.judge([stream])
