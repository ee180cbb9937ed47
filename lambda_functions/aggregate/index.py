"""AWS Lambda: new raw objects become samples and windows, cleaned, each sample once.

What a run does depends on the raw objects and the checkpoint alone: on no clock, and on no order of arrival.
"""

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

try:
    from lambda_functions.aggregate.lake import commit, errors, raw, settings, store
except ModuleNotFoundError:  # in the image, this folder is the root
    from lake import commit, errors, raw, settings, store  # type: ignore[import-not-found, no-redef]  # the same files

BATCH_BYTES = 32 * 1024 * 1024  # of gzip, so some hundred MB of text: what one commit holds in memory
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
    Raises ConfigError, EventError, CheckpointError, StoreError (all AggregateError).
    """
    if not isinstance(event, dict | None):
        raise errors.EventError(f"event: want a JSON object, got {type(event).__name__}")
    started = time.perf_counter()
    counts, newest = aggregate(settings.Settings.from_environment(os.environ), store.Store.connect())
    report = {name: counts[name] for name in COUNTS}
    return {**report, "seconds": round(time.perf_counter() - started, 3), "checkpoint": newest}


def aggregate(to: settings.Settings, at: store.Store) -> tuple[Counter[str], str]:
    """Commit every raw object that the checkpoint does not know; gives the counts and the newest key."""
    counts: Counter[str] = Counter()
    checkpoint = commit.load_checkpoint(at, to)
    found = at.list(to.source_bucket, to.source_prefix, after=to.source_prefix + checkpoint.since)
    fresh = ((key, size) for key, size in found if key.removeprefix(to.source_prefix) not in checkpoint.processed)
    for keys in batches(list(fresh), BATCH_BYTES):
        checkpoint = checkpoint.after(key.removeprefix(to.source_prefix) for key in keys)
        counts += commit.commit(at, to, raw.read(at.get_many(to.source_bucket, keys)), checkpoint)
        counts["objects_read"] += len(keys)
    return counts, checkpoint.newest


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
