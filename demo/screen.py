"""What a person sees of a demonstration: one bar, one live line, and a table at the end."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from agronomy.units import CALENDAR_MM_A_WEEK
from demo.job import DAY_S, Job

# The rows of the closing table: text, key of the summary, unit.
ROWS = (
    ("scenario", "scenario", ""),
    ("field days", "field_days", ""),
    ("gateways", "gateways", ""),
    ("zones", "zones", ""),
    ("faults injected", "faults", ""),
    ("messages published / acknowledged", ("messages_published", "messages_acked"), ""),
    ("samples taken / in the lake", ("samples_taken", "samples_in_lake"), ""),
    ("samples lost", "samples_lost", ""),
    ("samples quarantined / dropped by an outbox", ("samples_quarantined", "samples_dropped_by_outbox"), ""),
    ("duplicates dropped", "duplicates_dropped", ""),
    ("commands sent / done", ("commands_sent", "commands_done"), ""),
    ("commands rejected / expired", ("commands_rejected", "commands_expired"), ""),
    ("valves open beyond their bound", "valve_bound_violations", ""),
    (
        f"water delivered / by a calendar of {CALENDAR_MM_A_WEEK:.0f} mm a week",
        ("litres_delivered", "water_by_calendar_l"),
        " l",
    ),
    ("zones below wilting point", "zones_below_wilting_point", ""),
    ("water unaccounted for in any zone", "water_balance_error_mm", " mm"),
    ("seconds", "seconds", " s"),
)


@contextlib.contextmanager
def show_progress(job: Job, console: Console) -> Iterator[Callable[[int, str], None]]:
    """Gives the function that is told of progress. Without a terminal it prints one line a field day."""
    if not console.is_terminal:
        yield _line_a_day(job, console)
        return
    columns = (
        TextColumn("[bold]{task.fields[day]}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[news]}", markup=False),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=job.end - job.start, day=_day(job, job.start), news="")

        def tell(now: int, news: str) -> None:
            progress.update(task, completed=now - job.start, day=_day(job, now))
            if news:
                progress.update(task, news=news)

        yield tell


def _line_a_day(job: Job, console: Console) -> Callable[[int, str], None]:
    days: set[str] = set()

    def tell(now: int, _news: str) -> None:
        day = _day(job, now)
        if day not in days:
            days.add(day)
            console.print(day, highlight=False)

    return tell


def _day(job: Job, now: int) -> str:
    days = (job.end - job.start) // DAY_S
    number = min((now - job.start) // DAY_S, days - 1)
    date = datetime.fromtimestamp(job.start + number * DAY_S, UTC)
    return f"day {number + 1} of {days}, {date:%Y-%m-%d}"


def summary_table(summary: dict[str, Any]) -> Table:
    """The summary as a table for people."""
    table = Table(title="PythoFlow: what happened on the farm", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    for text, keys, unit in ROWS:
        names = (keys,) if isinstance(keys, str) else keys
        table.add_row(text, " / ".join(_shown(summary[name]) for name in names) + unit)
    table.add_section()
    table.add_row("report", summary["report"])
    table.add_row("lake (Parquet)", summary["parquet_dir"])
    return table


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"
