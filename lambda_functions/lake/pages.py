"""The day files, one of samples and one of windows for each day: the lake as readers see it.

A file says by which commit it was written, and is only ever replaced on condition that nobody else has meanwhile. So
bringing a commit's changes in may be repeated by anyone, at any time, also by a run that was asleep for an hour.
"""

import io
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from . import catalog, tables
from .errors import LostRaceError
from .settings import Settings
from .store import VERSION, Store

FILE = "data.parquet"  # one object a day and table: S3 replaces it whole, so no reader sees half a day


@dataclass(frozen=True)
class Page:
    """A day's samples, as `tables.narrow` gives them and commit `version` left them; `etag` is None before that."""

    day: date
    samples: pl.DataFrame
    version: int
    etag: str | None


def load(store: Store, settings: Settings, day: date) -> Page:
    """Read the samples of a day. Raises StoreError."""
    item = store.get(settings.dest_bucket, _key(settings, "samples", day))
    if item is None:
        return Page(day, tables.NOTHING, -1, None)
    return Page(day, tables.narrow(pl.read_parquet(io.BytesIO(item.body))), item.version, item.etag)


def apply(store: Store, settings: Settings, page: Page, changes: pl.DataFrame, version: int) -> int:
    """Bring the changes of commit `version` into a day, windows first; gives the rows in the file of windows.

    `changes` may be of other days too.
    """
    bucket = settings.dest_bucket
    while page.version < version:
        samples = tables.apply(page.samples, changes.filter(pl.col("day") == page.day))
        windows = tables.windows(samples, settings.interval_minutes)
        try:
            key = _key(settings, "windows", page.day)
            etag, there = store.head(bucket, key)
            if there < version:
                store.replace(bucket, key, _parquet(windows, version), version, etag)
            key = _key(settings, "samples", page.day)
            store.replace(bucket, key, _parquet(tables.whole(samples), version), version, page.etag)
            return len(windows)
        except LostRaceError:  # somebody else is bringing in the same commit, or has, and is further already
            page = load(store, settings, page.day)
    return 0


def _key(settings: Settings, table: str, day: date) -> str:
    return catalog.location(settings, table, str(day)) + FILE


def _parquet(frame: pl.DataFrame, version: int) -> bytes:
    body = io.BytesIO()
    # The version also stands inside, so that no two commits ever give a file the same content, hence the same etag.
    metadata: Any = {VERSION: str(version)}
    frame.write_parquet(body, metadata=metadata)
    return body.getvalue()
