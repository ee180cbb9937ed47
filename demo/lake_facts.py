"""What a lake in a local folder holds: counts, a fingerprint, and each zone's moisture for the report."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import polars as pl

TABLES = ("samples", "windows")
IDENTITY = ("sensor_id", "boot_id", "seq")
NOT_IN_FINGERPRINT = ("boot_id", "received_at")  # they may differ between two runs that measured the same


@dataclass(frozen=True)
class LakeFacts:
    """`samples` counts distinct (sensor_id, boot_id, seq); `traces` maps a zone to its [Unix s, m3/m3] by time."""

    samples: int
    sha256: str
    traces: dict[str, list[tuple[int, float]]]


def lake_facts(parquet_dir: Path, sensors: Collection[str]) -> LakeFacts:
    """Read the tables under `parquet_dir/<table>/**/*.parquet`; a table without a file counts as empty.

    `sensors` are the zones' own probes, whose moisture makes the traces.
    """
    tables = {name: _read(parquet_dir / name) for name in TABLES}
    samples = tables["samples"]
    if samples is None:
        return LakeFacts(0, _fingerprint(tables), {})
    return LakeFacts(samples.select(IDENTITY).n_unique(), _fingerprint(tables), _traces(samples, sensors))


def _read(folder: Path) -> pl.DataFrame | None:
    files = sorted(folder.rglob("*.parquet"))
    return pl.concat([pl.read_parquet(f) for f in files], how="diagonal_relaxed") if files else None


def _fingerprint(tables: dict[str, pl.DataFrame | None]) -> str:
    digest = hashlib.sha256()
    for name, table in tables.items():
        if table is not None:
            columns = sorted(set(table.columns) - set(NOT_IN_FINGERPRINT))
            digest.update(f"{name}: {','.join(columns)}\n".encode())
            digest.update(table.select(columns).sort(columns).write_csv().encode())
    return digest.hexdigest()


def _traces(samples: pl.DataFrame, sensors: Collection[str]) -> dict[str, list[tuple[int, float]]]:
    own = pl.col("sensor_id").is_in(list(sensors)) & pl.col("zone_id").is_not_null()
    moisture = samples.filter(own & pl.col("vwc").is_not_null()).sort("measured_at")
    times = moisture.select("zone_id", pl.col("measured_at").dt.epoch("s"), "vwc")
    traces: dict[str, list[tuple[int, float]]] = {}
    for zone_id, at, vwc in times.iter_rows():
        traces.setdefault(zone_id, []).append((at, vwc))
    return traces
