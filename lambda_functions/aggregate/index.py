"""AWS Lambda: new raw objects become samples and windows, cleaned, each sample once.

What a run does depends on the raw objects and the journal alone: on no clock, and on no order of arrival.
"""

import logging
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

try:
    from lambda_functions.lake import commit, errors, raw, settings, store
except ModuleNotFoundError:  # in the image, this folder is the root
    from lake import commit, errors, raw, settings, store  # type: ignore[import-not-found, no-redef]  # the same files

log = logging.getLogger(__name__)

BATCH_BYTES = 2 * 1024 * 1024  # of gzip, so some 200,000 samples: what one commit holds in memory
COUNTS = (
    "objects_read",
    "rows_read",
    "samples_written",
    "duplicates_dropped",
    "quarantined",
    "partitions_written",
    "windows_written",
)


def handler(event: dict[str, Any] | None, context: object) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes both
    """Aggregate what is new; gives the counts, `seconds`, and as `checkpoint` the newest key that was processed.

    A row is a raw line; `quarantined` counts lines, samples and whole objects. Of the event nothing is needed.
    Raises ConfigError, EventError, JournalError, StoreError (all AggregateError).
    """
    if not isinstance(event, dict | None):
        raise errors.EventError(f"event: want a JSON object, got {type(event).__name__}")
    started = time.perf_counter()
    counts, newest = aggregate(settings.Settings.from_environment(os.environ), store.Store.connect())
    report: dict[str, Any] = {name: counts[name] for name in COUNTS}
    report |= {"seconds": round(time.perf_counter() - started, 3), "checkpoint": newest}
    log.info("aggregated", extra=report)  # a line of JSON in the function's log; an alarm looks at `quarantined`
    return report


def aggregate(to: settings.Settings, at: store.Store) -> tuple[Counter[str], str]:
    """Commit every raw object that the journal does not know; gives the counts and the newest key."""
    counts: Counter[str] = Counter()
    head = commit.recover(at, to)
    objects = at.list(to.source_bucket, to.source_prefix, after=to.source_prefix + head.journal.checkpoint.since)
    for keys in batches(list(unknown(objects, head, to)), BATCH_BYTES):
        head, more = bring(keys, head, to, at)
        counts += more
    return counts, head.journal.checkpoint.newest


def bring(
    keys: list[str], head: commit.Head, to: settings.Settings, at: store.Store
) -> tuple[commit.Head, Counter[str]]:
    """Commit these raw objects, or those of them that no other run commits meanwhile."""
    batch = raw.read(at.get_many(to.source_bucket, keys))
    try:
        head, counts = commit.commit(at, to, head, batch, [key.removeprefix(to.source_prefix) for key in keys])
    except errors.LostRaceError:
        head = commit.recover(at, to)
        rest = [key for key, _ in unknown(((key, 0) for key in keys), head, to)]
        return bring(rest, head, to, at) if rest else (head, Counter())
    return head, counts + Counter(objects_read=len(keys))


def unknown(objects: Iterable[tuple[str, int]], head: commit.Head, to: settings.Settings) -> Iterator[tuple[str, int]]:
    """Those objects that the journal does not know."""
    return (
        (key, size) for key, size in objects if not head.journal.checkpoint.knows(key.removeprefix(to.source_prefix))
    )


def batches(objects: Iterable[tuple[str, int]], most_bytes: int) -> Iterator[list[str]]:
    """Cut keys with their sizes into lists of at most `most_bytes`, in order; a larger object is a list of its own."""
    keys: list[str] = []
    room = most_bytes
    for key, size in objects:
        if keys and size > room:
            yield keys
            keys, room = [], most_bytes
        keys.append(key)
        room -= size
    if keys:
        yield keys
