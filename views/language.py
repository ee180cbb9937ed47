"""A language of the views: its words, its numbers and its dates. A further language is a further table of words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

NBSP = "\u00a0"
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400


@dataclass(frozen=True, kw_only=True)
class Language:
    """`words` are sentences with {places}, or `one|many` of a noun; `names` translate what farms call things.

    `marks` are the marks of thousands and of decimals. Dates are patterns of {day}, {month}, {weekday}, {year}, {time}.
    """

    code: str
    name: str
    marks: str
    months: tuple[str, ...]
    weekdays: tuple[str, ...]
    dates: Mapping[str, str]
    words: Mapping[str, str]
    names: Mapping[str, str]

    def with_words(self, more: Mapping[str, str]) -> Self:
        """The same language with further words, for whoever has more to say than the views."""
        return replace(self, words={**self.words, **more})

    def say(self, key: str, **places: str) -> str:
        """A sentence, its places filled with what is already in words."""
        return self.words[key].format(**places)

    def tell(self, key: str, **figures: float) -> str:
        """A sentence, its places filled with figures: the name of a place says how its figure is written."""
        return self.say(key, **{name: FIGURES[name](self, figure) for name, figure in figures.items()})

    def called(self, name: str) -> str:
        """A crop or a soil by its name in this language; its own name, in words, if there is none."""
        return self.names.get(name, name.replace("_", " "))

    def with_names(self, names: Mapping[str, str]) -> "Language":
        """The language with further names of what farms call things, such as a table's crops."""
        return replace(self, names={**self.names, **names})

    def number(self, value: float, decimals: int = 0) -> str:
        """A number as people write it here: never `-0.0`, and a true minus."""
        text = f"{round(value, decimals) + 0.0:,.{decimals}f}"
        return text.translate(str.maketrans(",.-", f"{self.marks}\u2212"))

    def count(self, number: int, noun: str) -> str:
        """A number and its noun, as `1 day` or `24 plots`."""
        return f"{self.number(number)} {self.noun(number, noun)}"

    def noun(self, number: int, noun: str) -> str:
        """One or many of it."""
        one, many = self.words[noun].split("|")
        return one if number == 1 else many

    def percent(self, share: float, decimals: int = 0) -> str:
        """A share of 1 in percent."""
        return self.say("percent", number=self.number(share * 100, decimals))

    def volume(self, litres: float) -> str:
        """Litres in the unit that reads well, as `840 L`, `8.4 m³` or `118 m³`."""
        if litres < 1000:
            return f"{self.number(litres)}{NBSP}L"
        return f"{self.number(litres / 1000, 1 if litres < 100_000 else 0)}{NBSP}m³"

    def span(self, seconds: float) -> str:
        """Seconds in the units that a person would choose, as `40 s`, `12 min`, `3 h 10 min`, `2 days 5 h`."""
        total = round(seconds)
        if total < MINUTE_S:
            return f"{self.number(total)}{NBSP}s"
        if total < HOUR_S:
            return f"{self.number(total // MINUTE_S)}{NBSP}min"
        if total < 2 * DAY_S:
            hours, minutes = divmod(total // MINUTE_S, 60)
            return f"{hours}{NBSP}h" + (f" {minutes}{NBSP}min" if minutes else "")
        days, hours = divmod(total // HOUR_S, 24)
        return self.count(days, "day").replace(" ", NBSP) + (f" {hours}{NBSP}h" if hours else "")

    def date(self, pattern: str, local: datetime) -> str:
        """A moment of the farm's wall clock, by the name of a pattern."""
        return self.dates[pattern].format(
            day=local.day,
            ordinal="1º" if local.day == 1 else local.day,
            month=self.months[local.month - 1],
            short_month=self.months[local.month - 1][:3],
            number=local.month,
            weekday=self.weekdays[local.weekday()],
            year=local.year,
            time=f"{local:%H:%M}",
        )

    def moment(self, local: datetime) -> str:
        """A moment as a grower says it: `Wed 1 Jul 05:00`."""
        return self.date("moment", local)


# How the figure of a place is written, by the name of the place.
FIGURES: Mapping[str, Callable[[Language, float], str]] = {
    "n": lambda language, value: language.number(value),
    "runs": lambda language, value: language.count(int(value), "run"),
    "samples": lambda language, value: language.count(int(value), "sample"),
    "decisions": lambda language, value: language.count(int(value), "decision"),
    "commands": lambda language, value: language.count(int(value), "command"),
    "times": lambda language, value: language.count(int(value), "time"),
    "boots": lambda language, value: language.count(int(value), "boot"),
    "moisture": lambda language, value: language.percent(value, 1),
    "before": lambda language, value: language.percent(value, 1),
    "points": lambda language, value: language.number(abs(value) * 100, 1),
    "share": lambda language, value: language.percent(value),
    "usual": lambda language, value: language.percent(value),
    "litres": lambda language, value: language.volume(value),
    "expected": lambda language, value: language.volume(value),
    "span": lambda language, value: language.span(value),
    "value": lambda language, value: language.number(value, 3),
    "earlier": lambda language, value: language.number(value, 3),
    "factor": lambda language, value: language.number(value),
    "mm": lambda language, value: language.number(value, 1),
}
