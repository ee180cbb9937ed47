"""The water of each zone, closed: what came in, less what went out, is what the soil holds more than before. In mm."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import median

from agronomy.units import CALENDAR_MM_A_WEEK
from views.events import Document
from views.language import Language
from views.zone_chart import Plot

INS = ("rain_mm", "irrigation_mm")
OUTS = ("evapotranspiration_mm", "percolation_mm", "runoff_mm", "lost_mm")
SEEN_MM = 0.05  # what one decimal shows
CLOSED_MM = 0.5
UNACKED = 0.05  # of the irrigation: a run that the end of the season cut, or an estimate, may miss so much
LONG = 3.0  # times the median bar: what is longer is cut, so that the others can be seen


@dataclass(frozen=True)
class Balance:
    """A zone's account in mm, by the names of INS and OUTS; `acked_mm` is the irrigation that its acks tell."""

    zone_id: str
    area_m2: float
    flows: Mapping[str, float]
    change_mm: float
    acked_mm: float

    @property
    def in_mm(self) -> float:
        """All that came in."""
        return sum(self.flows[name] for name in INS)

    @property
    def out_mm(self) -> float:
        """All that went out."""
        return sum(self.flows[name] for name in OUTS)

    @property
    def difference_mm(self) -> float:
        """In less out less change: 0 if the account closes."""
        return self.in_mm - self.out_mm - self.change_mm

    def column(self, name: str) -> float:
        """A figure of the table by its name."""
        return self.flows[name] if name in self.flows else float(getattr(self, name))

    @property
    def unacked(self) -> bool:
        """True if more, or less, water came than the acks tell."""
        return abs(self.flows["irrigation_mm"] - self.acked_mm) > max(1.0, UNACKED * self.flows["irrigation_mm"])


BARS = (*INS, *OUTS, "change_mm")
COLUMNS = (*INS, "in_mm", *OUTS, "out_mm", "change_mm", "difference_mm", "acked_mm")
SIGNED = ("change_mm", "difference_mm")


def balances(truth: Mapping[str, Document], plots: Iterable[Plot]) -> list[Balance]:
    """The account of every plot that the field's truth has one for, in the plots' order."""
    return [_balance(plot, truth[plot.zone["zone_id"]]) for plot in plots if plot.zone["zone_id"] in truth]


def _balance(plot: Plot, account: Document) -> Balance:
    flows = {name: float(account.get(name, 0.0)) for name in (*INS, *OUTS)}
    change = account["stored_at_end_mm"] - account["stored_at_start_mm"]
    area = float(plot.zone["area_m2"])
    return Balance(plot.zone["zone_id"], area, flows, change, plot.litres / area)


def mean(rows: Sequence[Balance], name: str) -> Balance:
    """The farm's account: the mean of all, by area."""
    area = sum(row.area_m2 for row in rows)

    def of(column: str) -> float:
        return sum(row.column(column) * row.area_m2 for row in rows) / area

    return Balance(name, area, {flow: of(flow) for flow in (*INS, *OUTS)}, of("change_mm"), of("acked_mm"))


def largest_error_mm(rows: Iterable[Balance]) -> float:
    """How far the worst account is from closing."""
    return max((abs(row.difference_mm) for row in rows), default=0.0)


def by_calendar(rows: Sequence[Balance], calendar_l: float, language: Language) -> str:
    """What the farm got and used, beside what a calendar would have given."""
    farm = mean(rows, "")
    return language.say(
        "balance_calendar",
        a_week=language.number(CALENDAR_MM_A_WEEK),
        calendar=language.number(calendar_l / farm.area_m2, 1),
        given=language.number(farm.flows["irrigation_mm"], 1),
        rain=language.number(farm.flows["rain_mm"], 1),
        used=language.number(farm.flows["evapotranspiration_mm"], 1),
    )


def balance_table(rows: Sequence[Balance], language: Language) -> str:
    """One line a zone, with its two bars; the last line is the farm's."""
    if not rows:
        return ""
    head = "".join(
        f'<th scope="col" class="{_kind(name)}"><span>{escape(language.say(name))}</span></th>' for name in COLUMNS
    )
    most = _scale_mm(rows)
    lines = "".join(_line(row, most, language) for row in rows)
    farm = _line(mean(rows, language.say("all_plots")), most, language, "all")
    return (
        f'<table class="balance"><thead><tr><th scope="col">{escape(language.say("zone"))}</th>'
        f"<td></td>{head}</tr></thead><tbody>{lines}</tbody><tfoot>{farm}</tfoot></table>"
    )


def _kind(name: str) -> str:
    return name.removesuffix("_mm")


def _line(row: Balance, most_mm: float, language: Language, kind: str = "") -> str:
    cells = "".join(_cell(row, name, language) for name in COLUMNS)
    return (
        f'<tr class="{kind}"><th scope="row">{escape(row.zone_id)}</th>'
        f'<td class="bars">{_bars(row, most_mm, language)}</td>{cells}</tr>'
    )


def _cell(row: Balance, name: str, language: Language) -> str:
    value = row.column(name)
    sign = "+" if name in SIGNED and value > SEEN_MM else ""
    label = escape(language.say(name))
    return f'<td class="{_kind(name)} {_news(row, name)}" data-label="{label}">{sign}{language.number(value, 1)}</td>'


def _news(row: Balance, name: str) -> str:
    """`bad` if a figure is wrong, `nil` if it is nothing to look at."""
    if (name == "difference_mm" and abs(row.difference_mm) >= CLOSED_MM) or (name == "acked_mm" and row.unacked):
        return "bad"
    return "nil" if abs(row.column(name)) < SEEN_MM else ""


def _bars(row: Balance, most_mm: float, language: Language) -> str:
    """What came in over what went out; what the soil gave or kept makes them equally long."""
    loss_mm, gain_mm = max(0.0, -row.change_mm), max(0.0, row.change_mm)
    ins = [(_kind(name), row.flows[name]) for name in INS] + [("change", loss_mm)]
    outs = [(_kind(name), row.flows[name]) for name in OUTS] + [("change", gain_mm)]
    name = language.say(
        "bar_name",
        zone=row.zone_id,
        ins=language.number(row.in_mm, 1),
        outs=language.number(row.out_mm, 1),
        change=language.number(row.change_mm, 1),
    )
    return f'<div role="img" aria-label="{escape(name)}">{_stack(ins, most_mm)}{_stack(outs, most_mm)}</div>'


def _scale_mm(rows: Sequence[Balance]) -> float:
    """The longest bar that is drawn whole."""
    lengths = [row.in_mm + max(0.0, -row.change_mm) for row in rows]
    return min(max(lengths), LONG * median(lengths)) or 1.0


def _stack(parts: Iterable[tuple[str, float]], most_mm: float) -> str:
    visible = [(kind, mm) for kind, mm in parts if mm > SEEN_MM]
    bars = "".join(f'<i class="{kind}" style="width:{mm / most_mm:.2%}"></i>' for kind, mm in visible)
    long = " long" if sum(mm for _, mm in visible) > most_mm * 1.001 else ""
    return f'<span class="stack{long}">{bars}</span>'
