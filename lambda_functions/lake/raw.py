"""Raw objects into samples: gzip, one JSON object a line, a Reading with `client_id` and `received_at`.

A line in the usual shape is read by the engine; any other, and any whose values the engine finds wrong, is judged by
the protocol's own check, which also words the reason. So the fast way may refuse too much, but never accept too much.
"""

import codecs
import gzip
import zlib
from bisect import bisect
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

import polars as pl

from protocol import json_text, messages, topics
from protocol.errors import MessageError

from . import usual
from .tables import NOTHING, SAMPLES, narrow

_FLAT = pl.Schema({**SAMPLES, "measured_at": pl.Int64(), "received_at": pl.Int64()})  # times still in Unix seconds
CHUNK_BYTES = 1024 * 1024  # of text read at once, which bounds the memory that takes
READERS = 2  # threads; the engine lets go of the interpreter's lock


_REFUSABLE = "refusable"


def _refusable(error: UnicodeError) -> tuple[str, int]:
    r"""A byte that is no UTF-8 becomes \xNN, which no JSON allows: the line is refused, and its text kept.

    Behind a backslash that would be two of them and `xNN`, which is a good text; so there is a space between.
    """
    assert isinstance(error, UnicodeDecodeError)
    shown, end = codecs.backslashreplace_errors(error)
    assert isinstance(shown, str)
    behind = error.object[error.start - 1 : error.start] == b"\\"
    return f" {shown}" if behind else shown, end


codecs.register_error(_REFUSABLE, _refusable)


class Line(NamedTuple):
    """A raw line and where it stood; `number` counts from 1."""

    object: str
    number: int
    text: str


class Bad(NamedTuple):
    """An entry of the quarantine. `line` is None for a whole object, `sample` (from 0) is None for a whole line."""

    object: str
    line: int | None
    sample: int | None
    reason: str
    raw: str | None


@dataclass(frozen=True)
class Batch:
    """What some raw objects held; `samples` is narrow (see `tables.narrow`), with repeats."""

    rows_read: int
    samples: pl.DataFrame
    bad: list[Bad]
    unreadable: Mapping[str, bytes]


def read(objects: Mapping[str, bytes | None]) -> Batch:
    """Read raw objects, key to body (None: it is gone), into samples and entries of the quarantine. Never raises."""
    keys = list(objects)
    shares = [{key: objects[key] for key in keys[first::READERS]} for first in range(min(READERS, len(keys)))]
    if len(shares) <= 1:
        return _read_share(objects)
    with ThreadPoolExecutor(READERS) as pool:
        return _together(list(pool.map(_read_share, shares)))


def _together(batches: list[Batch]) -> Batch:
    return Batch(
        sum(batch.rows_read for batch in batches),
        pl.concat([batch.samples for batch in batches], how="diagonal", rechunk=True),
        [entry for batch in batches for entry in batch.bad],
        {key: body for batch in batches for key, body in batch.unreadable.items()},
    )


def _read_share(objects: Mapping[str, bytes | None]) -> Batch:
    bad: list[Bad] = []
    suspects: list[Line] = []
    parts: list[pl.DataFrame] = []
    rows_read = 0
    for chunk in _chunks(objects, bad):
        samples, others = usual.read(chunk.texts)
        odd = [line for line in map(chunk.line, others) if line.text and not line.text.isspace()]
        parts.append(samples)
        suspects += odd
        rows_read += len(chunk.texts) - len(others) + len(odd)
    unreadable = {entry.object: body for entry in bad if (body := objects[entry.object]) is not None}
    samples, wrong = _judge_all(suspects)
    return Batch(rows_read, pl.concat([*parts, samples], how="diagonal"), bad + wrong, unreadable)


@dataclass
class _Chunk:
    """Lines of some objects; `starts` has the index of each object's first line, in order, and the object's key."""

    texts: list[str] = field(default_factory=list)
    starts: list[tuple[int, str]] = field(default_factory=list)

    def line(self, index: int) -> Line:
        """A line and where it stood."""
        first, key = self.starts[bisect(self.starts, index, key=itemgetter(0)) - 1]
        return Line(key, index - first + 1, self.texts[index])


