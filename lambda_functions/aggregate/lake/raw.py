"""Raw objects into samples: gzip, one JSON object a line, a Reading with `client_id` and `received_at`.

A line in the usual shape is read by the engine; any other, and any whose values the engine finds wrong, is judged by
the protocol's own check, which also words the reason. So the fast way may refuse too much, but never accept too much.
"""

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import compress
from typing import Any, NamedTuple

import polars as pl

from protocol import messages, topics
from protocol.errors import MessageError

from .shape import USUAL
from .tables import SAMPLES, TIME

_HEAD = pl.Schema(
    {
        "v": pl.Int64(),
        **dict.fromkeys(("gateway_id", "sensor_id", "zone_id", "boot_id", "client_id"), pl.String()),
        "received_at": pl.Int64(),
    }
)
_SAMPLE = pl.Schema(
    {
        "seq": pl.Int64(),
        "measured_at": pl.Int64(),
        "clock": pl.String(),
        **dict.fromkeys(messages.QUANTITIES, pl.Float64()),
    }
)
_FLAT = pl.Schema({**SAMPLES, "measured_at": pl.Int64(), "received_at": pl.Int64()})  # times still in Unix seconds
_NOTHING = pl.DataFrame(schema=SAMPLES)
CHUNK_BYTES = 1024 * 1024  # of text read at once, which bounds the memory that takes
_MANY = 100  # samples in one line; the protocol allows more, and judges a line that has more


def _time(name: str) -> pl.Expr:
    return pl.col(name).is_between(messages.EARLIEST, messages.LATEST - 1)


# What the text does not show: that nothing is missing, values are in range, and the sensor is the publisher's own.
_SOUND = pl.all_horizontal(
    *(pl.col(name).is_not_null() for name in ("v", "boot_id", "seq", "clock")),
    _time("measured_at"),
    _time("received_at"),
    pl.col("sensor_id").str.split(".").list.first() == pl.col("gateway_id"),
    pl.col("client_id") == pl.col("gateway_id"),
    pl.col("many") <= _MANY,
    *(pl.col(name).is_between(*bounds).fill_null(True) for name, bounds in messages.QUANTITIES.items()),
).fill_null(False)


def _column(name: str) -> pl.Expr:
    """A column of the table, of flat rows."""
    if name in ("measured_at", "received_at"):
        return (pl.col(name) * 1000).cast(TIME).alias(name)
    return pl.col(name) + 0.0 if name in messages.QUANTITIES else pl.col(name)  # -0.0 is no other value than 0.0


_COLUMNS = [_column(name) for name in SAMPLES]


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
    """What some raw objects held; `samples` has the columns of the table, with repeats."""

    rows_read: int
    samples: pl.DataFrame
    bad: list[Bad]
    unreadable: Mapping[str, bytes]


def read(objects: Mapping[str, bytes | None]) -> Batch:
    """Read raw objects, key to body (None: it is gone), into samples and entries of the quarantine. Never raises."""
    bad: list[Bad] = []
    suspects: list[Line] = []
    parts = [_NOTHING]
    rows_read = 0
    for lines in _chunks(objects, bad):
        samples, odd = _read_usual(lines)
        parts.append(samples)
        suspects += odd
        rows_read += len(lines)
    unreadable = {entry.object: body for entry in bad if (body := objects[entry.object]) is not None}
    samples, wrong = _judge_all(suspects)
    return Batch(rows_read, pl.concat([*parts, samples], rechunk=True), bad + wrong, unreadable)


def _chunks(objects: Mapping[str, bytes | None], bad: list[Bad]) -> Iterator[list[Line]]:
    """The lines of all objects, in lists of about CHUNK_BYTES of text; what holds no lines is added to `bad`."""
    lines: list[Line] = []
    size = 0
    for key, body in objects.items():
        try:
            text = b"" if body is None else gzip.decompress(body)
        except (OSError, EOFError, zlib.error) as error:
            bad.append(Bad(key, None, None, f"not gzip: {error}", None))
            continue
        if body is None:
            bad.append(Bad(key, None, None, "gone: deleted before it could be read", None))
        lines += _lines(key, text)
        size += len(text)
        if size > CHUNK_BYTES:
            yield lines
            lines, size = [], 0
    yield lines


def _lines(key: str, data: bytes) -> Iterable[Line]:
    # A byte that is no UTF-8 becomes \xNN, which no JSON allows: the line is refused, and its text kept.
    texts = data.decode("utf-8", errors="backslashreplace").split("\n")
    return (Line(key, number, text) for number, text in enumerate(texts, 1) if text and not text.isspace())


def _read_usual(lines: list[Line]) -> tuple[pl.DataFrame, list[Line]]:
    """The engine's way: samples of the lines that are surely right, and the lines to be judged."""
    texts = pl.Series([line.text for line in lines], dtype=pl.String)
    is_usual = texts.str.contains(USUAL) & texts.str.contains("[", literal=True)  # the shape allows that parts lack
    usual = list(compress(lines, is_usual))
    suspects = list(compress(lines, ~is_usual))
    if not usual:
        return _NOTHING, suspects
    flat = _flatten([line.text for line in usual])
    samples = flat.lazy().select("row", _SOUND.alias("sound"), *_COLUMNS).collect()
    refused = [] if samples["sound"].all() else samples.filter(~pl.col("sound"))["row"].unique().sort().to_list()
    sound = samples.filter(~pl.col("row").is_in(refused)) if refused else samples
    return sound.drop("row", "sound"), suspects + [usual[row] for row in refused]


def _flatten(texts: list[str]) -> pl.DataFrame:
    """Lines of the usual shape as one row a sample, with the line's index as `row`, and how `many` samples it has.

    Cutting the text first and reading two flat documents takes half as long as reading the nested one.
    """
    heads, bodies, counts = [], [], []
    for text in texts:
        before, _, rest = text.partition("[")
        body, _, after = rest.partition("]")
        heads.append(f"{before}0{after}")
        bodies.append(body)
        counts.append(body.count("{"))
    samples = "\n".join(bodies).replace("}, {", "}\n{").replace("},{", "}\n{")
    many = pl.Series("many", counts, dtype=pl.UInt32)
    lines = pl.read_ndjson(io.BytesIO("\n".join(heads).encode()), schema=_HEAD).with_columns(many).with_row_index("row")
    rows = pl.select(pl.int_range(len(texts)).repeat_by(many).explode()).to_series()
    named = {name: dtype for name, dtype in _SAMPLE.items() if f'"{name}"' in samples}
    found = pl.read_ndjson(io.BytesIO(samples.encode()), schema=named)
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in _SAMPLE.items() if name not in named]
    return pl.concat([lines[rows], found.with_columns(missing)], how="horizontal")


def _judge_all(lines: list[Line]) -> tuple[pl.DataFrame, list[Bad]]:
    if not lines:
        return _NOTHING, []
    rows: list[dict[str, Any]] = []
    bad: list[Bad] = []
    for line in lines:
        good, wrong = _judge(line.text)
        rows += good
        bad += [Bad(line.object, line.number, sample, reason, line.text) for sample, reason in wrong]
    return pl.DataFrame(rows, schema=_FLAT).select(_COLUMNS), bad


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
        reading = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MessageError("reading", "", f"not JSON: {error}") from error
    if not isinstance(reading, dict):
        raise MessageError("reading", "", "want an object")
    return reading


def _check_all_but_samples(reading: dict[str, Any]) -> None:
    if reading.get("v") != messages.VERSION or isinstance(reading["v"], bool):
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
