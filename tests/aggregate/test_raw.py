"""The two ways of reading a raw line say the same."""

import gzip
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from lambda_functions.lake import raw, tables, usual
from protocol.messages import EARLIEST, LATEST

NUMBERS = [0, 1, -1, 1.0, 1.5, 0.1 + 0.2, 5e-324, 1e-7, 1e300, 10**15, 10**25, float("nan"), float("inf")]
TEXTS = ["", "0.3", "x", "a.b", "a.b.c", "g1.soil", "g2.soil", "é", "\n", '"', "\\", "\ud800", "a" * 65, "synced"]
TIMES = [EARLIEST - 1, EARLIEST, LATEST - 1, LATEST]
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [*NUMBERS, *TEXTS, *TIMES, None, True, False, [], {}, [1], [{}], [[]], {"vwc": 0.2}]
)
NAMES = ["v", "gateway_id", "sensor_id", "zone_id", "boot_id", "client_id", "received_at", "samples", "seq", "vwc"]
NAMES += ["measured_at", "clock", "rain_mm", "volume_l", "extra"]
VALUES = {"vwc": st.floats(0, 1), "volume_l": st.floats(0, 1e9), "rain_mm": st.floats(0, 500) | st.none()}


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A good raw line, with up to two things wrong with it, in one of the ways that JSON is written."""
    samples = [
        {
            "seq": seq,
            "measured_at": EARLIEST + seq,
            "clock": "synced",
            **draw(st.fixed_dictionaries({}, optional=VALUES)),
        }
        for seq in range(draw(st.integers(1, 3)))
    ]
    reading: dict[str, Any] = {"v": 1, "gateway_id": "g1", "sensor_id": "g1.soil", "zone_id": "z", "boot_id": "b"}
    reading |= {"samples": samples, "client_id": "g1", "received_at": EARLIEST}
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.sampled_from([reading, *samples]))
        name = draw(st.sampled_from(NAMES))
        if draw(st.booleans()):
            place[name] = draw(ODD)
        else:
            place.pop(name, None)
    text = json.dumps(reading, separators=draw(st.sampled_from([(", ", ": "), (",", ":"), (" , ", " : ")])))
    text = draw(st.sampled_from([text, text[:-1], text + "}", text.replace("0.", ".", 1), text.replace(": 1", ": 01")]))
    return text.encode()


@settings(deadline=None)  # what it takes beside other work says nothing
@given(st.lists(lines(), max_size=5))
def test_the_engine_accepts_only_what_the_protocol_accepts(found: list[bytes]) -> None:
    """Read the fast way or judged one by one: the same samples to the last bit, the same quarantine."""
    batch = raw.read({"key": gzip.compress(b"\n".join(found))})
    texts = [line.decode() for line in found if line]
    samples, bad = raw._judge_all([raw.Line("key", number, text) for number, text in enumerate(texts, 1)])
    assert_frame_equal(tables.whole(batch.samples), tables.whole(samples), check_row_order=False, check_exact=True)
    assert sorted(batch.bad, key=str) == sorted(bad, key=str)


def test_a_usual_line_goes_the_fast_way(line: Any, sample: Any) -> None:
    """The shape that the topic rule writes is known to the engine; otherwise every run would be slow."""
    reading = line(sample(0, rain_mm=None, soil_temperature_c=-1.5e-05), sample(1))
    texts = [json.dumps(reading), json.dumps(reading, separators=(",", ":")), json.dumps({**reading, "zone_id": None})]
    samples, others = usual.read(texts)
    assert others == []
    assert len(samples) == 6


def test_a_line_may_lack_any_part(line: Any, sample: Any) -> None:
    """Whatever fields are missing, the line is judged alone and spoils no other."""
    whole = line(sample(0))
    texts = [json.dumps({name: whole[name] for name in whole if name != lost}) for lost in whole]
    batch = raw.read({"key": gzip.compress("\n".join([json.dumps(whole), *texts, '{"v": 1}']).encode())})
    assert len(batch.samples) == 2  # the whole one, and the one without its zone
    assert sorted(entry.line or 0 for entry in batch.bad) == [2, 3, 4, 6, 7, 8, 9, 10]


def test_a_deep_line_is_only_a_bad_line() -> None:
    """Nesting cannot break the reader."""
    batch = raw.read({"key": gzip.compress(b"[" * 100_000 + b"\n" + b'{"a":' * 100_000)})
    assert [entry.reason.split(":")[0] for entry in batch.bad] == ["not JSON", "not JSON"]


def test_a_reflashed_board_s_samples_are_no_repeats() -> None:
    """Both boards count from 1 and say the same numbers; by the chance in their boots' names all are kept."""
    lines_of_all = []
    for later, boot_id in enumerate(("boot-1", "boot-1-1221fbe8", "boot-1-5abd2006")):
        for seq in range(1, 41):
            sample = {"seq": seq, "measured_at": EARLIEST + 10**6 * later + seq, "clock": "synced", "vwc": 0.2}
            reading = {"v": 1, "gateway_id": "g1", "sensor_id": "g1.soil", "zone_id": "z", "boot_id": boot_id}
            reading |= {"samples": [sample], "client_id": "g1", "received_at": EARLIEST + 10**6 * later + 60 * seq}
            lines_of_all.append(json.dumps(reading))
    batch = raw.read({"object": gzip.compress("\n".join(lines_of_all).encode())})
    assert len(tables.distinct(batch.samples)) == 120