def _chunks(objects: Mapping[str, bytes | None], bad: list[Bad]) -> Iterator[_Chunk]:
    """The lines of all objects, in chunks of about CHUNK_BYTES of text; what holds no lines is added to `bad`."""
    chunk = _Chunk()
    size = 0
    for key, body in objects.items():
        try:
            data = b"" if body is None else gzip.decompress(body)
        except (OSError, EOFError, zlib.error) as error:
            bad.append(Bad(key, None, None, f"not gzip: {error}", None))
            continue
        if body is None:
            bad.append(Bad(key, None, None, "gone: deleted before it could be read", None))
        chunk.starts.append((len(chunk.texts), key))
        chunk.texts += data.decode("utf-8", errors=_REFUSABLE).split("\n")
        size += len(data)
        if size > CHUNK_BYTES:
            yield chunk
            chunk, size = _Chunk(), 0
    yield chunk


def _judge_all(lines: list[Line]) -> tuple[pl.DataFrame, list[Bad]]:
    if not lines:
        return NOTHING, []
    rows: list[dict[str, Any]] = []
    bad: list[Bad] = []
    for line in lines:
        good, wrong = _judge(line.text)
        rows += good
        bad += [Bad(line.object, line.number, sample, reason, line.text) for sample, reason in wrong]
    return narrow(pl.DataFrame(rows, schema=_FLAT).select(map(usual.column, SAMPLES))), bad


def _judge(text: str) -> tuple[list[dict[str, Any]], list[tuple[int | None, str]]]:
    """The protocol's way: a line's good samples as flat rows, and for the rest the sample's index and the reason."""
    try:
        reading = _parse(text)
        _check_all_but_samples(reading)
    except MessageError as error:
        return [], [(None, _reason(error))]
    rows: list[dict[str, Any]] = []
    wrong: list[tuple[int | None, str]] = []
    for index, sample in enumerate(reading["samples"]):
        try:
            messages.check("reading", {**reading, "samples": [sample]})
            rows.append(_row(reading, sample))
        except MessageError as error:
            wrong.append((index, _reason(error).replace("samples[0]", f"samples[{index}]", 1)))
    return rows, wrong


def _parse(text: str) -> dict[str, Any]:
    try:
        reading = json_text.loads(text.encode())
    except (ValueError, RecursionError) as error:
        raise MessageError("reading", "", f"not JSON: {error}") from error
    if not isinstance(reading, dict):
        raise MessageError("reading", "", "want an object")
    return reading


def _check_all_but_samples(reading: dict[str, Any]) -> None:
    if type(reading.get("v")) is not int or reading["v"] != messages.VERSION:
        raise MessageError("reading", "v", f"want {messages.VERSION}, got {str(reading.get('v'))[:60]!r}")
    samples = reading.get("samples")
    stand_ins = [_STAND_IN] * len(samples) if isinstance(samples, list) else samples
    messages.check("reading", {**reading, "samples": stand_ins})
    if reading.get("client_id") != topics.gateway_of(reading["sensor_id"]):
        publisher = str(reading.get("client_id"))[:60]
        raise MessageError("reading", "client_id", f"{publisher!r} does not own the sensor {reading['sensor_id']}")
    received_at = reading.get("received_at")
    if type(received_at) is not int or not messages.EARLIEST <= received_at < messages.LATEST:
        raise MessageError("reading", "received_at", f"want Unix seconds, got {str(received_at)[:60]!r}")


_STAND_IN = {"seq": 0, "measured_at": messages.EARLIEST, "clock": messages.CLOCKS[0]}


def _reason(error: MessageError) -> str:
    return f"{error.field}: {error.why}" if error.field else str(error.why)


def _row(reading: dict[str, Any], sample: dict[str, Any]) -> dict[str, Any]:
    values = {name: sample.get(name) for name in messages.QUANTITIES}
    return {
        **{name: reading.get(name) for name in ("sensor_id", "gateway_id", "zone_id", "boot_id", "received_at")},
        **{name: sample[name] for name in ("seq", "measured_at", "clock")},
        **{name: None if value is None else float(value) for name, value in values.items()},
    }
