"""Schedules: five fields as cron and Google have them, and the six of AWS. Pure.

AWS wants a `?` in one of the two fields for days, since it takes not both; its week begins with Sunday, as 1.
"""

import re
from collections.abc import Callable

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_PART = re.compile(r"(\*|[A-Za-z0-9]+(?:-[A-Za-z0-9]+)?)(?:/([0-9]+))?")
_MOST_FOR_AWS = 256
_MOST_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

# Name, least, most, words for numbers from the least on.
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 7, _DAYS),
)


def schedule(value: object) -> str | None:
    """A check for five fields that some moment matches."""
    if not isinstance(value, str):
        return "want five fields of cron in quotes, as '0 2 * * *'"
    fields = value.split()
    if len(fields) != len(_FIELDS):
        return f"want five fields of cron, as '0 2 * * *'; these are {len(fields)}"
    for text, (name, least, most, words) in zip(fields, _FIELDS, strict=True):
        if why := _why_not(text, least, most, words):
            return f"{name} {text!r}: {why}"
    days, months, weekdays = _numbers(fields[2], 2), _numbers(fields[3], 3), fields[4]
    if fields[2] != "*" and weekdays != "*":
        return "a day of the month and a weekday together; AWS takes one of them, so put * for the other"
    if not any(day <= _MOST_DAYS[month - 1] for day in days for month in months):
        return "no month of these has that day"
    return None if len(for_aws(value)) <= _MOST_FOR_AWS else "too many moments for one expression of AWS; use ranges"


def for_aws(text: str) -> str:
    """The same moments as `cron(minute hour day month weekday year)`."""
    minute, hour, day, month, weekday = (_spelt(part, place) for place, part in enumerate(text.split()))
    if weekday == "*":
        return f"cron({minute} {hour} {day} {month} ? *)"
    return f"cron({minute} {hour} ? {month} {weekday} *)"


def _spelt(text: str, place: int) -> str:
    """A field as both clouds read it alike: steps and the week's numbers are written out."""
    if text == "*":
        return text
    if place == len(_FIELDS) - 1:
        days = sorted({number % 7 for number in _numbers(text, place)})
        return "*" if len(days) == len(_DAYS) else ",".join(str(day + 1) for day in days)
    numbers = sorted(_numbers(text, place))
    _, least, most, _ = _FIELDS[place]
    return "*" if len(numbers) == most - least + 1 else ",".join(map(str, numbers))


def _numbers(text: str, place: int) -> set[int]:
    _, least, most, words = _FIELDS[place]
    return {number for part in text.split(",") for number in _range(part, least, most, words)}


def _range(part: str, least: int, most: int, words: tuple[str, ...]) -> range:
    match = _PART.fullmatch(part)
    assert match is not None
    if most == 7 and match[1] == "*":
        most = 6
    first, last = _ends(match[1], _reader(least, words), least, most)
    step = int(match[2] or 1)
    if match[2] and match[1].isalnum():  # `5/10` is from 5 on
        last = 6 if most == 7 else most
    return range(first, last + 1, step)


def _why_not(text: str, least: int, most: int, words: tuple[str, ...]) -> str | None:
    number = _reader(least, words)
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            return "want numbers, ranges as 1-5, lists with commas, and steps as */15"
        if match[2] is not None and not 1 <= int(match[2]) <= most:
            return f"a step is from 1 to {most}"
        try:
            first, last = _ends(match[1], number, least, most)
        except ValueError:
            return f"want {least} to {most}{', or ' + words[0] + ' to ' + words[-1] if words else ''}"
        if not least <= first <= last <= most:
            return f"want {least} to {most}, the lesser one first"
    return None


def _ends(text: str, number: Callable[[str], int], least: int, most: int) -> tuple[int, int]:
    if text == "*":
        return least, most
    first, _, last = text.partition("-")
    return number(first), number(last or first)


def _reader(least: int, words: tuple[str, ...]) -> Callable[[str], int]:
    return lambda text: words.index(text.upper()) + least if text.upper() in words else int(text)
