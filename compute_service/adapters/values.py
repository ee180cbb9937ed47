"""What a value of a zones file may be: checks as those of checked_yaml."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import yaml

from agronomy.units import DAY_S, HOUR_S
from checked_yaml import checks
from compute_service.adapters import crops_table
from protocol import topics

HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
YEARS = range(2000, 2100)


def word(value: Any) -> str | None:
    """A name that can stand in a topic."""
    return None if topics.is_word(value) else "want 1 to 64 letters, digits, '_' or '-', in quotes if only digits"


def gateway(value: Any) -> str | None:
    """One gateway's name."""
    if value == topics.GROUP_ALL:
        return "is the group of all gateways; name one gateway"
    return word(value)


def gateways(value: Any) -> str | None:
    """A list of gateways, as the nodes of a file."""
    if not isinstance(value, list):
        return "want a list of gateways, such as [irrigation-gateway-1]"
    names = names_of(value)
    return next((f"{name!r}: {why}" for name in names if (why := gateway(name))), None)


def names_of(nodes: Iterable[yaml.Node]) -> tuple[Any, ...]:
    """What stands in a list of words."""
    return tuple(getattr(node, "value", node) for node in nodes)


def sensor(value: Any) -> str | None:
    """A sensor's full name."""
    return None if topics.is_sensor_id(value) else "want <gateway_id>.<sensor>, such as irrigation-gateway-1.soil-a"


def crop(value: Any) -> str | None:
    """A crop of the tables, by its English or Brazilian name."""
    why = checks.text(value)
    if why:
        return why
    try:
        crops_table.crop(value)
    except crops_table.UnknownCropError as error:
        return str(error)
    return None


def currency(value: Any) -> str | None:
    """A currency by its three letters (ISO 4217)."""
    is_code = isinstance(value, str) and len(value) == 3 and value.isascii() and value.isalpha() and value.isupper()
    return None if is_code else "want a currency's three letters, such as BRL"


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
