"""Raw objects into samples: gzip, one JSON object a line, a Reading with `client_id` and `received_at`.

A line in the usual shape is read by the engine; any other, and any whose values the engine finds wrong, is judged by
the protocol's own check, which also words the reason. So the fast way may refuse too much, but never accept too much.
"""

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import compress
from typing import Any, NamedTuple

import polars as pl

from protocol import messages, topics
from protocol.errors import MessageError

from .shape import USUAL
from .tables import SAMPLES, TIME

_LINE = pl.Schema(
    {
        "v": pl.Int64(),
        "gateway_id": pl.String(),
        "sensor_id": pl.String(),
        "zone_id": pl.String(),
        "boot_id": pl.String(),
        "client_id": pl.String(),
        "received_at": pl.Int64(),
        "samples": pl.List(
            pl.Struct(
                {
                    "seq": pl.Int64(),
                    "measured_at": pl.Int64(),
                    "clock": pl.String(),
                    **{quantity: pl.Float64() for quantity in messages.QUANTITIES},
                }
            )
        ),
    }
)

_FLAT = pl.Schema({**SAMPLES, "measured_at": pl.Int64(), "received_at": pl.Int64()})  # times still in Unix seconds
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


def read(objects: Mapping[str, bytes]) -> Batch:
    """Read raw objects, key to body, into samples and entries of the quarantine. Nothing in them raises."""
    lines: list[Line] = []
    bad: list[Bad] = []
    for key, body in objects.items():
        try:
            lines += _lines(key, gzip.decompress(body))
        except (OSError, EOFError, zlib.error) as error:
            bad.append(Bad(key, None, None, f"not gzip: {error}", None))
    unreadable = {entry.object: objects[entry.object] for entry in bad}
    samples, suspects = _read_usual(lines)
    judged, more = _judge_all(suspects)
    return Batch(len(lines), pl.concat([samples, judged]), bad + more, unreadable)


def _lines(key: str, data: bytes) -> Iterable[Line]:
    # A byte that is no UTF-8 becomes \xNN, which no JSON allows: the line is refused, and its text kept.
    texts = data.decode("utf-8", errors="backslashreplace").split("\n")
    return (Line(key, number, text) for number, text in enumerate(texts, 1) if text and not text.isspace())


def _read_usual(lines: list[Line]) -> tuple[pl.DataFrame, list[Line]]:
    """The engine's way: samples of the lines that are surely right, and the lines to be judged."""
    is_usual = pl.Series([line.text for line in lines], dtype=pl.String).str.contains(USUAL)
    usual = list(compress(lines, is_usual))
    suspects = list(compress(lines, ~is_usual))
    if not usual:
        return _table(pl.DataFrame(schema=_FLAT)), suspects
    text = "\n".join(line.text for line in usual)
    table = pl.read_ndjson(io.BytesIO(text.encode()), schema=_LINE).with_row_index("row")
    flat = table.with_columns(many=pl.col("samples").list.len()).explode("samples").unnest("samples")
    refused = flat.filter(~_SOUND)["row"].unique()
    sound = flat.filter(~pl.col("row").is_in(refused.implode())) if len(refused) else flat
    return _table(sound), suspects + [usual[row] for row in refused.sort()]


def _table(flat: pl.DataFrame) -> pl.DataFrame:
    """Flat rows with the table's columns and types; times come in Unix seconds."""
    in_ms = [(pl.col(name) * 1000).cast(TIME) for name in ("measured_at", "received_at")]
    return flat.with_columns(in_ms).select(*SAMPLES)


def _judge_all(lines: list[Line]) -> tuple[pl.DataFrame, list[Bad]]:
    rows: list[dict[str, Any]] = []
    bad: list[Bad] = []
    for line in lines:
        good, wrong = _judge(line.text)
        rows += good
        bad += [Bad(line.object, line.number, sample, reason, line.text) for sample, reason in wrong]
    return _table(pl.DataFrame(rows, schema=_FLAT)), bad


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
