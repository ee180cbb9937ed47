"""What a bench found: a ratio, its limit, and whether it holds."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """A ratio of one run, the most that it may be (None: for information), and the figures behind it."""

    name: str
    ratio: float
    most: float | None
    note: str

    @property
    def holds(self) -> bool:
        """Is it within its limit?"""
        return self.most is None or self.ratio <= self.most


def text(rows: Sequence[Ratio]) -> str:
    """A table in Markdown."""
    lines = ["| | ratio | at most | holds | |", "|---|---|---|---|---|"]
    for row in rows:
        most = "" if row.most is None else f"{row.most:g}"
        verdict = "" if row.most is None else "yes" if row.holds else "NO"
        lines.append(f"| {row.name} | {row.ratio:.2f} | {most} | {verdict} | {row.note} |")
    return "\n".join(lines)
