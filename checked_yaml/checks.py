"""What a value may be: each check says in words what is wrong with one, or None.

A check names the remedy; who calls it knows the file, the line and the name.
"""

import functools
import math
import zoneinfo
from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import Any

Check = Callable[[Any], str | None]
BIGGEST = 1e15  # no quantity is greater, and every int up to it is a float, too
MOST_LETTERS = 100  # of a word that may be meant for another: to compare takes their square


def anything(_value: Any) -> str | None:
    """For a value that is judged later."""
    return None


def measure(least: float, most: float, unit: str, slip: tuple[str, float] | None = None) -> Check:
    """A check for a number of `unit`; `slip` is the unit that people write by mistake, and its factor."""

    def check(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return f"want a number of {unit} from {least:g} to {most:g}, without quotes"
        if least <= value <= most:
            return None
        if slip and abs(value) <= BIGGEST and least <= value * slip[1] <= most:
            return f"looks like {slip[0]}; write {value * slip[1]:g}"
        return f"want {least:g} to {most:g} {unit}"

    return check


def seconds(least: int, most: int) -> Check:
    """A check for whole seconds."""
    whole = measure(least, most, "seconds", ("minutes", 60))

    def check(value: Any) -> str | None:
        return "want whole seconds, such as 1800" if not isinstance(value, int) else whole(value)

    return check


def number(least: float, most: float = math.inf) -> Check:
    """A check for a number whose unit its name says."""
    return _number(least, most, "a number", (int, float))


def whole_number(least: int, most: float = math.inf) -> Check:
    """A check for a whole number."""
    return _number(least, most, "a whole number", (int,))


def _number(least: float, most: float, what: str, kinds: tuple[type[int] | type[float], ...]) -> Check:
    limits = f"of at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"

    def check(value: Any) -> str | None:
        is_good = isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= min(most, BIGGEST)
        return None if is_good else f"want {what} {limits}, without quotes"

    return check


def text(value: Any) -> str | None:
    """Any text that says something."""
    return None if isinstance(value, str) and value.strip() else "want a text, in quotes if it looks like a number"


def each(check: Check) -> Check:
    """A check for a list, or for one value in place of a list of one; it names the first bad entry."""

    def check_all(value: Any) -> str | None:
        for entry in as_list(value):
            why = check(entry)
            if why:
                return why if entry is value else f"{entry!r}: {why}"
        return None

    return check_all


def as_list(value: Any) -> list[Any]:
    """The value, if it is a list, or a list of it alone."""
    return value if isinstance(value, list) else [value]


def scalar(value: Any) -> str | None:
    """A text, or a number that is taken for one."""
    is_good = isinstance(value, str | int | float) and not isinstance(value, bool)
    return None if is_good else "want a text, or a list of texts; put each in quotes"


def one_of(choices: Collection[Any]) -> Check:
    """A check for one of a few words."""

    def check(value: Any) -> str | None:
        if isinstance(value, list | dict | set) or value not in choices:
            return f"not known here; {near_or_all(str(value), choices)}"
        return None

    return check


@functools.cache
def _timezones() -> frozenset[str]:
    """Their list takes longer to find on the disk than all else of a file takes to read."""
    return frozenset(zoneinfo.available_timezones() - {"Factory", "localtime"})  # of no place, and of this machine


def timezone(value: Any) -> str | None:
    """An IANA time zone."""
    zones = _timezones()
    if isinstance(value, str) and value in zones:
        return None
    remedy = "want an IANA name such as America/Toronto, or Etc/GMT+5 for standard time all year"
    return f"is no time zone{did_you_mean(str(value), zones)}; {remedy}"


def list_of(what: str) -> Check:
    """A check for a list; `what` completes `want a list of`."""
    return lambda value: None if isinstance(value, list) and (value or "one" not in what) else f"want a list of {what}"


def mapping_of(what: str) -> Check:
    """A check for a mapping; `what` completes `want`."""
    return lambda value: None if isinstance(value, dict) else f"want {what}"


def did_you_mean(name: str, names: Collection[str]) -> str:
    """`, did you mean X?` if a known name is near, else nothing."""
    near = get_close_matches(name[:MOST_LETTERS], list(names), n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def near_or_all(word: str, words: Collection[Any]) -> str:
    """What a person may have meant, or all that there is."""
    near = get_close_matches(word[:MOST_LETTERS], [str(one) for one in words], 1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(map(str, words))}"
