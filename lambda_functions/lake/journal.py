"""The journal, one object: what the lake holds, and what the last commit adds. Replacing it is the moment of a commit.

A line of JSON, then two Parquet files: the spans, and, until all of them are in the day files, the commit's changes.
"""

import io
import json
from dataclasses import dataclass, field, replace
from typing import Any, Self

import polars as pl

from . import spans, tables
from .checkpoint import Checkpoint
from .errors import JournalError

KEY = "_state/journal"


@dataclass(frozen=True)
class Journal:
    """`version` counts commits. `changes` (see `tables.changes`) is None once they are in the day files."""

    version: int = 0
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    spans: pl.DataFrame = field(default_factory=lambda: spans.EMPTY)
    changes: pl.DataFrame | None = None

    def settled(self) -> Self:
        """The same, once its changes are in the day files."""
        return replace(self, changes=None)

    def to_bytes(self) -> bytes:
        """What is stored."""
        parts = [_parquet(self.spans), b"" if self.changes is None else _parquet(self.changes)]
        head = {"version": self.version, "block": spans.BLOCK, "parts": [*map(len, parts)], **self.checkpoint.to_dict()}
        return b"".join([json.dumps(head).encode(), b"\n", *parts])

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read what is stored. Raises JournalError."""
        line, _, rest = body.partition(b"\n")
        try:
            head: dict[str, Any] = json.loads(line)
            spans_end, changes_end = head["parts"][0], sum(head["parts"])
            if len(rest) != changes_end:
                raise ValueError("cut off")
            if head["block"] != spans.BLOCK:
                raise ValueError("of another version")
            changes = tables.narrow(pl.read_parquet(io.BytesIO(rest[spans_end:]))) if changes_end > spans_end else None
            entries = pl.read_parquet(io.BytesIO(rest[:spans_end]))
            return cls(int(head["version"]), Checkpoint.from_dict(head), entries, changes)
        except (ValueError, TypeError, KeyError, pl.exceptions.PolarsError) as error:
            raise JournalError(f"the journal cannot be understood ({error!r}); {REMEDY}") from error


REMEDY = "restore _state/, samples/ and windows/ together, or delete all three: the next run makes them again from raw"


def _parquet(frame: pl.DataFrame) -> bytes:
    body = io.BytesIO()
    frame.write_parquet(body, compression="lz4")  # written and read once, soon
    return body.getvalue()
