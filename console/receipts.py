"""A decision's checks and receipt as rows of a table, in the words of a language."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from compute_service.domain.ports import DecisionRow
from views.language import Language

NOTHING = "—"
Writer = Callable[[Language, float], str]


def _with(unit: str, decimals: int = 1) -> Writer:
    return lambda language, value: f"{language.number(value, decimals)} {unit}".strip()


_SPAN: Writer = lambda language, value: language.span(max(value, 0))  # noqa: E731  # a row's own writer
_VOLUME: Writer = lambda language, value: language.volume(value)  # noqa: E731  # as above

# How a check's figures are written, by its name; any other's are plain numbers.
CHECKS: Mapping[str, Writer] = {
    "fresh_reading": _SPAN,
    "cooled_down": _SPAN,
    "needs_water": _with("mm"),
    "within_daily_cap": _SPAN,
    "daily_budget": _VOLUME,
    "seasonal_budget": _VOLUME,
    "allowed_hour": _SPAN,
    "no_frost": _with("°C"),
    "calm": _with("m/s"),
    "no_rain_now": _with("mm"),
    "no_rain_ahead": _with("mm"),
    "pump_free": _with("L/min"),
    "bounded_run": _SPAN,
    "not_only_advised": _SPAN,
    "believable_probes": _with("", 0),
}
# What of a receipt is shown, in this order, and how it is written.
BOOK: Mapping[str, Writer] = {
    "depletion_mm": _with("mm"),
    "sigma_mm": _with("mm"),
    "due_mm": _with("mm"),
    "left_mm": _with("mm"),
    "readily_available_mm": _with("mm"),
    "available_mm": _with("mm"),
    "spare_mm": _with("mm"),
    "et0_mm_24h": _with("mm"),
    "etc_mm_24h": _with("mm"),
    "rain_mm_24h": _with("mm"),
    "irrigation_mm_24h": _with("mm"),
    "day": _with("", 0),
    "kc": _with("", 2),
    "roots_m": _with("m", 2),
    "demand": _with("", 2),
    "used_today_l": _VOLUME,
    "used_season_l": _VOLUME,
    "calendar_l": _VOLUME,
}


class CheckLine(NamedTuple):
    """One check in words."""

    name: str
    passed: bool
    value: str
    threshold: str
    remedy: str


def checks(decision: DecisionRow, language: Language) -> Iterator[CheckLine]:
    """Every check of a decision, in its order; the remedy is of one that did not pass."""
    for check in decision["checks"]:
        name = check["name"]
        value = figure(name, check["value"], language)
        threshold = figure(name, check["threshold"], language)
        remedy = (
            ""
            if check["passed"]
            else _word(f"remedy_{name}", "", language, value=value or NOTHING, threshold=threshold)
        )
        yield CheckLine(_word(f"check_{name}", name, language), check["passed"], value or NOTHING, threshold, remedy)


def figure(name: str, value: Any, language: Language) -> str:
    """A check's figure, with its unit; empty for none."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return CHECKS.get(name, _with(""))(language, value)


def book(decision: DecisionRow, language: Language) -> Iterator[tuple[str, str]]:
    """The receipt's figures, each with its name."""
    for name, writer in BOOK.items():
        value = decision["receipt"].get(name)
        if value is not None:
            yield language.say(f"book_{name}"), writer(language, value)


def _word(key: str, otherwise: str, language: Language, **places: str) -> str:
    return language.say(key, **places) if key in language.words else otherwise
