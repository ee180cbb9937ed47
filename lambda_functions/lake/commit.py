"""The one place that changes the lake: how a run commits, and how the next one repairs what a dead one left.

A commit is one conditional write of the journal, with the changes inside. Then they are brought into the day files, and
the journal is settled. Whoever finds an unsettled journal brings the changes in first; doing so twice changes nothing.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import groupby

import polars as pl

from . import catalog, pages, spans, tables
from .errors import JournalError, LostRaceError
from .journal import KEY, REMEDY, Journal
from .raw import Batch
from .settings import Settings
from .store import Store

QUARANTINE = "quarantine/"
UNREADABLE = "unreadable/"  # apart, or Athena would read it as entries of the quarantine
DAYS_AT_ONCE = 2  # each with all its samples in memory


@dataclass(frozen=True)
class Head:
    """The journal as it was read, or written, and its etag; None before the first commit."""

    journal: Journal
    etag: str | None


def recover(store: Store, settings: Settings) -> Head:
    """The journal, once all that it promises is in the day files. Raises JournalError, StoreError."""
    while True:
        head = _read(store, settings)
        if head.journal.changes is None:
            return head
        days = [day for (day,) in head.journal.changes.select("day").unique().iter_rows()]
        _bring_in(store, settings, head.journal, _load(store, settings, days))
        try:
            return _write(store, settings, head.journal.settled(), head.etag)
        except LostRaceError:
            continue


def _read(store: Store, settings: Settings) -> Head:
    item = store.get(settings.dest_bucket, settings.dest_prefix + KEY)
    if item is None and store.list(settings.dest_bucket, catalog.location(settings, "samples"), after=""):
        item = store.get(settings.dest_bucket, settings.dest_prefix + KEY)  # another run may just have made both
        if item is None:
            raise JournalError(f"there is a lake, but its journal is missing; {REMEDY}")
    return Head(Journal(), None) if item is None else Head(Journal.from_bytes(item.body), item.etag)


def commit(store: Store, settings: Settings, head: Head, batch: Batch, keys: list[str]) -> tuple[Head, Counter[str]]:
    """Bring a batch, made of the raw objects `keys`, into the lake; gives the new journal and the counts.

    Raises LostRaceError if another run committed since `head` was read: nothing has changed then. Raises StoreError.
    """
    _quarantine(store, settings, batch)
    samples = tables.distinct(batch.samples)
    day_pages = _pages(store, settings, head, samples)
    changes = tables.changes(samples, [page.samples for page in day_pages])
    journal = _next(store, settings, head.journal, changes, keys)
    head = _write(store, settings, journal, head.etag)
    counts = Counter(rows_read=batch.rows_read, quarantined=len(batch.bad))
    counts["samples_written"] = int((~changes["gone"]).sum()) - int(changes["known"].sum())
    counts["duplicates_dropped"] = len(batch.samples) - counts["samples_written"]
    if journal.changes is not None:
        counts += _bring_in(store, settings, journal, day_pages)
        head = _settle(store, settings, head)
    return head, counts


def _next(store: Store, settings: Settings, last: Journal, changes: pl.DataFrame, keys: list[str]) -> Journal:
    checkpoint = last.checkpoint.after(keys)
    if changes.is_empty():
        return Journal(last.version + 1, checkpoint, last.spans)
    entries = spans.add(last.spans, changes.filter(~pl.col("gone")), last.version + 1)
    return Journal(last.version + 1, checkpoint, spans.retire(store, settings, entries), changes)


def _pages(store: Store, settings: Settings, head: Head, samples: pl.DataFrame) -> list[pages.Page]:
    """The days that the samples belong to, and the others that may hold a copy of one."""
    day_pages = _load(store, settings, samples["day"].unique().to_list())
    if head.journal.version and not samples.is_empty():
        there = pl.concat([page.samples.lazy().select(tables.IDENTITY) for page in day_pages])
        strangers = samples.lazy().join(there, on=tables.IDENTITY, how="anti")
        days = set(spans.other_days(store, settings, head.journal.spans, strangers)) - {page.day for page in day_pages}
        day_pages += _load(store, settings, days)
    if max((page.version for page in day_pages), default=0) > head.journal.version:
        _explain_newer(store, settings, head)
    return day_pages


def _explain_newer(store: Store, settings: Settings, head: Head) -> None:
    """A day file is newer than the journal: another run was faster, or the journal is not that of this lake."""
    etag, _ = store.head(settings.dest_bucket, settings.dest_prefix + KEY)
    if etag != head.etag:
        raise LostRaceError(KEY)
    raise JournalError(f"the journal is older than the day files; {REMEDY}")


def _load(store: Store, settings: Settings, days: Iterable[date]) -> list[pages.Page]:
    return store.map(lambda day: pages.load(store, settings, day), sorted(days), DAYS_AT_ONCE)


def _bring_in(store: Store, settings: Settings, journal: Journal, day_pages: list[pages.Page]) -> Counter[str]:
    changes = journal.changes
    assert changes is not None
    days = set(changes["day"].unique())
    todo = [page for page in day_pages if page.day in days]
    catalog.register(store.glue, settings, [str(page.day) for page in todo if page.etag is None])
    counts = store.map(lambda page: pages.apply(store, settings, page, changes, journal.version), todo, DAYS_AT_ONCE)
    return Counter(partitions_written=2 * len(todo), windows_written=sum(counts))


def _write(store: Store, settings: Settings, journal: Journal, etag: str | None) -> Head:
    body = journal.to_bytes()
    try:
        etag = store.replace(settings.dest_bucket, settings.dest_prefix + KEY, body, journal.version, etag)
    except LostRaceError:
        # A write whose answer was lost is repeated by the client, and then meets itself.
        item = store.get(settings.dest_bucket, settings.dest_prefix + KEY)
        if item is None or item.body != body:
            raise
        etag = item.etag
    return Head(journal, etag)


def _settle(store: Store, settings: Settings, head: Head) -> Head:
    try:
        return _write(store, settings, head.journal.settled(), head.etag)
    except LostRaceError:  # another run has settled it, and may have gone on
        return recover(store, settings)


def _quarantine(store: Store, settings: Settings, batch: Batch) -> None:
    """Bad entries beside each other by the raw object they came from; its name makes a repeated run write the same."""

    def put(folder: str, key: str, body: bytes) -> None:
        store.put(settings.dest_bucket, settings.dest_prefix + folder + key.removeprefix(settings.source_prefix), body)

    for key, body in batch.unreadable.items():
        put(UNREADABLE, key, body)
    for key, entries in groupby(sorted(batch.bad, key=lambda entry: entry.object), key=lambda entry: entry.object):
        put(QUARANTINE, f"{key}.jsonl", "".join(json.dumps(entry._asdict()) + "\n" for entry in entries).encode())
