"""The table of events that the outbox's user hands in: a row an event, with its words in each language.

Nothing here knows what the events are about. A later event is a further row, a later language a further column.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Template(NamedTuple):
    """A title and a line of text, with {places} for the values that come with an event."""

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """An event: how urgent, how it is said, and how often at most.

    `level` is held against what a channel wants to hear. A `loud` one does not wait for the end of quiet hours, nor for
    company. `repeat_s`: of one place no more than one in this time; the next waits so long, and counts those after it.
    """

    name: str
    level: int  # 0 is the most urgent
    templates: Mapping[str, Template]
    loud: bool = False
    repeat_s: int = 3600


Table = Mapping[str, EventRow]


def table(*rows: EventRow) -> Table:
    """Rows by name."""
    return {row.name: row for row in rows}
