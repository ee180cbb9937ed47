"""The one place that changes the lake, and the order that makes a run repeatable after a crash anywhere.

Quarantine, catalogue, windows, samples, checkpoint: each step is whole or not there, and repeating it changes nothing.
Windows stand before their samples, because only samples tell the next run what is still new.
"""

import io
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import polars as pl

from . import catalog, tables
from .checkpoint import Checkpoint
from .raw import Batch
from .settings import Settings
from .store import Store

CHECKPOINT = "_state/checkpoint.json"
QUARANTINE = "quarantine/"
FILE = "data.parquet"  # one object a day and table: S3 replaces it whole, so no reader sees half a day
DAYS_AT_ONCE = 4


def load_checkpoint(store: Store, settings: Settings) -> Checkpoint:
    """Where the last run ended. Raises CheckpointError, StoreError."""
    return Checkpoint.from_json(store.get(settings.dest_bucket, settings.dest_prefix + CHECKPOINT))


def commit(store: Store, settings: Settings, batch: Batch, checkpoint: Checkpoint) -> Counter[str]:
    """Bring a batch into the lake, then move the checkpoint; gives the counts. Raises StoreError."""
    _quarantine(store, settings, batch)
    days = tables.by_day(tables.merge(batch.samples))
    if days:
        catalog.register(store.glue, settings, list(days))
    with ThreadPoolExecutor(DAYS_AT_ONCE) as pool:
        written = list(pool.map(lambda day: _commit_day(store, settings, *day), days.items()))
    store.put(settings.dest_bucket, settings.dest_prefix + CHECKPOINT, checkpoint.to_json())
    counts = sum(written, Counter({"rows_read": batch.rows_read, "quarantined": len(batch.bad)}))
    counts["duplicates_dropped"] = len(batch.samples) - counts["samples_written"]
    return counts


def _commit_day(store: Store, settings: Settings, day: str, arrived: pl.DataFrame) -> Counter[str]:
    stored = _load(store, settings, day)
    merged = tables.merge(stored, arrived)
    if merged.equals(stored):
        return Counter()
    # All windows of the day, not only those that changed: the file is replaced whole, and this heals any older fault.
    windows = tables.windows(merged, settings.interval_minutes)
    _save(store, settings, "windows", day, windows)
    _save(store, settings, "samples", day, merged)
    return Counter(samples_written=len(merged) - len(stored), partitions_written=2, windows_written=len(windows))


def _load(store: Store, settings: Settings, day: str) -> pl.DataFrame:
    body = store.get(settings.dest_bucket, catalog.location(settings, "samples", day) + FILE)
    return pl.DataFrame(schema=tables.SAMPLES) if body is None else pl.read_parquet(io.BytesIO(body))


def _save(store: Store, settings: Settings, table: str, day: str, frame: pl.DataFrame) -> None:
    body = io.BytesIO()
    frame.write_parquet(body)
    store.put(settings.dest_bucket, catalog.location(settings, table, day) + FILE, body.getvalue())


def _quarantine(store: Store, settings: Settings, batch: Batch) -> None:
    """Bad entries beside each other by the raw object they came from; its name makes a repeated run write the same."""
    place = settings.dest_prefix + QUARANTINE
    for key, body in batch.unreadable.items():
        store.put(settings.dest_bucket, place + key.removeprefix(settings.source_prefix), body)
    for key, entries in groupby(sorted(batch.bad, key=lambda entry: entry.object), key=lambda entry: entry.object):
        text = "".join(json.dumps(entry._asdict()) + "\n" for entry in entries)
        store.put(settings.dest_bucket, f"{place}{key.removeprefix(settings.source_prefix)}.jsonl", text.encode())
