"""The lake reads a line of JSON as board and service do, in its quick way as in the protocol's own."""

import gzip

import polars as pl

from lambda_functions.lake import raw
from protocol.messages import EARLIEST
from tests.vm.portable.json_documents import documents

HEAD = b'"gateway_id": "g1", "sensor_id": "g1.soil", "zone_id": "z", "boot_id": "b"'
SAMPLES = b'"samples": [{"seq": 1, "measured_at": %d, "clock": "synced", "vwc": 0.2}]' % EARLIEST
RULE = b'"client_id": "g1", "received_at": %d' % EARLIEST


def read(line: bytes) -> tuple[pl.DataFrame, list[raw.Bad]]:
    batch = raw.read({"object": gzip.compress(line.replace(b"\n", b" "))})
    return batch.samples, batch.bad


def test_each_document_has_its_verdict() -> None:
    """What the service refuses is set aside in the quarantine, with the reason, and never in the table."""
    for text, good in documents(HEAD + b", " + SAMPLES + b", " + RULE):  # type: ignore[no-untyped-call]  # it runs on MicroPython
        if b"\n" in text:
            continue  # which ends a line of the lake
        samples, bad = read(text)
        assert (text, len(samples), len(bad)) == (text, int(good), int(not good))


def test_a_name_twice_in_the_usual_shape_is_refused() -> None:
    """Also where the line looks like any other, and the quick way would take either value."""
    head, sample = HEAD.split(b", "), SAMPLES[13:-2].split(b", ")
    for field in [b'"v": 1', *head]:
        line = b"{" + b", ".join([b'"v": 1', *head, field, SAMPLES, RULE]) + b"}"
        samples, bad = read(line)
        assert (field, len(samples), len(bad)) == (field, 0, 1)
    for field in (*sample, b'"vwc": null'):
        inner = b'"samples": [{' + b", ".join([*sample, field]) + b"}]"
        samples, bad = read(b"{" + b", ".join([b'"v": 1', *head, inner, RULE]) + b"}")
        assert (field, len(samples), len(bad)) == (field, 0, 1)
    nothing = SAMPLES.replace(b'"vwc": 0.2', b'"vwc": null, "rain_mm": 1.0')
    samples, bad = read(b"{" + b", ".join([b'"v": 1', *head, nothing, RULE]) + b"}")
    assert (len(samples), bad) == (1, [])
