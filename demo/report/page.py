"""A whole page of the report, for screen, telephone and printer: what a run left, put together in each language."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from zoneinfo import ZoneInfo

from compute_service.adapters import crops_table
from demo.faults.evidence import Document, Evidence, Fault
from demo.faults.lake_samples import quarantined, struck_samples
from demo.faults.noticed import Verdict, noticed
from demo.report import boxes
from demo.report.fault_list import fault_list, lead
from views.decided import decided_by_zone
from views.farm_map import farm_map, legend
from views.language import Language
from views.plots import cards, plots_of, runs_by_zone
from views.water_balance import balance_table, balances, by_calendar, largest_error_mm
from views.words_en import ENGLISH
from views.words_pt import PORTUGUESE
from views.zone_chart import Frame, Plot, frame

TEMPLATE = Path(__file__).with_name("page.html")
LANGUAGES = (
    ENGLISH,
    PORTUGUESE.with_names({name: crops_table.crop(name).name_pt for name in crops_table.names()}),
)

Traces = Mapping[str, Sequence[Sequence[float]]]


@dataclass(frozen=True)
class Season:
    """The documents that a run leaves, and what was made of its faults."""

    summary: Document
    zones: Document
    events: Sequence[Document]
    traces: Traces
    weather: Sequence[Document]
    truth: Document
    verdicts: Sequence[Verdict]

    @property
    def faults(self) -> list[Fault]:
        """All that were injected."""
        return [verdict.fault for verdict in self.verdicts]

    def plots(self, language: Language) -> list[Plot]:
        """Every zone and what happened to it."""
        true = self.truth.get("moisture") or {}
        runs, decided = runs_by_zone(self.events), decided_by_zone(self.events)
        return plots_of(self.zones["zones"], self.traces, runs, self.faults, decided, true, language)

    def axis(self, language: Language) -> Frame:
        """The time of all charts: from the first reading to the last."""
        rain = [(int(hour["at"]), float(hour["rain_mm"] or 0.0)) for hour in self.weather]
        read = [int(at) for trace in self.traces.values() for at, _ in trace]
        moments = read or [at for at, _ in rain] or [0]
        return frame(min(moments), max(moments), ZoneInfo(self.zones["timezone"]), rain, language)


def write_report(  # noqa: PLR0913, PLR0917 - the documents that a run leaves
    folder: Path,
    summary: Document,
    zones: Document,
    events: Iterable[Document],
    traces: Traces,
    weather: Iterable[Document],
    truth: Document | None = None,
) -> Path:
    """Write `report.html` and `report.pt-BR.html` into the folder; returns the path of the first.

    `summary` has the keys of docs/summary.schema.json; `zones` is the document of zones.yaml; `traces` gives each
    zone's readings as (Unix s, m3/m3); `weather` is hourly, with `at` (Unix s) and `rain_mm`. `truth`, what no probe
    sees: `balance` by zone id (mm), `moisture` by zone id (Unix s, m3/m3), `faults` (name, kind, targets, quantity,
    begin, end, amount), `layout` (m) and `scenario` (name, description by language); any of them may be missing.
    Raises OSError.
    """
    truth, events = truth or {}, list(events)
    verdicts = _verdicts(truth.get("faults") or (), summary, zones, events)
    season = Season(summary, zones, events, traces, list(weather), truth, verdicts)
    for language in LANGUAGES:
        (folder / language.file).write_text(page(season, language), encoding="utf-8")
    return folder / ENGLISH.file


def page(season: Season, language: Language) -> str:
    """The report in one language."""
    axis, plots = season.axis(language), season.plots(language)
    told = boxes.headline(season.summary, language, season.verdicts)
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        {f"say_{key}": escape(words) for key, words in language.words.items()},
        lang=language.code,
        other=_other(language),
        farm=escape(season.zones["farm"]),
        headline=escape(told),
        period=escape(_period(axis, season.zones["timezone"])),
        scenario=_scenario(season.truth, language),
        figures=boxes.figures(season.summary, plots, axis),
        map=(drawn := _map(season, plots, language)),
        mapped=" mapped" if drawn else "",
        safety=boxes.safety(season.summary, season.events, language),
        records=boxes.records(season.summary, language),
        balance=_balance(season, plots, language),
        faults=_faults(season, axis),
        true_legend=_thin_key("legend_true", "true", language) if season.truth.get("moisture") else "",
        trouble_legend=_key("legend_fault", "trouble", language) if season.verdicts else "",
        plots=cards(plots, axis),
        footer=escape(boxes.footer(season.summary, language)),
    )


def _verdicts(
    rows: Iterable[Document], summary: Document, zones: Document, events: Sequence[Document]
) -> list[Verdict]:
    faults = [Fault.read(row) for row in rows]
    if not faults:
        return []
    lake = Path(summary["parquet_dir"])
    own_probes = [zone["sensor_id"] for zone in zones["zones"]]
    return noticed(
        faults, Evidence(zones["zones"], events, struck_samples(lake, faults, own_probes), quarantined(lake))
    )


def _other(language: Language) -> str:
    others = (other for other in LANGUAGES if other is not language)
    return "".join(
        f'<a href="{other.file}" hreflang="{other.code}" lang="{other.code}">{other.name}</a>' for other in others
    )


def _period(axis: Frame, timezone: str) -> str:
    first, last = (axis.language.date("day", axis.local(at)) for at in (axis.start, axis.end))
    return axis.language.say("period", first=first, last=last, timezone=timezone)


def _scenario(truth: Document, language: Language) -> str:
    described = (truth.get("scenario") or {}).get("description") or {}
    words = described.get(language.code.partition("-")[0], "")
    return f'<p class="scenario">{escape(words)}</p>' if words else ""


def _map(season: Season, plots: Sequence[Plot], language: Language) -> str:
    layout = season.truth.get("layout")
    drawing = farm_map(layout, plots, season.faults, language) if layout else ""
    if not layout or not drawing:
        return ""
    keys = legend(plots, layout, season.faults, language)
    return (
        f'<div class="box map-box"><h2>{escape(language.say("map"))}</h2>{drawing}<ul class="legend">{keys}</ul></div>'
    )


def _balance(season: Season, plots: Sequence[Plot], language: Language) -> str:
    rows = balances(season.truth.get("balance") or {}, plots)
    if not rows:
        return ""
    words = language.say("balance_lead", error=language.number(largest_error_mm(rows), 2))
    words += " " + by_calendar(rows, season.summary["water_by_calendar_l"], language)
    return (
        f'<h2>{escape(language.say("balance"))}</h2><p class="lead">{escape(words)}</p>{balance_table(rows, language)}'
    )


def _faults(season: Season, axis: Frame) -> str:
    if not season.verdicts:
        return ""
    title, words = axis.language.say("faults"), lead(season.verdicts, axis)
    marks = (("key_lasted", "trouble"), ("key_raised", "ink"), ("key_shown", "refill"))
    keys = "".join(_key(key, mark, axis.language) for key, mark in marks)
    return (
        f'<h2>{escape(title)}</h2><p class="lead">{escape(words)}</p><ul class="legend">{keys}</ul>'
        f"{fault_list(season.verdicts, axis)}"
    )


def _thin_key(words: str, mark: str, language: Language) -> str:
    return f'<li class="thin" style="--mark: var(--{mark})">{escape(language.say(words))}</li>'


def _key(words: str, mark: str, language: Language) -> str:
    return f'<li style="--mark: var(--{mark})">{escape(language.say(words))}</li>'
