"""The samples that faults may show in, out of a lake in a local folder; and what is in its quarantine."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from demo.faults.evidence import Fault, Sample

COLUMNS = ("measured_at", "received_at", "boot_id", "clock")

Samples = dict[tuple[str, str], list[Sample]]


def struck_samples(lake: Path, faults: Iterable[Fault], sensor_ids: Iterable[str] = ()) -> Samples:
    """Samples of each sensor or gateway that is a target, by (id, quantity), in the order of receipt.

    Of a gateway, those of its first sensor, under the quantity ``""`` and without a value. The moisture of the
    `sensor_ids` comes too.
    """
    files = sorted((lake / "samples").rglob("*.parquet"))
    if not files:
        return {}
    table = pl.concat([pl.scan_parquet(file) for file in files], how="diagonal_relaxed")
    places = {(target, fault.quantity) for fault in faults for target in fault.targets}
    places |= {(sensor_id, "vwc") for sensor_id in sensor_ids}
    sensors = sorted((name, quantity) for name, quantity in places if "." in name)  # the dot makes it a sensor
    gateways = sorted({name for name, _ in places if "." not in name})
    rows = {place: _rows(table.filter(pl.col("sensor_id") == place[0]), place[1]) for place in sensors}
    return rows | {(name, ""): _rows(_first_sensor(table, name), "") for name in gateways}


def quarantine_of(lake: Path) -> dict[str, list[float]]:
    """When the samples in quarantine were received (Unix s), by sensor id; what names no sensor is under ``""``."""
    times: dict[str, list[float]] = {}
    for file in sorted((lake / "quarantine").rglob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            reading = _reading(json.loads(line).get("raw"))
            received_at = reading.get("received_at")
            at = float(received_at) if isinstance(received_at, int) else 0.0
            times.setdefault(str(reading.get("sensor_id") or ""), []).append(at)
    return times


def _first_sensor(table: pl.LazyFrame, gateway_id: str) -> pl.LazyFrame:
    own = table.filter(pl.col("gateway_id") == gateway_id)
    return own.filter(pl.col("sensor_id") == pl.col("sensor_id").min())


def _rows(table: pl.LazyFrame, quantity: str) -> list[Sample]:
    is_there = quantity in table.collect_schema().names()
    value = pl.col(quantity).cast(pl.Float64) if is_there else pl.lit(None, pl.Float64)
    times = [pl.col(name).dt.epoch("s") for name in COLUMNS[:2]]
    rows = table.select(*times, *COLUMNS[2:], value.alias("value")).collect().sort("received_at", "measured_at")
    return [Sample(*row) for row in rows.iter_rows()]


def _reading(raw: object) -> dict[str, Any]:
    """A raw line as far as it can be read: it is here because something is wrong with it."""
    try:
        reading = json.loads(raw) if isinstance(raw, str) else None
    except ValueError:
        return {}
    return reading if isinstance(reading, dict) else {}
