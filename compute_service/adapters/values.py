"""What a value of a configuration file may be: each check says in words what is wrong with one, or None.

A check names the remedy; who calls it knows the file, the line and the name.
"""

import re
import zoneinfo
from collections.abc import Callable, Iterable
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any

import yaml

from compute_service.adapters import crops_table
from compute_service.domain.crops import CropError
from compute_service.domain.units import DAY_S, HOUR_S
from protocol import topics

Rule = Callable[[Any], str | None]  # what is wrong with a value, or None
HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
YEARS = range(2000, 2100)


def measure(least: float, most: float, unit: str, slip: tuple[str, float] | None = None) -> Rule:
    """A check for a number of `unit`; `slip` is the unit that people write by mistake, and its factor."""

    def check(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return f"want a number of {unit} from {least:g} to {most:g}, without quotes"
        if least <= value <= most:
            return None
        if slip and least <= value * slip[1] <= most:
            return f"looks like {slip[0]}; write {value * slip[1]:g}"
        return f"want {least:g} to {most:g} {unit}"

    return check


def seconds(least: int, most: int) -> Rule:
    """A check for whole seconds."""
    whole = measure(least, most, "seconds", ("minutes", 60))

    def check(value: Any) -> str | None:
        return "want whole seconds, such as 1800" if not isinstance(value, int) else whole(value)

    return check


def text(value: Any) -> str | None:
    """Any text that says something."""
    return None if isinstance(value, str) and value.strip() else "want a text, in quotes if it looks like a number"


def word(value: Any) -> str | None:
    """A name that can stand in a topic."""
    return None if topics.is_word(value) else "want 1 to 64 letters, digits, '_' or '-', in quotes if only digits"


def gateway(value: Any) -> str | None:
    """One gateway's name."""
    if value == topics.GROUP_ALL:
        return "is the group of all gateways; name one gateway"
    return word(value)


def sensor(value: Any) -> str | None:
    """A sensor's full name."""
    return None if topics.is_sensor_id(value) else "want <gateway_id>.<sensor>, such as irrigation-gateway-1.soil-a"


def timezone(value: Any) -> str | None:
    """An IANA time zone."""
    zones = zoneinfo.available_timezones()
    if value in zones:
        return None
    return f"is no time zone{did_you_mean(str(value), zones)}; want an IANA name such as America/Toronto"


def crop(value: Any) -> str | None:
    """A crop of the tables, by its English or Brazilian name."""
    why = text(value)
    if why:
        return why
    try:
        crops_table.crop(value)
    except CropError as error:
        return str(error)
    return None


def day(value: Any) -> str | None:
    """A date of our time."""
    try:
        date_ = day_of(value)
    except ValueError:
        return "is no date; write year-month-day, such as 2026-05-04"
    return None if date_.year in YEARS else f"want a date of the years {YEARS.start} to {YEARS.stop - 1}"


def day_of(value: Any) -> date:
    """A date, or its text; raises ValueError."""
    if isinstance(value, str):
        return date.fromisoformat(value)
    if isinstance(value, datetime) or not isinstance(value, date):
        raise ValueError(value)
    return value


def hours(value: Any) -> str | None:
    """A list of spans of local time, as the nodes of a file."""
    if not isinstance(value, list) or not value:
        return 'want a list of spans, such as ["20:00-06:00"]'
    for node in value:
        span = getattr(node, "value", node)
        if not isinstance(span, str) or not HOURS.fullmatch(span) or len(set(hours_of([node])[0])) == 1:
            return f'{span!r}: want the hours from and to, two different ones, such as ["20:00-06:00"]'
    return None


def hours_of(nodes: Iterable[yaml.Node]) -> tuple[tuple[int, int], ...]:
    """The spans of a good list, in seconds after midnight."""
    matches = (HOURS.fullmatch(node.value) for node in nodes)
    spans = ([int(part) for part in match.groups()] for match in matches if match)
    return tuple((h1 * HOUR_S + m1 * 60, min(h2 * HOUR_S + m2 * 60, DAY_S)) for h1, m1, h2, m2 in spans)


def list_of(what: str) -> Rule:
    """A check for a list; `what` completes `want a list of`."""
    return lambda value: None if isinstance(value, list) and (value or "one" not in what) else f"want a list of {what}"


def mapping_of(what: str) -> Rule:
    """A check for a mapping; `what` completes `want`."""
    return lambda value: None if isinstance(value, dict) else f"want {what}"


def did_you_mean(name: str, names: Any) -> str:
    """`, did you mean X?` if a known name is near, else nothing."""
    near = get_close_matches(name, list(names), n=1)
    return f", did you mean {near[0]!r}?" if near else ""
